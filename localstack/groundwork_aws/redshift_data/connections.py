"""Where a statement runs and as which database user (RS-D-02)."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from botocore.exceptions import ClientError
from localstack.aws.api import RequestContext
from localstack.aws.connect import connect_to

from groundwork_aws.identity.roles import caller_key, role_credentials
from groundwork_aws.redshift_data.errors import too_many_sessions, too_many_statements, validation_error
from groundwork_aws.redshift_data.lake import Lake
from groundwork_aws.redshift_data.models import RedshiftDataStore, Session, Statement
from groundwork_aws.redshift_data.tokens import RedshiftError
from groundwork_aws.redshift_serverless.identity import database_user
from groundwork_aws.redshift_serverless.provider import password_of, redshift_serverless_stores, warehouse_of_plugin
from localstack import config

MAX_SESSIONS = 500

# A statement whose client was killed is given up: it would change what nobody waits for any more.
UNTENDED = "-c client_connection_check_interval=1s"


@dataclass(frozen=True)
class Login:
    """How a worker gets to the database and, for COPY and UNLOAD, to S3."""

    connect: Callable[[], psycopg.Connection]
    lake_of_roles: Callable[[tuple[str, ...]], Lake]


def resolve(context: RequestContext, store: RedshiftDataStore, request: dict, statement: Statement) -> Login:
    """Fill in the statement's target and session. Raises the Data API's errors."""
    if "SessionId" in request:
        session = store.sessions.get(request["SessionId"])
        if session is None or session.expired():
            raise validation_error(f"Session {request['SessionId']} does not exist or has expired.")
        if session.busy:
            raise too_many_statements(f"Session {session.id} is running another statement.")
        session.keep_alive = request.get("SessionKeepAliveSeconds", session.keep_alive)
        target, statement.session = session.target, session
    else:
        target = {k: request[k] for k in ("WorkgroupName", "Database", "SecretArn") if k in request}
    namespace = find_namespace(context, target, request)
    user, password = credentials(context, namespace, target)
    statement.target = target | ({"DbUser": user} if "SecretArn" not in target else {})
    if "SessionId" not in request and request.get("SessionKeepAliveSeconds"):
        if len(store.sessions) >= MAX_SESSIONS:
            raise too_many_sessions(f"There are {MAX_SESSIONS} sessions already.")
        session = Session(str(uuid.uuid4()), request["SessionKeepAliveSeconds"], statement.target)
        store.sessions[session.id] = statement.session = session
    if statement.session:
        statement.session.busy = True
    dsn = warehouse_of_plugin().connection_string(target["Database"], user, password)
    lakes = LakeOfRoles(context.account_id, context.region, namespace)
    return Login(lambda: psycopg.connect(dsn, autocommit=True, connect_timeout=10, options=UNTENDED), lakes)


def find_namespace(context: RequestContext, target: dict, request: dict) -> dict:
    store = redshift_serverless_stores[context.account_id][context.region]
    if "WorkgroupName" not in target:
        raise validation_error(f"Redshift cluster {request.get('ClusterIdentifier')} not found.")
    # The API also takes a workgroup's ARN.
    by_arn = {w["workgroupArn"]: w for w in store.workgroups.values()}
    workgroup = store.workgroups.get(target["WorkgroupName"]) or by_arn.get(target["WorkgroupName"])
    if workgroup is None:
        raise validation_error(f"Redshift endpoint doesn't exist in this region: workgroup {target['WorkgroupName']}.")
    namespace = store.namespaces[workgroup["namespaceName"]]
    owner = store.databases.get(target["Database"])
    if owner and owner[2] != namespace["namespaceName"]:
        raise validation_error(f'FATAL: database "{target["Database"]}" does not exist')
    return namespace


def credentials(context: RequestContext, namespace: dict, target: dict) -> tuple[str, str]:
    """The database user and the password: of the secret, or of the caller's IAM identity."""
    if "SecretArn" not in target:
        store = redshift_serverless_stores[context.account_id][context.region]
        user = database_user(context)
        return user, password_of(store, namespace, user)
    client = connect_to(aws_access_key_id=caller_key(context), region_name=context.region).secretsmanager
    try:
        secret = json.loads(client.get_secret_value(SecretId=target["SecretArn"])["SecretString"])
        return secret["username"], secret["password"]
    except ClientError as error:
        raise validation_error(f"Secret {target['SecretArn']}: {error.response['Error']['Message']}") from error
    except (ValueError, KeyError) as error:
        raise validation_error(f"Secret {target['SecretArn']} is not JSON with username and password.") from error


@dataclass(frozen=True)
class LakeOfRoles:
    """S3 as a COPY's role sees it: the role must be attached to the namespace and exist (RS-CP-12)."""

    account: str
    region: str
    namespace: dict

    def __call__(self, roles: tuple[str, ...]) -> Lake:
        role = self.namespace.get("defaultIamRoleArn") if roles == ("default",) else roles[0]
        if not role:
            raise RedshiftError("The namespace has no default IAM role")
        if role not in self.namespace["iamRoles"]:
            raise RedshiftError(
                f"Not authorized to get credentials of role {role}",
                detail="The role is not attached to the namespace.",
            )
        clients = connect_to(aws_access_key_id=self.account, region_name=self.region)
        try:
            clients.iam.get_role(RoleName=role.rsplit("/", 1)[-1])
        except ClientError as error:
            raise RedshiftError(
                f"Not authorized to get credentials of role {role}", detail="The role does not exist."
            ) from error
        session = role_credentials(role, "redshift-serverless", self.region, self.namespace["namespaceArn"])
        return Lake(config.internal_service_url(), self.region, **session)
