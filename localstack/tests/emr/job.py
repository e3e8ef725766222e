"""A Spark job that looks at what the cluster gives it: ``job.py TABLE``. Its first task kills its executor."""

import os
import signal
import sys
from pathlib import Path

import words
from pyspark import TaskContext
from pyspark.sql import SparkSession


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def survive(rows):
    if TaskContext.get().attemptNumber() == 0:
        os.kill(parent_of(os.getppid()), signal.SIGKILL)  # the JVM above Python's worker daemon
    return rows


spark = SparkSession.builder.getOrCreate()
print("master:", spark.sparkContext.master.partition(":")[0])
print("setting:", spark.conf.get("spark.sql.session.timeZone"))
print("retried:", spark.sparkContext.parallelize([1, 2, 3], 1).mapPartitions(survive).sum())
table = sys.argv[1]
spark.createDataFrame([(1, words.GREETING), (2, "b")], "id int, text string").write.format("delta").save(table)
print("delta:", spark.read.format("delta").load(table).where("id = 1").first()["text"])
