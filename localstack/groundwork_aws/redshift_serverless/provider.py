"""The Redshift Serverless API: namespaces (a database and its users) and workgroups (their endpoint).

https://docs.aws.amazon.com/redshift-serverless/latest/APIReference/Welcome.html

A namespace makes its database on the PostgreSQL that stands for Redshift, and a workgroup's endpoint is that server's
address. Not on AWS: all namespaces share the server, so a database's or an administrator's name is refused when another
namespace has it. Capacity, network, encryption and logging are kept and described back; nothing acts on them.
"""

import secrets
import threading
import uuid
from datetime import UTC, datetime, timedelta

from localstack.aws.api import RequestContext, handler

from groundwork_aws import settings
from groundwork_aws.redshift_serverless import admin_secret, requests
from groundwork_aws.redshift_serverless.errors import conflict, not_found, validation_error
from groundwork_aws.redshift_serverless.identity import database_user
from groundwork_aws.redshift_serverless.models import RedshiftServerlessStore, redshift_serverless_stores
from groundwork_aws.redshift_serverless.warehouse import (
    Warehouse,
    create_administrator,
    create_database,
    drop_database,
    sign_in,
)

# Making a database and giving it away must not interleave with another request for the same name.
changing = threading.RLock()


class RedshiftServerlessProvider:
    service = "redshift-serverless"
    version = "2021-04-21"

    # --- namespaces ---

    @handler("CreateNamespace", expand=False)
    def create_namespace(self, context: RequestContext, request: dict) -> dict:
        requests.check_namespace(request)
        store, name = store_of(context), request["namespaceName"]
        database, administrator = request.get("dbName", "dev"), request.get("adminUsername", "admin")
        with changing:
            if name in store.namespaces:
                raise conflict(f"Namespace {name} already exists.")
            claim(store, context, name, database, administrator)
            password = request.get("adminUserPassword") or secrets.token_urlsafe(24)
            warehouse = warehouse_of_plugin()
            namespace = {
                "namespaceArn": arn(context, "namespace"),
                "namespaceId": str(uuid.uuid4()),
                "namespaceName": name,
                "adminUsername": administrator,
                "dbName": database,
                "kmsKeyId": request.get("kmsKeyId", "AWS_OWNED_KMS_KEY"),
                "defaultIamRoleArn": request.get("defaultIamRoleArn"),
                "iamRoles": request.get("iamRoles", []),
                "logExports": request.get("logExports", []),
                "status": "AVAILABLE",
                "creationDate": datetime.now(UTC),
            }
            try:
                create_administrator(warehouse, administrator, password)
                create_database(warehouse, database, administrator)
                if request.get("manageAdminPassword"):
                    key = request.get("adminPasswordSecretKmsKeyId")
                    namespace |= admin_secret.create(context, namespace, password, key)
            except Exception as error:
                release(store, database, administrator)
                if isinstance(error, ValueError):
                    raise validation_error(f"adminUsername: {error}.") from error
                raise
            store.namespaces[name] = namespace
            store.tags[namespace["namespaceArn"]] = {t["key"]: t["value"] for t in request.get("tags", [])}
        return {"namespace": shown(namespace)}

    @handler("GetNamespace", expand=False)
    def get_namespace(self, context: RequestContext, request: dict) -> dict:
        return {"namespace": shown(find_namespace(store_of(context), request["namespaceName"]))}

    @handler("ListNamespaces", expand=False)
    def list_namespaces(self, context: RequestContext, request: dict) -> dict:
        namespaces = [shown(n) for n in store_of(context).namespaces.values()]
        return requests.page("namespaces", namespaces, request)

    @handler("UpdateNamespace", expand=False)
    def update_namespace(self, context: RequestContext, request: dict) -> dict:
        requests.check_namespace(request)
        store = store_of(context)
        with changing:
            namespace = find_namespace(store, request["namespaceName"])
            if request.get("adminUsername", namespace["adminUsername"]) != namespace["adminUsername"]:
                raise validation_error("The admin user name of a namespace cannot be changed here.")
            password = request.get("adminUserPassword")
            managed = "adminPasswordSecretArn" in namespace
            if request.get("manageAdminPassword") and not managed:
                password = secrets.token_urlsafe(24)
                namespace |= admin_secret.create(
                    context, namespace, password, request.get("adminPasswordSecretKmsKeyId")
                )
            elif managed and (password or request.get("manageAdminPassword") is False):
                if not password:
                    raise validation_error("adminUserPassword is required when manageAdminPassword is turned off.")
                admin_secret.delete(context, namespace)
            if password:
                create_administrator(warehouse_of_plugin(), namespace["adminUsername"], password)
            for field in ("kmsKeyId", "defaultIamRoleArn", "iamRoles", "logExports"):
                if field in request:
                    namespace[field] = request[field]
        return {"namespace": shown(namespace)}

    @handler("DeleteNamespace", expand=False)
    def delete_namespace(self, context: RequestContext, request: dict) -> dict:
        """Drops the database, as AWS does. A final snapshot is refused: there is nothing that would keep it."""
        if request.get("finalSnapshotName"):
            raise validation_error("finalSnapshotName: snapshots are not made here; delete without one.")
        store, name = store_of(context), request["namespaceName"]
        with changing:
            namespace = find_namespace(store, name)
            users = [w for w in store.workgroups.values() if w["namespaceName"] == name]
            if users:
                raise conflict(
                    f"There is a workgroup {users[0]['workgroupName']} associated with the namespace {name}."
                )
            drop_database(warehouse_of_plugin(), namespace["dbName"], namespace["adminUsername"])
            if "adminPasswordSecretArn" in namespace:
                admin_secret.delete(context, namespace)
            release(store, namespace["dbName"], namespace["adminUsername"])
            store.tags.pop(namespace["namespaceArn"])
            del store.namespaces[name]
            for key in [k for k in store.passwords if k[0] == namespace["dbName"]]:
                del store.passwords[key]
        return {"namespace": {**shown(namespace), "status": "DELETING"}}

    # --- workgroups ---

    @handler("CreateWorkgroup", expand=False)
    def create_workgroup(self, context: RequestContext, request: dict) -> dict:
        requests.check_workgroup(request)
        store, name = store_of(context), request["workgroupName"]
        with changing:
            if name in store.workgroups:
                raise conflict(f"Workgroup {name} already exists.")
            find_namespace(store, request["namespaceName"])
            taken = [w for w in store.workgroups.values() if w["namespaceName"] == request["namespaceName"]]
            if taken:
                raise conflict(
                    f"Namespace {request['namespaceName']} already has workgroup {taken[0]['workgroupName']}."
                )
            warehouse = warehouse_of_plugin()
            workgroup = {
                "workgroupArn": arn(context, "workgroup"),
                "workgroupId": str(uuid.uuid4()),
                "workgroupName": name,
                "namespaceName": request["namespaceName"],
                **requests.workgroup_options(request),
                "endpoint": {"address": warehouse.address, "port": warehouse.port, "vpcEndpoints": []},
                "status": "AVAILABLE",
                "creationDate": datetime.now(UTC),
            }
            store.workgroups[name] = workgroup
            store.tags[workgroup["workgroupArn"]] = {t["key"]: t["value"] for t in request.get("tags", [])}
        return {"workgroup": workgroup}

    @handler("GetWorkgroup", expand=False)
    def get_workgroup(self, context: RequestContext, request: dict) -> dict:
        return {"workgroup": find_workgroup(store_of(context), request["workgroupName"])}

    @handler("ListWorkgroups", expand=False)
    def list_workgroups(self, context: RequestContext, request: dict) -> dict:
        return requests.page("workgroups", list(store_of(context).workgroups.values()), request)

    @handler("UpdateWorkgroup", expand=False)
    def update_workgroup(self, context: RequestContext, request: dict) -> dict:
        requests.check_workgroup(request)
        workgroup = find_workgroup(store_of(context), request["workgroupName"])
        workgroup |= requests.workgroup_options({**workgroup, **request})
        return {"workgroup": workgroup}

    @handler("DeleteWorkgroup", expand=False)
    def delete_workgroup(self, context: RequestContext, request: dict) -> dict:
        store = store_of(context)
        workgroup = find_workgroup(store, request["workgroupName"])
        store.tags.pop(workgroup["workgroupArn"])
        del store.workgroups[request["workgroupName"]]
        return {"workgroup": {**workgroup, "status": "DELETING"}}

    @handler("GetCredentials", expand=False)
    def get_credentials(self, context: RequestContext, request: dict) -> dict:
        """A database user for the caller's identity. The password stays valid until the plug-in ends, not just for
        ``durationSeconds`` (900 to 3600)."""
        seconds = request.get("durationSeconds", 900)
        if not 900 <= seconds <= 3600:
            raise validation_error("durationSeconds must be between 900 and 3600.")
        store = store_of(context)
        workgroup = find_workgroup(store, request.get("workgroupName", ""))
        namespace = find_namespace(store, workgroup["namespaceName"])
        user = database_user(context)
        expiration = datetime.now(UTC) + timedelta(seconds=seconds)
        return {
            "dbUser": user,
            "dbPassword": password_of(store, namespace, user),
            "expiration": expiration,
            "nextRefreshTime": expiration,
        }

    # --- tags ---

    @handler("TagResource", expand=False)
    def tag_resource(self, context: RequestContext, request: dict) -> dict:
        tags_of(context, request).update({tag["key"]: tag["value"] for tag in request["tags"]})
        return {}

    @handler("UntagResource", expand=False)
    def untag_resource(self, context: RequestContext, request: dict) -> dict:
        tags = tags_of(context, request)
        for key in request["tagKeys"]:
            tags.pop(key, None)
        return {}

    @handler("ListTagsForResource", expand=False)
    def list_tags_for_resource(self, context: RequestContext, request: dict) -> dict:
        return {"tags": [{"key": k, "value": v} for k, v in tags_of(context, request).items()]}


def warehouse_of_plugin() -> Warehouse:
    return Warehouse(settings.read().warehouse_dsn)


def store_of(context: RequestContext) -> RedshiftServerlessStore:
    return redshift_serverless_stores[context.account_id][context.region]


def arn(context: RequestContext, kind: str) -> str:
    return f"arn:aws:redshift-serverless:{context.region}:{context.account_id}:{kind}/{uuid.uuid4()}"


def find_namespace(store: RedshiftServerlessStore, name: str) -> dict:
    if name not in store.namespaces:
        raise not_found(f"Namespace {name} not found.")
    return store.namespaces[name]


def find_workgroup(store: RedshiftServerlessStore, name: str) -> dict:
    if name not in store.workgroups:
        raise not_found(f"Workgroup {name} not found.")
    return store.workgroups[name]


def shown(namespace: dict) -> dict:
    """A namespace as the API shows it: each role as the text of a structure, not as its ARN."""
    roles = [f"IamRole(applyStatus=in-sync, iamRoleArn={role})" for role in namespace["iamRoles"]]
    return {key: value for key, value in {**namespace, "iamRoles": roles}.items() if value is not None}


def tags_of(context: RequestContext, request: dict) -> dict[str, str]:
    store = store_of(context)
    if request["resourceArn"] not in store.tags:
        raise not_found(f"Resource {request['resourceArn']} not found.")
    return store.tags[request["resourceArn"]]


def claim(
    store: RedshiftServerlessStore, context: RequestContext, name: str, database: str, administrator: str
) -> None:
    """Keep the database's and the administrator's name for this namespace."""
    for kind, names, wanted in (
        ("database", store.databases, database),
        ("admin user", store.administrators, administrator),
    ):
        if wanted in names:
            raise conflict(
                f"The {kind} name {wanted} belongs to namespace {names[wanted][2]}, and all namespaces share one "
                f"server here: give namespace {name} another {kind} name."
            )
    store.databases[database] = store.administrators[administrator] = (context.account_id, context.region, name)


def release(store: RedshiftServerlessStore, database: str, administrator: str) -> None:
    store.databases.pop(database, None)
    store.administrators.pop(administrator, None)


def password_of(store: RedshiftServerlessStore, namespace: dict, user: str) -> str:
    """The password of an IAM identity's database user, who is made on first use."""
    key = (namespace["dbName"], user)
    with changing:
        if key not in store.passwords:
            store.passwords[key] = sign_in(warehouse_of_plugin(), namespace["dbName"], namespace["adminUsername"], user)
        return store.passwords[key]
