"""``python -m groundwork_aws``: LocalStack with the plug-in, failing closed on CloudFormation types it does not know."""

import os
from importlib.metadata import entry_points

DEFAULTS = {
    "DISABLE_EVENTS": "1",
    "SKIP_SSL_CERT_DOWNLOAD": "1",
    "EAGER_SERVICE_LOADING": "0",
    # By default LocalStack reports CREATE_COMPLETE for a type it has never heard of.
    "CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES": "0",
}


def main() -> None:
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    known = ",".join(sorted(e.name for e in entry_points(group="localstack.cloudformation.resource_providers")))
    # Offline, LocalStack's own catalog knows no type at all: the types that have a provider are named here instead.
    os.environ["CFN_IGNORE_UNSUPPORTED_TYPE_CREATE"] = known
    os.environ["CFN_IGNORE_UNSUPPORTED_TYPE_UPDATE"] = known

    from localstack.runtime.main import main as run  # reads the environment when it is imported

    run()


if __name__ == "__main__":
    main()
