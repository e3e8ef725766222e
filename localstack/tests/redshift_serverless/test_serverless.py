"""Namespaces and workgroups (AWS_FIDELITY 7.6) through boto3, and what they make on the PostgreSQL behind them."""

import json
import time

import psycopg
import pytest
from botocore.exceptions import ClientError
from psycopg.conninfo import make_conninfo


@pytest.fixture
def client(aws):
    return aws("redshift-serverless")


@pytest.fixture
def namespace(client, unique):
    return client.create_namespace(
        namespaceName=unique, dbName=unique, adminUsername=unique, manageAdminPassword=True,
        tags=[{"key": "a", "value": "b"}]
    )["namespace"]  # fmt: skip


def databases(server) -> set[str]:
    with psycopg.connect(server.dsn()) as connection:
        return {name for (name,) in connection.execute("select datname from pg_database")}


def code_of(error) -> str:
    return error.value.response["Error"]["Code"]


def test_RS_N_04_a_namespace_is_a_database_with_an_administrator(aws, client, warehouse_server, namespace, unique):
    assert namespace["status"] == "AVAILABLE"
    assert namespace["namespaceArn"].startswith("arn:aws:redshift-serverless:us-east-1:000000000000:namespace/")
    secret = aws("secretsmanager").get_secret_value(SecretId=namespace["adminPasswordSecretArn"])
    assert secret["Name"] == f"redshift!{unique}-{unique}"
    login = json.loads(secret["SecretString"])
    dsn = make_conninfo(warehouse_server.dsn(unique), user=login["username"], password=login["password"])
    with psycopg.connect(dsn) as connection:
        assert connection.execute("create schema silver").statusmessage == "CREATE SCHEMA"
        assert connection.execute("select datediff('day', '2017-07-01', '2017-07-02')").fetchone() == (1,)
    assert client.get_namespace(namespaceName=unique)["namespace"]["dbName"] == unique
    assert unique in [n["namespaceName"] for n in client.list_namespaces()["namespaces"]]


def test_RS_N_04_a_deleted_namespace_takes_its_database_users_and_secret_along(
    aws, client, warehouse_server, namespace, unique
):
    client.create_workgroup(workgroupName=unique, namespaceName=unique)
    with pytest.raises(ClientError) as error:
        client.delete_namespace(namespaceName=unique)
    assert code_of(error) == "ConflictException"
    client.get_credentials(workgroupName=unique)
    client.delete_workgroup(workgroupName=unique)
    assert client.delete_namespace(namespaceName=unique)["namespace"]["status"] == "DELETING"
    assert unique not in databases(warehouse_server)
    with psycopg.connect(warehouse_server.dsn()) as connection:
        assert connection.execute("select 1 from pg_roles where rolname = %s", [unique]).fetchone() is None
    with pytest.raises(aws("secretsmanager").exceptions.ResourceNotFoundException):
        aws("secretsmanager").get_secret_value(SecretId=namespace["adminPasswordSecretArn"])
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_namespace(namespaceName=unique)


def test_a_database_that_outlived_localstack_is_taken_again_with_its_data(client, warehouse_server, unique):
    with psycopg.connect(warehouse_server.dsn(), autocommit=True) as connection:
        connection.execute(f"create role {unique} login")
        connection.execute(f"create database {unique} owner {unique}")
    with psycopg.connect(warehouse_server.dsn(unique)) as connection:
        connection.execute("create table public.kept as select 1 as a")
    client.create_namespace(namespaceName=unique, dbName=unique, adminUsername=unique, adminUserPassword="Password1")
    dsn = make_conninfo(warehouse_server.dsn(unique), user=unique, password="Password1")
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select count(*), len('abc') from pg_tables where tablename = 'kept'").fetchone() == (
            1,
            3,
        )


def test_a_database_or_administrator_belongs_to_one_namespace(client, namespace, unique):
    with pytest.raises(client.exceptions.ConflictException, match="database name"):
        client.create_namespace(namespaceName=f"{unique}-2", dbName=unique, adminUsername=f"{unique}_2")
    with pytest.raises(client.exceptions.ConflictException, match="admin user name"):
        client.create_namespace(namespaceName=f"{unique}-2", dbName=f"{unique}_2", adminUsername=unique)
    with pytest.raises(client.exceptions.ConflictException, match="already exists"):
        client.create_namespace(namespaceName=unique, dbName=f"{unique}_2")


def test_the_servers_superuser_is_no_administrator(client, warehouse_server, unique):
    with pytest.raises(client.exceptions.ValidationException, match="superuser"):
        client.create_namespace(namespaceName=unique, dbName=unique, adminUsername="postgres")
    assert unique not in databases(warehouse_server)


@pytest.mark.parametrize(
    "fields, reason",
    [
        ({"namespaceName": "Capital"}, "namespaceName"),
        ({"dbName": "template1"}, "dbName"),
        ({"adminUserPassword": "short"}, "adminUserPassword"),
        ({"adminUserPassword": "Password1", "manageAdminPassword": True}, "manageAdminPassword"),
        ({"logExports": ["everything"]}, "logExports"),
        ({"defaultIamRoleArn": "arn:x", "iamRoles": []}, "defaultIamRoleArn"),
    ],
)
def test_a_namespace_that_aws_would_refuse_is_refused(client, unique, fields, reason):
    with pytest.raises(ClientError, match=reason) as error:
        client.create_namespace(**{"namespaceName": unique, "dbName": unique, **fields})
    assert code_of(error) == "ValidationException"


def test_an_update_changes_roles_and_the_password(aws, client, warehouse_server, namespace, unique):
    role = f"arn:aws:iam::000000000000:role/{unique}"
    answer = client.update_namespace(
        namespaceName=unique, iamRoles=[role], defaultIamRoleArn=role, manageAdminPassword=False,
        adminUserPassword="Password2"
    )["namespace"]  # fmt: skip
    assert answer["iamRoles"] == [f"IamRole(applyStatus=in-sync, iamRoleArn={role})"]
    assert "adminPasswordSecretArn" not in answer
    dsn = make_conninfo(warehouse_server.dsn(unique), user=unique, password="Password2")
    psycopg.connect(dsn).close()


def test_RS_N_04_a_workgroups_endpoint_is_the_servers_real_address(client, warehouse_server, namespace, unique):
    created = client.create_workgroup(
        workgroupName=unique, namespaceName=unique, baseCapacity=8,
        configParameters=[{"parameterKey": "search_path", "parameterValue": "public"}],
    )["workgroup"]  # fmt: skip
    assert (created["endpoint"]["address"], created["endpoint"]["port"]) == ("127.0.0.1", warehouse_server.port)
    assert (created["status"], created["baseCapacity"], created["publiclyAccessible"]) == ("AVAILABLE", 8, False)
    assert client.update_workgroup(workgroupName=unique, baseCapacity=16)["workgroup"]["baseCapacity"] == 16
    assert client.get_workgroup(workgroupName=unique)["workgroup"]["configParameters"] == created["configParameters"]
    with pytest.raises(client.exceptions.ConflictException):
        client.create_workgroup(workgroupName=f"{unique}-2", namespaceName=unique)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.create_workgroup(workgroupName=f"{unique}-2", namespaceName="nobody")


@pytest.mark.parametrize("capacity", [5, 12, 1000, 2048])
def test_RS_N_03_capacity_goes_in_steps(client, namespace, unique, capacity):
    with pytest.raises(client.exceptions.ValidationException, match="baseCapacity"):
        client.create_workgroup(workgroupName=unique, namespaceName=unique, baseCapacity=capacity)


def test_RS_D_02_credentials_are_of_the_callers_identity_and_work(client, warehouse_server, namespace, unique):
    client.create_workgroup(workgroupName=unique, namespaceName=unique)
    credentials = client.get_credentials(workgroupName=unique)
    assert credentials["dbUser"] == "IAM:root"
    dsn = make_conninfo(warehouse_server.dsn(unique), user="IAM:root", password=credentials["dbPassword"])
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select session_user, current_user").fetchone() == ("IAM:root", unique)


def test_tags_are_kept(client, namespace):
    arn = namespace["namespaceArn"]
    client.tag_resource(resourceArn=arn, tags=[{"key": "c", "value": "d"}])
    client.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "c", "value": "d"}]


def test_a_user_made_by_sql_has_what_was_granted_and_goes_with_the_namespace(
    aws, client, warehouse_server, namespace, unique
):
    client.create_workgroup(workgroupName=unique, namespaceName=unique)
    sqls = [
        "create schema silver",
        "create table silver.t (a int)",
        f"create user u_{unique} password 'Password1'",
        f"grant usage on schema silver to u_{unique}",
        f"grant select on all tables in schema silver to u_{unique}",
        f"grant create on database {unique} to u_{unique}",
    ]
    data = aws("redshift-data")
    id = data.batch_execute_statement(WorkgroupName=unique, Database=unique, Sqls=sqls)["Id"]
    while (answer := data.describe_statement(Id=id))["Status"] not in ("FINISHED", "FAILED"):
        time.sleep(0.05)
    assert answer.get("Error") is None
    dsn = make_conninfo(warehouse_server.dsn(unique), user=f"u_{unique}", password="Password1")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.t as select * from silver.t")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("insert into silver.t values (1)")
    client.delete_workgroup(workgroupName=unique)
    client.delete_namespace(namespaceName=unique)
    with psycopg.connect(warehouse_server.dsn()) as connection:
        assert connection.execute("select 1 from pg_roles where rolname like %s", [f"%{unique}"]).fetchone() is None


def deploy(aws, name: str, template: dict) -> dict:
    client = aws("cloudformation")
    client.create_stack(StackName=name, TemplateBody=json.dumps(template), OnFailure="DO_NOTHING")
    while (stack := client.describe_stacks(StackName=name)["Stacks"][0])["StackStatus"] == "CREATE_IN_PROGRESS":
        time.sleep(0.2)
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    assert stack["StackStatus"] == "CREATE_COMPLETE", [e.get("ResourceStatusReason") for e in events]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def test_a_template_makes_both_and_deletes_both(aws, client, warehouse_server, unique):
    role = f"arn:aws:iam::000000000000:role/{unique}"
    template = {
        "Resources": {
            "Namespace": {
                "Type": "AWS::RedshiftServerless::Namespace",
                "Properties": {
                    "NamespaceName": unique, "DbName": unique, "AdminUsername": unique, "ManageAdminPassword": True,
                    "IamRoles": [role], "DefaultIamRoleArn": role, "LogExports": ["userlog"],
                    "Tags": [{"Key": "project", "Value": "groundwork"}],
                },
            },
            "Workgroup": {
                "Type": "AWS::RedshiftServerless::Workgroup",
                "Properties": {
                    "WorkgroupName": unique, "NamespaceName": {"Ref": "Namespace"}, "BaseCapacity": 8,
                    "EnhancedVpcRouting": True, "PubliclyAccessible": False, "SubnetIds": ["subnet-12345678"],
                    "SecurityGroupIds": ["sg-12345678"],
                    "ConfigParameters": [{"ParameterKey": "require_ssl", "ParameterValue": "true"}],
                },
            },
        },
        "Outputs": {
            "Address": {"Value": {"Fn::GetAtt": ["Workgroup", "Workgroup.Endpoint.Address"]}},
            "Port": {"Value": {"Fn::GetAtt": ["Workgroup", "Workgroup.Endpoint.Port"]}},
            "Arn": {"Value": {"Fn::GetAtt": ["Workgroup", "Workgroup.WorkgroupArn"]}},
            "Database": {"Value": {"Fn::GetAtt": ["Namespace", "Namespace.DbName"]}},
        },
    }  # fmt: skip
    outputs = deploy(aws, unique, template)
    assert outputs["Address"] == "127.0.0.1"
    assert outputs["Port"] == str(warehouse_server.port)
    assert outputs["Database"] == unique
    workgroup = client.get_workgroup(workgroupName=unique)["workgroup"]
    assert outputs["Arn"] == workgroup["workgroupArn"]
    assert workgroup["configParameters"] == [{"parameterKey": "require_ssl", "parameterValue": "true"}]
    aws("cloudformation").delete_stack(StackName=unique)
    aws("cloudformation").get_waiter("stack_delete_complete").wait(StackName=unique, WaiterConfig={"Delay": 1})
    assert unique not in databases(warehouse_server)
