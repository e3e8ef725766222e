"""A step of eighty tasks of a second each, again until one of them was tried again: whoever takes a worker away may
take his time. Prints which attempt of each task gave its result."""

import time

from pyspark import TaskContext
from pyspark.sql import SparkSession


def work(_: int) -> int:
    time.sleep(1)
    return TaskContext.get().attemptNumber()


context = SparkSession.builder.appName("slow tasks").getOrCreate().sparkContext
for _ in range(10):
    attempts = context.parallelize(range(80), 80).map(work).collect()
    if max(attempts) > 0:
        break
print(attempts)
