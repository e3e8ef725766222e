"""Saves the services' state: all that changed in one transaction, so that what is restored fits together.

A thread of its own saves, at once when somebody waits, else a little later. While a stack is being deployed nothing is
saved: a deployment that is interrupted leaves no trace, and is done again. S3's buckets are the exception, for objects
that were acknowledged lie in them.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Iterable

from groundwork_aws.persistence.database import Database
from groundwork_aws.persistence.services import CHANGE_BY_THEMSELVES, stack_in_progress, state_of

LOG = logging.getLogger(__name__)
PAUSE_SECONDS = 1.0
# Saving that nobody waits for takes at most so large a part of the time.
SHARE = 0.05
# Each meets a state that changes while it is read.
ATTEMPTS = 50


class NotSaved(Exception):
    """A service's state could not be saved; the text says why."""


class Saver:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.condition = threading.Condition()
        self.changed: set[str] = set()
        # these are saved when nobody asks
        self.at_leisure: set[str] = set()
        self.by_themselves: set[str] = set()
        # the digest of each service that is saved
        self.saved: dict[str, bytes] = {}
        self.problems: dict[str, Exception] = {}
        # how many have asked for a save, and how many of them have had theirs
        self.asked, self.served = 0, 0
        self.over = False

    def start(self) -> None:
        self.thread = threading.Thread(target=self.run, name="persistence", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Save everything a last time."""
        with self.condition:
            self.over = True
            self.condition.notify_all()
        self.thread.join()

    def note(self, service: str) -> None:
        """The service may have changed: the next save has it."""
        with self.condition:
            self.changed.add(service)
            if service in CHANGE_BY_THEMSELVES:
                self.by_themselves.add(service)

    def note_at_leisure(self, service: str) -> None:
        """The service has changed, and nobody need wait until it is saved."""
        with self.condition:
            self.at_leisure.add(service)

    def save(self, service: str) -> None:
        """Save the service, with all else that changed, before returning. Raises NotSaved."""
        with self.condition:
            self.note(service)
            self.asked += 1
            mine = self.asked
            self.condition.notify_all()
            self.condition.wait_for(lambda: self.served >= mine or self.over)
            if problem := self.problems.get(service):
                raise NotSaved(f"The state of {service} could not be saved: {problem}") from problem

    def run(self) -> None:
        unasked = 0.0  # when it may be saved next without being asked
        while not self.over:
            with self.condition:
                is_asked = self.condition.wait_for(lambda: self.asked > self.served or self.over, PAUSE_SECONDS)
                asked, now = self.asked, time.monotonic()
            if is_asked:
                self.save_changed()
            elif now >= unasked:
                self.save_all()
                unasked = time.monotonic() + (time.monotonic() - now) / SHARE
            with self.condition:
                self.served = asked
                self.condition.notify_all()
        self.save_all()

    def save_all(self) -> None:
        with self.condition:
            self.changed |= self.at_leisure | self.by_themselves
            self.at_leisure.clear()
        self.save_changed()

    def save_changed(self) -> None:
        with self.condition:
            names = self.changed & {"s3"} if stack_in_progress() else set(self.changed)
            self.changed -= names
        states = {name: state for name in names if (state := self.read(name))}
        if stack_in_progress():  # since it was looked last
            with self.condition:
                self.changed |= names - {"s3"}
            states = {name: state for name, state in states.items() if name == "s3"}
        self.commit({name: state for name, state in states.items() if digest(state) != self.saved.get(name)})

    def read(self, name: str) -> bytes | None:
        """None when it cannot be read: whoever waits for the service is told."""
        for _ in range(ATTEMPTS):
            try:
                state = state_of(name)
            except RuntimeError as error:  # "dictionary changed size during iteration"
                problem = error
                time.sleep(0.001)
            except Exception as error:
                problem = error
                break
            else:
                self.problems.pop(name, None)
                return state
        self.failed([name], problem)
        return None

    def commit(self, states: dict[str, bytes]) -> None:
        try:
            if states:
                with self.database.transaction() as rows:
                    rows.executemany("insert or replace into services values (?, ?)", states.items())
        except Exception as error:
            self.failed(states, error)
        self.saved |= {name: digest(state) for name, state in states.items() if name not in self.problems}

    def failed(self, names: Iterable[str], problem: Exception) -> None:
        """Whoever waits for these services is told, and they are tried again."""
        LOG.error("The state of %s cannot be saved in %s: %s", ", ".join(names), self.database.folder, problem)
        with self.condition:
            self.problems |= dict.fromkeys(names, problem)
            self.changed |= set(names)


def digest(state: bytes) -> bytes:
    return hashlib.blake2b(state, digest_size=16).digest()
