"""Task settings on their own."""

import json

import pytest
from groundwork_aws.dms import settings
from groundwork_aws.dms.settings import SettingsError


@pytest.mark.guess
def test_the_settings_are_completed_with_the_defaults():
    merged = settings.merged(json.dumps({"FullLoadSettings": {"MaxFullLoadSubTasks": 3}}))
    assert merged["FullLoadSettings"]["MaxFullLoadSubTasks"] == 3
    assert merged["FullLoadSettings"]["CommitRate"] == 10000
    assert merged["ErrorBehavior"]["FailOnNoTablesCaptured"] is True


def test_a_later_document_keeps_what_it_does_not_name():
    first = settings.merged(json.dumps({"TargetMetadata": {"LobMaxSize": 64}}))
    assert (
        settings.merged(json.dumps({"Logging": {"EnableLogging": True}}), first)["TargetMetadata"]["LobMaxSize"] == 64
    )
    assert settings.DEFAULTS["TargetMetadata"]["LobMaxSize"] == 32


@pytest.mark.parametrize(
    "document, reason",
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"Nothing": {}}', "unknown group Nothing"),
        ('{"Logging": true}', "Logging is not an object"),
        ('{"Logging": {"Colour": 1}}', "unknown setting Logging.Colour"),
        ('{"FullLoadSettings": {"MaxFullLoadSubTasks": 50}}', "from 1 to 49"),
        ('{"FullLoadSettings": {"MaxFullLoadSubTasks": "8"}}', "must be of type int"),
        ('{"FullLoadSettings": {"TargetTablePrepMode": "KEEP"}}', "must be one of DO_NOTHING"),
        ('{"TargetMetadata": {"FullLobMode": true}}', "FullLobMode is True: only False is supported"),
        ('{"Logging": {"CloudWatchLogGroup": "mine"}}', "cannot be set"),
        ('{"ValidationSettings": {"EnableValidation": true}}', "EnableValidation"),
    ],
)
def test_E7_a_bad_document_is_refused_with_the_reason(document, reason):
    with pytest.raises(SettingsError, match=reason):
        settings.merged(document)
