"""What task definitions, their containers and services do beyond what every table does."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Cloud, Database
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
