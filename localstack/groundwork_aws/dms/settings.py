"""Task settings: the document that a replication task is given, completed with DMS's defaults.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TaskSettings.html

What S3 has no use for (StreamBufferSettings, ChangeProcessingTuning, as the endpoint's CdcMaxBatchInterval and
CdcMinFileSize say when files are written, Apply…Policy, CommitRate, which S3 has no commits for, and LogComponents, as
one log of all components is written) is kept and described back. A setting that would change what is written but is
not done here is refused unless it has its default.
"""

import copy
import json

DEFAULTS = {
    "TargetMetadata": {
        "TargetSchema": "", "SupportLobs": True, "FullLobMode": False, "LobChunkSize": 64, "LimitedSizeLobMode": True,
        "LobMaxSize": 32, "InlineLobMaxSize": 0, "LoadMaxFileSize": 0, "ParallelLoadThreads": 0,
        "ParallelLoadBufferSize": 0, "ParallelLoadQueuesPerThread": 0, "ParallelApplyThreads": 0,
        "ParallelApplyBufferSize": 0, "ParallelApplyQueuesPerThread": 0, "BatchApplyEnabled": False,
        "TaskRecoveryTableEnabled": False,
    },
    "FullLoadSettings": {
        "TargetTablePrepMode": "DROP_AND_CREATE", "CreatePkAfterFullLoad": False, "StopTaskCachedChangesApplied": False,
        "StopTaskCachedChangesNotApplied": False, "MaxFullLoadSubTasks": 8, "TransactionConsistencyTimeout": 600,
        "CommitRate": 10000,
    },
    "Logging": {"EnableLogging": False, "EnableLogContext": False, "LogComponents": []},
    "ControlTablesSettings": {
        "ControlSchema": "", "HistoryTimeslotInMinutes": 5, "HistoryTableEnabled": False,
        "SuspendedTablesTableEnabled": False, "StatusTableEnabled": False, "FullLoadExceptionTableEnabled": False,
    },
    "StreamBufferSettings": {"StreamBufferCount": 3, "StreamBufferSizeInMB": 8, "CtrlStreamBufferSizeInMB": 5},
    "ChangeProcessingDdlHandlingPolicy": {
        "HandleSourceTableDropped": True, "HandleSourceTableTruncated": True, "HandleSourceTableAltered": True,
    },
    "ErrorBehavior": {
        "DataErrorPolicy": "LOG_ERROR", "DataTruncationErrorPolicy": "LOG_ERROR", "DataErrorEscalationCount": 0,
        "DataErrorEscalationPolicy": "SUSPEND_TABLE", "EventErrorPolicy": "IGNORE", "TableErrorPolicy": "SUSPEND_TABLE",
        "TableErrorEscalationCount": 0, "TableErrorEscalationPolicy": "STOP_TASK", "RecoverableErrorCount": -1,
        "RecoverableErrorInterval": 5, "RecoverableErrorThrottling": True, "RecoverableErrorThrottlingMax": 1800,
        "RecoverableErrorStopRetryAfterThrottlingMax": True, "ApplyErrorDeletePolicy": "IGNORE_RECORD",
        "ApplyErrorInsertPolicy": "LOG_ERROR", "ApplyErrorUpdatePolicy": "LOG_ERROR",
        "ApplyErrorEscalationCount": 0, "ApplyErrorEscalationPolicy": "LOG_ERROR",
        "ApplyErrorFailOnTruncationDdl": False, "FullLoadIgnoreConflicts": True,
        "FailOnTransactionConsistencyBreached": False, "FailOnNoTablesCaptured": True,
    },
    "ChangeProcessingTuning": {
        "BatchApplyPreserveTransaction": True, "BatchApplyTimeoutMin": 1, "BatchApplyTimeoutMax": 30,
        "BatchApplyMemoryLimit": 500, "BatchSplitSize": 0, "MinTransactionSize": 1000, "CommitTimeout": 1,
        "MemoryLimitTotal": 1024, "MemoryKeepTime": 60, "StatementCacheSize": 50, "RecoveryTimeout": -1,
    },
    "CharacterSetSettings": None,
    "LoopbackPreventionSettings": None,
    "BeforeImageSettings": None,
    "FailTaskWhenCleanTaskResourceFailed": False,
    "ValidationSettings": {"EnableValidation": False},
    "PostProcessingRules": None,
    "TTSettings": {"EnableTT": False},
}  # fmt: skip

# Settings that would change the outcome and are not done: they keep their default.
NOT_DONE = {
    "TargetMetadata": {
        "TargetSchema", "FullLobMode", "InlineLobMaxSize", "ParallelLoadThreads", "BatchApplyEnabled",
        "LimitedSizeLobMode",
    },
    "Logging": {"EnableLogContext"},
    "ErrorBehavior": {
        "DataErrorPolicy", "DataTruncationErrorPolicy", "EventErrorPolicy", "TableErrorEscalationCount",
        "RecoverableErrorThrottling",
    },
    "ControlTablesSettings": {"FullLoadExceptionTableEnabled"},
    "ValidationSettings": {"EnableValidation"},
    "TTSettings": {"EnableTT"},
    "CharacterSetSettings": None,
    "PostProcessingRules": None,
}  # fmt: skip

CHOICES = {
    ("FullLoadSettings", "TargetTablePrepMode"): ("DO_NOTHING", "DROP_AND_CREATE", "TRUNCATE_BEFORE_LOAD"),
    ("ErrorBehavior", "TableErrorPolicy"): ("SUSPEND_TABLE", "STOP_TASK"),
}
RANGES = {
    ("FullLoadSettings", "MaxFullLoadSubTasks"): (1, 49),
    ("FullLoadSettings", "CommitRate"): (1, 50000),
    ("TargetMetadata", "LobMaxSize"): (1, 102400),
    ("ControlTablesSettings", "HistoryTimeslotInMinutes"): (1, 1440),
}


class SettingsError(ValueError):
    """The document is not one that DMS takes, or asks for something that is not done here."""


def merged(document: str | None, base: dict = DEFAULTS) -> dict:
    """The complete settings: ``base`` overlaid with the given document, group by group. Raises SettingsError."""
    settings = copy.deepcopy(base)
    for group, given in parsed(document).items():
        if group not in DEFAULTS:
            raise SettingsError(f"unknown group {group}")
        if not isinstance(DEFAULTS[group], dict):
            settings[group] = given
            continue
        if not isinstance(given, dict):
            raise SettingsError(f"{group} is not an object")
        for name, value in given.items():
            check(group, name, value)
            settings[group][name] = value
    refuse_what_is_not_done(settings)
    return settings


def parsed(document: str | None) -> dict:
    try:
        settings = json.loads(document) if document and document.strip() else {}
    except ValueError as error:
        raise SettingsError(f"the document is not JSON: {error}") from None
    if not isinstance(settings, dict):
        raise SettingsError("the document is not a JSON object")
    return settings


def check(group: str, name: str, value: object) -> None:
    if name.startswith("CloudWatchLog") and value:
        raise SettingsError("CloudWatchLogGroup or CloudWatchLogStream cannot be set")
    if name not in DEFAULTS[group]:
        if group == "ValidationSettings" or name.startswith("CloudWatchLog"):
            return  # validation has many more keys, all without meaning while it is off
        raise SettingsError(f"unknown setting {group}.{name}")
    default = DEFAULTS[group][name]
    if type(value) is not type(default) and not (value is None and isinstance(default, str)):
        raise SettingsError(f"{group}.{name} must be of type {type(default).__name__}, not {value!r}")
    if (group, name) in CHOICES and value not in CHOICES[group, name]:
        raise SettingsError(f"{group}.{name} must be one of {', '.join(CHOICES[group, name])}, not {value!r}")
    low, high = RANGES.get((group, name), (None, None))
    if low is not None and not low <= value <= high:
        raise SettingsError(f"{group}.{name} must be from {low} to {high}, not {value}")


def refuse_what_is_not_done(settings: dict) -> None:
    for group, names in NOT_DONE.items():
        if names is None:
            if settings[group]:
                raise SettingsError(f"{group} is not supported here")
            continue
        for name in names:
            if settings[group][name] != DEFAULTS[group][name]:
                wanted, default = settings[group][name], DEFAULTS[group][name]
                raise SettingsError(f"{group}.{name} is {wanted!r}: only {default!r} is supported here")
