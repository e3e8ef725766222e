"""Saves the services' state: all that changed in one transaction, so that what is restored fits together.

A thread of its own saves, at once when somebody waits, else a little later. While a stack is being deployed nothing is
saved: a deployment that is interrupted leaves no trace, and is done again. S3's buckets are the exception, for objects
that were acknowledged lie in them.
"""

import logging
import threading
import time

from groundwork_aws.persistence.database import Database
from groundwork_aws.persistence.services import CHANGE_BY_THEMSELVES, IN_THEIR_OWN_TIME, stack_in_progress, state_of

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
        self.seen: set[str] = set()
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
        """The service may have changed: save it some time soon."""
        with self.condition:
            self.changed.add(service)
            self.seen.add(service)

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
            if is_asked and not self.over:
                self.save_changed(IN_THEIR_OWN_TIME)
            elif now >= unasked or self.over:
                self.save_changed(set())
                unasked = time.monotonic() + (time.monotonic() - now) / SHARE
            with self.condition:
                self.served = asked
                self.condition.notify_all()

    def save_changed(self, but_for: set[str]) -> None:
        with self.condition:
            names = (self.changed | (self.seen & CHANGE_BY_THEMSELVES)) - but_for
        held = self.write(names)
        with self.condition:
            self.changed |= held

    def write(self, names: set[str]) -> set[str]:
        """Save the services; returns those that have to wait for a stack."""
        if stack_in_progress():
            names, held = names & {"s3"}, names - {"s3"}
        else:
            held = set()
        with self.condition:
            self.changed -= names
        states = {name: state for name in names if (state := self.read(name)) not in (None, self.saved.get(name))}
        if stack_in_progress():
            held |= states.keys() - {"s3"}
            states = {name: state for name, state in states.items() if name == "s3"}
        if states:
            self.commit(states)
        return held

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
        LOG.error("The state of %s cannot be saved: %s", name, problem)
        self.problems[name] = problem
        return None

    def commit(self, states: dict[str, bytes]) -> None:
        try:
            with self.database.transaction() as rows:
                rows.executemany("insert or replace into services values (?, ?)", states.items())
        except Exception as error:
            LOG.error("The state of %s cannot be saved in %s: %s", ", ".join(states), self.database.folder, error)
            self.problems |= dict.fromkeys(states, error)
            with self.condition:
                self.changed |= states.keys()
        else:
            self.saved |= states
            for name in states:
                self.problems.pop(name, None)
