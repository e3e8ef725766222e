"""The errors of the RDS API."""

from localstack.aws.api import CommonServiceException


def not_found(kind: str, name: str) -> CommonServiceException:
    """``kind`` is DBInstance, DBParameterGroup or DBSubnetGroup, whose code ends in Fault as the API's own does."""
    code = f"{kind}NotFoundFault" if kind == "DBSubnetGroup" else f"{kind}NotFound"
    return CommonServiceException(code, f"{kind} {name} not found.", status_code=404)


def already_exists(kind: str, name: str) -> CommonServiceException:
    return CommonServiceException(f"{kind}AlreadyExists", f"{kind} {name} already exists.")


def invalid(message: str) -> CommonServiceException:
    return CommonServiceException("InvalidParameterValue", message)


def invalid_combination(message: str) -> CommonServiceException:
    return CommonServiceException("InvalidParameterCombination", message)


def in_use(kind: str, name: str, user: str) -> CommonServiceException:
    code = "InvalidDBSubnetGroupStateFault" if kind == "DBSubnetGroup" else f"Invalid{kind}State"
    return CommonServiceException(code, f"{kind} {name} is used by the DB instance {user}.")
