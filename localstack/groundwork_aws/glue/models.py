"""State of Glue: the Data Catalog and the crawlers."""

from localstack.services.stores import AccountRegionBundle, BaseStore, LocalAttribute


class GlueStore(BaseStore):
    # Database by name, as GetDatabase answers it
    databases: dict[str, dict] = LocalAttribute(default=dict)


glue_stores = AccountRegionBundle("glue", GlueStore)
