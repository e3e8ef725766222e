"""The errors of the Redshift Serverless API."""

from localstack.aws.api import CommonServiceException


def validation_error(message: str) -> CommonServiceException:
    return CommonServiceException("ValidationException", message)


def not_found(message: str) -> CommonServiceException:
    return CommonServiceException("ResourceNotFoundException", message)


def conflict(message: str) -> CommonServiceException:
    return CommonServiceException("ConflictException", message)
