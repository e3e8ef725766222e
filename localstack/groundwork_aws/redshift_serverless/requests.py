"""What a request to Redshift Serverless may hold.

https://docs.aws.amazon.com/redshift-serverless/latest/APIReference/API_CreateNamespace.html
https://docs.aws.amazon.com/redshift-serverless/latest/APIReference/API_CreateWorkgroup.html
"""

import re

from groundwork_aws.redshift_serverless.errors import validation_error
from groundwork_aws.redshift_serverless.warehouse import RESERVED_DATABASES

NAME = re.compile(r"[a-z0-9-]{3,64}")
DATABASE = re.compile(r"[a-zA-Z][a-zA-Z_0-9+.@-]{0,126}")
PASSWORD = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[^'\"\\/@ ]{8,64}")
LOG_EXPORTS = {"useractivitylog", "userlog", "connectionlog"}
PARAMETERS = {
    "auto_mv", "datestyle", "enable_case_sensitive_identifier", "enable_user_activity_logging", "query_group",
    "search_path", "require_ssl", "use_fips_ssl", "max_query_cpu_time", "max_query_blocks_read", "max_scan_row_count",
    "max_query_execution_time", "max_query_queue_time", "max_query_cpu_usage_percent", "max_query_temp_blocks_to_disk",
    "max_join_row_count", "max_nested_loop_join_row_count", "wlm_json_configuration",
}  # fmt: skip
OPTIONS = {
    "baseCapacity": 128,
    "enhancedVpcRouting": False,
    "publiclyAccessible": False,
    "configParameters": [],
    "securityGroupIds": [],
    "subnetIds": [],
    "port": 5439,
    "ipAddressType": "ipv4",
    "trackName": "current",
    "maxCapacity": None,
    "pricePerformanceTarget": None,
}


def check_namespace(request: dict) -> None:
    """Raises ValidationException."""
    check_name("namespaceName", request)
    name = request.get("dbName", "dev")
    if not DATABASE.fullmatch(name) or name.lower() in RESERVED_DATABASES:
        raise validation_error(f"dbName {name} is not a valid database name.")
    if "adminUserPassword" in request and request.get("manageAdminPassword"):
        raise validation_error("You can't use adminUserPassword if manageAdminPassword is true.")
    if "adminUserPassword" in request and not PASSWORD.fullmatch(request["adminUserPassword"]):
        raise validation_error(
            "adminUserPassword must have 8 to 64 characters with an upper case letter, a lower case letter and a digit."
        )
    if not set(request.get("logExports", [])) <= LOG_EXPORTS:
        raise validation_error(f"logExports must be among {', '.join(sorted(LOG_EXPORTS))}.")
    default = request.get("defaultIamRoleArn")
    if default and default not in request.get("iamRoles", [default]):
        raise validation_error(f"defaultIamRoleArn {default} is not one of iamRoles.")


def check_workgroup(request: dict) -> None:
    """Raises ValidationException. RS-N-03: capacity goes in steps of 8, and in steps of 32 beyond 512."""
    check_name("workgroupName", request)
    capacity = request.get("baseCapacity", 128)
    if capacity != 4 and (not 8 <= capacity <= 1024 or capacity % (8 if capacity <= 512 else 32)):
        raise validation_error(f"baseCapacity {capacity} is not 4, a multiple of 8 up to 512, or of 32 up to 1024.")
    for parameter in request.get("configParameters", []):
        if parameter.get("parameterKey") not in PARAMETERS:
            raise validation_error(f"configParameters: unknown parameterKey {parameter.get('parameterKey')}.")


def check_name(field: str, request: dict) -> None:
    if not NAME.fullmatch(request.get(field, "")):
        raise validation_error(f"{field} must have 3 to 64 lower case letters, digits or hyphens.")


def workgroup_options(request: dict) -> dict:
    """What a workgroup keeps; defaults where the request says nothing."""
    options = {name: request.get(name, default) for name, default in OPTIONS.items()}
    return {name: value for name, value in options.items() if value is not None}


def page(field: str, items: list, request: dict) -> dict:
    """One page of a list: ``maxResults`` (1 to 100), and ``nextToken`` while there is more."""
    size = request.get("maxResults", 100)
    if not 1 <= size <= 100:
        raise validation_error("maxResults must be between 1 and 100.")
    start = int(request.get("nextToken") or 0)
    more = {"nextToken": str(start + size)} if start + size < len(items) else {}
    return {field: items[start : start + size], **more}
