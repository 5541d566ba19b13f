"""The SQL surface: what each function returns, and what it does to rows and to the account."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import Cloud, Database
from support import (
    ACCOUNT,
    FURTHER_MODULES,
    MODULES,
    SECOND_REGION,
    apply,
    changing_calls,
    default_vpc,
    group_id,
    groups,
    in_background,
    install,
    lines,
    log_groups,
    nothing_changes,
    plan,
    policy,
    public_repositories,
    push,
    reports,
    repositories,
    rules,
    subnets,
    sync,
    vpcs,
)
from testbed import REGION, Emulator, wait_until

TABLES = {
    "aws_cloudwatch": ["log_group"],
    "aws_ecr": ["public_repository", "repository", "repository_policy", "repository_image"],
    "aws_security_group": ["security_group", "security_group_rule"],
    "aws_vpc": ["vpc", "subnet"],
}
MODULE_TABLES = [table for tables in TABLES.values() for table in tables]


def tables_there(db: Database) -> list[str]:
    rows = db.sql("SELECT relname FROM pg_class WHERE relname = ANY (%s)", MODULE_TABLES)
    return sorted(row["relname"] for row in rows)


def versions(db: Database) -> dict[str, list[tuple[str, str]]]:
    """The version of each row of the module tables, and of what is remembered of them."""
    named = {"iasql.base": "table_name || row_key"} | {table: "id" for table in tables_there(db)}
    query = "SELECT ({key})::text AS key, xmin::text AS version FROM {table} ORDER BY 1"
    return {
        table: [(row["key"], row["version"]) for row in db.sql(query.format(key=key, table=table))]
        for table, key in named.items()
    }


# Modules come


def test_install_returns_a_row_for_each_table_of_the_module_and_its_dependencies(
    db: Database, cloud: Cloud
) -> None:
    rows = db.sql("SELECT * FROM iasql_install('aws_security_group')")

    ec2 = cloud.ec2
    assert [tuple(row.values()) for row in rows] == [
        ("aws_vpc@0.1.0", "vpc", len(ec2.describe_vpcs()["Vpcs"])),
        ("aws_vpc@0.1.0", "subnet", len(ec2.describe_subnets()["Subnets"])),
        (
            "aws_security_group@0.1.0",
            "security_group",
            len(ec2.describe_security_groups()["SecurityGroups"]),
        ),
        (
            "aws_security_group@0.1.0",
            "security_group_rule",
            len(ec2.describe_security_group_rules()["SecurityGroupRules"]),
        ),
    ]
    assert list(rows[0]) == ["module_name", "created_table_name", "record_count"]
    assert tables_there(db) == ["security_group", "security_group_rule", "subnet", "vpc"]


@pytest.mark.parametrize("module", MODULES)
def test_each_module_installs_by_itself(db: Database, module: str) -> None:
    rows = db.sql("SELECT * FROM iasql_install(%s)", module)
    own = [row["created_table_name"] for row in rows if row["module_name"] == f"{module}@0.1.0"]
    assert own == TABLES[module]
    assert plan(db) == []


def test_a_module_may_be_named_with_its_version(db: Database) -> None:
    rows = db.sql("SELECT * FROM iasql_install('aws_cloudwatch@0.1.0')")
    assert [tuple(row.values()) for row in rows] == [("aws_cloudwatch@0.1.0", "log_group", 0)]
    assert db.one("SELECT module_name FROM iasql_modules_installed()") == "aws_cloudwatch"


def test_install_twice_reports_again_and_changes_nothing(db: Database, emulator: Emulator) -> None:
    first = db.sql("SELECT * FROM iasql_install('aws_vpc', 'aws_cloudwatch')")
    before = versions(db)
    with nothing_changes(emulator):
        second = db.sql("SELECT * FROM iasql_install('aws_vpc', 'aws_cloudwatch')")
    assert second == first
    assert versions(db) == before


def test_install_brings_in_what_the_account_holds(db: Database, cloud: Cloud) -> None:
    cloud.logs.create_log_group(logGroupName="/their/web", tags={"team": "web"})
    cloud.logs.put_retention_policy(logGroupName="/their/web", retentionInDays=30)
    cloud.ecr.create_repository(
        repositoryName="their/api",
        imageTagMutability="IMMUTABLE",
        imageScanningConfiguration={"scanOnPush": True},
    )
    cloud.ecr.set_repository_policy(repositoryName="their/api", policyText=json.dumps(policy()))
    push(cloud, "their/api", "v1")
    cloud.ecr_public.create_repository(repositoryName="their-public")
    vpc = cloud.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = cloud.ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.1.0/24")["Subnet"]
    web = cloud.ec2.create_security_group(GroupName="web", Description="theirs", VpcId=vpc)
    cloud.ec2.authorize_security_group_ingress(
        GroupId=web["GroupId"],
        IpPermissions=[
            {
                "IpProtocol": "tcp",
                "FromPort": 443,
                "ToPort": 443,
                "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "inside"}],
            }
        ],
    )

    install(db)

    (row,) = db.sql("SELECT * FROM log_group")
    (theirs,) = cloud.logs.describe_log_groups()["logGroups"]
    assert (row["log_group_name"], row["retention_in_days"]) == ("/their/web", 30)
    assert (row["tags"], row["region"]) == ({"team": "web"}, REGION)
    assert row["log_group_arn"] == theirs["logGroupArn"]
    assert round(row["creation_time"].timestamp() * 1000) == theirs["creationTime"]

    (row,) = db.sql("SELECT * FROM repository")
    (repository,) = cloud.ecr.describe_repositories()["repositories"]
    assert (row["image_tag_mutability"], row["scan_on_push"]) == ("IMMUTABLE", True)
    assert row["repository_uri"] == repository["repositoryUri"]
    assert row["repository_arn"] == repository["repositoryArn"]
    (row,) = db.sql("SELECT * FROM repository_policy")
    assert (row["repository_name"], row["policy_text"]) == ("their/api", policy())
    (row,) = db.sql("SELECT * FROM repository_image")
    assert (row["repository_name"], row["tag"]) == ("their/api", "v1")
    assert row["image_uri"] == repository["repositoryUri"] + ":v1"
    (row,) = db.sql("SELECT * FROM public_repository")
    assert row["repository_name"] == "their-public"

    (row,) = db.sql("SELECT * FROM vpc WHERE NOT is_default")
    assert (row["vpc_id"], row["cidr_block"], row["state"]) == (vpc, "10.1.0.0/16", "available")
    vpc_row = row["id"]
    (row,) = db.sql("SELECT * FROM subnet WHERE vpc_id = %s", vpc_row)
    assert (row["subnet_id"], row["cidr_block"]) == (subnet["SubnetId"], "10.1.1.0/24")
    assert row["availability_zone"] == subnet["AvailabilityZone"]
    (row,) = db.sql("SELECT * FROM security_group WHERE group_name = 'web'")
    assert (row["group_id"], row["description"]) == (web["GroupId"], "theirs")
    assert row["vpc_id"] == vpc_row
    (row,) = db.sql(
        "SELECT * FROM security_group_rule WHERE security_group_id = %s AND NOT is_egress",
        row["id"],
    )
    assert (row["ip_protocol"], row["from_port"], row["to_port"]) == ("tcp", 443, 443)
    assert (row["cidr_ipv4"], row["description"]) == ("10.0.0.0/8", "inside")
    assert plan(db) == []


@pytest.mark.timeout(400)
def test_install_on_an_account_with_100_of_each_resource_imports_them_all(
    db: Database, cloud: Cloud
) -> None:
    def make(number: int) -> None:
        name = f"n{number:03}"
        cloud.logs.create_log_group(logGroupName=name)
        cloud.ecr.create_repository(repositoryName=name)
        cloud.ecr.set_repository_policy(repositoryName=name, policyText=json.dumps(policy()))
        push(cloud, name, "latest")
        cloud.ecr_public.create_repository(repositoryName=name)
        vpc = cloud.ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")["Vpc"]["VpcId"]
        cloud.ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.{number}.1.0/24")
        group = cloud.ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)
        cloud.ec2.authorize_security_group_ingress(
            GroupId=group["GroupId"], IpProtocol="tcp", FromPort=1, ToPort=1, CidrIp="0.0.0.0/0"
        )

    for client in cloud.logs, cloud.ecr, cloud.ecr_public, cloud.ec2:
        assert client
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(100)))

    rows = db.sql("SELECT * FROM iasql_install(VARIADIC %s)", list(MODULES))

    ec2 = cloud.ec2
    counted = {row["created_table_name"]: row["record_count"] for row in rows}
    assert counted == {
        "log_group": 100,
        "repository": 100,
        "repository_policy": 100,
        "repository_image": 100,
        "public_repository": 100,
        "vpc": 101,
        "subnet": len(ec2.describe_subnets()["Subnets"]),
        "security_group": len(ec2.describe_security_groups()["SecurityGroups"]),
        "security_group_rule": len(ec2.describe_security_group_rules()["SecurityGroupRules"]),
    }
    assert counted["subnet"] >= 100 and counted["security_group"] >= 200
    assert plan(db) == []
    assert sync(db) == []


def test_install_rolls_back_with_its_transaction(db: Database, cloud: Cloud) -> None:
    cloud.logs.create_log_group(logGroupName="there")
    with db.connect(autocommit=False) as connection:
        connection.execute("SELECT * FROM iasql_install('aws_cloudwatch')")
        assert connection.execute("SELECT log_group_name FROM log_group").fetchall() == [
            {"log_group_name": "there"}
        ]
        connection.rollback()
    assert tables_there(db) == []
    assert db.sql("SELECT * FROM iasql_modules_installed()") == []
    assert db.one("SELECT count(*) FROM aws_regions") == 0
    install(db, "aws_cloudwatch")
    assert db.one("SELECT log_group_name FROM log_group") == "there"


def test_rows_inserted_in_the_transaction_of_the_install_can_be_applied_in_it(
    db: Database, cloud: Cloud
) -> None:
    with db.connect(autocommit=False) as connection:
        connection.execute("SELECT * FROM iasql_install('aws_cloudwatch')")
        connection.execute("INSERT INTO log_group (log_group_name) VALUES ('web')")
        connection.execute("SELECT * FROM iasql_apply()")
        connection.commit()
    assert log_groups(cloud) == ["web"]
    assert plan(db) == []


# Modules go


def test_uninstall_drops_the_tables_and_leaves_the_cloud_alone(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    cloud.ec2.create_vpc(CidrBlock="10.1.0.0/16")
    install(db)
    count = db.one("SELECT count(*) FROM vpc")
    with nothing_changes(emulator):
        rows = db.sql("SELECT * FROM iasql_uninstall('aws_vpc', 'aws_security_group')")
    assert list(rows[0]) == ["module_name", "dropped_table_name", "record_count"]
    assert {row["dropped_table_name"] for row in rows} == {
        *TABLES["aws_vpc"],
        *TABLES["aws_security_group"],
    }
    assert ("aws_vpc@0.1.0", "vpc", count) in {tuple(row.values()) for row in rows}
    assert tables_there(db) == sorted(TABLES["aws_cloudwatch"] + TABLES["aws_ecr"])
    assert plan(db) == []
    assert list(vpcs(cloud).values()) == ["10.1.0.0/16"]

    left = db.sql(
        "SELECT typname FROM pg_type WHERE typname ~ '^(vpc|subnet|security_group)_' AND typelem = 0"
    )
    assert left == []
    install(db, "aws_vpc", "aws_security_group")
    assert db.one("SELECT count(*) FROM vpc") == count
    assert plan(db) == []


def test_uninstall_refuses_while_another_module_needs_it(db: Database) -> None:
    install(db, "aws_security_group")
    error = db.error("SELECT * FROM iasql_uninstall('aws_vpc')")
    assert error.sqlstate == "2BP01"
    assert error.message == (
        'module "aws_vpc" is needed by "aws_security_group", which is installed'
    )
    assert error.hint == (
        "SELECT * FROM iasql_uninstall('aws_security_group', 'aws_vpc') drops both."
    )
    assert "vpc" in tables_there(db)


@pytest.mark.parametrize(
    "edit",
    [
        "INSERT INTO log_group (log_group_name) VALUES ('new')",
        "UPDATE log_group SET retention_in_days = 7",
        "DELETE FROM log_group",
    ],
)
def test_uninstall_refuses_while_edits_are_pending(db: Database, cloud: Cloud, edit: str) -> None:
    cloud.logs.create_log_group(logGroupName="old")
    install(db, "aws_cloudwatch")
    db.sql(edit)
    error = db.error("SELECT * FROM iasql_uninstall('aws_cloudwatch')")
    assert error.sqlstate == "55000"
    assert error.message == (
        "edits that were not applied would be lost if this were uninstalled: log_group"
    )
    assert error.hint and "iasql_apply()" in error.hint and "iasql_sync()" in error.hint
    assert tables_there(db) == ["log_group"]


def test_uninstall_of_what_is_not_installed_is_refused(db: Database) -> None:
    error = db.error("SELECT * FROM iasql_uninstall('aws_vpc')")
    assert (error.sqlstate, error.message) == ("42704", 'module "aws_vpc" is not installed')


# Plan, apply, sync


@pytest.mark.parametrize(
    "function",
    [
        "iasql_plan_apply",
        "iasql_apply",
        "iasql_plan_sync",
        "iasql_sync",
        "iasql_preview_apply",
        "iasql_preview_sync",
    ],
)
def test_what_changes_is_told_in_four_columns(db: Database, function: str) -> None:
    install(db, "aws_cloudwatch")
    cursor = db.connection.execute(f"SELECT * FROM {function}()")
    assert [(column.name, column.type_display) for column in cursor.description or []] == [
        ("action", "text"),
        ("table_name", "text"),
        ("id", "int4"),
        ("description", "text"),
    ]
    assert cursor.fetchall() == []


def test_a_created_row_is_planned_applied_and_filled_in(db: Database, cloud: Cloud) -> None:
    install(db, "aws_ecr")
    row = db.one("INSERT INTO repository (repository_name) VALUES ('web') RETURNING id")
    wanted = {"action": "create", "table_name": "repository", "id": row, "description": "web"}
    assert db.sql("SELECT * FROM iasql_plan_apply()") == [wanted]
    assert db.sql("SELECT * FROM iasql_preview_apply()") == [wanted]
    assert repositories(cloud) == []

    done = db.sql("SELECT * FROM iasql_apply()")
    (repository,) = cloud.ecr.describe_repositories()["repositories"]
    assert done == [wanted | {"description": repository["repositoryArn"]}]
    assert repository["repositoryName"] == "web"
    (filled,) = db.sql("SELECT * FROM repository")
    assert filled["repository_uri"] == repository["repositoryUri"]
    assert filled["registry_id"] == ACCOUNT
    assert filled["created_at"] is not None
    assert plan(db) == []


def test_a_changed_row_sends_only_what_differs(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_ecr")
    db.sql("INSERT INTO repository (repository_name) VALUES ('web'), ('api')")
    apply(db)
    (row,) = db.sql("UPDATE repository SET scan_on_push = true WHERE repository_name = 'web' RETURNING *")
    mark = emulator.mark()
    assert db.sql("SELECT * FROM iasql_apply()") == [
        {
            "action": "update",
            "table_name": "repository",
            "id": row["id"],
            "description": row["repository_arn"],
        }
    ]
    assert changing_calls(emulator, mark) == ["PutImageScanningConfiguration"]
    found = cloud.ecr.describe_repositories(repositoryNames=["web"])["repositories"][0]
    assert found["imageScanningConfiguration"] == {"scanOnPush": True}


def test_a_deleted_row_is_planned_without_an_id_and_applied(db: Database, cloud: Cloud) -> None:
    install(db, "aws_cloudwatch")
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('web'), ('api')")
    apply(db)
    (row,) = db.sql("DELETE FROM log_group WHERE log_group_name = 'web' RETURNING *")
    told = {
        "action": "delete",
        "table_name": "log_group",
        "id": None,
        "description": row["log_group_arn"],
    }
    assert db.sql("SELECT * FROM iasql_plan_apply()") == [told]
    assert log_groups(cloud) == ["api", "web"]
    assert db.sql("SELECT * FROM iasql_apply()") == [told]
    assert log_groups(cloud) == ["api"]
    assert plan(db) == []


def test_a_plan_sees_rows_that_are_rolled_back_and_changes_nothing(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_cloudwatch")
    with nothing_changes(emulator), db.connect(autocommit=False) as connection:
        connection.execute("INSERT INTO log_group (log_group_name) VALUES ('web')")
        (row,) = connection.execute("SELECT * FROM iasql_plan_apply()").fetchall()
        assert (row["action"], row["table_name"], row["description"]) == (
            "create",
            "log_group",
            "web",
        )
        connection.rollback()
    assert log_groups(cloud) == []
    assert plan(db) == []
    assert db.one("SELECT count(*) FROM iasql_history") == 0


def test_what_a_rolled_back_transaction_applied_is_an_orphan_that_apply_removes(
    db: Database, cloud: Cloud
) -> None:
    install(db, "aws_cloudwatch")
    with db.connect(autocommit=False) as connection:
        connection.execute("INSERT INTO log_group (log_group_name) VALUES ('web')")
        connection.execute("SELECT * FROM iasql_apply()")
        connection.rollback()
    assert log_groups(cloud) == ["web"]
    (drift,) = db.sql("SELECT * FROM iasql_drift()")
    assert (drift["change"], drift["name"]) == ("orphan", "web")
    (step,) = db.sql("SELECT * FROM iasql_plan()")
    assert (step["action"], step["reason"], step["name"]) == ("delete", "orphan", "web")
    assert [line[0] for line in plan(db)] == ["delete"]
    apply(db)
    assert log_groups(cloud) == []
    assert plan(db) == []


def test_what_a_rolled_back_transaction_applied_is_a_row_after_sync(
    db: Database, cloud: Cloud
) -> None:
    install(db, "aws_cloudwatch")
    with db.connect(autocommit=False) as connection:
        connection.execute("INSERT INTO log_group (log_group_name) VALUES ('web')")
        connection.execute("SELECT * FROM iasql_apply()")
        connection.rollback()
    sync(db)
    assert db.one("SELECT log_group_name FROM log_group") == "web"
    assert plan(db) == []
    apply(db)
    assert log_groups(cloud) == ["web"]


def test_what_others_made_survives_apply_shows_in_drift_and_is_a_row_after_sync(
    db: Database, cloud: Cloud
) -> None:
    install(db)
    cloud.logs.create_log_group(logGroupName="theirs")
    cloud.ecr.create_repository(repositoryName="theirs")
    vpc = cloud.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('ours')")

    assert [line[:2] for line in apply(db)] == [("create", "log_group")]
    assert log_groups(cloud) == ["ours", "theirs"]
    assert (repositories(cloud), list(vpcs(cloud))) == (["theirs"], [vpc])
    drift = db.sql("SELECT * FROM iasql_drift() WHERE table_name IN ('log_group', 'repository', 'vpc')")
    assert {(row["change"], row["table_name"]) for row in drift} == {
        ("unmanaged", "log_group"),
        ("unmanaged", "repository"),
        ("unmanaged", "vpc"),
    }
    planned = lines(db, "iasql_plan_sync")
    assert lines(db, "iasql_preview_sync") == planned
    assert {(action, table) for action, table, _ in planned} >= {
        ("create", "log_group"),
        ("create", "repository"),
        ("create", "vpc"),
    }
    assert sync(db) == planned
    assert db.one("SELECT count(*) FROM log_group") == 2
    assert db.one("SELECT count(*) FROM vpc WHERE vpc_id = %s", vpc) == 1
    assert db.sql("SELECT * FROM iasql_drift()") == []
    assert plan(db) == []


def test_the_full_plan_says_what_waits_for_what(db: Database, cloud: Cloud) -> None:
    install(db, "aws_security_group")
    db.sql("""
        INSERT INTO vpc (cidr_block) VALUES ('10.1.0.0/16');
        INSERT INTO subnet (vpc_id, cidr_block)
        SELECT id, '10.1.1.0/24' FROM vpc WHERE NOT is_default;
        INSERT INTO security_group (group_name, vpc_id) SELECT 'web', id FROM vpc WHERE NOT is_default;
        INSERT INTO security_group_rule
          (security_group_id, is_egress, ip_protocol, from_port, to_port, cidr_ipv4)
        SELECT id, false, 'tcp', 80, 80, '0.0.0.0/0' FROM security_group WHERE group_name = 'web';
    """)
    steps = db.sql("SELECT * FROM iasql_plan()")
    assert list(steps[0]) == [
        "step",
        "action",
        "table_name",
        "region",
        "name",
        "cloud_id",
        "columns",
        "before",
        "after",
        "reason",
        "waits_for",
    ]
    by_table = {step["table_name"]: step for step in steps}
    assert len(by_table) == len(steps) == 4
    number = {table: step["step"] for table, step in by_table.items()}
    assert by_table["vpc"]["waits_for"] == []
    assert by_table["subnet"]["waits_for"] == [number["vpc"]]
    assert by_table["security_group"]["waits_for"] == [number["vpc"]]
    assert by_table["security_group_rule"]["waits_for"] == [number["security_group"]]
    assert [step["step"] for step in steps] == sorted(number.values())
    for step in steps:
        assert (step["action"], step["reason"], step["region"]) == ("create", "added", REGION)
        assert (step["before"], step["cloud_id"], step["columns"]) == (None, None, None)
    assert by_table["vpc"]["after"]["cidr_block"] == "10.1.0.0/16"
    assert by_table["security_group"]["name"] == "web"
    assert vpcs(cloud) == {}


def test_the_full_plan_says_what_differs_and_why(db: Database, cloud: Cloud) -> None:
    install(db, "aws_cloudwatch")
    db.sql("""
        INSERT INTO log_group (log_group_name, retention_in_days)
        VALUES ('edited', 1), ('drifted', 1), ('gone', 1), ('deleted', 1)
    """)
    apply(db)
    cloud.logs.create_log_group(logGroupName="adopted")
    cloud.logs.put_retention_policy(logGroupName="drifted", retentionInDays=30)
    cloud.logs.delete_log_group(logGroupName="gone")
    db.sql("""
        UPDATE log_group SET retention_in_days = 7, tags = '{"a": "b"}' WHERE log_group_name = 'edited';
        DELETE FROM log_group WHERE log_group_name = 'deleted';
        INSERT INTO log_group (log_group_name, retention_in_days) VALUES ('adopted', 3);
    """)
    steps = {step["name"]: step for step in db.sql("SELECT * FROM iasql_plan()")}
    told = {name: (step["action"], step["reason"]) for name, step in steps.items()}
    assert told == {
        "edited": ("update", "edited"),
        "drifted": ("update", "drift"),
        "gone": ("create", "drift: deleted in the cloud"),
        "deleted": ("delete", "deleted"),
        "adopted": ("update", "exists in the cloud"),
    }
    edited = steps["edited"]
    assert sorted(edited["columns"]) == ["retention_in_days", "tags"]
    assert (edited["before"]["retention_in_days"], edited["after"]["retention_in_days"]) == (1, 7)
    assert (edited["before"]["tags"], edited["after"]["tags"]) == ({}, {"a": "b"})
    assert edited["cloud_id"] and edited["cloud_id"].endswith("log-group:edited")
    assert steps["drifted"]["columns"] == ["retention_in_days"]
    assert steps["drifted"]["before"]["retention_in_days"] == 30
    assert (steps["deleted"]["after"], steps["deleted"]["columns"]) == (None, None)
    assert steps["deleted"]["before"]["log_group_name"] == "deleted"

    apply(db)
    found = {
        group["logGroupName"]: group["retentionInDays"]
        for group in cloud.logs.describe_log_groups()["logGroups"]
    }
    assert found == {"edited": 7, "drifted": 1, "gone": 1, "adopted": 3}
    assert plan(db) == []


def test_drift_says_what_changed_what_is_gone_and_what_is_nobodys(
    db: Database, cloud: Cloud
) -> None:
    install(db, "aws_cloudwatch")
    db.sql("""
        INSERT INTO log_group (log_group_name, retention_in_days)
        VALUES ('same', 1), ('changed', 1), ('deleted', 1), ('edited', 1)
    """)
    apply(db)
    assert db.sql("SELECT * FROM iasql_drift()") == []
    cloud.logs.put_retention_policy(logGroupName="changed", retentionInDays=30)
    cloud.logs.delete_log_group(logGroupName="deleted")
    cloud.logs.create_log_group(logGroupName="unmanaged")
    db.sql("UPDATE log_group SET retention_in_days = 7 WHERE log_group_name = 'edited'")

    rows = {row["change"]: row for row in db.sql("SELECT * FROM iasql_drift()")}
    assert {change: row["name"] for change, row in rows.items()} == {
        "changed": "changed",
        "deleted": "deleted",
        "unmanaged": "unmanaged",
    }
    assert list(rows["changed"]) == [
        "change",
        "table_name",
        "region",
        "id",
        "name",
        "cloud_id",
        "columns",
        "agreed",
        "seen",
    ]
    changed = rows["changed"]
    assert (changed["columns"], changed["table_name"], changed["region"]) == (
        ["retention_in_days"],
        "log_group",
        REGION,
    )
    assert (changed["agreed"]["retention_in_days"], changed["seen"]["retention_in_days"]) == (1, 30)
    assert changed["id"] == db.one("SELECT id FROM log_group WHERE log_group_name = 'changed'")
    assert (rows["deleted"]["seen"], rows["unmanaged"]["agreed"]) == (None, None)
    assert rows["unmanaged"]["id"] is None
    assert rows["unmanaged"]["cloud_id"].endswith("log-group:unmanaged")


def populate(db: Database, cloud: Cloud) -> None:
    """At least one of each resource."""
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('web')")
    db.sql("INSERT INTO repository (repository_name) VALUES ('web')")
    db.sql("INSERT INTO public_repository (repository_name) VALUES ('web-public')")
    db.sql(
        "INSERT INTO repository_policy (repository_name, policy_text) VALUES ('web', %s)",
        json.dumps(policy()),
    )
    db.sql("""
        INSERT INTO vpc (cidr_block) VALUES ('10.1.0.0/16');
        INSERT INTO subnet (vpc_id, cidr_block)
        SELECT id, '10.1.1.0/24' FROM vpc WHERE NOT is_default;
        INSERT INTO security_group (group_name, vpc_id)
        SELECT name, id FROM vpc, (VALUES ('web'), ('db')) AS names (name) WHERE NOT is_default;
        INSERT INTO security_group_rule
          (security_group_id, is_egress, ip_protocol, from_port, to_port, source_security_group)
        SELECT a.id, false, 'tcp', 5432, 5432, b.id FROM security_group a, security_group b
        WHERE (a.group_name, b.group_name) IN (('web', 'db'), ('db', 'web'));
    """)
    apply(db)
    push(cloud, "web", "v1")
    sync(db)


def test_delete_all_records_and_sync_brings_every_row_back(db: Database, cloud: Cloud) -> None:
    install(db)
    populate(db, cloud)
    before = {table: db.one(f"SELECT count(*) FROM {table}") for table in MODULE_TABLES}
    assert all(before.values()), before
    db.sql("SELECT delete_all_records()")
    assert not any(db.one(f"SELECT count(*) FROM {table}") for table in MODULE_TABLES)

    planned = plan(db)
    assert {action for action, _, _ in planned} == {"delete"}
    assert {table for _, table, _ in planned} == set(MODULE_TABLES)
    assert {d for _, table, d in planned if table == "vpc"} == set(vpcs(cloud))
    assert {d for _, table, d in planned if table == "subnet"} == set(subnets(cloud))
    assert {d for _, table, d in planned if table == "security_group"} == set(groups(cloud))

    sync(db)
    assert {table: db.one(f"SELECT count(*) FROM {table}") for table in MODULE_TABLES} == before
    assert plan(db) == []
    assert sync(db) == []


def test_delete_all_records_and_apply_empties_the_account_but_for_what_aws_keeps(
    db: Database, cloud: Cloud
) -> None:
    install(db)
    populate(db, cloud)
    db.sql("SELECT delete_all_records()")
    db.notices.clear()
    apply(db)

    assert (log_groups(cloud), repositories(cloud), public_repositories(cloud)) == ([], [], [])
    assert (vpcs(cloud), subnets(cloud), groups(cloud)) == ({}, {}, {})
    vpc = default_vpc(cloud)
    assert db.one("SELECT vpc_id FROM vpc") == vpc
    assert db.one("SELECT count(*) FROM subnet") == len(cloud.ec2.describe_subnets()["Subnets"])
    (group,) = cloud.ec2.describe_security_groups()["SecurityGroups"]
    assert db.one("SELECT group_id FROM security_group") == group["GroupId"]
    told = {n.split()[0]: n for n in db.notices if " stays in the cloud and in the table: " in n}
    assert set(told) == {"vpc", "subnet", "security_group"}, db.notices
    assert f"vpc {vpc} " in told["vpc"]
    assert "default" in told["security_group"]
    assert all(it["CidrBlock"] in told["subnet"] for it in cloud.ec2.describe_subnets()["Subnets"])
    assert plan(db) == []
    assert db.sql("SELECT * FROM iasql_drift()") == []


def test_a_deleted_row_of_what_aws_keeps_comes_back_with_a_notice(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_vpc")
    (row,) = db.sql("SELECT * FROM vpc")
    with nothing_changes(emulator):
        db.sql("DELETE FROM subnet; DELETE FROM vpc")
        apply(db)
    (back,) = db.sql("SELECT * FROM vpc")
    assert back == row
    (told,) = (n for n in db.notices if n.startswith("vpc "))
    assert told.startswith(f"vpc {default_vpc(cloud)} stays in the cloud and in the table: AWS made")


def test_sync_discards_edits_says_so_and_keeps_them_in_the_history(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_cloudwatch")
    db.sql("INSERT INTO log_group (log_group_name, retention_in_days) VALUES ('a', 1), ('b', 1)")
    apply(db)
    db.sql("""
        UPDATE log_group SET retention_in_days = 7 WHERE log_group_name = 'a';
        DELETE FROM log_group WHERE log_group_name = 'b';
        INSERT INTO log_group (log_group_name) VALUES ('c');
    """)
    with nothing_changes(emulator):
        planned = lines(db, "iasql_plan_sync")
        told = sync(db)
    assert told == planned
    assert [(action, table) for action, table, _ in told] == [
        ("create", "log_group"),
        ("delete", "log_group"),
        ("update", "log_group"),
    ]
    rows = db.sql("SELECT log_group_name, retention_in_days FROM log_group ORDER BY 1")
    assert [tuple(row.values()) for row in rows] == [("a", 1), ("b", 1)]
    kept = db.sql("SELECT * FROM iasql_history WHERE call = 'sync' ORDER BY name")
    assert [(row["name"], row["action"], row["reason"]) for row in kept] == [
        (name, "discard", "edit discarded by sync") for name in "abc"
    ]
    assert kept[0]["before"]["retention_in_days"] == 7
    assert kept[0]["after"]["retention_in_days"] == 1
    assert (kept[1]["before"], kept[1]["after"]["log_group_name"]) == (None, "b")
    assert (kept[2]["before"]["log_group_name"], kept[2]["after"]) == ("c", None)
    assert log_groups(cloud) == ["a", "b"]


def test_a_sync_without_change_makes_no_changing_call_and_writes_no_row(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db)
    populate(db, cloud)
    before = versions(db)
    with nothing_changes(emulator):
        assert sync(db) == []
        assert versions(db) == before
        assert apply(db) == []
    assert versions(db) == before


# What rows mean


def test_null_for_a_column_with_a_default_means_the_default(db: Database, cloud: Cloud) -> None:
    install(db, "aws_ecr", "aws_vpc")
    db.sql("""
        INSERT INTO repository
          (repository_name, image_tag_mutability, scan_on_push, tags, region, repository_arn,
           repository_uri, registry_id, created_at, encryption_type, kms_key, mutability_exclusions)
        VALUES ('web', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
        INSERT INTO vpc (cidr_block, vpc_id, state, is_default, instance_tenancy,
                         enable_dns_support, enable_dns_hostnames, tags, region)
        VALUES ('10.1.0.0/16', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    """)
    (row,) = db.sql("SELECT * FROM repository")
    assert (row["image_tag_mutability"], row["scan_on_push"], row["tags"]) == ("MUTABLE", False, {})
    assert row["region"] == REGION
    apply(db)
    (vpc,) = vpcs(cloud)
    (row,) = db.sql("SELECT * FROM vpc WHERE cidr_block = '10.1.0.0/16'")
    assert (row["vpc_id"], row["is_default"], row["enable_dns_support"]) == (vpc, False, True)
    (repository,) = cloud.ecr.describe_repositories()["repositories"]
    assert repository["imageTagMutability"] == "MUTABLE"
    assert plan(db) == []


def test_null_for_what_aws_owns_keeps_the_value(db: Database) -> None:
    install(db, "aws_ecr")
    db.sql("INSERT INTO repository (repository_name) VALUES ('web')")
    apply(db)
    (before,) = db.sql("SELECT * FROM repository")
    db.sql("""
        UPDATE repository SET repository_arn = NULL, repository_uri = NULL, registry_id = NULL,
                              created_at = NULL, image_tag_mutability = NULL, tags = NULL
    """)
    assert db.sql("SELECT * FROM repository") == [before]
    assert plan(db) == []


def test_what_aws_owns_may_be_written_with_the_value_it_has(db: Database) -> None:
    install(db, "aws_ecr")
    db.sql("INSERT INTO repository (repository_name) VALUES ('web')")
    apply(db)
    db.sql("UPDATE repository SET repository_uri = repository_uri, scan_on_push = true")
    assert [line[0] for line in plan(db)] == ["update"]


def test_json_in_a_json_string_is_unwrapped(db: Database, cloud: Cloud) -> None:
    install(db, "aws_ecr")
    db.sql("INSERT INTO repository (repository_name, tags) VALUES ('web', %s)", '"{\\"a\\": \\"b\\"}"')
    db.sql(
        "INSERT INTO repository_policy (repository_name, policy_text) VALUES ('web', %s)",
        json.dumps(json.dumps(policy())),
    )
    assert db.one("SELECT policy_text FROM repository_policy") == policy()
    assert db.one("SELECT tags FROM repository") == {"a": "b"}
    apply(db)
    text = cloud.ecr.get_repository_policy(repositoryName="web")["policyText"]
    assert json.loads(text) == policy()
    assert plan(db) == []


def test_a_policy_of_the_same_meaning_is_no_change(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_ecr")
    db.sql("INSERT INTO repository (repository_name) VALUES ('web')")
    insert = "INSERT INTO repository_policy (repository_name, policy_text) VALUES ('web', %s)"
    db.sql(insert, json.dumps(policy()))
    apply(db)
    (statement,) = policy()["Statement"]
    other = statement | {"Action": [statement["Action"]], "Principal": {"AWS": ["*"]}}
    db.sql(
        "UPDATE repository_policy SET policy_text = %s",
        json.dumps({"Statement": other, "Version": "2012-10-17"}),
    )
    with nothing_changes(emulator):
        assert plan(db) == []
        assert apply(db) == []


def test_a_row_that_describes_what_exists_takes_it_over(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db)
    cloud.logs.create_log_group(logGroupName="theirs")
    cloud.ecr.create_repository(repositoryName="theirs")
    mark = emulator.mark()
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('theirs')")
    db.sql("INSERT INTO repository (repository_name, scan_on_push) VALUES ('theirs', true)")
    assert [line[:2] for line in plan(db)] == [("update", "repository")]
    apply(db)
    assert changing_calls(emulator, mark) == ["PutImageScanningConfiguration"]
    (found,) = cloud.ecr.describe_repositories()["repositories"]
    assert found["imageScanningConfiguration"] == {"scanOnPush": True}
    assert db.one("SELECT repository_arn FROM repository") == found["repositoryArn"]
    assert db.one("SELECT log_group_arn FROM log_group").endswith(":theirs")
    assert plan(db) == []
    db.sql("DELETE FROM log_group; DELETE FROM repository")
    apply(db)
    assert (log_groups(cloud), repositories(cloud)) == ([], [])


def test_apply_puts_right_what_was_changed_outside(db: Database, cloud: Cloud) -> None:
    install(db, "aws_ecr")
    db.sql("INSERT INTO repository (repository_name) VALUES ('web')")
    apply(db)
    cloud.ecr.put_image_tag_mutability(repositoryName="web", imageTagMutability="IMMUTABLE")
    assert [line[:2] for line in apply(db)] == [("update", "repository")]
    (found,) = cloud.ecr.describe_repositories()["repositories"]
    assert found["imageTagMutability"] == "MUTABLE"
    assert plan(db) == []


def test_apply_makes_again_what_was_deleted_outside(db: Database, cloud: Cloud) -> None:
    install(db, "aws_security_group")
    db.sql("""
        INSERT INTO vpc (cidr_block) VALUES ('10.1.0.0/16');
        INSERT INTO subnet (vpc_id, cidr_block)
        SELECT id, '10.1.1.0/24' FROM vpc WHERE NOT is_default;
    """)
    apply(db)
    (row,) = db.sql("SELECT id, vpc_id FROM vpc WHERE NOT is_default")
    (subnet,) = subnets(cloud)
    cloud.ec2.delete_subnet(SubnetId=subnet)
    cloud.ec2.delete_vpc(VpcId=row["vpc_id"])

    assert [line[:2] for line in apply(db)] == [("create", "subnet"), ("create", "vpc")]
    (vpc,) = vpcs(cloud)
    assert vpc != row["vpc_id"]
    assert db.sql("SELECT id, vpc_id FROM vpc WHERE NOT is_default") == [
        {"id": row["id"], "vpc_id": vpc}
    ]
    (again,) = subnets(cloud)
    assert db.one("SELECT subnet_id FROM subnet WHERE vpc_id = %s", row["id"]) == again
    assert plan(db) == []


def test_a_new_description_replaces_a_group_and_its_rules_follow(
    db: Database, cloud: Cloud
) -> None:
    install(db, "aws_security_group")
    db.sql("""
        INSERT INTO security_group (group_name, description) VALUES ('web', 'old'), ('db', 'db');
        INSERT INTO security_group_rule
          (security_group_id, is_egress, ip_protocol, from_port, to_port, cidr_ipv4)
        SELECT id, false, 'tcp', 80, 80, '0.0.0.0/0' FROM security_group WHERE group_name = 'web';
        INSERT INTO security_group_rule
          (security_group_id, is_egress, ip_protocol, from_port, to_port, source_security_group)
        SELECT a.id, false, 'tcp', 5432, 5432, b.id FROM security_group a, security_group b
        WHERE a.group_name = 'db' AND b.group_name = 'web';
    """)
    apply(db)
    (before,) = db.sql("SELECT id, group_id FROM security_group WHERE group_name = 'web'")
    db.sql("UPDATE security_group SET description = 'new' WHERE group_name = 'web'")

    planned = plan(db)
    assert ("replace", "security_group", before["group_id"]) in planned
    (step,) = {
        (step["action"], tuple(step["columns"]))
        for step in db.sql("SELECT * FROM iasql_plan() WHERE table_name = 'security_group'")
    }
    assert step == ("replace", ("description",))
    apply(db)
    (web,) = (id for id, name in groups(cloud).items() if name == "web")
    (database,) = (id for id, name in groups(cloud).items() if name == "db")
    assert web != before["group_id"]
    (found,) = cloud.ec2.describe_security_groups(GroupIds=[web])["SecurityGroups"]
    assert found["Description"] == "new"
    (rule,) = rules(cloud, web)
    assert (rule["FromPort"], rule["CidrIpv4"]) == (80, "0.0.0.0/0")
    (rule,) = rules(cloud, database)
    assert rule["ReferencedGroupInfo"]["GroupId"] == web
    assert db.sql("SELECT id, group_id FROM security_group WHERE group_name = 'web'") == [
        {"id": before["id"], "group_id": web}
    ]
    assert plan(db) == []


def test_a_new_range_replaces_a_vpc_and_what_is_in_it(db: Database, cloud: Cloud) -> None:
    install(db, "aws_security_group")
    db.sql("""
        INSERT INTO vpc (cidr_block, tags) VALUES ('10.1.0.0/16', '{"Name": "mine"}');
        INSERT INTO subnet (vpc_id, cidr_block)
        SELECT id, '10.1.1.0/24' FROM vpc WHERE NOT is_default;
        INSERT INTO security_group (group_name, vpc_id) SELECT 'web', id FROM vpc WHERE NOT is_default;
    """)
    apply(db)
    sync(db)  # brings in the group that came with the VPC
    ids = """
        SELECT 'vpc' AS of, id FROM vpc UNION ALL SELECT 'subnet', id FROM subnet
        UNION ALL SELECT 'group', id FROM security_group ORDER BY 1, 2
    """
    rows = db.sql(ids)
    db.sql("""
        UPDATE vpc SET cidr_block = '10.2.0.0/16' WHERE NOT is_default;
        UPDATE subnet SET cidr_block = '10.2.1.0/24' WHERE cidr_block = '10.1.1.0/24';
    """)
    assert {line[:2] for line in plan(db)} >= {
        ("replace", "vpc"),
        ("replace", "subnet"),
        ("replace", "security_group"),
    }
    apply(db)
    assert list(vpcs(cloud).values()) == ["10.2.0.0/16"]
    assert list(subnets(cloud).values()) == ["10.2.1.0/24"]
    assert list(groups(cloud).values()) == ["web"]
    (vpc,) = vpcs(cloud)
    (group,) = groups(cloud)
    found = cloud.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
    assert found["VpcId"] == vpc
    (found,) = cloud.ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
    assert {"Key": "Name", "Value": "mine"} in found["Tags"]
    assert db.sql(ids) == rows
    assert plan(db) == []
    assert [line for line in sync(db) if line[1] != "security_group_rule"] == []


def test_replacing_what_holds_something_of_others_is_refused(db: Database, cloud: Cloud) -> None:
    install(db, "aws_vpc")
    db.sql("INSERT INTO vpc (cidr_block) VALUES ('10.1.0.0/16')")
    apply(db)
    (vpc,) = vpcs(cloud)
    cloud.ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.9.0/24")
    db.sql("UPDATE vpc SET cidr_block = '10.2.0.0/16' WHERE NOT is_default")
    error = db.error("SELECT * FROM iasql_apply()")
    assert error.sqlstate == "55000"
    assert error.message and "replacing it would lose subnet " in error.message
    assert "10.1.9.0/24, which is in the cloud but not in this database" in error.message
    assert "run iasql_sync() first" in error.message
    assert (list(vpcs(cloud)), list(subnets(cloud).values())) == ([vpc], ["10.1.9.0/24"])


def test_a_rename_replaces_and_the_row_keeps_its_id(db: Database, cloud: Cloud) -> None:
    install(db, "aws_cloudwatch")
    db.sql("INSERT INTO log_group (log_group_name, retention_in_days) VALUES ('old', 7)")
    apply(db)
    row = db.one("UPDATE log_group SET log_group_name = 'new' RETURNING id")
    assert [line[:2] for line in apply(db)] == [("replace", "log_group")]
    (found,) = cloud.logs.describe_log_groups()["logGroups"]
    assert (found["logGroupName"], found["retentionInDays"]) == ("new", 7)
    assert db.sql("SELECT id, log_group_arn FROM log_group") == [
        {"id": row, "log_group_arn": found["logGroupArn"]}
    ]
    assert plan(db) == []


def test_a_renamed_repository_takes_its_policy_along(db: Database, cloud: Cloud) -> None:
    install(db, "aws_ecr")
    db.sql("INSERT INTO repository (repository_name) VALUES ('old')")
    db.sql(
        "INSERT INTO repository_policy (repository_name, policy_text) VALUES ('old', %s)",
        json.dumps(policy()),
    )
    apply(db)
    db.sql("UPDATE repository SET repository_name = 'new'")
    assert db.one("SELECT repository_name FROM repository_policy") == "new"
    apply(db)
    assert repositories(cloud) == ["new"]
    text = cloud.ecr.get_repository_policy(repositoryName="new")["policyText"]
    assert json.loads(text) == policy()
    assert plan(db) == []


def test_a_row_deleted_and_inserted_again_is_no_change(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_security_group", "aws_cloudwatch")
    db.sql("""
        INSERT INTO log_group (log_group_name, retention_in_days) VALUES ('web', 7);
        INSERT INTO security_group (group_name, description) VALUES ('web', 'web');
        INSERT INTO security_group_rule
          (security_group_id, is_egress, ip_protocol, from_port, to_port, cidr_ipv4)
        SELECT id, false, 'tcp', 80, 80, '0.0.0.0/0' FROM security_group WHERE group_name = 'web';
    """)
    apply(db)
    (group,) = groups(cloud)
    with nothing_changes(emulator):
        db.sql("""
            DELETE FROM log_group;
            INSERT INTO log_group (log_group_name, retention_in_days) VALUES ('web', 7);
            DELETE FROM security_group_rule USING security_group g
            WHERE security_group_id = g.id AND g.group_name = 'web';
            DELETE FROM security_group WHERE group_name = 'web';
            INSERT INTO security_group (group_name, description) VALUES ('web', 'web');
            INSERT INTO security_group_rule
              (security_group_id, is_egress, ip_protocol, from_port, to_port, cidr_ipv4)
            SELECT id, false, 'tcp', 80, 80, '0.0.0.0/0' FROM security_group WHERE group_name = 'web';
        """)
        assert plan(db) == []
        assert apply(db) == []
    assert db.one("SELECT group_id FROM security_group WHERE group_name = 'web'") == group
    assert db.one("SELECT log_group_arn FROM log_group").endswith(":web")
    assert plan(db) == []


def test_two_rows_may_swap_their_names(db: Database, cloud: Cloud) -> None:
    install(db, "aws_ecr")
    db.sql("INSERT INTO repository (repository_name, scan_on_push) VALUES ('aa', true), ('bb', false)")
    apply(db)
    db.sql("""
        BEGIN;
        UPDATE repository SET repository_name = 'cc' WHERE repository_name = 'aa';
        UPDATE repository SET repository_name = 'aa' WHERE repository_name = 'bb';
        UPDATE repository SET repository_name = 'bb' WHERE repository_name = 'cc';
        COMMIT;
    """)
    apply(db)
    found = cloud.ecr.describe_repositories()["repositories"]
    assert {it["repositoryName"]: it["imageScanningConfiguration"]["scanOnPush"] for it in found} == {
        "aa": False,
        "bb": True,
    }
    arns = {row["repository_name"]: row["repository_arn"] for row in db.sql("SELECT * FROM repository")}
    assert arns == {it["repositoryName"]: it["repositoryArn"] for it in found}
    assert plan(db) == []


def test_groups_whose_rules_name_each_other_are_made_and_deleted_in_one_apply(
    db: Database, cloud: Cloud
) -> None:
    install(db, "aws_security_group")
    db.sql("""
        INSERT INTO security_group (group_name) VALUES ('web'), ('db');
        INSERT INTO security_group_rule
          (security_group_id, is_egress, ip_protocol, from_port, to_port, source_security_group)
        SELECT a.id, false, 'tcp', 5432, 5432, b.id FROM security_group a, security_group b
        WHERE a.group_name IN ('web', 'db') AND b.group_name IN ('web', 'db');
    """)
    apply(db)
    ids = {name: id for id, name in groups(cloud).items()}
    assert set(ids) == {"web", "db"}
    for group in ids.values():
        sources = {rule["ReferencedGroupInfo"]["GroupId"] for rule in rules(cloud, group)}
        assert sources == set(ids.values())
    assert plan(db) == []

    db.sql("""
        DELETE FROM security_group_rule USING security_group g
        WHERE g.id = security_group_id AND g.group_name IN ('web', 'db');
        DELETE FROM security_group WHERE group_name IN ('web', 'db');
    """)
    assert [line[0] for line in apply(db)] == ["delete"] * 6
    assert groups(cloud) == {}
    assert plan(db) == []


def test_the_egress_rule_that_aws_makes_is_stripped_unless_a_row_has_it(
    db: Database, cloud: Cloud
) -> None:
    install(db, "aws_security_group")
    db.sql("""
        INSERT INTO security_group (group_name) VALUES ('shut'), ('open'), ('narrow');
        INSERT INTO security_group_rule
          (security_group_id, is_egress, ip_protocol, from_port, to_port, cidr_ipv4, description)
        SELECT id, true, '-1', -1, -1, '0.0.0.0/0', 'all of it' FROM security_group
        WHERE group_name = 'open';
        INSERT INTO security_group_rule
          (security_group_id, is_egress, ip_protocol, from_port, to_port, cidr_ipv4)
        SELECT id, true, 'tcp', 443, 443, '0.0.0.0/0' FROM security_group
        WHERE group_name = 'narrow';
    """)
    apply(db)
    ids = {name: id for id, name in groups(cloud).items()}
    assert rules(cloud, ids["shut"]) == []
    (rule,) = rules(cloud, ids["open"])
    assert (rule["IpProtocol"], rule["CidrIpv4"], rule["IsEgress"]) == ("-1", "0.0.0.0/0", True)
    assert rule["Description"] == "all of it"
    (rule,) = rules(cloud, ids["narrow"])
    assert (rule["IpProtocol"], rule["FromPort"]) == ("tcp", 443)
    stored = db.one("SELECT security_group_rule_id FROM security_group_rule WHERE description = 'all of it'")
    assert stored == rules(cloud, ids["open"])[0]["SecurityGroupRuleId"]
    assert plan(db) == []
    assert sync(db) == []


def test_port_zero_is_a_port(db: Database, cloud: Cloud) -> None:
    install(db, "aws_security_group")
    db.sql("INSERT INTO security_group (group_name) VALUES ('web')")
    db.sql(
        """INSERT INTO security_group_rule
             (security_group_id, is_egress, ip_protocol, from_port, to_port, cidr_ipv6)
           VALUES (%s, false, 'udp', 0, 0, '2001:DB8::/32')""",
        group_id(db, "web"),
    )
    apply(db)
    (group,) = groups(cloud)
    (rule,) = rules(cloud, group)
    assert (rule["FromPort"], rule["ToPort"], rule["CidrIpv6"]) == (0, 0, "2001:db8::/32")
    assert plan(db) == []


def test_two_equal_vpcs_are_two_and_the_right_one_goes(db: Database, cloud: Cloud) -> None:
    install(db, "aws_vpc")
    db.sql("INSERT INTO vpc (cidr_block) VALUES ('10.1.0.0/16'), ('10.1.0.0/16')")
    apply(db)
    assert list(vpcs(cloud).values()) == ["10.1.0.0/16"] * 2
    assert plan(db) == []
    keep, drop = (row["vpc_id"] for row in db.sql("SELECT vpc_id FROM vpc WHERE NOT is_default"))
    assert keep != drop
    db.sql("DELETE FROM vpc WHERE vpc_id = %s", drop)
    apply(db)
    assert list(vpcs(cloud)) == [keep]
    assert plan(db) == []


def test_the_default_group_of_a_new_vpc_is_taken_over_by_its_row(
    db: Database, cloud: Cloud
) -> None:
    install(db, "aws_security_group")
    db.sql("""
        INSERT INTO vpc (cidr_block) VALUES ('10.1.0.0/16');
        INSERT INTO security_group (group_name, vpc_id, tags)
        SELECT 'default', id, '{"a": "b"}' FROM vpc WHERE NOT is_default;
        INSERT INTO security_group_rule
          (security_group_id, is_egress, ip_protocol, from_port, to_port, cidr_ipv4)
        SELECT id, false, 'tcp', 22, 22, '10.0.0.0/8' FROM security_group WHERE group_id IS NULL;
    """)
    apply(db)
    (vpc,) = vpcs(cloud)
    filters = [{"Name": "vpc-id", "Values": [vpc]}]
    (group,) = cloud.ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    assert {"Key": "a", "Value": "b"} in group["Tags"]
    (rule,) = rules(cloud, group["GroupId"])
    assert (rule["FromPort"], rule["IsEgress"]) == (22, False)
    assert plan(db) == []
    assert db.sql("SELECT * FROM iasql_drift()") == []


def test_the_default_group_of_a_vpc_goes_along_with_it(db: Database, cloud: Cloud) -> None:
    install(db, "aws_security_group")
    db.sql("INSERT INTO vpc (cidr_block) VALUES ('10.1.0.0/16')")
    apply(db)
    sync(db)
    db.notices.clear()
    db.sql("""
        CREATE TEMP TABLE going AS SELECT id FROM vpc WHERE NOT is_default;
        DELETE FROM security_group_rule USING security_group g, going
        WHERE g.id = security_group_id AND g.vpc_id = going.id;
        DELETE FROM security_group USING going WHERE vpc_id = going.id;
        DELETE FROM vpc USING going WHERE vpc.id = going.id;
    """)
    apply(db)
    assert vpcs(cloud) == {}
    assert [notice for notice in db.notices if "stays" in notice] == []
    assert db.one("SELECT count(*) FROM security_group") == 1
    assert plan(db) == []
    assert sync(db) == []


def test_a_rule_with_another_port_takes_the_place_of_the_old_one(
    db: Database, cloud: Cloud
) -> None:
    install(db, "aws_security_group")
    db.sql("""
        INSERT INTO security_group (group_name) VALUES ('web');
        INSERT INTO security_group_rule
          (security_group_id, is_egress, ip_protocol, from_port, to_port, cidr_ipv4, description)
        SELECT id, false, 'tcp', 80, 80, '0.0.0.0/0', 'web' FROM security_group
        WHERE group_name = 'web';
    """)
    apply(db)
    row = db.one("UPDATE security_group_rule SET from_port = 443, to_port = 443 WHERE from_port = 80 RETURNING id")
    assert [line[:2] for line in apply(db)] == [("replace", "security_group_rule")]
    (group,) = groups(cloud)
    (rule,) = rules(cloud, group)
    assert (rule["FromPort"], rule["Description"]) == (443, "web")
    stored = db.one("SELECT security_group_rule_id FROM security_group_rule WHERE id = %s", row)
    assert stored == rule["SecurityGroupRuleId"]
    assert plan(db) == []


def test_columns_of_the_users_own_survive_apply_and_sync(db: Database, cloud: Cloud) -> None:
    install(db, "aws_cloudwatch")
    db.sql("ALTER TABLE log_group ADD COLUMN cost_center text NOT NULL DEFAULT 'none'")
    db.sql("INSERT INTO log_group (log_group_name, cost_center) VALUES ('web', 'c1')")
    apply(db)
    cloud.logs.put_retention_policy(logGroupName="web", retentionInDays=7)
    cloud.logs.create_log_group(logGroupName="theirs")
    sync(db)
    rows = db.sql("SELECT log_group_name, cost_center, retention_in_days FROM log_group ORDER BY 1")
    assert [tuple(row.values()) for row in rows] == [("theirs", "none", None), ("web", "c1", 7)]
    db.sql("UPDATE log_group SET cost_center = 'c2'")
    assert plan(db) == []


# Settings that change what an apply does


def test_with_refresh_changed_an_apply_reads_only_what_the_edits_touch(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db)
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('web')")
    db.sql("INSERT INTO repository (repository_name) VALUES ('web')")
    apply(db)
    cloud.ecr.put_image_tag_mutability(repositoryName="web", imageTagMutability="IMMUTABLE")
    db.sql("UPDATE log_group SET retention_in_days = 7")
    mark = emulator.mark()
    db.notices.clear()
    db.sql("SET iasql.refresh = 'changed'")
    assert [line[:2] for line in plan(db)] == [("update", "log_group")]
    assert [line[:2] for line in apply(db)] == [("update", "log_group")]
    services = {call["service"] for call in emulator.calls(mark)}
    assert "logs" in services and services.isdisjoint({"ecr", "ecr-public", "ec2"})
    (told, *_) = [n for n in db.notices if n.startswith("not looked at, since iasql.refresh is changed")]
    assert "repository" in told and told.endswith(", and what was not edited of log_group")
    (found,) = cloud.logs.describe_log_groups()["logGroups"]
    assert found["retentionInDays"] == 7

    db.sql("RESET iasql.refresh")
    assert [line[:2] for line in apply(db)] == [("update", "repository")]
    (found,) = cloud.ecr.describe_repositories()["repositories"]
    assert found["imageTagMutability"] == "MUTABLE"


def test_with_refresh_changed_an_edit_costs_what_it_touches(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db)
    db.sql("""
        INSERT INTO security_group (group_name) SELECT 'web-' || n FROM generate_series(1, 30) n;
        INSERT INTO security_group_rule
          (security_group_id, is_egress, ip_protocol, from_port, to_port, cidr_ipv4)
        SELECT id, false, 'tcp', 80, 80, '0.0.0.0/0' FROM security_group WHERE group_name LIKE 'web-%';
    """)
    apply(db)
    emulator.settings({"page_size": 5})
    db.sql("SET iasql.refresh = 'changed'")
    db.sql("""
        UPDATE security_group_rule SET description = 'http' WHERE NOT is_egress AND security_group_id =
          (SELECT id FROM security_group WHERE group_name = 'web-7')
    """)
    # What has changed behind our back is not looked for, and so stays.
    cloud.logs.create_log_group(logGroupName="theirs")
    mark = emulator.mark()
    assert [line[:2] for line in plan(db)] == [("update", "security_group_rule")]
    assert len(emulator.calls(mark)) <= 3
    mark = emulator.mark()
    assert [line[:2] for line in apply(db)] == [("update", "security_group_rule")]
    calls = [call["operation"] for call in emulator.calls(mark)]
    assert len(calls) <= 5 and "UpdateSecurityGroupRuleDescriptionsIngress" in calls
    described = [
        rule
        for page in cloud.ec2.get_paginator("describe_security_group_rules").paginate()
        for rule in page["SecurityGroupRules"]
        if rule.get("Description") == "http"
    ]
    assert len(described) == 1
    # Nor does a row that is gone take more, or its neighbours along.
    db.sql("""
        DELETE FROM security_group_rule WHERE security_group_id =
          (SELECT id FROM security_group WHERE group_name = 'web-9') AND NOT is_egress
    """)
    mark = emulator.mark()
    assert [line[:2] for line in apply(db)] == [("delete", "security_group_rule")]
    assert len(emulator.calls(mark)) <= 5
    db.sql("RESET iasql.refresh")
    emulator.settings({"page_size": 1000})
    assert plan(db) == []


def test_with_refresh_changed_references_to_other_tables_still_lead_somewhere(
    db: Database, cloud: Cloud
) -> None:
    install(db)
    db.sql("INSERT INTO vpc (cidr_block) VALUES ('10.1.0.0/16')")
    apply(db)
    db.sql("SET iasql.refresh = 'changed'")
    db.sql("""
        INSERT INTO subnet (vpc_id, cidr_block)
        SELECT id, '10.1.1.0/24' FROM vpc WHERE NOT is_default;
        INSERT INTO security_group (group_name, vpc_id) SELECT 'web', id FROM vpc WHERE NOT is_default;
        INSERT INTO security_group_rule
          (security_group_id, is_egress, ip_protocol, from_port, to_port, cidr_ipv4)
        SELECT id, false, 'tcp', 80, 80, '0.0.0.0/0' FROM security_group WHERE group_name = 'web';
    """)
    apply(db)
    (vpc,) = vpcs(cloud)
    (group,) = groups(cloud)
    assert list(subnets(cloud).values()) == ["10.1.1.0/24"]
    (rule,) = rules(cloud, group)
    assert rule["FromPort"] == 80
    db.sql("""
        UPDATE security_group_rule SET description = 'http' WHERE from_port = 80;
        DELETE FROM subnet WHERE cidr_block = '10.1.1.0/24';
    """)
    apply(db)
    assert (subnets(cloud), list(vpcs(cloud))) == ({}, [vpc])
    (rule,) = rules(cloud, group)
    assert rule["Description"] == "http"
    db.sql("RESET iasql.refresh")
    assert plan(db) == []


def test_with_on_error_warn_what_went_well_is_returned_and_kept(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_ecr")
    warnings = reports(db, "WARNING")
    emulator.faults(
        [{"operation": "CreateRepository", "body": "bad", "status": 400, "code": "LimitExceededException"}]
    )
    db.sql("INSERT INTO repository (repository_name) VALUES ('good'), ('bad')")
    db.sql("SET iasql.on_error = 'warn'")
    (line,) = apply(db)
    assert (line[0], line[2].rpartition("/")[2]) == ("create", "good")
    (warning,) = warnings
    assert warning.message and warning.message.startswith(
        "1 of 2 changes failed: create repository bad in us-east-1: "
    )
    assert "LimitExceededException" in warning.message
    assert "request id" in (warning.detail or "")
    assert repositories(cloud) == ["good"]
    rows = db.sql("SELECT repository_name FROM repository WHERE repository_arn IS NOT NULL")
    assert rows == [{"repository_name": "good"}]
    emulator.faults([])
    apply(db)
    assert repositories(cloud) == ["bad", "good"]


# Regions


def test_a_second_region_brings_its_rows_on_sync_and_leaves_without_touching_the_cloud(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    cloud.client("logs", SECOND_REGION).create_log_group(logGroupName="theirs")
    install(db)
    assert db.one("SELECT count(*) FROM log_group") == 0
    regions = {row["region"]: row for row in db.sql("SELECT * FROM aws_regions")}
    found = cloud.ec2.describe_regions(AllRegions=False)["Regions"]
    on = {it["RegionName"] for it in found if it["OptInStatus"] != "not-opted-in"}
    assert set(regions) == on
    assert [name for name, row in regions.items() if row["is_enabled"]] == [REGION]
    assert [name for name, row in regions.items() if row["is_default"]] == [REGION]

    db.sql("UPDATE aws_regions SET is_enabled = true WHERE region = %s", SECOND_REGION)
    sync(db)
    assert db.sql("SELECT log_group_name, region FROM log_group") == [
        {"log_group_name": "theirs", "region": SECOND_REGION}
    ]
    assert db.one("SELECT count(*) FROM vpc") == 2
    assert plan(db) == []

    with nothing_changes(emulator):
        db.sql("UPDATE aws_regions SET is_enabled = false WHERE region = %s", SECOND_REGION)
        assert db.one("SELECT count(*) FROM log_group") == 0
        assert db.one("SELECT count(*) FROM vpc") == 1
        assert plan(db) == []
        assert apply(db) == []
        assert sync(db) == []
    assert log_groups(cloud, SECOND_REGION) == ["theirs"]


def test_names_are_unique_per_region_and_each_row_goes_to_its_own(
    db: Database, cloud: Cloud
) -> None:
    install(db)
    db.sql("UPDATE aws_regions SET is_enabled = true WHERE region = %s", SECOND_REGION)
    sync(db)
    db.sql("""
        INSERT INTO log_group (log_group_name, retention_in_days) VALUES ('web', 1);
        INSERT INTO log_group (log_group_name, retention_in_days, region)
        VALUES ('web', 7, 'eu-west-1');
        INSERT INTO repository (repository_name, region) VALUES ('web', 'eu-west-1');
        INSERT INTO vpc (cidr_block, region) VALUES ('10.1.0.0/16', 'eu-west-1');
        INSERT INTO subnet (vpc_id, cidr_block, region)
        SELECT id, '10.1.1.0/24', region FROM vpc WHERE cidr_block = '10.1.0.0/16';
        INSERT INTO security_group (group_name, region) VALUES ('web', 'eu-west-1'), ('web', 'us-east-1');
    """)
    apply(db)
    retention = {
        region: [it["retentionInDays"] for it in cloud.client("logs", region).describe_log_groups()["logGroups"]]
        for region in (REGION, SECOND_REGION)
    }
    assert retention == {REGION: [1], SECOND_REGION: [7]}
    assert (repositories(cloud), repositories(cloud, SECOND_REGION)) == ([], ["web"])
    assert list(vpcs(cloud, SECOND_REGION).values()) == ["10.1.0.0/16"]
    assert list(subnets(cloud, SECOND_REGION).values()) == ["10.1.1.0/24"]
    assert list(groups(cloud).values()) == list(groups(cloud, SECOND_REGION).values()) == ["web"]
    assert plan(db) == []

    db.sql("UPDATE log_group SET retention_in_days = 3 WHERE region = 'eu-west-1'")
    db.sql("DELETE FROM log_group WHERE region = 'us-east-1'")
    apply(db)
    assert (log_groups(cloud), log_groups(cloud, SECOND_REGION)) == ([], ["web"])
    assert plan(db) == []


def test_a_row_that_moves_to_another_region_is_replaced(db: Database, cloud: Cloud) -> None:
    install(db, "aws_cloudwatch")
    db.sql("UPDATE aws_regions SET is_enabled = true WHERE region = %s", SECOND_REGION)
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('web')")
    apply(db)
    db.sql("UPDATE log_group SET region = 'eu-west-1'")
    assert [line[:2] for line in apply(db)] == [("replace", "log_group")]
    assert (log_groups(cloud), log_groups(cloud, SECOND_REGION)) == ([], ["web"])
    assert plan(db) == []


def test_a_region_with_pending_edits_is_not_disabled(db: Database) -> None:
    install(db, "aws_cloudwatch")
    db.sql("UPDATE aws_regions SET is_enabled = true WHERE region = %s", SECOND_REGION)
    db.sql("INSERT INTO log_group (log_group_name, region) VALUES ('web', 'eu-west-1')")
    error = db.error("UPDATE aws_regions SET is_enabled = false WHERE region = 'eu-west-1'")
    assert error.sqlstate == "55000"
    assert error.message == (
        "edits that were not applied would be lost if this were taken out of this database: log_group"
    )
    assert db.one("SELECT is_enabled FROM aws_regions WHERE region = 'eu-west-1'")
    assert db.one("SELECT count(*) FROM log_group") == 1


def test_the_default_region_can_be_changed_and_not_disabled(db: Database, cloud: Cloud) -> None:
    install(db, "aws_cloudwatch")
    assert db.one("SELECT default_aws_region()") == REGION
    error = db.error("UPDATE aws_regions SET is_enabled = false WHERE is_default")
    assert error.sqlstate == "55000"
    assert error.message == 'region "us-east-1" is the default one and can\'t be disabled'
    assert error.hint and "default_aws_region(" in error.hint

    assert db.one("SELECT default_aws_region(%s)", SECOND_REGION) == SECOND_REGION
    assert db.one("SELECT default_aws_region()") == SECOND_REGION
    assert db.sql("SELECT region, is_default FROM aws_regions WHERE is_enabled ORDER BY 1") == [
        {"region": SECOND_REGION, "is_default": True},
        {"region": REGION, "is_default": False},
    ]
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('web')")
    apply(db)
    assert log_groups(cloud, SECOND_REGION) == ["web"]

    db.sql("UPDATE aws_regions SET is_default = true WHERE region = %s", REGION)
    assert db.one("SELECT region FROM aws_regions WHERE is_default") == REGION
    assert db.one("SELECT default_aws_region()") == REGION


def test_the_default_region_can_be_set_before_the_first_install(
    db: Database, cloud: Cloud
) -> None:
    db.sql("SELECT default_aws_region(%s)", SECOND_REGION)
    cloud.client("logs", SECOND_REGION).create_log_group(logGroupName="theirs")
    install(db, "aws_cloudwatch")
    assert db.one("SELECT region FROM log_group") == SECOND_REGION


# What people look up


def test_the_lists_name_modules_versions_and_dependencies(db: Database) -> None:
    listed = {
        row["module_name"]: (row["module_version"], row["dependencies"])
        for row in db.sql("SELECT * FROM iasql_modules_list()")
    }
    assert set(listed) == {"aws_account", *MODULES, *FURTHER_MODULES}
    assert {version for version, _ in listed.values()} == {"0.1.0"}
    assert listed["aws_security_group"] == ("0.1.0", ["aws_vpc"])
    assert listed["aws_vpc"] == ("0.1.0", [])
    assert db.sql("SELECT * FROM iasql_modules_installed()") == []
    install(db, "aws_security_group")
    assert [tuple(row.values()) for row in db.sql("SELECT * FROM iasql_modules_installed()")] == [
        ("aws_security_group", "0.1.0", ["aws_vpc"]),
        ("aws_vpc", "0.1.0", []),
    ]


def test_help_describes_every_function_and_its_samples_run(db: Database) -> None:
    rows = db.sql("SELECT * FROM iasql_help()")
    assert list(rows[0]) == ["name", "signature", "description", "sample_usage"]
    there = db.sql("""
        SELECT proname FROM pg_proc p
        JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
        WHERE pronamespace = 'public'::regnamespace
    """)
    assert sorted(row["name"] for row in rows) == sorted(row["proname"] for row in there)
    assert {"iasql_install", "iasql_apply", "delete_all_records", "iasql_drift"} <= {
        row["name"] for row in rows
    }
    install(db, "aws_ecr", "aws_vpc")
    for row in rows:
        assert row["description"], row
        assert row["signature"].startswith(row["name"] + "("), row
        assert row["name"] in row["sample_usage"], row
        with db.connect(autocommit=False) as connection:
            connection.execute(row["sample_usage"])
            connection.rollback()


def test_the_version_is_that_of_the_extension(db: Database) -> None:
    version = db.one("SELECT extversion FROM pg_extension WHERE extname = 'iasql'")
    assert db.one("SELECT iasql_version()") == version == "0.1.0"


def test_whoami_says_whose_credentials_they_are(db: Database, emulator: Emulator) -> None:
    assert db.sql("SELECT * FROM iasql_whoami()") == [
        {
            "account": ACCOUNT,
            "arn": f"arn:aws:sts::{ACCOUNT}:user/moto",
            "region": REGION,
            "credential_source": "environment",
            "endpoint": emulator.endpoint,
        }
    ]


def test_the_history_says_who_changed_what(db: Database, cloud: Cloud) -> None:
    install(db, "aws_ecr")
    db.sql("CREATE ROLE operator_of_history; SET application_name = 'flyway'")
    try:
        db.sql("INSERT INTO repository (repository_name) VALUES ('web')")
        db.sql("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO operator_of_history")
        db.sql("SET ROLE operator_of_history")
        apply(db)
        db.sql("RESET ROLE")
        db.sql("UPDATE repository SET scan_on_push = true")
        apply(db)
        db.sql("DELETE FROM repository")
        apply(db)
    finally:
        db.sql("RESET ROLE; DROP OWNED BY operator_of_history; DROP ROLE operator_of_history")
    created, updated, deleted = db.sql("SELECT * FROM iasql_history ORDER BY id")
    assert (created["session_user_name"], created["role_name"]) == ("postgres", "operator_of_history")
    assert updated["role_name"] == "postgres"
    pid = db.one("SELECT pg_backend_pid()")
    for row, action, reason in (
        (created, "create", "added"),
        (updated, "update", "edited"),
        (deleted, "delete", "deleted"),
    ):
        assert (row["action"], row["reason"], row["outcome"]) == (action, reason, "done")
        assert (row["call"], row["table_name"], row["name"]) == ("apply", "repository", "web")
        assert (row["application_name"], row["caller_pid"]) == ("flyway", pid)
        assert (row["region"], row["error"]) == (REGION, None)
        assert row["cloud_id"].endswith(":repository/web")
        assert row["started_at"] <= row["ended_at"]
    assert (created["before"], created["after"]["scan_on_push"]) == (None, False)
    assert updated["before"]["scan_on_push"] is False
    assert updated["after"]["scan_on_push"] is True
    assert (deleted["before"]["scan_on_push"], deleted["after"]) == (True, None)


def test_what_a_table_cannot_hold_is_listed_and_left_alone(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    vpc = cloud.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = cloud.ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.9.0/24")["Subnet"]["SubnetId"]
    # A subnet without IPv4 is more than the emulator has.
    emulator.faults(
        [
            {
                "operation": "DescribeSubnets",
                "replace": ["<cidrBlock>10.1.9.0/24</cidrBlock>", ""],
            }
        ]
    )
    install(db, "aws_vpc")
    (row,) = db.sql("SELECT table_name, region, cloud_id, reason FROM iasql_unrepresented")
    assert row == {
        "table_name": "subnet",
        "region": REGION,
        "cloud_id": subnet,
        "reason": "it has no IPv4 addresses",
    }
    assert db.one("SELECT count(*) FROM subnet WHERE subnet_id = %s", subnet) == 0
    with nothing_changes(emulator):
        assert plan(db) == []
        assert apply(db) == []
    emulator.faults([])
    sync(db)
    assert db.sql("SELECT * FROM iasql_unrepresented") == []
    assert db.one("SELECT count(*) FROM subnet WHERE subnet_id = %s", subnet) == 1


def test_a_row_whose_resource_can_no_longer_be_held_stays_and_is_not_deleted(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_vpc")
    db.sql("""
        INSERT INTO vpc (cidr_block) VALUES ('10.1.0.0/16');
        INSERT INTO subnet (vpc_id, cidr_block)
        SELECT id, '10.1.9.0/24' FROM vpc WHERE NOT is_default;
    """)
    apply(db)
    emulator.faults(
        [{"operation": "DescribeSubnets", "replace": ["<cidrBlock>10.1.9.0/24</cidrBlock>", ""]}]
    )
    with nothing_changes(emulator):
        assert plan(db) == []
        sync(db)
        assert apply(db) == []
    assert db.one("SELECT count(*) FROM subnet WHERE cidr_block = '10.1.9.0/24'") == 1
    emulator.faults([])
    assert plan(db) == []
    assert list(subnets(cloud).values()) == ["10.1.9.0/24"]


COMMENTED = """
    SELECT format('function %s', p.oid::regprocedure) AS what, obj_description(p.oid, 'pg_proc') AS told
    FROM pg_proc p WHERE pronamespace = ANY ('{public,iasql}'::regnamespace[])
    UNION ALL
    SELECT format('relation %s', c.oid::regclass), obj_description(c.oid, 'pg_class')
    FROM pg_class c WHERE relnamespace = ANY ('{public,iasql}'::regnamespace[]) AND relkind IN ('r', 'v')
    UNION ALL
    SELECT format('column %s.%s', c.oid::regclass, attname), col_description(c.oid, attnum)
    FROM pg_class c JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    UNION ALL
    SELECT format('schema %s', nspname), obj_description(oid, 'pg_namespace')
    FROM pg_namespace WHERE nspname = 'iasql'
"""


def test_every_function_table_and_column_has_a_comment(db: Database) -> None:
    install(db)
    rows = db.sql(COMMENTED)
    assert len(rows) > 100
    assert [row["what"] for row in rows if not row["told"]] == []


def test_settings_are_for_superusers_where_they_say_whose_account_it_is(db: Database) -> None:
    db.sql("SELECT iasql_version()")  # loads the library
    rows = db.sql("SELECT name, context, short_desc FROM pg_settings WHERE name LIKE 'iasql.%'")
    assert {row["name"]: row["context"] for row in rows} == {
        "iasql.endpoint_url": "superuser",
        "iasql.profile": "superuser",
        "iasql.assume_role_arn": "superuser",
        "iasql.external_id": "superuser",
        "iasql.max_parallel": "user",
        "iasql.call_timeout": "user",
        "iasql.patience": "user",
        "iasql.refresh": "user",
        "iasql.on_error": "user",
    }
    assert all(row["short_desc"] for row in rows)
    error = db.error("SET iasql.refres = 'full'")
    assert error.sqlstate == "42602" and error.message and "iasql.refres" in error.message
    error = db.error("SET iasql.refresh = 'sometimes'")
    assert error.sqlstate == "22023"
    assert error.hint == "Available values: full, changed."


def test_progress_shows_a_call_that_runs_to_other_sessions(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_ecr")
    db.sql("INSERT INTO repository (repository_name) VALUES ('web')")
    emulator.faults([{"operation": "CreateRepository", "count": 1, "delay_ms": 2500}])
    other = db.connect()
    pid = db.one("SELECT pg_backend_pid()")
    finished = in_background(lambda: apply(db))
    shown: list[dict[str, Any]] = []

    def running() -> bool:
        shown[:] = other.execute("SELECT * FROM iasql_progress").fetchall()
        return bool(shown and shown[0]["doing"].startswith("0 of 1: creating"))

    wait_until("progress", running, seconds=10)
    (row,) = shown
    assert (row["caller_pid"], row["call"], row["done"], row["total"]) == (pid, "apply", 0, 1)
    assert row["worker_pid"] != pid
    finished()
    assert any(notice.startswith("0 of 1: creating repository web") for notice in db.notices)
    assert repositories(cloud) == ["web"]
    wait_until("no progress", lambda: not other.execute("SELECT * FROM iasql_progress").fetchall())


