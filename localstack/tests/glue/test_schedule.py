"""Cron expressions as AWS has them, and the timetable under a clock of the test's own."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from groundwork_aws.glue.schedule import InvalidSchedule, Schedule, Timetable

SUNDAY = datetime(2026, 11, 22, 14, 3, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("cron(15 12 * * ? *)", "2026-11-23 12:15"),
        ("cron(0/5 * * * ? *)", "2026-11-22 14:05"),
        ("cron(0 18 ? * MON-FRI *)", "2026-11-23 18:00"),
        ("cron(0 18 ? * 2-6 *)", "2026-11-23 18:00"),
        ("cron(0 18 ? * 1 *)", "2026-11-22 18:00"),
        ("cron(0 8 L * ? *)", "2026-11-30 08:00"),
        ("cron(0 8 ? * 6L *)", "2026-11-27 08:00"),
        ("cron(0 8 ? * L *)", "2026-11-28 08:00"),
        ("cron(0 8 29 2 ? *)", "2028-02-29 08:00"),
        ("cron(0 8 1 JAN ? 2030)", "2030-01-01 08:00"),
    ],
)
def test_GL_07_cron_has_six_fields_and_counts_days_from_sunday(expression, due):
    assert f"{Schedule(expression).next_after(SUNDAY):%Y-%m-%d %H:%M}" == due


def test_GL_07_cron_is_in_utc():
    in_sao_paulo = SUNDAY.astimezone(timezone(timedelta(hours=-3)))
    assert Schedule("cron(0 15 * * ? *)").next_after(in_sao_paulo) == SUNDAY.replace(hour=15, minute=0, second=0)


def test_GL_07_cron_of_a_year_that_is_over_is_never_due():
    assert Schedule("cron(0 1 1 1 ? 2020)").next_after(SUNDAY) is None


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("0 1 * * ? *", "not cron"),
        ("cron(0 1 * * ?)", "not cron"),
        ("cron(0 1 * * * *)", "must be \\?"),
        ("cron(0 1 ? * ? *)", "must be \\?"),
        ("cron(0 25 * * ? *)", "25"),
        ("cron(0 8 ? * 2#1 *)", "not supported"),
        ("cron(0 8 3W * ? *)", "not supported"),
        ("cron(* * * * ? *)", "every 5 minutes"),
        ("cron(0,57 * * * ? *)", "every 5 minutes"),
        ("cron(0,58 0,23 ? * 1,7 *)", "every 5 minutes"),
    ],
)
def test_GL_07_cron_that_is_not_one_is_refused_with_the_reason(expression, reason):
    with pytest.raises(InvalidSchedule, match=reason):
        Schedule(expression)


def test_timetable_gives_out_what_is_due_once():
    now = SUNDAY
    timetable = Timetable(lambda: now)
    timetable.put("hourly", Schedule("cron(0 * * * ? *)"))
    timetable.put("nightly", Schedule("cron(0 2 * * ? *)"))
    assert timetable.take_due() == []
    now = SUNDAY.replace(hour=15, minute=0, second=0)
    assert timetable.take_due() == ["hourly"]
    assert timetable.take_due() == []
    now += timedelta(hours=12)
    assert timetable.take_due() == ["hourly", "nightly"]
    assert timetable.take_due() == []
    timetable.remove("hourly")
    now += timedelta(hours=1)
    assert timetable.take_due() == []


def test_GL_07_schedule_that_is_due_really_starts_the_crawler(scheduled, glue):
    """Waits for the crawler that the first test of the folder has scheduled."""
    deadline = scheduled + timedelta(seconds=120)
    while "LastCrawl" not in (found := glue.get_crawler(Name="glue-scheduled")["Crawler"]):
        assert datetime.now(UTC) < deadline, found
        time.sleep(0.5)
    assert found["LastCrawl"]["Status"] == "SUCCEEDED"
    assert timedelta(0) <= found["LastCrawl"]["StartTime"] - scheduled < timedelta(seconds=60)
