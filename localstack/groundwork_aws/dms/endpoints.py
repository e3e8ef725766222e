"""Endpoint settings: which ones are honoured, their defaults, and what the replication process is told of them.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Source.PostgreSQL.html#CHAP_Source.PostgreSQL.ConnectionAttrib
https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html#CHAP_Target.S3.Configuring

Kept and described back without effect: ``PluginName`` and ``CaptureDdls`` (see slot.py: the source tells of changed
structures by itself), what shapes CSV (``Csv…``, ``Rfc4180``, ``AddColumnName``), ``MapJsonbAsClob`` (both are texts in
Parquet) and ``fetchCacheSize`` (rows come as one stream). Refused: CSV files, with them ``PreserveTransactions`` and
``CdcPath`` in a task that captures changes, ``SlotName`` in one that also loads, ``GlueCatalogGeneration``, IAM
authentication, certificates, Babelfish.
"""

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from groundwork_aws.dms.changes import partition_format

BOOLEAN, INTEGER, TEXT = bool, int, str

# name: (type, default)
S3_SETTINGS = {
    "ServiceAccessRoleArn": (TEXT, None), "BucketName": (TEXT, None), "BucketFolder": (TEXT, ""),
    "DataFormat": (TEXT, "csv"), "CompressionType": (TEXT, "none"), "EncryptionMode": (TEXT, "sse-s3"),
    "ServerSideEncryptionKmsKeyId": (TEXT, None), "TimestampColumnName": (TEXT, ""),
    "IncludeOpForFullLoad": (BOOLEAN, False), "ParquetTimestampInMillisecond": (BOOLEAN, False),
    "ParquetVersion": (TEXT, "parquet-1-0"), "EncodingType": (TEXT, "rle-dictionary"),
    "EnableStatistics": (BOOLEAN, True), "RowGroupLength": (INTEGER, 10000),
    "DataPageSize": (INTEGER, 1 << 20), "DictPageSizeLimit": (INTEGER, 1 << 20),
    "MaxFileSize": (INTEGER, 1048576), "UseTaskStartTimeForFullLoadTimestamp": (BOOLEAN, False),
    "CannedAclForObjects": (TEXT, "none"), "ExpectedBucketOwner": (TEXT, None),
    "GlueCatalogGeneration": (BOOLEAN, False), "CdcInsertsOnly": (BOOLEAN, False),
    "CdcInsertsAndUpdates": (BOOLEAN, False), "CdcPath": (TEXT, None),
    "CdcMaxBatchInterval": (INTEGER, 60), "CdcMinFileSize": (INTEGER, 32000), "PreserveTransactions": (BOOLEAN, False),
    "DatePartitionEnabled": (BOOLEAN, False), "DatePartitionSequence": (TEXT, "YYYYMMDD"),
    "DatePartitionDelimiter": (TEXT, "SLASH"), "DatePartitionTimezone": (TEXT, None), "AddColumnName": (BOOLEAN, False),
    "CsvDelimiter": (TEXT, ","), "CsvRowDelimiter": (TEXT, "\\n"), "CsvNullValue": (TEXT, "NULL"),
    "UseCsvNoSupValue": (BOOLEAN, False), "CsvNoSupValue": (TEXT, None), "Rfc4180": (BOOLEAN, True),
    "AddTrailingPaddingCharacter": (BOOLEAN, False),
}  # fmt: skip
POSTGRES_SETTINGS = {
    "ServerName": (TEXT, None), "Port": (INTEGER, None), "DatabaseName": (TEXT, None), "Username": (TEXT, None),
    "SecretsManagerSecretId": (TEXT, None), "SecretsManagerAccessRoleArn": (TEXT, None),
    "ExecuteTimeout": (INTEGER, 60), "FailTasksOnLobTruncation": (BOOLEAN, False), "TrimSpaceInChar": (BOOLEAN, True),
    "MapBooleanAsBoolean": (BOOLEAN, False), "MapJsonbAsClob": (BOOLEAN, False), "MapLongVarcharAs": (TEXT, "wstring"),
    "AuthenticationMethod": (TEXT, "password"), "CaptureDdls": (BOOLEAN, True), "DdlArtifactsSchema": (TEXT, "public"),
    "HeartbeatEnable": (BOOLEAN, False), "HeartbeatSchema": (TEXT, "public"), "HeartbeatFrequency": (INTEGER, 5),
    "SlotName": (TEXT, None), "PluginName": (TEXT, "pglogical"), "DisableUnicodeSourceFilter": (BOOLEAN, False),
    "FetchCacheSize": (INTEGER, 10000), "UnboundedVarcharMaxSize": (INTEGER, 8000),
}  # fmt: skip
# Known to extra connection attributes only
ATTRIBUTES_ONLY = {"FetchCacheSize", "UnboundedVarcharMaxSize"}
CHOICES = {
    "DataFormat": ("parquet", "csv"), "CompressionType": ("none", "gzip"), "EncryptionMode": ("sse-s3", "sse-kms"),
    "ParquetVersion": ("parquet-1-0", "parquet-2-0"), "EncodingType": ("rle-dictionary", "plain", "plain-dictionary"),
    "CannedAclForObjects": ("none", "private", "public-read", "public-read-write", "authenticated-read",
                            "aws-exec-read", "bucket-owner-read", "bucket-owner-full-control"),
    "DatePartitionSequence": ("YYYYMMDD", "YYYYMMDDHH", "YYYYMM", "MMYYYYDD", "DDMMYYYY"),
    "DatePartitionDelimiter": ("SLASH", "DASH", "UNDERSCORE", "NONE"),
    "PluginName": ("no-preference", "test-decoding", "pglogical"), "MapLongVarcharAs": ("wstring", "clob", "nclob"),
    "AuthenticationMethod": ("password", "iam"),
}  # fmt: skip
RANGES = {
    "CdcMaxBatchInterval": (0, 86400), "CdcMinFileSize": (0, 1048576), "HeartbeatFrequency": (1, 1440),
    "MaxFileSize": (1, 1048576), "RowGroupLength": (1, 10_000_000), "DataPageSize": (1, 1 << 30),
}  # fmt: skip


class EndpointError(ValueError):
    """The settings are not ones that DMS takes, or ask for something that is not done here."""


def completed(known: dict, *layers: dict) -> dict:
    """The settings of all layers, later ones winning, in the API's spelling and with defaults. Raises EndpointError."""
    settings = {name: default for name, (_, default) in known.items()}
    for layer in layers:
        for name, value in layer.items():
            if name not in known:
                raise EndpointError(f"{name} is not supported here")
            settings[name] = checked(name, known[name][0], value)
    return settings


def checked(name: str, kind: type, value):
    if isinstance(value, str) and kind is BOOLEAN and value.lower() in ("true", "false", "y", "n"):
        value = value.lower() in ("true", "y")
    if isinstance(value, str) and kind is INTEGER and value.isdigit():
        value = int(value)
    if value is not None and type(value) is not kind:
        raise EndpointError(f"{name} must be of type {kind.__name__}, not {value!r}")
    if name in CHOICES:
        value = spelled(name, value)
    low, high = RANGES.get(name, (None, None))
    if low is not None and not low <= value <= high:
        raise EndpointError(f"{name} must be from {low} to {high}, not {value}")
    return value


def spelled(name: str, value: str) -> str:
    """The choice in the API's spelling: the guide writes SSE_S3 and PARQUET_1_0 for sse-s3 and parquet-1-0."""
    plain = re.sub("[-_]", "", value).lower()
    for choice in CHOICES[name]:
        if re.sub("[-_]", "", choice).lower() == plain:
            return choice
    raise EndpointError(f"{name} must be one of {', '.join(CHOICES[name])}, not {value!r}")


def attributes(text: str | None, known: dict) -> dict:
    """Extra connection attributes, ``name=value;name=value``: settings in any case. Raises EndpointError."""
    by_name = {name.lower(): name for name in known}
    found = {}
    for pair in filter(None, (part.strip() for part in (text or "").split(";"))):
        name, equals, value = pair.partition("=")
        if not equals or name.strip().lower() not in by_name:
            raise EndpointError(f"the extra connection attribute {pair!r} is not supported here")
        found[by_name[name.strip().lower()]] = value.strip()
    return found


def s3_settings(given: dict, extra: str | None) -> dict:
    """The settings of an S3 target, completed. Raises EndpointError."""
    settings = completed(S3_SETTINGS, attributes(extra, S3_SETTINGS), given)
    for name in ("ServiceAccessRoleArn", "BucketName"):
        if not settings[name]:
            raise EndpointError(f"S3Settings needs {name}")
    if settings["DataFormat"] == "csv":
        raise EndpointError("DataFormat csv, the default, is not supported here: set it to parquet")
    if settings["GlueCatalogGeneration"]:
        raise EndpointError("GlueCatalogGeneration is not supported here: use a crawler")
    if settings["EncryptionMode"] == "sse-kms" and not settings["ServerSideEncryptionKmsKeyId"]:
        raise EndpointError("EncryptionMode sse-kms needs ServerSideEncryptionKmsKeyId")
    if settings["CdcInsertsOnly"] and settings["CdcInsertsAndUpdates"]:
        raise EndpointError("only one of CdcInsertsOnly and CdcInsertsAndUpdates can be true")
    transactions = [name for name in ("PreserveTransactions", "CdcPath") if settings[name]]
    for name in ("DatePartitionEnabled", "AddColumnName"):
        if settings[name] and transactions:
            raise EndpointError(f"{name} cannot be combined with {transactions[0]}")
    if settings["PreserveTransactions"] and not settings["CdcPath"]:
        raise EndpointError("PreserveTransactions needs CdcPath")
    try:
        ZoneInfo(settings["DatePartitionTimezone"] or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        raise EndpointError(f"DatePartitionTimezone {settings['DatePartitionTimezone']!r} is no time zone") from None
    return settings


def postgres_settings(request: dict, given: dict, extra: str | None) -> dict:
    """The settings of a PostgreSQL source, completed, also from the request itself. Raises EndpointError."""
    known = {name: kind for name, kind in POSTGRES_SETTINGS.items() if name not in ATTRIBUTES_ONLY}
    completed(known, given)  # refuses what only extra connection attributes may name
    direct = {name: request[name] for name in ("ServerName", "Port", "DatabaseName", "Username") if name in request}
    settings = completed(POSTGRES_SETTINGS, attributes(extra, POSTGRES_SETTINGS), direct, given)
    if settings["AuthenticationMethod"] == "iam":
        raise EndpointError("AuthenticationMethod iam is not supported here: use password")
    secret, role = settings["SecretsManagerSecretId"], settings["SecretsManagerAccessRoleArn"]
    if bool(secret) != bool(role):
        raise EndpointError("SecretsManagerSecretId and SecretsManagerAccessRoleArn are needed together")
    if secret and (settings["ServerName"] or settings["Username"]):
        raise EndpointError("either a secret or clear-text ServerName, Port and Username can be given, not both")
    if not secret and not all(settings[name] for name in ("ServerName", "Port", "Username")):
        raise EndpointError("ServerName, Port and Username are needed, or a secret that holds them")
    if not settings["DatabaseName"]:
        raise EndpointError("DatabaseName is needed")
    return settings


def source_of(settings: dict, password: str | None, ssl_mode: str, secret: dict | None) -> dict:
    """What the replication process is told of the source; see postgres.Source. Raises EndpointError."""
    if secret is not None:
        missing = [name for name in ("username", "password", "host", "port") if not secret.get(name)]
        if missing:
            raise EndpointError(f"the secret {settings['SecretsManagerSecretId']} has no {', '.join(missing)}")
        where = (secret["host"], int(secret["port"]), secret["username"], secret["password"])
    else:
        where = (settings["ServerName"], settings["Port"], settings["Username"], password or "")
    host, port, user, password = where
    return {
        "host": host, "port": port, "database": settings["DatabaseName"], "user": user, "password": password,
        "ssl_mode": ssl_mode, "map_boolean_as_boolean": settings["MapBooleanAsBoolean"],
        "long_varchar_as": settings["MapLongVarcharAs"], "trim_space_in_char": settings["TrimSpaceInChar"],
        "fail_on_lob_truncation": settings["FailTasksOnLobTruncation"], "execute_timeout": settings["ExecuteTimeout"],
        "unbounded_varchar_bytes": settings["UnboundedVarcharMaxSize"],
    }  # fmt: skip


def target_of(settings: dict) -> dict:
    """What the replication process is told of the bucket; see target.Target."""
    put = {"ServerSideEncryption": "AES256"}
    if settings["EncryptionMode"] == "sse-kms":
        put = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": settings["ServerSideEncryptionKmsKeyId"]}
    if settings["CannedAclForObjects"] != "none":
        put["ACL"] = settings["CannedAclForObjects"]
    return {"bucket": settings["BucketName"], "folder": settings["BucketFolder"], "put": put}


def layout_of(settings: dict, started: str) -> dict:
    """What the replication process is told of the rows; see full_load.Layout."""
    return {
        "include_op": settings["IncludeOpForFullLoad"],
        "timestamp_column": settings["TimestampColumnName"].strip(),
        "started": started if settings["UseTaskStartTimeForFullLoadTimestamp"] else None,
        "timestamp_in_millisecond": settings["ParquetTimestampInMillisecond"],
        "max_file_bytes": settings["MaxFileSize"] * 1024,
    }


def changes_of(settings: dict) -> dict:
    """What the replication process is told of the changes; see changes.ChangeLayout."""
    partition = ""
    if settings["DatePartitionEnabled"]:
        partition = partition_format(settings["DatePartitionSequence"], settings["DatePartitionDelimiter"])
    return {
        "max_batch_seconds": settings["CdcMaxBatchInterval"],
        "min_file_bytes": settings["CdcMinFileSize"] * 1024,
        "inserts_only": settings["CdcInsertsOnly"],
        "inserts_and_updates": settings["CdcInsertsAndUpdates"],
        "partition": partition,
        "timezone": settings["DatePartitionTimezone"] or "UTC",
    }


def heartbeat_of(settings: dict) -> dict | None:
    """What the replication process is told of the heartbeat: where, and how often."""
    if not settings["HeartbeatEnable"]:
        return None
    return {"schema": settings["HeartbeatSchema"], "seconds": settings["HeartbeatFrequency"] * 60}


def format_of(settings: dict) -> dict:
    """What the replication process is told of the files; see parquet.Format."""
    return {
        "row_group_length": settings["RowGroupLength"], "data_page_size": settings["DataPageSize"],
        "dictionary_page_size": settings["DictPageSizeLimit"], "encoding": settings["EncodingType"],
        "version": settings["ParquetVersion"], "statistics": settings["EnableStatistics"],
        "compression": settings["CompressionType"],
    }  # fmt: skip
