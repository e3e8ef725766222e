"""What makes a platform: stacks, roles, the jobs' code, then a seeded source and tested connections.

Both parts are harmless when they are done again, and raise UserError with what failed and what to do.
"""

from collections.abc import Callable

from groundwork.deployment import deploy, warehouse_access
from groundwork.local import databases
from groundwork.pipeline import seed
from groundwork.settings import Settings


def set_up(settings: Settings, say: Callable[[str], None]) -> None:
    deploy_platform(settings, say)
    fill(settings, say)


def deploy_platform(settings: Settings, say: Callable[[str], None]) -> None:
    deploy.deploy_stacks(settings, say)
    if deploy.has_airflow(settings):
        warehouse_access.admit_pipeline()
    else:
        databases.admit_dbt(settings)


def fill(settings: Settings, say: Callable[[str], None]) -> None:
    seed.seed(settings, say)
    deploy.test_connections(say)
