"""The process of a task on its own: that it ends with its parent, and that TLS is used where it is required."""

import datetime
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from groundwork_aws.dms import full_load, postgres
from groundwork_aws.dms.instance import processes
from groundwork_aws.dms.settings import merged
from tests.dms.conftest import document, include, wait_until

from groundwork.local import services

PARENT = """
import json, sys, time
from pathlib import Path
from groundwork_aws.dms.instance import Replication
if __name__ == "__main__":
    print(Replication(json.loads(sys.argv[1]), Path(sys.argv[2]), lambda event: None).process.pid, flush=True)
    time.sleep(600)
"""


def work(port: int, schema: str) -> dict:
    """A task that goes on for a while: its table is locked."""
    return {
        "type": "full-load",
        "source": {"host": "127.0.0.1", "port": port, "database": "postgres", "user": "dms", "password": "right"},
        "target": {"bucket": "none", "folder": "", "put": {}},
        "layout": {
            "include_op": False, "timestamp_column": "", "started": None, "timestamp_in_millisecond": False,
            "max_file_bytes": 1 << 30,
        },
        "format": {}, "mappings": document(include(schema)), "done": [],
        "settings": merged('{"FullLoadSettings": {"TargetTablePrepMode": "DO_NOTHING"}}'),
        "aws": {"endpoint_url": "http://127.0.0.1:9", "region_name": "us-east-1"},
    }  # fmt: skip


def test_a_replication_process_ends_when_its_parent_is_killed(source, source_server, schema, tmp_path):
    source.execute("CREATE TABLE locked (id int)")
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with psycopg.connect(source_server.dsn()) as other:
        other.execute(f"LOCK TABLE {schema}.locked IN ACCESS EXCLUSIVE MODE")
        arguments = [json.dumps(work(source_server.port, schema)), str(tmp_path / "task.log")]
        parent = subprocess.Popen([sys.executable, script, *arguments], stdout=subprocess.PIPE, text=True)
        child = Path(f"/proc/{int(parent.stdout.readline())}")
        assert not has_ended(child)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        wait_until(lambda: has_ended(child))


def has_ended(process: Path) -> bool:
    """Also of one that waits for its parent, which may be a first process that asks nobody how it ended."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def server_with_tls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    folder.chmod(0o755)
    certificate, key = folder / "server.crt", folder / "server.key"
    make_certificate(certificate, key)
    for path in (certificate, key):
        path.chmod(0o600)
    settings = {"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)}
    with services.running_postgres(folder, "source", **settings) as server:
        yield server


def make_certificate(certificate: Path, key: Path) -> None:
    private, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "source")]),
    )
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(
        name, name, private.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(days=1)
    ).sign(private, hashes.SHA256())
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key.write_bytes(private.private_bytes(serialization.Encoding.PEM, *form))


def test_both_drivers_use_tls_where_it_is_required(server_with_tls):
    source = postgres.Source("127.0.0.1", server_with_tls.port, "postgres", "postgres", "test", ssl_mode="require")
    postgres.check(source)
    query = "SELECT * FROM postgres_query('source', 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')"
    assert full_load.connect(source).execute(query).fetchall() == [(True,)]


def test_the_replication_process_gives_freed_memory_back():
    """Arrow chooses its allocator while it is loaded: the fork server must have heard before."""
    ours, theirs = processes.Pipe()
    process = processes.Process(target=tell_allocator, args=(theirs,))
    process.start()
    assert ours.recv() == "system"
    process.join()


def tell_allocator(pipe) -> None:
    pipe.send(pa.default_memory_pool().backend_name)
