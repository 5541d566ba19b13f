"""What task definitions, their containers and services do beyond what every table does."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Cloud, Database
from test_nerves import Statement, changes, underway, wait_until
from test_resources import apply, site
from testbed import Emulator

__all__ = ["site"]

NOTHING: list[dict[str, Any]] = []
DEFINITION = "INSERT INTO task_definition (family, cpu_memory) VALUES ('web', 'vCPU0.25-0.5GB')"
CONTAINER = "INSERT INTO container_definition (task_definition_id, name, essential, {}) "

pytestmark = pytest.mark.timeout(300)


def active(cloud: Cloud) -> list[str]:
    arns = cloud.client("ecs", "us-east-1").list_task_definitions(status="ACTIVE")
    return [arn.rsplit("/", 1)[-1] for arn in arns["taskDefinitionArns"]]


def test_the_next_revision_keeps_what_has_no_column(site: Database, cloud: Cloud) -> None:
    ecs = cloud.client("ecs", "us-east-1")
    mount = {"sourceVolume": "data", "containerPath": "/data", "readOnly": True}
    ulimit = {"name": "nofile", "softLimit": 1024, "hardLimit": 4096}
    fluent = {"logDriver": "fluentd", "options": {"tag": "web"}}
    ecs.register_task_definition(
        family="web",
        cpu="256",
        memory="512",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        volumes=[{"name": "data"}],
        containerDefinitions=[
            {
                "name": "web",
                "image": "nginx:1",
                "essential": True,
                "mountPoints": [mount],
                "ulimits": [ulimit],
            },
            {"name": "side", "image": "envoy", "essential": False, "logConfiguration": fluent},
        ],
    )
    site.sql("SELECT * FROM iasql_sync()")
    site.sql("UPDATE container_definition SET tag = '2' WHERE name = 'web'")
    assert [line["action"] for line in apply(site)] == ["update"]
    assert active(cloud) == ["web:2"]
    now = ecs.describe_task_definition(taskDefinition="web:2")["taskDefinition"]
    web, side = now["containerDefinitions"]
    assert web["image"] == "nginx:2"
    assert (web["mountPoints"], web["ulimits"]) == ([mount], [ulimit])
    assert side["logConfiguration"] == fluent
    assert [volume["name"] for volume in now["volumes"]] == ["data"]
    assert site.sql("SELECT id, revision, status FROM task_definition") == [
        {"id": 1, "revision": 2, "status": "ACTIVE"}
    ]


def test_definitions_for_instances_are_left_alone(site: Database, cloud: Cloud) -> None:
    cloud.client("ecs", "us-east-1").register_task_definition(
        family="old", containerDefinitions=[{"name": "a", "image": "nginx", "memory": 128}]
    )
    site.sql("SELECT * FROM iasql_sync()")
    (note,) = site.sql("SELECT table_name, reason FROM iasql_unrepresented")
    assert note["table_name"] == "task_definition" and "not for Fargate" in note["reason"]
    site.sql("SELECT delete_all_records()")
    assert "old:1" in active(cloud)


def test_no_containers_no_task_definition(site: Database) -> None:
    site.sql(DEFINITION)
    for call in "iasql_plan()", "iasql_apply()":
        error = site.error(f"SELECT * FROM {call}")
        assert error.message and "has no container_definition: INSERT INTO" in error.message


@pytest.mark.parametrize(
    ("columns", "values", "words"),
    [
        ("tag", "'1'", "neither an image nor a repository"),
        ("image, tag, digest", f"'nginx', '1', 'sha256:{'0' * 64}'", "both a tag and a digest"),
        ("image", "'nginx:1'", "has its tag or digest in it"),
        ("image, container_port, host_port", "'nginx', 80, 81", "host_port is not"),
        ("image, container_port", "'nginx', 70000", "not between 1 and 65535"),
        ("image, other_port_mappings", "'nginx', '[{\"containerPort\": 80}]'", "container_port has none"),
    ],
)
def test_mistakes_in_containers_are_met_with_words(
    site: Database, columns: str, values: str, words: str
) -> None:
    site.sql(DEFINITION)
    insert = CONTAINER.format(columns) + f"SELECT id, 'web', true, {values} FROM task_definition"
    error = site.error(insert)
    assert error.message and words in error.message


def test_a_service_without_subnets_is_refused(site: Database) -> None:
    site.sql(DEFINITION)
    site.sql("INSERT INTO cluster (cluster_name) VALUES ('web')")
    error = site.error(
        """INSERT INTO service (name, desired_count, subnets, cluster_name, task_definition_id)
        SELECT 'web', 1, '{}', 'web', id FROM task_definition"""
    )
    assert error.message == "a service needs subnets: from 1 to 16 of them"


def test_an_image_of_a_repository_is_known_by_it(site: Database, cloud: Cloud) -> None:
    site.sql("INSERT INTO repository (repository_name) VALUES ('web')")
    apply(site)
    site.sql(DEFINITION)
    site.sql(
        CONTAINER.format("image, tag")
        + "SELECT t.id, 'web', true, repository_uri, 'v1' FROM task_definition t, repository"
    )
    site.sql(
        """UPDATE container_definition SET cpu = 0, container_port = 80,
        other_port_mappings = '[{"containerPort": 81, "hostPort": 81}]'"""
    )
    (row,) = site.sql(
        "SELECT image, repository_name, cpu, host_port, other_port_mappings "
        "FROM container_definition"
    )
    assert row == {
        "image": None,
        "repository_name": "web",
        "cpu": None,
        "host_port": 80,
        "other_port_mappings": [{"protocol": "tcp", "containerPort": 81}],
    }


def test_a_revision_is_read_once(site: Database, cloud: Cloud, emulator: Emulator) -> None:
    site.sql(DEFINITION)
    site.sql(CONTAINER.format("image") + "SELECT id, 'web', true, 'nginx' FROM task_definition")
    apply(site)
    cloud.client("ecs", "us-east-1").register_task_definition(
        family="theirs",
        cpu="256",
        memory="512",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        containerDefinitions=[{"name": "app", "image": "nginx", "essential": True}],
    )

    def described() -> int:
        since = emulator.mark()
        site.sql("SELECT * FROM iasql_sync()")
        calls = emulator.calls(since)
        return sum(call["operation"] == "DescribeTaskDefinition" for call in calls)

    assert described() == 1
    assert described() == 0
    assert site.sql("SELECT family FROM task_definition ORDER BY 1") == [
        {"family": "theirs"},
        {"family": "web"},
    ]


def serve(site: Database) -> None:
    """A service with what it takes."""
    site.sql(DEFINITION)
    site.sql(CONTAINER.format("image") + "SELECT id, 'web', true, 'nginx' FROM task_definition")
    site.sql("INSERT INTO cluster (cluster_name) VALUES ('web')")
    site.sql(
        """INSERT INTO service (name, desired_count, subnets, cluster_name, task_definition_id)
        SELECT 'web', 1, ARRAY(SELECT subnet_id FROM subnet LIMIT 2), 'web', id FROM task_definition"""
    )
    apply(site)


def services(cloud: Cloud, cluster: str) -> list[str]:
    ecs = cloud.client("ecs", "us-east-1")
    arns = ecs.list_services(cluster=cluster)["serviceArns"]
    return [arn.rsplit("/", 1)[-1] for arn in arns]


def register(cloud: Cloud, kind: str) -> str:
    """Registers a task definition behind the database's back."""
    fargate = {"networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"]}
    ecs = cloud.client("ecs", "us-east-1")
    made = ecs.register_task_definition(
        family="theirs",
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "app", "image": "nginx", "essential": True}],
        **(fargate if kind == "FARGATE" else {"requiresCompatibilities": ["EC2"]}),
    )
    arn: str = made["taskDefinition"]["taskDefinitionArn"]
    return arn


def start(cloud: Cloud, cluster: str, kind: str = "FARGATE") -> None:
    """Makes a service behind the database's back."""
    ecs = cloud.client("ecs", "us-east-1")
    ecs.create_cluster(clusterName=cluster)
    (subnet, *_) = cloud.ec2.describe_subnets()["Subnets"]
    network = {"awsvpcConfiguration": {"subnets": [subnet["SubnetId"]]}}
    ecs.create_service(
        cluster=cluster,
        serviceName="web",
        taskDefinition=register(cloud, kind),
        desiredCount=1,
        launchType=kind,
        **({"networkConfiguration": network} if kind == "FARGATE" else {}),
    )


def test_a_service_that_drains_holds_up_only_its_own(
    site: Database, cloud: Cloud, emulator: Emulator
) -> None:
    serve(site)
    site.sql("INSERT INTO log_group (log_group_name) VALUES ('other')")
    apply(site)
    emulator.settings({"pending_ms": 4000})
    for table in "service", "cluster", "log_group":
        site.sql(f"DELETE FROM {table}")
    call = Statement(site, "SELECT action, table_name FROM iasql_apply()")
    progress = "SELECT done, total, doing FROM iasql_progress WHERE doing LIKE '%service%'"
    wait_until("progress", lambda: site.sql(progress))
    wait_until("the other", lambda: not cloud.logs.describe_log_groups()["logGroups"])
    (at,) = site.sql(progress)
    assert (at["done"], at["total"]) == (1, 3)
    assert "deleting service web" in at["doing"]
    ecs = cloud.client("ecs", "us-east-1")
    assert ecs.describe_clusters(clusters=["web"])["clusters"][0]["status"] == "ACTIVE"
    assert len(call.result()) == 3
    assert ecs.describe_clusters(clusters=["web"])["clusters"][0]["status"] == "INACTIVE"
    assert [call for call in emulator.calls() if call["refused"]] == []


def test_an_apply_that_ends_while_a_service_drains_is_finished_by_the_next(
    site: Database, cloud: Cloud, emulator: Emulator
) -> None:
    serve(site)
    emulator.settings({"pending_ms": 4000})
    since = emulator.mark()
    for table in "service", "cluster", "task_definition":
        site.sql(f"DELETE FROM {table}")
    call = Statement(site, "SELECT * FROM iasql_apply()")
    wait_until("DeleteService", lambda: "DeleteService" in changes(emulator, since))
    wait_until("its answer", lambda: not underway(emulator, since, operation="DeleteService"))
    call.connection.cancel()
    call.failure()
    apply(site)
    ecs = cloud.client("ecs", "us-east-1")
    assert ecs.describe_clusters(clusters=["web"])["clusters"][0]["status"] == "INACTIVE"
    assert active(cloud) == []


def test_of_two_services_with_one_name_the_older_has_the_row(
    site: Database, cloud: Cloud, emulator: Emulator
) -> None:
    for cluster in "one", "two":
        start(cloud, cluster)
    site.sql("SELECT * FROM iasql_sync()")
    assert site.sql("SELECT name, cluster_name FROM service") == [
        {"name": "web", "cluster_name": "one"}
    ]
    (note,) = site.sql("SELECT table_name, cloud_id, reason FROM iasql_unrepresented")
    assert note["table_name"] == "service" and note["cloud_id"].endswith("/two/web")
    assert "another cluster has its name" in note["reason"]
    site.sql("DELETE FROM service")
    site.sql("DELETE FROM cluster WHERE cluster_name = 'one'")
    apply(site)
    assert services(cloud, "two") == ["web"]
    # Now there is room for it.
    site.sql("SELECT * FROM iasql_sync()")
    assert site.sql("SELECT name, cluster_name FROM service") == [
        {"name": "web", "cluster_name": "two"}
    ]
    assert site.sql("SELECT * FROM iasql_unrepresented") == NOTHING


def test_services_on_instances_are_left_alone(
    site: Database, cloud: Cloud, emulator: Emulator
) -> None:
    start(cloud, "old", "EC2")
    site.sql("SELECT * FROM iasql_sync()")
    reasons = {
        note["table_name"]: note["reason"]
        for note in site.sql("SELECT table_name, reason FROM iasql_unrepresented")
    }
    assert reasons["service"] == "its tasks do not run on Fargate"
    assert site.sql("SELECT * FROM service") == NOTHING
    since = emulator.mark()
    site.sql("SELECT delete_all_records()")
    # Its cluster has a row, and can't go while it is there.
    error = site.error("SELECT * FROM iasql_apply()")
    assert error.message and "cluster old" in error.message
    assert services(cloud, "old") == ["web"]
    assert not {"DeleteService", "UpdateService"} & set(changes(emulator, since))
