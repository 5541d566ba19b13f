"""What becomes of everything that docs/tutorial.md deploys when a part of it changes."""

from __future__ import annotations

import docs
import pytest
import tutorial
from conftest import Cloud, Database
from test_nerves import changes
from testbed import Emulator

pytestmark = pytest.mark.timeout(300)
PLAN = "SELECT action, table_name FROM iasql_plan_apply()"


@pytest.fixture
def deployed(empty_db: Database, cloud: Cloud) -> Database:
    """A database and an account after the tutorial's apply."""
    text = (docs.ROOT / "docs" / "tutorial.md").read_text()
    for check, statements, _ in docs.TRANSCRIPT.findall(text):
        empty_db.sql(statements)
        if check == "applied":
            tutorial.applied(empty_db, cloud)
            return empty_db
    pytest.fail("the tutorial applies nothing")


def planned(db: Database) -> set[tuple[str, str]]:
    return {(line["action"], line["table_name"]) for line in db.sql(PLAN)}


def settled(db: Database) -> None:
    """Applies, after which there is nothing to do."""
    db.sql("SELECT * FROM iasql_apply()")
    assert planned(db) == set()
    assert db.sql("SELECT * FROM iasql_drift()") == []


def service(cloud: Cloud) -> dict[str, object]:
    found = cloud.client("ecs").describe_services(
        cluster="quickstart-cluster", services=["quickstart-service"]
    )
    it: dict[str, object] = found["services"][0]
    return it


def test_a_replaced_target_group_is_followed(
    deployed: Database, cloud: Cloud, emulator: Emulator
) -> None:
    elb = cloud.client("elbv2")
    deployed.sql("UPDATE target_group SET port = 9000")
    assert planned(deployed) == {
        ("replace", "target_group"),
        ("replace", "listener"),
        ("update", "service"),
    }
    settled(deployed)
    (group,) = elb.describe_target_groups()["TargetGroups"]
    assert group["Port"] == 9000
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    assert listener["DefaultActions"][0]["TargetGroupArn"] == group["TargetGroupArn"]
    (load,) = service(cloud)["loadBalancers"]  # type: ignore[misc]
    assert load["targetGroupArn"] == group["TargetGroupArn"]


def test_a_replaced_role_is_followed(deployed: Database, cloud: Cloud) -> None:
    deployed.sql("UPDATE role SET path = '/team/'")
    assert planned(deployed) == {
        ("replace", "role"),
        ("update", "task_definition"),
        ("update", "service"),
    }
    settled(deployed)
    role = cloud.client("iam").get_role(RoleName="ecsTaskExecRoleus-east-1")["Role"]
    assert role["Path"] == "/team/"
    task = tutorial.definition(cloud, str(service(cloud)["taskDefinition"]))
    assert (task["revision"], task["executionRoleArn"]) == (2, role["Arn"])


def test_a_listener_and_its_service_move_to_another_target_group(
    deployed: Database, cloud: Cloud
) -> None:
    deployed.sql(
        "INSERT INTO target_group (target_group_name, target_type, protocol, port) "
        "VALUES ('other', 'ip', 'HTTP', 8088)"
    )
    deployed.sql("UPDATE listener SET target_group_name = 'other'")
    deployed.sql("UPDATE service SET target_group_name = 'other'")
    deployed.sql("DELETE FROM target_group WHERE target_group_name <> 'other'")
    assert planned(deployed) == {
        ("create", "target_group"),
        ("delete", "target_group"),
        ("update", "listener"),
        ("update", "service"),
    }
    settled(deployed)
    (group,) = cloud.client("elbv2").describe_target_groups()["TargetGroups"]
    assert group["TargetGroupName"] == "other"
    (load,) = service(cloud)["loadBalancers"]  # type: ignore[misc]
    assert load["targetGroupArn"] == group["TargetGroupArn"]


def test_what_is_undone_before_an_apply_never_happened(
    deployed: Database, cloud: Cloud, emulator: Emulator
) -> None:
    since = emulator.mark()
    deployed.sql("SELECT delete_all_records()")
    deployed.sql("SELECT * FROM iasql_sync()")
    assert planned(deployed) == set()
    assert changes(emulator, since) == []
    tutorial.applied(deployed, cloud)


def test_a_revision_that_its_service_refuses_is_not_left_behind(
    deployed: Database, cloud: Cloud, emulator: Emulator
) -> None:
    """The next apply goes on from the revision that was made."""
    deployed.sql("UPDATE container_definition SET tag = 'v2'")
    emulator.faults([{"operation": "UpdateService", "count": 1, "deny": True}])
    error = deployed.error("SELECT * FROM iasql_apply()")
    assert "update service quickstart-service" in str(error.message)
    assert planned(deployed) >= {("update", "service")}
    settled(deployed)
    ecs = cloud.client("ecs")
    (arn,) = ecs.list_task_definitions(status="ACTIVE")["taskDefinitionArns"]
    task = tutorial.definition(cloud, arn)
    assert task["containerDefinitions"][0]["image"].endswith(":v2")
    assert service(cloud)["taskDefinition"] == arn
    every = ecs.list_task_definitions(status="INACTIVE")["taskDefinitionArns"]
    assert len(every) + 1 == task["revision"] == 2
