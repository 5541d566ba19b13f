"""Faults of the network, of AWS and of its answers that no other file has; docs/faults.md says which
test shows what."""

from __future__ import annotations

import json
import random
import re
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Cloud, Database
from meter import own_memory
from support import (
    apply,
    changing_calls,
    install,
    log_groups,
    nothing_changes,
    plan,
    policy,
    reports,
    repositories,
    sync,
    vpcs,
)
from test_nerves import CRASH, Statement, underway
from testbed import Emulator, wait_until

ROOT = Path(__file__).resolve().parent.parent
MODULES = "aws_cloudwatch", "aws_ecr", "aws_ecs_fargate", "aws_elb", "aws_iam", "aws_security_group"
#: What lists each kind.
LISTS = {
    "log_group": "DescribeLogGroups",
    "repository": "DescribeRepositories",
    "vpc": "DescribeVpcs",
    "security_group": "DescribeSecurityGroups",
    "role": "GetAccountAuthorizationDetails",
    "target_group": "DescribeTargetGroups",
    "cluster": "DescribeClusters",
}


@pytest.fixture
def site(db: Database) -> Database:
    """Two of each kind, in rows and in the cloud."""
    install(db, *MODULES)
    trust = {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ec2.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ]
    }
    for name in "one", "two":
        db.sql("INSERT INTO log_group (log_group_name) VALUES (%s)", name)
        db.sql("INSERT INTO repository (repository_name) VALUES (%s)", name)
        db.sql("INSERT INTO security_group (group_name) VALUES (%s)", name)
        db.sql("INSERT INTO cluster (cluster_name) VALUES (%s)", name)
        db.sql(
            "INSERT INTO role (role_name, assume_role_policy_document) VALUES (%s, %s)",
            name,
            json.dumps(trust),
        )
        db.sql(
            "INSERT INTO target_group (target_group_name, target_type, protocol, port) "
            "VALUES (%s, 'ip', 'HTTP', 80)",
            name,
        )
    db.sql("INSERT INTO vpc (cidr_block) VALUES ('10.7.0.0/16'), ('10.8.0.0/16')")
    apply(db)
    sync(db)
    return db


def drift(db: Database) -> list[dict[str, Any]]:
    return db.sql("SELECT * FROM iasql_drift()")


def rows(db: Database) -> dict[str, list[dict[str, Any]]]:
    return {table: db.sql(f"SELECT * FROM {table} ORDER BY 1") for table in LISTS}


# What comes instead of an answer

ANSWERS: dict[str, list[dict[str, Any]]] = {
    "a proxy's page": [{"html": True}],
    "half an answer": [{"truncate": True}],
    "no answer": [{"drop": "before"}],
    "an answer that gets lost": [{"drop": "after"}],
    "an error with status 200": [{"status": 200, "code": "InternalFailure"}],
    "a service that is down": [{"status": 503, "code": "ServiceUnavailable"}],
    "no permission": [{"deny": True}],
    "a page token that is too old": [{"nth": 2, "status": 400, "code": "InvalidNextToken"}],
    "a page token that leads nowhere": [{"repeat_token": True}],
    "another form": [{"replace": ["<", "{"]}],
    "nothing but brackets": [{"replace": ['"', ""]}],
    "something unknown": [
        {"replace": [known, unknown]}
        for known, unknown in (
            ('"STANDARD"', '"QUANTUM"'),
            ('"MUTABLE"', '"SOLID"'),
            ("<state>available", "<state>entangled"),
            ("<TargetType>ip", "<TargetType>satellite"),
            ('"ACTIVE"', '"RADIANT"'),
        )
    ],
    "a field is missing": [
        {"replace": [name, "somethingElse"]}
        for name in (
            "logGroupName",
            "repositoryName",
            "vpcId",
            "groupName",
            "RoleName",
            "TargetGroupName",
            "clusterName",
        )
    ],
    "a huge number": [
        {"replace": [name, f"{name}99999999999999999999"]}
        for name in ('creationTime":', 'createdAt":', "<Port>")
    ],
}
#: Which of the faults above is for which list; the others are for all.
KINDS = {
    "something unknown": ["log_group", "repository", "vpc", "target_group", "cluster"],
    "a field is missing": list(LISTS),
    "a huge number": ["log_group", "repository", "target_group"],
}


def strike(emulator: Emulator, answer: str) -> None:
    if kinds := KINDS.get(answer):
        pairs = list(zip(kinds, ANSWERS[answer], strict=True))
        pairs += [("security_group", ANSWERS[answer][2])] if answer == "a field is missing" else []
    else:
        pairs = [(kind, ANSWERS[answer][0]) for kind in LISTS]
    # Clusters are described by their names, which come in pages.
    paged = LISTS | {"cluster": "ListClusters"} if "token" in answer else LISTS
    emulator.faults([{"operation": paged[kind]} | fault for kind, fault in pairs])


@pytest.mark.timeout(300)
def test_an_answer_that_makes_no_sense_deletes_nothing(
    site: Database, cloud: Cloud, emulator: Emulator
) -> None:
    site.sql("SET iasql.patience = '2s'")
    before, log = rows(site), site.server.mark()
    for answer in ANSWERS:
        since = emulator.mark()
        emulator.settings({"page_size": 1 if "token" in answer else 1000})
        strike(emulator, answer)
        assert [line for line in sync(site) if line[0] == "delete"] == [], answer
        changed = [line for line in plan(site) if line[0] in ("delete", "replace")]
        assert changed == [], answer
        kept = {table: len(found) for table, found in rows(site).items()}
        assert kept == {table: len(found) for table, found in before.items()}, answer
        assert changing_calls(emulator, since) == [], answer
        assert any(call["fault"] for call in emulator.calls(since)), answer
        emulator.faults([])
        emulator.settings({"page_size": 1000})
        sync(site)
        assert rows(site) == before, answer
        assert plan(site) == [], answer
    assert CRASH.findall(site.server.log(log).replace("WARNING:  could not read", "")) == []


def test_a_call_that_hangs_is_given_up(db: Database, cloud: Cloud, emulator: Emulator) -> None:
    install(db, "aws_cloudwatch")
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('web')")
    db.sql("SET iasql.call_timeout = '1s'")
    db.sql("SET iasql.patience = '2s'")
    emulator.faults([{"operation": "DescribeLogGroups", "hang": True}])
    began = time.monotonic()
    assert plan(db) == []
    assert time.monotonic() - began < 30
    assert any("could not read log_group" in notice for notice in db.notices)
    # One that was made, and whose answer hangs, is found again.
    emulator.faults([])
    since = emulator.mark()
    emulator.faults([{"operation": "CreateLogGroup", "count": 1, "hang": "after"}])
    apply(db)
    assert log_groups(cloud) == ["web"]
    assert plan(db) == []
    made = [it for it in emulator.calls(since, operation="CreateLogGroup") if it["carried_out"]]
    assert len(made) == 1


def test_an_endpoint_without_tls_is_named(db: Database, emulator: Emulator) -> None:
    install(db, "aws_cloudwatch")
    endpoint = emulator.endpoint.replace("http:", "https:")
    db.sql(f"SET iasql.endpoint_url = '{endpoint}'")
    error = db.error("SELECT * FROM iasql_plan_apply()")
    assert error.sqlstate == "08006"
    assert endpoint in (error.message or "")


# Too many calls


def test_throttling_slows_an_apply_and_is_seen(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_ecr", "aws_cloudwatch")
    db.sql("INSERT INTO repository (repository_name) SELECT 'r' || n FROM generate_series(10, 19) n")
    db.sql("INSERT INTO log_group (log_group_name) SELECT 'g' || n FROM generate_series(10, 19) n")
    since = emulator.mark()
    faults = [
        {"service": service, "operation": operation, "throttle": True} | times
        for service in ("ecr", "logs")
        for operation, times in (("Create*", {"nth": 3, "count": 2}), ("*", {"count": 8}))
    ]
    call = Statement(db, "SELECT * FROM iasql_apply()")
    emulator.faults(faults)
    seen: list[str] = []

    def slowed() -> bool:
        seen.extend(row["doing"] for row in db.sql("SELECT doing FROM iasql_progress"))
        return any("throttled" in doing for doing in seen) or not call.running

    wait_until("throttling in iasql_progress", slowed)
    assert any(re.search(r"throttled \d+ times", doing) for doing in seen), seen
    assert len(call.result(90)) == 20
    assert len([it for it in emulator.calls(since) if it["fault"]]) >= 8
    assert (len(repositories(cloud)), len(log_groups(cloud))) == (10, 10)
    made = [it for it in emulator.calls(since, mutating="1") if it["carried_out"]]
    assert len(made) == 20
    # What was changed says what it took.
    cost = db.sql("SELECT retries, retry_reason, waited_seconds FROM iasql_history")
    struck = [it for it in emulator.calls(since, mutating="1") if it["fault"]]
    assert sum(row["retries"] for row in cost) == len(struck) > 0
    assert {row["retry_reason"] for row in cost} == {None, "ThrottlingException"}
    assert all(row["waited_seconds"] > 0 for row in cost if row["retries"])
    assert plan(db) == []


def test_the_history_says_what_a_change_took(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_cloudwatch")
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('calm'), ('lost'), ('torn')")
    emulator.faults(
        [
            {"operation": "CreateLogGroup", "body": '"lost"', "count": 1, "drop": "before"},
            {"operation": "CreateLogGroup", "body": '"torn"', "count": 1, "status": 503},
        ]
    )
    apply(db)
    took = db.sql("SELECT name, retries, retry_reason FROM iasql_history ORDER BY name")
    assert [tuple(row.values()) for row in took] == [
        ("calm", 0, None),
        ("lost", 1, "no answer"),
        ("torn", 1, "InternalError"),
    ]
    db.sql("UPDATE log_group SET retention_in_days = 7 WHERE log_group_name = 'calm'")
    sync(db)
    took = db.sql("SELECT retries, waited_seconds FROM iasql_history WHERE action = 'discard'")
    assert took == [{"retries": None, "waited_seconds": None}]


THROTTLING = [
    (400, "Throttling"),
    (400, "ThrottlingException"),
    (429, "TooManyRequestsException"),
    (503, "RequestLimitExceeded"),
    (503, "SlowDown"),
    (400, "PriorRequestNotComplete"),
]


def test_throttling_is_known_by_all_its_names(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_cloudwatch")
    for status, code in THROTTLING:
        db.sql("INSERT INTO log_group (log_group_name) VALUES (%s)", code)
        fault = {"count": 1, "status": status, "code": code}
        lists = {"operation": "DescribeLogGroups"} | fault
        emulator.faults([lists, {"operation": "CreateLogGroup"} | fault])
        apply(db)
        emulator.faults([])
        assert code in log_groups(cloud)
    assert plan(db) == []
    assert db.sql("SELECT DISTINCT outcome FROM iasql_history") == [{"outcome": "done"}]


# Credentials


def test_credentials_that_expire_in_the_middle_are_loaded_anew(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_cloudwatch")
    db.sql("INSERT INTO log_group (log_group_name) SELECT 'g' || n FROM generate_series(1, 5) n")
    since = emulator.mark()
    emulator.faults([{"operation": "CreateLogGroup", "nth": 3, "count": 1, "expired": True}])
    assert len(apply(db)) == 5
    assert changing_calls(emulator, since).count("CreateLogGroup") == 6
    assert len(log_groups(cloud)) == 5
    assert plan(db) == []


@pytest.mark.parametrize("code", ["ExpiredToken", "RequestExpired", "InvalidClientTokenId"])
def test_credentials_that_stay_expired_stop_an_apply_that_goes_on_later(
    db: Database, cloud: Cloud, emulator: Emulator, code: str
) -> None:
    install(db, "aws_cloudwatch")
    db.sql("SET iasql.max_parallel = 1")
    db.sql("INSERT INTO log_group (log_group_name) SELECT 'g' || n FROM generate_series(1, 6) n")
    emulator.faults([{"operation": "CreateLogGroup", "nth": 3, "status": 403, "code": code}])
    error = db.error("SELECT * FROM iasql_apply()")
    assert error.sqlstate == "HV00N"
    assert code in (error.message or "")
    done = log_groups(cloud)
    assert len(done) == 2
    # What was not done is told, row by row; what was is in the history.
    told = error.detail or ""
    assert all(f"g{n} " in f"{told} " or f"g{n}:" in told for n in range(1, 7) if f"g{n}" not in done)
    entries = db.sql("SELECT name FROM iasql_history WHERE outcome = 'done'")
    assert sorted(entry["name"] for entry in entries) == done
    assert "next iasql_apply()" in (error.hint or "")
    emulator.faults([])
    since = emulator.mark()
    apply(db)
    assert changing_calls(emulator, since) == ["CreateLogGroup"] * 4
    assert len(log_groups(cloud)) == 6
    assert plan(db) == []


def test_a_clock_that_is_wrong_is_named(db: Database, cloud: Cloud, emulator: Emulator) -> None:
    install(db, "aws_cloudwatch")
    fault = {"service": "sts", "status": 403, "code": "RequestTimeTooSkewed"}
    emulator.faults([fault | {"message": "The difference between the times is too large."}])
    error = db.error("SELECT * FROM iasql_apply()")
    assert "RequestTimeTooSkewed" in (error.message or "")
    assert error.sqlstate and not error.sqlstate.startswith("XX")


# What AWS has not heard of yet


def lists_as_of(emulator: Emulator, then: float) -> None:
    """Each list is once more what it was then."""
    age = int((time.monotonic() - then) * 1000) + 100
    emulator.faults([])
    emulator.faults([{"operation": LISTS[kind], "stale_ms": age, "count": 1} for kind in LISTS])


def test_a_list_that_lags_behind_neither_deletes_nor_makes_again(
    site: Database, cloud: Cloud, emulator: Emulator
) -> None:
    """The lists are as they were before the last apply."""
    plan(site)
    site.sql("INSERT INTO log_group (log_group_name) VALUES ('young')")
    site.sql("INSERT INTO repository (repository_name) VALUES ('young')")
    site.sql("INSERT INTO security_group (group_name) VALUES ('young')")
    site.sql("INSERT INTO vpc (cidr_block) VALUES ('10.9.0.0/16')")
    stale = time.monotonic()
    apply(site)
    before = rows(site)
    lists_as_of(emulator, stale)
    with nothing_changes(emulator):
        assert sync(site) == []
    assert rows(site) == before
    lists_as_of(emulator, stale)
    with nothing_changes(emulator):
        assert apply(site) == []
    emulator.faults([])
    assert plan(site) == []
    assert list(vpcs(cloud).values()).count("10.9.0.0/16") == 1


def test_a_list_that_shows_what_was_changed_as_it_was_takes_nothing_back(
    site: Database, cloud: Cloud, emulator: Emulator
) -> None:
    plan(site)
    stale = time.monotonic()
    site.sql("UPDATE log_group SET retention_in_days = 7 WHERE log_group_name = 'one'")
    site.sql("UPDATE repository SET image_tag_mutability = 'IMMUTABLE' WHERE repository_name = 'one'")
    site.sql("UPDATE vpc SET tags = '{\"stage\": \"prod\"}' WHERE cidr_block = '10.7.0.0/16'")
    site.sql("""UPDATE cluster SET tags = '{"stage": "prod"}' WHERE cluster_name = 'one'""")
    apply(site)
    before = rows(site)
    for call in sync, apply:
        lists_as_of(emulator, stale)
        since = emulator.mark()
        assert call(site) == [], call
        assert len([it for it in emulator.calls(since) if it["fault"]]) >= 4
        assert changing_calls(emulator, since) == []
        assert rows(site) == before, call
    emulator.faults([])
    # What somebody else puts back is believed.
    cloud.logs.delete_retention_policy(logGroupName="one")
    assert [line[:2] for line in sync(site)] == [("update", "log_group")]
    assert site.sql("SELECT retention_in_days FROM log_group WHERE log_group_name = 'one'") == [
        {"retention_in_days": None}
    ]


def test_an_install_believes_no_list_that_shows_things_as_they_were(
    site: Database, cloud: Cloud, emulator: Emulator
) -> None:
    """Tables are filled while others are still read: not before it is known what is in them."""
    plan(site)
    stale = time.monotonic()
    site.sql("UPDATE log_group SET retention_in_days = 7 WHERE log_group_name = 'one'")
    site.sql("UPDATE vpc SET tags = '{\"stage\": \"prod\"}' WHERE cidr_block = '10.7.0.0/16'")
    apply(site)
    site.sql("SELECT iasql_uninstall(VARIADIC array_agg(module_name)) FROM iasql.modules_installed")
    lists_as_of(emulator, stale)
    with nothing_changes(emulator):
        install(site, *MODULES)
    emulator.faults([])
    kept = "SELECT retention_in_days FROM log_group WHERE log_group_name = 'one'"
    assert site.sql(kept) == [{"retention_in_days": 7}]
    stage = "SELECT tags ->> 'stage' AS stage FROM vpc WHERE cidr_block = '10.7.0.0/16'"
    assert site.sql(stage) == [{"stage": "prod"}]
    assert plan(site) == []


def test_a_list_that_shows_what_was_removed_brings_nothing_back(
    site: Database, cloud: Cloud, emulator: Emulator
) -> None:
    plan(site)
    stale = time.monotonic()
    site.sql("DELETE FROM log_group WHERE log_group_name = 'one'")
    site.sql("DELETE FROM repository WHERE repository_name = 'one'")
    site.sql("DELETE FROM target_group WHERE target_group_name = 'one'")
    site.sql("DELETE FROM role WHERE role_name = 'one'")
    site.sql("DELETE FROM cluster WHERE cluster_name = 'one'")
    apply(site)
    before = rows(site)
    for call in sync, apply, drift:
        lists_as_of(emulator, stale)
        with nothing_changes(emulator):
            assert call(site) == [], call
        assert rows(site) == before, call
    emulator.faults([])
    # What somebody else makes anew is believed.
    cloud.logs.create_log_group(logGroupName="one")
    assert [line[:2] for line in sync(site)] == [("create", "log_group")]


def test_a_subnet_in_a_vpc_that_aws_has_not_heard_of_yet_waits(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_vpc")
    db.sql("INSERT INTO vpc (cidr_block) VALUES ('10.7.0.0/16')")
    db.sql(
        "INSERT INTO subnet (vpc_id, cidr_block) SELECT id, '10.7.1.0/24' FROM vpc "
        "WHERE NOT is_default OR is_default IS NULL"
    )
    missing = {"status": 400, "code": "InvalidVpcID.NotFound", "message": "does not exist"}
    emulator.faults([{"operation": "CreateSubnet", "count": 2} | missing])
    assert len(apply(db)) == 2
    assert list(vpcs(cloud).values()) == ["10.7.0.0/16"]
    assert plan(db) == []


def test_a_role_that_is_not_known_everywhere_yet_is_waited_for(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_ecs_fargate")
    trust = {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ]
    }
    db.sql(
        "INSERT INTO role (role_name, assume_role_policy_document) VALUES ('web', %s)",
        json.dumps(trust),
    )
    db.sql("""WITH task AS (INSERT INTO task_definition (family, cpu_memory, task_role_name)
        VALUES ('web', 'vCPU0.25-0.5GB', 'web') RETURNING id)
        INSERT INTO container_definition (task_definition_id, name, essential, image)
        SELECT id, 'web', true, 'nginx' FROM task""")
    since = emulator.mark()
    fault = {"status": 400, "code": "ClientException", "message": "ECS was unable to assume the role"}
    emulator.faults([{"operation": "RegisterTaskDefinition", "count": 2} | fault])
    apply(db)
    emulator.faults([])
    assert changing_calls(emulator, since).count("RegisterTaskDefinition") == 3
    found = cloud.client("ecs").list_task_definitions(status="ACTIVE")["taskDefinitionArns"]
    assert len(found) == 1
    assert plan(db) == []


# What AWS refuses, or makes badly


def test_what_a_create_left_that_failed_in_the_middle_goes_with_its_row(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    """A target group that was made, and whose attributes could not be set."""
    install(db, "aws_elb")
    db.sql("""INSERT INTO target_group
        (target_group_name, target_type, protocol, port, deregistration_delay_seconds)
        VALUES ('web', 'ip', 'HTTP', 80, 5)""")
    emulator.faults([{"operation": "ModifyTargetGroupAttributes", "deny": True}])
    assert db.error("SELECT * FROM iasql_apply()").sqlstate == "42501"
    emulator.faults([])
    groups = cloud.client("elbv2").describe_target_groups
    assert len(groups()["TargetGroups"]) == 1
    db.sql("DELETE FROM target_group")
    steps = db.sql("SELECT action, table_name, reason FROM iasql_plan()")
    assert steps == [{"action": "delete", "table_name": "target_group", "reason": "orphan"}]
    apply(db)
    assert groups()["TargetGroups"] == []


def test_a_default_rule_that_could_not_be_removed_goes_next_time(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    """Whatever refers to the group has been made all the same, and is not made again."""
    install(db, "aws_security_group")
    db.sql("INSERT INTO security_group (group_name) VALUES ('web')")
    db.sql("""INSERT INTO security_group_rule
        (security_group_id, is_egress, ip_protocol, from_port, to_port, cidr_ipv4)
        SELECT id, false, 'tcp', 80, 80, '10.0.0.0/8' FROM security_group WHERE group_name = 'web'""")
    emulator.faults([{"operation": "RevokeSecurityGroupEgress", "deny": True}])
    message = db.error("SELECT * FROM iasql_apply()").message or ""
    assert message.startswith("1 of 2 changes failed: create security_group web")
    emulator.faults([])
    since = emulator.mark()
    apply(db)
    assert changing_calls(emulator, since) == ["RevokeSecurityGroupEgress"]
    group = db.one("SELECT group_id FROM security_group WHERE group_name = 'web'")
    rules = cloud.ec2.describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [group]}]
    )["SecurityGroupRules"]
    assert [rule["FromPort"] for rule in rules] == [80]
    assert plan(db) == []


def test_a_load_balancer_that_fails_is_an_error_and_none_is_made_twice(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_elb")
    db.sql("""INSERT INTO load_balancer
        (load_balancer_name, scheme, load_balancer_type, ip_address_type)
        VALUES ('web', 'internal', 'application', 'ipv4')""")
    emulator.faults(
        [
            {"operation": it, "replace": ["<Code>active", "<Code>failed"]}
            for it in ("CreateLoadBalancer", "DescribeLoadBalancers")
        ]
        + [{"operation": "CreateLoadBalancer", "replace": ["<Code>provisioning", "<Code>failed"]}]
    )
    error = db.error("SELECT * FROM iasql_apply()")
    assert "load_balancer web" in (error.message or "") and "failed" in (error.message or "")
    emulator.faults([])
    apply(db)
    assert len(cloud.client("elbv2").describe_load_balancers()["LoadBalancers"]) == 1
    assert plan(db) == []


def test_what_is_still_in_use_is_tried_again_once_its_user_has_gone(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_security_group")
    db.sql("INSERT INTO vpc (cidr_block) VALUES ('10.7.0.0/16')")
    db.sql("""INSERT INTO security_group (group_name, vpc_id)
        SELECT 'web', id FROM vpc WHERE cidr_block = '10.7.0.0/16'""")
    apply(db)
    sync(db)
    db.sql("DELETE FROM security_group_rule WHERE security_group_id IN "
           "(SELECT g.id FROM security_group g JOIN vpc v ON v.id = g.vpc_id WHERE NOT v.is_default)")
    db.sql("DELETE FROM security_group WHERE vpc_id IN (SELECT id FROM vpc WHERE NOT is_default)")
    db.sql("DELETE FROM vpc WHERE NOT is_default")
    busy = {"status": 400, "code": "DependencyViolation", "message": "has dependencies"}
    emulator.faults([{"operation": "DeleteVpc", "count": 2} | busy])
    apply(db)
    assert vpcs(cloud) == {}
    assert plan(db) == []


def test_a_region_that_is_down_keeps_its_rows(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_cloudwatch")
    db.sql("UPDATE aws_regions SET is_enabled = true WHERE region = 'eu-west-1'")
    db.sql("INSERT INTO log_group (log_group_name, region) VALUES ('here', 'us-east-1'), ('there', 'eu-west-1')")
    apply(db)
    db.sql("SET iasql.patience = '2s'")
    emulator.faults([{"region": "eu-west-1", "status": 503, "code": "ServiceUnavailable"}])
    since = emulator.mark()
    db.sql("DELETE FROM log_group")
    assert plan(db) == [("delete", "log_group", plan(db)[0][2])]
    assert apply(db)[0][0] == "delete"
    assert changing_calls(emulator, since) == ["DeleteLogGroup"]
    assert (log_groups(cloud), log_groups(cloud, "eu-west-1")) == ([], ["there"])
    left = db.sql("SELECT table_name, region FROM iasql_unrepresented")
    assert left == [] or left == [{"table_name": "log_group", "region": "eu-west-1"}]
    emulator.faults([])
    sync(db)
    assert db.sql("SELECT log_group_name AS name FROM log_group") == [{"name": "there"}]


# What users write

NAMES = [
    "'; DROP TABLE log_group; --",
    "$1",
    "%s",
    "\\",
    "a\nb",
    'quo"te',
    "ｆｕｌｌ",
    "🚀",
    "\u202eevil",
    "a" * 1_000_000,
]


def test_a_name_that_is_no_name_is_refused_and_does_no_harm(
    db: Database, emulator: Emulator
) -> None:
    install(db, "aws_cloudwatch", "aws_ecr")
    mark = emulator.mark()
    for name in NAMES:
        for table, column in ("log_group", "log_group_name"), ("repository", "repository_name"):
            with pytest.raises(psycopg.errors.CheckViolation):
                db.sql(f"INSERT INTO {table} ({column}) VALUES (%s)", name)
        error = db.error("SELECT * FROM iasql_install(%s)", name)
        assert error.sqlstate == "42704", name
        assert len(error.message or "") < 200
    assert emulator.calls(mark) == []
    assert db.one("SELECT count(*) FROM log_group") == 0


def test_signs_of_every_kind_go_into_the_cloud_and_back(
    db: Database, cloud: Cloud
) -> None:
    """Where AWS takes them: in the values of tags."""
    install(db, "aws_cloudwatch")
    tags = {
        "quotes": "it's \"so\" \\ $1 %s",
        "sql": "'; DROP TABLE log_group; --",
        "signs": "ä ß 漢字 ｆｕｌｌ",
        "markup": "<a>&amp;</a>",
    }
    db.sql("INSERT INTO log_group (log_group_name, tags) VALUES ('web', %s)", json.dumps(tags))
    apply(db)
    arn = cloud.logs.describe_log_groups()["logGroups"][0]["arn"].removesuffix(":*")
    assert cloud.logs.list_tags_for_resource(resourceArn=arn)["tags"] == tags
    assert plan(db) == []
    db.sql("DELETE FROM log_group")
    sync(db)
    assert db.one("SELECT tags FROM log_group") == tags


def test_a_nul_is_refused(db: Database) -> None:
    install(db, "aws_cloudwatch")
    for value in r"'{\"a\": \"\u0000\"}'", r"E'a\000b'":
        error = db.error(f"INSERT INTO log_group (log_group_name, tags) VALUES ({value}, {value})")
        assert error.sqlstate and error.sqlstate.startswith("22")
    with pytest.raises(psycopg.Error):
        db.sql("INSERT INTO log_group (log_group_name) VALUES (%s)", "a\0b")
    assert db.one("SELECT count(*) FROM log_group") == 0


def test_tags_are_asked_for_although_the_first_page_is_empty(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    """Which AWS may send along with a token."""
    install(db, "aws_cloudwatch")
    for name in "api", "web":
        cloud.logs.create_log_group(logGroupName=name, tags={"team": name})
    emulator.settings({"page_size": 1})
    nothing = {"operation": "DescribeLogGroups", "count": 1, "replace": ['"logGroups"', '"nothing"']}
    emulator.faults([nothing])
    since = emulator.mark()
    sync(db)
    assert len(emulator.calls(since, operation="DescribeLogGroups")) == 2
    assert db.sql("SELECT log_group_name, tags FROM log_group") == [
        {"log_group_name": "web", "tags": {"team": "web"}}
    ]


def test_a_nul_in_an_answer_is_no_row(db: Database, cloud: Cloud, emulator: Emulator) -> None:
    install(db, "aws_cloudwatch")
    for name in "api", "web":
        cloud.logs.create_log_group(logGroupName=name)
    spoilt = {"operation": "DescribeLogGroups", "replace": ['"web"', r'"w\u0000b"']}
    emulator.faults([spoilt])
    sync(db)
    assert db.sql("SELECT log_group_name FROM log_group") == [{"log_group_name": "api"}]
    (found,) = db.sql("SELECT * FROM iasql_unrepresented")
    assert found["cloud_id"].endswith(":log-group:web")
    assert found["reason"].startswith("its log_group_name holds a zero byte")
    assert plan(db) == []
    emulator.faults([])
    sync(db)
    assert db.one("SELECT count(*) FROM log_group") == 2
    # A row that is there already stays, too, and so does what it stands for.
    emulator.faults([spoilt])
    sync(db)
    assert db.one("SELECT count(*) FROM log_group") == 2
    assert plan(db) == []
    assert cloud.logs.describe_log_groups(logGroupNamePrefix="web")["logGroups"]


#: Pieces of documents, ranges, names and protocols that parsers stumble over.
PIECES = ["{", "}", "[", "]", '"', ":", ",", "Statement", "Effect", "Allow", "Principal", "AWS", "*"]
PIECES += ["Action", "\\u0041", "\\ud800", "1e999", "-0", "null", "true", "10.0.0.0/16", "::/0", "/", "@"]
PIECES += ["aws_ecr", "aws_", "0.1.0", "é", "🚀", "'", "--", "%s", "\n", " ", "9" * 40, "[" * 500]


def test_whatever_is_parsed_is_taken_or_refused(db: Database, emulator: Emulator) -> None:
    """Policies, tags, ranges, names of modules, for some seconds; the seed is the same each time."""
    install(db, "aws_ecr", "aws_security_group")
    db.sql("INSERT INTO repository (repository_name) VALUES ('web')")
    log, pick, mark = db.server.mark(), random.Random(5), emulator.mark()
    statements = [
        "INSERT INTO repository_policy (repository_name, policy_text) VALUES ('web', %s)",
        "INSERT INTO repository_policy (repository_name, policy_text) VALUES ('web', to_jsonb(%s::text))",
        "INSERT INTO repository (repository_name, tags) VALUES ('fuzz', %s)",
        "INSERT INTO vpc (cidr_block) VALUES (%s)",
        "SELECT * FROM iasql_install(%s)",
        "SELECT default_aws_region(%s)",
    ]
    taken = refused = 0
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        text = "".join(pick.choices(PIECES, k=pick.randint(1, 12)))
        if pick.random() < 0.5:
            statement = {text: pick.choice(PIECES), "Effect": "Allow", "Principal": text}
            text = json.dumps({"Statement": pick.choice([statement, [statement], text, None])})
        db.sql("BEGIN")
        try:
            db.sql(pick.choice(statements), text)
            taken += 1
        except psycopg.Error as error:
            refused += 1
            assert error.sqlstate and not error.sqlstate.startswith("XX"), (text, error)
        db.sql("ROLLBACK")
    assert refused > 100 and taken > 10, (refused, taken)
    assert CRASH.findall(db.server.log(log)) == []
    assert changing_calls(emulator, mark) == []


def peak(pid: int) -> int:
    """The most memory that a process of its own has held so far, in megabytes; what it shares with
    others, such as the server's buffers, counts as far as it has touched it."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) // 1024


def test_a_policy_of_fifty_megabytes_is_refused_in_words(
    db: Database, cloud: Cloud
) -> None:
    install(db, "aws_ecr")
    db.sql("INSERT INTO repository (repository_name) VALUES ('web')")
    apply(db)
    huge = policy("x" * 50_000_000)
    began = time.monotonic()
    insert = "INSERT INTO repository_policy (repository_name, policy_text) VALUES ('web', %s)"
    try:
        db.sql(insert, json.dumps(huge))
        error = db.error("SELECT * FROM iasql_apply()")
    except psycopg.Error as raised:
        error = raised
    assert time.monotonic() - began < 60
    assert len(str(error)) < 10_000
    db.sql("DELETE FROM repository_policy")
    assert plan(db) == []
    assert repositories(cloud) == ["web"]
    with pytest.raises(cloud.ecr.exceptions.RepositoryPolicyNotFoundException):
        cloud.ecr.get_repository_policy(repositoryName="web")


@pytest.mark.timeout(240)
def test_a_hundred_thousand_rows_are_planned_in_bounded_time_and_memory(
    db: Database, emulator: Emulator
) -> None:
    install(db, "aws_cloudwatch")
    pid = db.connection.info.backend_pid
    db.sql("BEGIN")
    db.sql("INSERT INTO log_group (log_group_name) SELECT 'g' || n FROM generate_series(1, 100000) n")
    before, held, began = peak(pid), own_memory(pid), time.monotonic()
    with nothing_changes(emulator):
        assert db.one("SELECT count(*) FROM iasql_plan_apply()") == 100_000
    seconds, more, kept = time.monotonic() - began, peak(pid) - before, own_memory(pid) - held
    db.sql("ROLLBACK")
    assert seconds < 60
    assert more < 1500, f"{more} MB"
    # A session of a pool lives long.
    assert kept < 50, f"{kept:.0f} MB are kept"
    print(f"{seconds:.1f} s, {more} MB, {kept:.0f} MB kept")


def test_a_long_history_is_not_read_from_its_beginning(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_cloudwatch")
    db.sql("""INSERT INTO iasql.journal (call, started_at, ended_at, caller_pid, session_user_name,
        role_name, application_name, system_id, fate, action, table_name, region, row_key, label,
        cloud_id, reason, outcome, after)
        SELECT 'apply', now() - interval '1 day', now() - interval '1 day', 1, '', '', '', '',
               'committed', 'create', 'log_group', 'us-east-1', n::text, 'g' || n, 'arn' || n, '',
               'done', '{}'
        FROM generate_series(1, 50000) n""")
    db.sql("ANALYZE iasql.journal")
    scans = "SELECT seq_scan, idx_scan FROM pg_stat_all_tables WHERE relid = 'iasql.journal'::regclass"
    # What a worker has counted is known once it has ended, what a session has, once it is told to.
    wait_until("the end of the worker", lambda: not db.server.workers())
    db.sql("SELECT pg_stat_force_next_flush()")
    [before] = db.sql(scans)
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('web')")
    apply(db)
    sync(db)
    wait_until("the end of the worker", lambda: not db.server.workers())
    db.sql("SELECT pg_stat_force_next_flush()")
    wait_until("use of an index", lambda: db.sql(scans)[0]["idx_scan"] >= before["idx_scan"] + 4)
    assert db.sql(scans)[0]["seq_scan"] == before["seq_scan"]


# The page


def page(name: str) -> list[tuple[str, str]]:
    """The tests that a page names: file and function."""
    text = (ROOT / name).read_text()
    return re.findall(r"`([\w./]+\.(?:py|rs))::(\w+)`", text)


@pytest.mark.parametrize("name", ["docs/faults.md", "SECURITY.md"])
def test_every_test_that_a_page_names_exists(name: str) -> None:
    named = page(name)
    assert named
    missing = [
        f"{file}::{function}"
        for file, function in named
        if not re.search(rf"\b(?:def|fn) {function}\(", (ROOT / file).read_text())
    ]
    assert missing == []


def test_the_page_has_every_invariant_and_fault() -> None:
    text = (ROOT / "docs/faults.md").read_text()
    wanted = [f"I{n}" for n in range(1, 11)] + [f"F{n}" for n in range(1, 25) if n != 21]
    assert [it for it in wanted if not re.search(rf"^\| {it} \|.*`[\w./]+::\w+`", text, re.M)] == []
