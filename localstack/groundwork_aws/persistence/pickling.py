"""Pickles of the services' state: what belongs to this process only is made anew when they are read.

Locks come back free, connections and threads as None, buckets without their objects, which have rows of their own, and
statements of the Redshift Data API without results of more than a page.
"""

import io
import pickle
import threading
from collections import defaultdict
from types import FunctionType

import dill
import psycopg
from localstack.services.s3.models import S3Bucket

from groundwork_aws.redshift_data.results import PAGE_ROWS, Result

LOCK, RLOCK = type(threading.Lock()), type(threading.RLock())


def dumps(state: object) -> bytes:
    """Raises what pickle raises, RuntimeError when a collection changed meanwhile."""
    output = io.BytesIO()
    Pickler(output, protocol=pickle.HIGHEST_PROTOCOL).dump(state)
    return output.getvalue()


loads = pickle.loads


class Pickler(pickle.Pickler):
    def reducer_override(self, thing):
        """How a thing is made again: see ``object.__reduce__``."""
        match thing:
            case LOCK():
                return threading.Lock, ()
            case RLOCK():
                return threading.RLock, ()
            case threading.Condition():
                return threading.Condition, (thing._lock,)
            case threading.Event():
                return event, (thing.is_set(),)
            case threading.Thread() | psycopg.Connection():
                return nothing, ()
            case Result() if len(thing.rows) > PAGE_ROWS:
                return nothing, ()
            case S3Bucket():
                return restored, (S3Bucket, {**vars(thing), "objects": type(thing.objects)(), "multiparts": {}})
            case defaultdict() if type(thing) is not defaultdict:  # pickle would call it as defaultdict is called
                return default_dict, (type(thing), thing.default_factory), vars(thing), None, iter(thing.items())
            case FunctionType() if "<" in thing.__qualname__:  # a lambda or a function in a function has no name
                return dill.loads, (dill.dumps(thing),)
        return NotImplemented


def event(is_set: bool) -> threading.Event:
    made = threading.Event()
    if is_set:
        made.set()
    return made


def nothing() -> None:
    return None


def default_dict(kind: type[defaultdict], factory) -> defaultdict:
    thing = kind.__new__(kind)
    thing.default_factory = factory
    return thing


def restored(kind: type, attributes: dict):
    thing = kind.__new__(kind)
    vars(thing).update(attributes)
    return thing
