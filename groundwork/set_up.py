"""What makes running services a platform: stacks, roles, seeded source, the jobs' code, tested connections."""

from collections.abc import Callable

from groundwork import databases, deploy, seed
from groundwork.settings import Settings


def set_up(settings: Settings, say: Callable[[str], None]) -> None:
    """Doing it again changes nothing. Raises UserError with what failed and what to do."""
    deploy.deploy_stacks(settings, say)
    databases.admit_dbt(settings)
    seed.seed(settings, say)
    deploy.upload_artifacts(settings, say)
    deploy.test_connections(say)
