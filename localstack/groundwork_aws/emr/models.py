"""State of EMR: clusters with their steps, and security configurations."""

from localstack.services.stores import AccountRegionBundle, BaseStore, LocalAttribute

from groundwork_aws.emr.cluster import Cluster


class EmrStore(BaseStore):
    # Cluster by id, in the order of their creation; one that has ended stays and can be described
    clusters: dict[str, Cluster] = LocalAttribute(default=dict)

    # security configuration by name, as DescribeSecurityConfiguration answers it
    security_configurations: dict[str, dict] = LocalAttribute(default=dict)


emr_stores = AccountRegionBundle("emr", EmrStore)
