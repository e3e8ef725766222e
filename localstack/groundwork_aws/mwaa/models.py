"""State of MWAA."""

from localstack.services.stores import AccountRegionBundle, BaseStore, LocalAttribute


class MwaaStore(BaseStore):
    # Environment by name, as GetEnvironment answers it
    environments: dict[str, dict] = LocalAttribute(default=dict)


mwaa_stores = AccountRegionBundle("mwaa", MwaaStore)
