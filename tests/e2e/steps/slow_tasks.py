"""A step of eighty tasks of a second each; prints which attempt of each task gave its result."""

import time

from pyspark import TaskContext
from pyspark.sql import SparkSession


def work(_: int) -> int:
    time.sleep(1)
    return TaskContext.get().attemptNumber()


context = SparkSession.builder.appName("slow tasks").getOrCreate().sparkContext
print(context.parallelize(range(80), 80).map(work).collect())
