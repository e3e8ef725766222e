"""The MWAA API: the Airflow that runs already stands for an environment.

https://docs.aws.amazon.com/mwaa/latest/API/Welcome.html

An environment is made only where the running Airflow has the version that it asks for; its web server is that
Airflow's address, and its REST API that Airflow's. Its bucket, role, subnets and files are checked to be there. Class,
workers, configuration options and logging are kept and described back: the running Airflow has its own.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from localstack.aws.api import CommonServiceException, RequestContext, handler

from groundwork_aws import settings
from groundwork_aws.mwaa import airflow, requests
from groundwork_aws.mwaa.models import mwaa_stores

DEFAULTS = {
    "EnvironmentClass": "mw1.small",
    "MaxWorkers": 10,
    "MinWorkers": 1,
    "MaxWebservers": 2,
    "MinWebservers": 2,
    "Schedulers": 2,
    "WebserverAccessMode": "PRIVATE_ONLY",
    "EndpointManagement": "SERVICE",
}
# LoggingConfiguration's parts, and how MWAA names the log group of each.
LOG_GROUPS = {
    "DagProcessingLogs": "DAGProcessing",
    "SchedulerLogs": "Scheduler",
    "TaskLogs": "Task",
    "WebserverLogs": "WebServer",
    "WorkerLogs": "Worker",
}


class MwaaProvider:
    service = "mwaa"
    version = "2020-07-01"

    @handler("CreateEnvironment", expand=False)
    def create_environment(self, context: RequestContext, request: dict) -> dict:
        environments, name = environments_of(context), request["Name"]
        if name in environments:
            raise requests.invalid(f"Environment {name} already exists.")
        requests.check(context, request)
        url = airflow_url()
        environments[name] = {
            **DEFAULTS,
            **request,
            "Arn": f"arn:aws:airflow:{context.region}:{context.account_id}:environment/{name}",
            "Status": "AVAILABLE",
            "CreatedAt": datetime.now(UTC),
            "AirflowVersion": check_version(url, request.get("AirflowVersion")),
            "WebserverUrl": airflow.address(url),
            "LoggingConfiguration": with_log_groups(context, name, request.get("LoggingConfiguration", {})),
            "CeleryExecutorQueue": f"arn:aws:sqs:{context.region}:{context.account_id}:airflow-celery-{uuid.uuid4()}",
        }
        return {"Arn": environments[name]["Arn"]}

    @handler("GetEnvironment", expand=False)
    def get_environment(self, context: RequestContext, request: dict) -> dict:
        return {"Environment": find_environment(context, request["Name"])}

    @handler("ListEnvironments", expand=False)
    def list_environments(self, context: RequestContext, request: dict) -> dict:
        return {"Environments": list(environments_of(context))}

    @handler("UpdateEnvironment", expand=False)
    def update_environment(self, context: RequestContext, request: dict) -> dict:
        found = find_environment(context, request["Name"])
        wanted = {**found, **request}
        wanted["NetworkConfiguration"] = {**found["NetworkConfiguration"], **request.get("NetworkConfiguration", {})}
        requests.check(context, wanted)
        wanted["AirflowVersion"] = check_version(airflow_url(), wanted["AirflowVersion"])
        logging = {**found["LoggingConfiguration"], **request.get("LoggingConfiguration", {})}
        wanted["LoggingConfiguration"] = with_log_groups(context, request["Name"], logging)
        wanted["LastUpdate"] = {"Status": "SUCCESS", "CreatedAt": datetime.now(UTC)}
        environments_of(context)[request["Name"]] = wanted
        return {"Arn": wanted["Arn"]}

    @handler("DeleteEnvironment", expand=False)
    def delete_environment(self, context: RequestContext, request: dict) -> dict:
        find_environment(context, request["Name"])
        del environments_of(context)[request["Name"]]
        return {}

    @handler("InvokeRestApi", expand=False)
    def invoke_rest_api(self, context: RequestContext, request: dict) -> dict:
        find_environment(context, request["Name"])
        asked = request["Method"], request["Path"], request.get("QueryParameters"), request.get("Body")
        with answering():
            status, answer = airflow.ask(airflow_url(), *asked)
        if status >= 400:
            raise requests.RestApiException(status, answer)
        return {"RestApiStatusCode": status, "RestApiResponse": answer}


def environments_of(context: RequestContext) -> dict[str, dict]:
    return mwaa_stores[context.account_id][context.region].environments


def find_environment(context: RequestContext, name: str) -> dict:
    found = environments_of(context).get(name)
    if found is None:
        raise CommonServiceException(
            "ResourceNotFoundException", f"No environment found with name: {name}.", status_code=404
        )
    return found


def airflow_url() -> str:
    url = settings.read().airflow_url
    if url is None:
        raise CommonServiceException(
            "InternalServerException", "No Airflow runs here for MWAA: GROUNDWORK_AIRFLOW_URL is not set.", 500
        )
    return url


@contextmanager
def answering() -> Iterator[None]:
    try:
        yield
    except airflow.Unreachable as error:
        raise CommonServiceException("InternalServerException", f"{error}.", 500) from error


def check_version(url: str, wanted: str | None) -> str:
    """The running version, which must be the wanted one. MWAA without one takes its newest, here the running one."""
    with answering():
        running = airflow.version(url)
    if wanted not in (None, running):
        raise requests.invalid(f"AirflowVersion {wanted} is not available: the Airflow that runs here is {running}.")
    return running


def with_log_groups(context: RequestContext, environment: str, configuration: dict) -> dict:
    prefix = f"arn:aws:logs:{context.region}:{context.account_id}:log-group:airflow-{environment}"
    return {
        part: {**settings, "CloudWatchLogGroupArn": f"{prefix}-{LOG_GROUPS[part]}"}
        for part, settings in configuration.items()
    }
