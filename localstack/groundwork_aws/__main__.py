"""``python -m groundwork_aws``: LocalStack with the plug-in, failing closed on unknown CloudFormation types."""

import os
from functools import partial

from plux import PluginManager

DEFAULTS = {
    "DISABLE_EVENTS": "1",
    "SKIP_SSL_CERT_DOWNLOAD": "1",
    # In a container it would look for the folders of its own image.
    "OVERRIDE_IN_DOCKER": "0",
    # By default LocalStack reports CREATE_COMPLETE for a type it has never heard of.
    "CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES": "0",
    # MWAA's requests would go to api.localhost and env.localhost, which lead nowhere.
    "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
    # With their documents, the policies that AWS manages can be evaluated, and a misspelt one is refused.
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
}


def main() -> None:
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    if os.environ.get("GROUNDWORK_LOCALSTACK_STATE_DIR"):
        os.environ["PROVIDER_OVERRIDE_S3"] = "kept"
    from localstack.runtime.main import main as run
    from twisted.internet import endpoints

    from localstack import config  # reads the environment when it is imported

    # Offline, LocalStack's own catalog knows no type at all: the types that have a provider are named here instead.
    known = PluginManager("localstack.cloudformation.resource_providers").list_names()
    config.CFN_IGNORE_UNSUPPORTED_TYPE_CREATE = known
    config.CFN_IGNORE_UNSUPPORTED_TYPE_UPDATE = known
    # LocalStack listens at every IPv4 address, whichever GATEWAY_LISTEN names: anybody in the network could ask it.
    endpoints.TCP4ServerEndpoint = partial(endpoints.TCP4ServerEndpoint, interface=config.GATEWAY_LISTEN[0].host)
    run()


if __name__ == "__main__":
    main()
