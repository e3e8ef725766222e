"""Put a step's logs where EMR does: ``<LogUri>/<cluster>/steps/<step>/{controller,syslog,stderr,stdout}.gz``.

https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-manage-view-web-log-files.html
"""

import gzip
from pathlib import Path
from urllib.parse import urlsplit

import boto3

NAMES = ("controller", "syslog", "stderr", "stdout")


def upload(folder: Path, log_uri: str, cluster: str, step: str) -> None:
    """Raises botocore's errors, of a bucket that is not there for instance."""
    target = urlsplit(log_uri)
    prefix = "/".join(filter(None, [target.path.strip("/"), cluster, "steps", step]))
    client = boto3.client("s3")
    for name in NAMES:
        content = gzip.compress((folder / name).read_bytes())
        client.put_object(
            Bucket=target.netloc, Key=f"{prefix}/{name}.gz", Body=content, ContentType="application/x-gzip"
        )
