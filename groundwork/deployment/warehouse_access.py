"""Who may write into the warehouse: on AWS an IAM identity has there what was granted to it, and at first nothing.

A role whose tag ``RedshiftDbRoles`` names a database role signs in with that role's rights
(https://docs.aws.amazon.com/redshift/latest/mgmt/redshift-iam-access-federated-db-roles.html). Airflow's role has the
tag, so that its loads and dbt may make their schemas; they own what they make.
"""

import time

from groundwork.aws import client, variable
from groundwork.settings import UserError

# The value of the tag in cloudformation/templates/orchestration.yaml.
DATABASE_ROLE = "pipeline"


def admit_pipeline() -> None:
    """Make the database role and let it make schemas, as the namespace's administrator; again is harmless.

    Raises UserError with Redshift's error.
    """
    workgroup, database = variable("redshift_workgroup"), variable("redshift_database")
    serverless = client("redshift-serverless")
    namespace = serverless.get_workgroup(workgroupName=workgroup)["workgroup"]["namespaceName"]
    secret = serverless.get_namespace(namespaceName=namespace)["namespace"]["adminPasswordSecretArn"]
    target = {"WorkgroupName": workgroup, "Database": database, "SecretArn": secret}
    error = run(f"CREATE ROLE {DATABASE_ROLE}", target)
    if not error or "already exists" in error:
        error = run(f"GRANT CREATE ON DATABASE {database} TO ROLE {DATABASE_ROLE}", target)
    if error:
        raise UserError(f"the warehouse does not admit the pipeline: {error}")


def run(sql: str, target: dict) -> str | None:
    """Run a statement through the Data API; the error with which it failed."""
    statement = client("redshift-data").execute_statement(Sql=sql, **target)["Id"]
    while (state := client("redshift-data").describe_statement(Id=statement))["Status"] in (
        "SUBMITTED",
        "PICKED",
        "STARTED",
    ):
        time.sleep(0.2)
    return None if state["Status"] == "FINISHED" else state.get("Error", state["Status"])
