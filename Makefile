# The front door: each target calls the `groundwork` command of the locked environment. `make` alone shows them.
STATE := $(or $(GROUNDWORK_STATE_DIR),$(CURDIR)/.groundwork)
GROUNDWORK = $(STATE)/venvs/cli/bin/groundwork
PYTHON ?= python3
export TARGET CONFIRM EXPECTED_ACCOUNT RUNTIME WORKERS OLIST_CSV_DIR SCALE SEED SCHEDULE ENGINE SQL

.DEFAULT_GOAL := help
.PHONY: help install cli doctor demo local-up local-down local-reset status run cost deploy-production destroy-production rehearse-production seed simulate reconcile soak scorecard iam-report query logs env images test e2e-test scenarios bench mwaa lint format fidelity

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  \033[1m%-20s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## Install what the platform runs on (1.8 GB below .groundwork; a minute)
	@$(PYTHON) groundwork/install.py

cli:
	@$(PYTHON) groundwork/install.py cli

doctor: cli ## Check this machine and the source, with remedies; with TARGET=production the account
	@$(GROUNDWORK) doctor

demo: cli ## Bring the platform up, run the whole pipeline, show the result (OLIST_CSV_DIR=… or SCALE=0.1 SEED=42)
	@$(GROUNDWORK) demo

local-up: cli ## Bring the platform up: services, stacks, seeded source (RUNTIME=docker|processes WORKERS=2 SCHEDULE="*/10 * * * *")
	@$(GROUNDWORK) up

local-down: ## End the services, keep their data
	@$(GROUNDWORK) down

local-reset: ## End the services and remove their data
	@$(GROUNDWORK) reset

status: ## Show what is up, what is deployed, how the last run went
	@$(GROUNDWORK) status

run: ## Run the pipeline once, with progress
	@$(GROUNDWORK) run

cost: cli ## Show what production costs on AWS: idle, per run, left on for a month
	@TARGET=$(or $(TARGET),production) $(GROUNDWORK) cost

deploy-production: cli ## Deploy to AWS, after showing account, changes and cost (a program: CONFIRM=production)
	@$(PYTHON) groundwork/install.py dbt
	@TARGET=production $(GROUNDWORK) deploy

seed: cli ## Fill the source and test DMS's connections (TARGET=production OLIST_CSV_DIR=… or SCALE=0.1 SEED=42)
	@$(GROUNDWORK) seed

simulate: cli ## Let a shop work on the source (RATE=200 row changes a second, SECONDS=60 SEED=1)
	@$(GROUNDWORK) simulate --rate $(or $(RATE),200) --seconds $(or $(SECONDS),60) --seed $(or $(SEED),1)

destroy-production: cli ## Take production away from AWS, and check that nothing billable is left
	@TARGET=production $(GROUNDWORK) destroy

rehearse-production: install ## Deploy production on LocalStack and destroy it there
	@TARGET=production $(GROUNDWORK) rehearse

reconcile: ## Compare source, bronze, silver and warehouse, column by column
	@$(GROUNDWORK) reconcile

soak: cli ## Kill processes at random while a shop works on the source, then compare (MINUTES=10 SEED=1 RATE=20 KILLS=1)
	@$(GROUNDWORK) soak --minutes $(or $(MINUTES),10) --seed $(or $(SEED),1) --rate $(or $(RATE),20) --kills $(or $(KILLS),1)

scorecard: cli ## Write docs/scorecard.html: what the last tests, soak, reconciliation and checks have shown
	@$(GROUNDWORK) scorecard

iam-report: ## Show which calls of the platform AWS would deny, and which permissions no call needed
	@$(GROUNDWORK) iam-report

query: ## Ask an engine: make query ENGINE=athena|warehouse SQL="SELECT …"
	@$(GROUNDWORK) query "$$ENGINE" "$$SQL"

logs: ## Show a service's log: make logs S=localstack
	@$(GROUNDWORK) logs $(S)

images: cli ## Build the containers' images and show their sizes
	@$(GROUNDWORK) images

env: cli ## Write the generated credentials to .env, for a plain `docker compose up`
	@$(GROUNDWORK) env

test: install ## Run all tests that need no platform running (20 minutes on two cores)
	@$(PYTHON) groundwork/install.py security
	@tests/run

e2e-test: cli ## Bring the platform up, run the pipeline and assert what came out
	@$(STATE)/venvs/cli/bin/python -m pytest tests/e2e --junitxml $(STATE)/proofs/junit/e2e.xml

scenarios: cli ## Tell every story of tests/scenarios on the platform: processes killed, columns renamed (20 minutes)
	@$(STATE)/venvs/cli/bin/python -m pytest tests/e2e/test_scenarios.py -m long --junitxml $(STATE)/proofs/junit/scenarios.xml

bench: install ## Measure speed and memory against named peers
	@tests/benchmarks/run

mwaa: cli ## Write what MWAA is given below .groundwork/build: requirements, start-up script, DAGs
	@$(PYTHON) groundwork/install.py dbt
	@$(STATE)/venvs/cli/bin/python -m groundwork.deployment.mwaa $(STATE)/build

lint: install ## Check the style of the code and the templates
	@$(STATE)/venvs/cli/bin/ruff check . && $(STATE)/venvs/cli/bin/ruff format --check .
	@$(STATE)/venvs/cli/bin/cfn-lint cloudformation/templates/*.yaml
	@$(PYTHON) groundwork/install.py security
	@$(STATE)/venvs/security/bin/checkov --directory cloudformation/templates --framework cloudformation --compact --quiet --skip-download
	@$(STATE)/venvs/security/bin/python cloudformation/security/guard.py cloudformation/templates/*.yaml

format: install ## Format the code
	@$(STATE)/venvs/cli/bin/ruff check --fix-only -q . && $(STATE)/venvs/cli/bin/ruff format -q .

fidelity: install ## Write docs/fidelity.md from the tests' rule IDs
	@$(STATE)/venvs/cli/bin/python tests/fidelity.py
