"""The errors of the Redshift Data API."""

from localstack.aws.api import CommonServiceException


def validation_error(message: str) -> CommonServiceException:
    return CommonServiceException("ValidationException", message)


def not_found(message: str) -> CommonServiceException:
    return CommonServiceException("ResourceNotFoundException", message)


def too_many_statements(message: str) -> CommonServiceException:
    return CommonServiceException("ActiveStatementsExceededException", message)


def too_many_sessions(message: str) -> CommonServiceException:
    return CommonServiceException("ActiveSessionsExceededException", message)
