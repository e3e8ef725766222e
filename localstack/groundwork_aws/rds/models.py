"""State of RDS: subnet groups, parameter groups and the instance."""

from localstack.services.stores import AccountRegionBundle, BaseStore, CrossAccountAttribute, LocalAttribute


class RdsStore(BaseStore):
    # DBSubnetGroup by name, as DescribeDBSubnetGroups answers it
    subnet_groups: dict[str, dict] = LocalAttribute(default=dict)

    # DBParameterGroup by name, with "Parameters": value by name of those that were set
    parameter_groups: dict[str, dict] = LocalAttribute(default=dict)

    # DBInstance by identifier, as DescribeDBInstances answers it
    instances: dict[str, dict] = LocalAttribute(default=dict)

    # tag value by key, by the resource's ARN
    tags: dict[str, dict[str, str]] = LocalAttribute(default=dict)

    # the ARN of the instance that the one PostgreSQL stands for
    claimed: list[str] = CrossAccountAttribute(default=list)


rds_stores = AccountRegionBundle("rds", RdsStore)
