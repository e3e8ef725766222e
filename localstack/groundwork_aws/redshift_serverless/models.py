"""State of Redshift Serverless: namespaces and workgroups."""

from localstack.services.stores import AccountRegionBundle, BaseStore, CrossAccountAttribute, LocalAttribute


class RedshiftServerlessStore(BaseStore):
    # Namespace by name, as GetNamespace answers it, but with the bare ARNs in "iamRoles"
    namespaces: dict[str, dict] = LocalAttribute(default=dict)

    # Workgroup by name, as GetWorkgroup answers it
    workgroups: dict[str, dict] = LocalAttribute(default=dict)

    # tag value by key, by the resource's ARN
    tags: dict[str, dict[str, str]] = LocalAttribute(default=dict)

    # password by (database, user) of the database users that stand for IAM identities
    passwords: dict[tuple[str, str], str] = LocalAttribute(default=dict)

    # (account, region, namespace name) by database and by administrator: all namespaces share one PostgreSQL
    databases: dict[str, tuple[str, str, str]] = CrossAccountAttribute(default=dict)
    administrators: dict[str, tuple[str, str, str]] = CrossAccountAttribute(default=dict)


redshift_serverless_stores = AccountRegionBundle("redshift-serverless", RedshiftServerlessStore)
