"""The engines of Athena's callers."""

from concurrent.futures import ThreadPoolExecutor

from groundwork_aws.athena.executions import engine


def test_a_callers_first_queries_share_one_engine_when_they_come_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("GROUNDWORK_STATE_DIR", str(tmp_path))
    for name in ("WAREHOUSE_DSN", "INSTANCE_CONTROLLER_URL", "INSTANCE_CONTROLLER_TOKEN"):
        monkeypatch.setenv(f"GROUNDWORK_{name}", "")
    with ThreadPoolExecutor(4) as pool:
        engines = set(pool.map(lambda _: engine("caller", "us-east-1"), range(4)))
    assert len(engines) == 1
    assert engine("another", "us-east-1") not in engines
