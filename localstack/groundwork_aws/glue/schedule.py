"""A crawler's schedule: six-field cron expressions in UTC, and a timetable that says what is due.

Not done, and refused: ``W`` (the nearest weekday) and ``#`` (the nth weekday of the month).
https://docs.aws.amazon.com/glue/latest/dg/monitor-data-warehouse-schedule.html
"""

import re
from collections.abc import Callable, Hashable
from datetime import UTC, datetime, timedelta

from crontab import CronTab

SHORTEST = timedelta(minutes=5)
# so many firings in a row show every gap that an expression with minutes can have within its hours
FIRINGS_CHECKED = 62
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


class InvalidSchedule(ValueError):
    """Not a schedule that Glue takes; the text says why."""


class Schedule:
    def __init__(self, expression: str) -> None:
        """Raises InvalidSchedule."""
        match = re.fullmatch(r"cron\((.*)\)", expression.strip())
        fields = match[1].split() if match else []
        if len(fields) != 6:
            raise InvalidSchedule(f"'{expression}' is not cron(Minutes Hours Day-of-month Month Day-of-week Year)")
        if (fields[2] == "?") == (fields[4] == "?"):
            raise InvalidSchedule(f"'{expression}': one of day-of-month and day-of-week must be ?, and not both")
        if re.search(r"#|\dW|LW", match[1].upper()):
            raise InvalidSchedule(f"'{expression}': W and # are not supported by this Glue")
        try:
            self.cron = CronTab(" ".join([*fields[:4], weekdays(fields[4]), fields[5]]))
        except ValueError as error:
            raise InvalidSchedule(f"'{expression}': {error}") from None
        self.check_gaps(expression)

    def next_after(self, moment: datetime) -> datetime | None:
        """The first time it is due after ``moment``; None when it never is again."""
        found = self.cron.next(moment.astimezone(UTC), default_utc=True, return_datetime=True)
        return found if found is None else found.astimezone(UTC)

    def check_gaps(self, expression: str) -> None:
        moment = self.next_after(datetime.now(UTC))
        for _ in range(FIRINGS_CHECKED):
            following = moment and self.next_after(moment)
            if not following:
                return
            if following - moment < SHORTEST:
                raise InvalidSchedule(f"'{expression}' is due more often than every 5 minutes")
            moment = following


def weekdays(field: str) -> str:
    """AWS counts 1 to 7 from Sunday, cron 0 to 6; AWS's ``6L`` (the last Friday) is crontab's ``L5``."""
    if field.upper() == "L":
        return "sat"
    field = re.sub(r"\b([1-7])L\b", lambda m: f"L{int(m[1]) - 1}", field, flags=re.IGNORECASE)
    return re.sub(r"(?<![/L\d])([1-7])\b", lambda m: DAYS[int(m[1]) - 1], field)


class Timetable:
    """What is to run when. ``clock`` tells the time."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.entries: dict[Hashable, tuple[Schedule, datetime | None]] = {}

    def put(self, name: Hashable, schedule: Schedule) -> None:
        self.entries[name] = (schedule, schedule.next_after(self.clock()))

    def remove(self, name: Hashable) -> None:
        self.entries.pop(name, None)

    def take_due(self) -> list[Hashable]:
        """What has become due since it was last asked: once each, however often it was due meanwhile."""
        moment = self.clock()
        names = [name for name, (_, due) in list(self.entries.items()) if due and due <= moment]
        for name in names:
            self.put(name, self.entries[name][0])
        return names
