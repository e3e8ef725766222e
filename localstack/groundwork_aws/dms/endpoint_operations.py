"""Endpoints and the test of their connections.

https://docs.aws.amazon.com/dms/latest/APIReference/API_CreateEndpoint.html

Sources are ``postgres`` and ``aurora-postgresql``, targets ``s3``; other engines are refused. ``SslMode`` is honoured
for PostgreSQL (``none``, ``require``); ``verify-ca`` and ``verify-full`` need a certificate, and none can be imported.
``KmsKeyId`` is kept and described back.
"""

import json
import threading

import psycopg
from botocore.exceptions import ClientError
from localstack.aws.api import RequestContext, handler
from localstack.aws.connect import connect_to
from localstack.services.s3.models import s3_stores

from groundwork_aws.dms import endpoints, postgres
from groundwork_aws.dms.common import (
    already_exists,
    check_identifier,
    filtered,
    invalid,
    make_arn,
    not_found,
    paged,
    require,
    store_of,
    tag,
    wrong_state,
)
from groundwork_aws.dms.models import DmsStore, Endpoint
from groundwork_aws.identity.roles import role_clients, role_credentials
from localstack import config

SOURCES = {"postgres": "PostgreSQL", "aurora-postgresql": "Amazon Aurora PostgreSQL"}
TARGETS = {"s3": "Amazon S3"}
KNOWN = {
    "EndpointArn", "EndpointIdentifier", "EndpointType", "EngineName", "Username", "Password", "ServerName", "Port",
    "DatabaseName", "ExtraConnectionAttributes", "KmsKeyId", "Tags", "SslMode", "S3Settings", "PostgreSQLSettings",
    "ResourceIdentifier", "ServiceAccessRoleArn", "ExactSettings",
}  # fmt: skip
DIRECT = ("Username", "ServerName", "Port", "DatabaseName")
DESCRIBED = ("EndpointIdentifier", "EndpointType", "EngineName", "ExtraConnectionAttributes", "KmsKeyId", *DIRECT)


class ConnectionFailed(Exception):
    """The endpoint cannot be reached; the text is the connection's LastFailureMessage."""


class EndpointOperations:
    @handler("CreateEndpoint", expand=False)
    def create_endpoint(self, context: RequestContext, request: dict) -> dict:
        require(request, "EndpointIdentifier", "EndpointType", "EngineName")
        store, identifier = store_of(context), request["EndpointIdentifier"].lower()
        check_identifier("EndpointIdentifier", identifier)
        if any(e.description["EndpointIdentifier"] == identifier for e in store.endpoints.values()):
            raise already_exists(f"Endpoint {identifier} already exists.")
        endpoint = described({**request, "EndpointIdentifier": identifier})
        arn = make_arn(context, "endpoint", request.get("ResourceIdentifier"))
        if arn in store.endpoints:
            raise already_exists(f"Endpoint {arn} already exists.")
        endpoint.description["EndpointArn"] = arn
        store.endpoints[arn] = endpoint
        tag(store, arn, request.get("Tags"))
        return {"Endpoint": endpoint.description}

    @handler("DescribeEndpoints", expand=False)
    def describe_endpoints(self, context: RequestContext, request: dict) -> dict:
        keys = {
            "endpoint-arn": "EndpointArn",
            "endpoint-id": "EndpointIdentifier",
            "endpoint-type": "EndpointType",
            "engine-name": "EngineName",
        }
        found = [endpoint.description for endpoint in store_of(context).endpoints.values()]
        return paged(filtered(found, request, keys, "Endpoints"), request, "Endpoints")

    @handler("ModifyEndpoint", expand=False)
    def modify_endpoint(self, context: RequestContext, request: dict) -> dict:
        """Settings that are not given keep their value, unless ExactSettings is true. Connections need a new test."""
        store, arn = store_of(context), request["EndpointArn"]
        before = find_endpoint(store, arn)
        check_unused(store, arn, "modified", only_running=True)
        request = {name: value for name, value in request.items() if value is not None}
        previous = before.description
        asked = {name: previous[name] for name in (*DESCRIBED, "SslMode") if name in previous} | request
        for name in ("S3Settings", "PostgreSQLSettings"):
            if name in previous and not request.get("ExactSettings"):
                asked[name] = previous[name] | changed_settings(request, name)
        check_encryption_change(before.settings, asked.get("S3Settings", {}))
        after = described(asked)
        after.password = after.password if after.password is not None else before.password
        after.description["EndpointArn"] = arn
        store.endpoints[arn] = after
        store.connections = {key: c for key, c in store.connections.items() if key[1] != arn}
        return {"Endpoint": after.description}

    @handler("DeleteEndpoint", expand=False)
    def delete_endpoint(self, context: RequestContext, request: dict) -> dict:
        store, arn = store_of(context), request["EndpointArn"]
        endpoint = find_endpoint(store, arn)
        check_unused(store, arn, "deleted")
        del store.endpoints[arn]
        store.tags.pop(arn, None)
        store.connections = {key: c for key, c in store.connections.items() if key[1] != arn}
        return {"Endpoint": {**endpoint.description, "Status": "deleting"}}

    @handler("TestConnection", expand=False)
    def test_connection(self, context: RequestContext, request: dict) -> dict:
        """Really connects: to PostgreSQL with the endpoint's credentials, or to the bucket, with its role looked up."""
        store = store_of(context)
        instance_arn, endpoint_arn = request["ReplicationInstanceArn"], request["EndpointArn"]
        endpoint = find_endpoint(store, endpoint_arn)
        if instance_arn not in store.instances:
            raise not_found(f"Replication instance {instance_arn} not found.")
        known = store.connections.get((instance_arn, endpoint_arn))
        if known and known["Status"] == "testing":
            raise wrong_state(f"The connection of {endpoint_arn} is already being tested")
        connection = {
            "ReplicationInstanceArn": instance_arn,
            "ReplicationInstanceIdentifier": store.instances[instance_arn]["ReplicationInstanceIdentifier"],
            "EndpointArn": endpoint_arn,
            "EndpointIdentifier": endpoint.description["EndpointIdentifier"],
            "Status": "testing",
        }
        store.connections[instance_arn, endpoint_arn] = connection
        answer = dict(connection)
        threading.Thread(target=try_connection, args=(context, endpoint, connection), daemon=True).start()
        return {"Connection": answer}

    @handler("DescribeConnections", expand=False)
    def describe_connections(self, context: RequestContext, request: dict) -> dict:
        keys = {"endpoint-arn": "EndpointArn", "replication-instance-arn": "ReplicationInstanceArn"}
        connections = filtered(list(store_of(context).connections.values()), request, keys, "Connections")
        return paged(connections, request, "Connections")

    @handler("DeleteConnection", expand=False)
    def delete_connection(self, context: RequestContext, request: dict) -> dict:
        key = request["ReplicationInstanceArn"], request["EndpointArn"]
        connection = store_of(context).connections.pop(key, None)
        if not connection:
            raise not_found("No Connections found matching the given replication instance and endpoint")
        return {"Connection": {**connection, "Status": "deleting"}}


def described(request: dict) -> Endpoint:
    """The endpoint that the request asks for, checked."""
    unknown = sorted(name for name in set(request) - KNOWN if request[name])
    if unknown:
        raise invalid(f"{', '.join(unknown)} is not supported here")
    kind, engine = request["EndpointType"].lower(), request["EngineName"]
    engines = {"source": SOURCES, "target": TARGETS}.get(kind)
    if engines is None:
        raise invalid(f"EndpointType must be source or target, not {kind!r}")
    if engine not in engines:
        raise invalid(f"The engine {engine!r} of a {kind} is not supported here: there is {', '.join(engines)}")
    description = {name: request[name] for name in DESCRIBED if request.get(name) not in (None, "")}
    description |= {"EndpointType": kind, "EngineDisplayName": engines[engine], "Status": "active"}
    password = request.get("Password")
    try:
        if kind == "target":
            settings = target_settings(request, description)
        else:
            given = dict(request.get("PostgreSQLSettings") or {})
            password = given.pop("Password", password)
            settings = source_settings(request, given, description)
    except endpoints.EndpointError as error:
        raise invalid(f"Endpoint {request['EndpointIdentifier']}: {error}") from None
    return Endpoint(description, settings, password)


def target_settings(request: dict, description: dict) -> dict:
    if request.get("PostgreSQLSettings") or request.get("SslMode", "none") != "none":
        raise endpoints.EndpointError("an S3 target takes neither PostgreSQLSettings nor SslMode")
    given = dict(request.get("S3Settings") or {})
    if request.get("ServiceAccessRoleArn"):
        given.setdefault("ServiceAccessRoleArn", request["ServiceAccessRoleArn"])
    settings = endpoints.s3_settings(given, request.get("ExtraConnectionAttributes"))
    description |= {"S3Settings": {k: v for k, v in settings.items() if v is not None}, "SslMode": "none"}
    description["ServiceAccessRoleArn"] = settings["ServiceAccessRoleArn"]
    return settings


def source_settings(request: dict, given: dict, description: dict) -> dict:
    if request.get("S3Settings") or request.get("ServiceAccessRoleArn"):
        raise endpoints.EndpointError("a PostgreSQL source takes neither S3Settings nor ServiceAccessRoleArn")
    ssl_mode = request.get("SslMode", "none")
    if ssl_mode not in ("none", "require"):
        raise endpoints.EndpointError(f"SslMode {ssl_mode!r} is not supported here: there is none and require")
    settings = endpoints.postgres_settings(request, given, request.get("ExtraConnectionAttributes"))
    shown = {k: v for k, v in settings.items() if v is not None and k not in endpoints.ATTRIBUTES_ONLY}
    description |= {"PostgreSQLSettings": shown, "SslMode": ssl_mode}
    description |= {name: settings[name] for name in DIRECT if settings[name] is not None}
    return settings


def changed_settings(request: dict, name: str) -> dict:
    """The settings that a ModifyEndpoint changes, wherever it names them."""
    known = endpoints.S3_SETTINGS if name == "S3Settings" else endpoints.POSTGRES_SETTINGS
    try:
        extra = endpoints.attributes(request.get("ExtraConnectionAttributes"), known)
    except endpoints.EndpointError as error:
        raise invalid(f"Endpoint {request['EndpointArn']}: {error}") from None
    direct = {
        field: request[field] for field in (*DIRECT, "ServiceAccessRoleArn") if field in request and field in known
    }
    named = {field: value for field, value in extra.items() if field not in endpoints.ATTRIBUTES_ONLY}
    return named | direct | request.get(name, {})


def check_encryption_change(before: dict, after: dict) -> None:
    if (
        before.get("EncryptionMode") == "sse-s3"
        and endpoints.spelled("EncryptionMode", after.get("EncryptionMode", "sse-s3")) == "sse-kms"
    ):
        raise invalid("EncryptionMode cannot be changed from sse-s3 to sse-kms")


def check_unused(store: DmsStore, arn: str, what: str, only_running: bool = False) -> None:
    for task in store.tasks.values():
        idle = task.description["Status"] in ("ready", "stopped", "failed")
        uses = arn in (task.description["SourceEndpointArn"], task.description["TargetEndpointArn"])
        if uses and not (only_running and idle):
            name = task.description["ReplicationTaskIdentifier"]
            raise wrong_state(f"Endpoint {arn} is part of the replication task {name} and cannot be {what}")


def find_endpoint(store: DmsStore, arn: str) -> Endpoint:
    if arn not in store.endpoints:
        raise not_found(f"Endpoint {arn} not found.")
    return store.endpoints[arn]


# --- testing a connection ---------------------------------------------------------------------------------------------


def try_connection(context: RequestContext, endpoint: Endpoint, connection: dict) -> None:
    try:
        if endpoint.description["EndpointType"] == "source":
            postgres.check(postgres.Source(**resolved_source(context, endpoint)))
        else:
            check_bucket(context, endpoint.settings)
    except (ConnectionFailed, psycopg.Error) as error:
        connection["LastFailureMessage"] = (
            f"Test Endpoint failed: Application-Status: 1020912, Application-Message: {str(error).strip()}"
        )
        connection["Status"] = "failed"
    else:
        connection["Status"] = "successful"


def resolved_source(context: RequestContext, endpoint: Endpoint) -> dict:
    """The source as the replication process takes it, its secret resolved. Raises ConnectionFailed."""
    settings, secret = endpoint.settings, None
    if settings["SecretsManagerSecretId"]:
        check_role(context, settings["SecretsManagerAccessRoleArn"])
        secret = read_secret(context, settings["SecretsManagerSecretId"], settings["SecretsManagerAccessRoleArn"])
    try:
        return endpoints.source_of(settings, endpoint.password, endpoint.description["SslMode"], secret)
    except endpoints.EndpointError as error:
        raise ConnectionFailed(str(error)) from None


def read_secret(context: RequestContext, secret_id: str, role: str) -> dict:
    """DMS assumes this role, and no other, as its regional principal."""
    session = role_clients(role, f"dms.{context.region}", context.region, instances(context))
    try:
        text = session.secretsmanager.get_secret_value(SecretId=secret_id)["SecretString"]
        secret = json.loads(text)
    except ClientError as error:
        raise ConnectionFailed(f"Unable to find Secrets Manager secret {secret_id}: {error}") from None
    except (ValueError, KeyError):
        raise ConnectionFailed(
            f"The secret {secret_id} is not a JSON object with username, password, host, port"
        ) from None
    if not isinstance(secret, dict):
        raise ConnectionFailed(f"The secret {secret_id} is not a JSON object with username, password, host, port")
    return secret


def check_bucket(context: RequestContext, settings: dict) -> None:
    """Where no owner is named, the bucket must be of the role's account. LocalStack's S3 compares no owners."""
    role, bucket = settings["ServiceAccessRoleArn"], settings["BucketName"]
    check_role(context, role)
    expected = settings["ExpectedBucketOwner"] or role.split(":")[4]
    try:
        role_clients(role, "dms", context.region, instances(context)).s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        reason = error.response["Error"]
        raise ConnectionFailed(
            f"Failed to connect to the S3 bucket {bucket}: {reason['Code']} {reason['Message']}"
        ) from None
    if s3_stores[context.account_id][context.region].global_bucket_map[bucket] != expected:
        raise ConnectionFailed(
            f"Failed to connect to the S3 bucket {bucket}: 403 Forbidden, {expected} is not its owner"
        )


def check_role(context: RequestContext, arn: str) -> None:
    """The role must exist and let DMS assume it."""
    improper = f"The IAM Role {arn} is not configured properly"
    try:
        role = clients(context).iam.get_role(RoleName=arn.rpartition("/")[2])["Role"]
    except ClientError:
        raise ConnectionFailed(f"{improper}: it does not exist.") from None
    trusted = []
    for statement in role["AssumeRolePolicyDocument"]["Statement"]:
        services = statement.get("Principal", {}).get("Service", [])
        trusted += [services] if isinstance(services, str) else services
    if not {"dms.amazonaws.com", f"dms.{context.region}.amazonaws.com"} & set(trusted):
        raise ConnectionFailed(f"{improper}: it does not trust dms.amazonaws.com.")


def clients(context: RequestContext):
    return connect_to(aws_access_key_id=context.account_id, region_name=context.region)


def instances(context: RequestContext) -> str:
    """The replication instances, for which DMS assumes a role."""
    return f"arn:aws:dms:{context.region}:{context.account_id}:*"


def process_credentials(context: RequestContext, role: str) -> dict:
    """How the replication process calls AWS: in a session of the target endpoint's role."""
    return {
        "endpoint_url": f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}",
        "region_name": context.region,
        **role_credentials(role, "dms", context.region, instances(context)),
    }
