"""The entry points by which LocalStack finds the services; a provider is imported when its service is first called."""

from localstack.services.plugins import Service, aws_provider


@aws_provider(api="athena")
def athena():
    from groundwork_aws.athena.provider import AthenaProvider

    return Service.for_provider(AthenaProvider())


@aws_provider(api="dms")
def dms():
    from groundwork_aws.dms.provider import DmsProvider

    return Service.for_provider(DmsProvider())


@aws_provider(api="emr")
def emr():
    from groundwork_aws.emr.provider import EmrProvider

    return Service.for_provider(EmrProvider())


@aws_provider(api="glue")
def glue():
    from groundwork_aws.glue.provider import GlueProvider

    return Service.for_provider(GlueProvider())


@aws_provider(api="redshift-data")
def redshift_data():
    from groundwork_aws.redshift_data.provider import RedshiftDataProvider

    return Service.for_provider(RedshiftDataProvider())


@aws_provider(api="redshift-serverless")
def redshift_serverless():
    from groundwork_aws.redshift_serverless.provider import RedshiftServerlessProvider

    return Service.for_provider(RedshiftServerlessProvider())


@aws_provider(api="budgets")
def budgets():
    from groundwork_aws.budgets.provider import BudgetsProvider

    return Service.for_provider(BudgetsProvider())


@aws_provider(api="ce")
def ce():
    from groundwork_aws.cost_explorer.provider import CostExplorerProvider

    return Service.for_provider(CostExplorerProvider())


@aws_provider(api="mwaa")
def mwaa():
    from groundwork_aws.mwaa.provider import MwaaProvider

    return Service.for_provider(MwaaProvider())


@aws_provider(api="rds")
def rds():
    from groundwork_aws.rds.provider import RdsProvider

    return Service.for_provider(RdsProvider())


@aws_provider(api="s3", name="kept")
def s3():
    """LocalStack's own, over files that outlive it."""
    from localstack.services.s3.provider import S3Provider

    from groundwork_aws import settings
    from groundwork_aws.persistence.objects import ObjectFiles

    return Service.for_provider(S3Provider(ObjectFiles(settings.read().localstack_state_dir / "objects")))
