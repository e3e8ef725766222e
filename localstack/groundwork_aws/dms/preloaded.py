"""Imported before anything else in the fork server: what every task's process would otherwise do by itself.

Arrow chooses its allocator when it is loaded. The one it prefers keeps what every thread has freed, 20 MB and more for
each table that loads; the C library's gives it back, at no cost that could be measured.

boto3 reads what S3's operations are when its session makes the first client: 0.12 s, a fifth of the processor time in
which 200,000 changes are written. Later clients of the session, also of a fork's, take 0.01 s.

NumPy loads its masked arrays with the first ``unique``: 0.05 s.
"""

import os

import boto3
import numpy.ma  # noqa: F401

os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="-", aws_secret_access_key="-")
client.get_paginator("list_multipart_uploads")
