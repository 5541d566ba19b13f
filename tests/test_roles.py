"""Roles beyond what every table has to do: policies that others attached, roles of AWS's own, and
identities that may not read everything at once."""

from __future__ import annotations

import json

from conftest import Cloud, Database
from resources.aws_iam import POWER, READ, TASKS, allow, trust
from support import install, plan, sync
from test_nerves import changes
from testbed import Emulator

TRUST = json.dumps(trust("ecs-tasks.amazonaws.com"))


def insert(db: Database, name: str, **columns: str) -> None:
    row = {"role_name": name, "assume_role_policy_document": TRUST} | columns
    values = ", ".join(["%s"] * len(row))
    db.sql(f"INSERT INTO role ({', '.join(row)}) VALUES ({values})", *row.values())


def test_a_role_goes_with_all_that_others_gave_it(db: Database, cloud: Cloud) -> None:
    install(db, "aws_iam")
    insert(db, "web", attached_policies_arns=f"{{{TASKS}}}")
    db.sql("SELECT * FROM iasql_apply()")
    iam, web = cloud.client("iam"), {"RoleName": "web"}
    iam.attach_role_policy(**web, PolicyArn=READ)
    iam.put_role_policy(**web, PolicyName="own", PolicyDocument=json.dumps(allow("logs:*")))
    iam.create_instance_profile(InstanceProfileName="machines")
    iam.add_role_to_instance_profile(**web, InstanceProfileName="machines")
    db.sql("DELETE FROM role")
    db.sql("SELECT * FROM iasql_apply()")
    assert iam.list_roles()["Roles"] == []
    profile = iam.get_instance_profile(InstanceProfileName="machines")["InstanceProfile"]
    assert profile["Roles"] == []
    assert plan(db) == []


def test_what_others_attach_is_drift(db: Database, cloud: Cloud) -> None:
    install(db, "aws_iam")
    insert(db, "web")
    db.sql("SELECT * FROM iasql_apply()")
    iam = cloud.client("iam")
    iam.attach_role_policy(RoleName="web", PolicyArn=READ)
    assert db.one("SELECT columns FROM iasql_drift()") == ["attached_policies_arns"]
    sync(db)
    assert db.one("SELECT attached_policies_arns FROM role") == [READ]


def test_roles_of_aws_stay(db: Database, cloud: Cloud, emulator: Emulator) -> None:
    iam = cloud.client("iam")
    iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    install(db, "aws_iam")
    assert db.one("SELECT path FROM role") == "/aws-service-role/ecs.amazonaws.com/"
    since = emulator.mark()
    db.sql("SELECT * FROM delete_all_records()")
    db.sql("SELECT * FROM iasql_apply()")
    assert changes(emulator, since) == []
    assert len(iam.list_roles()["Roles"]) == 1


def test_who_may_not_read_all_details_asks_role_by_role(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    iam = cloud.client("iam")
    for name in "one", "two":
        tags = [{"Key": "a", "Value": name}]
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, Tags=tags)
        iam.attach_role_policy(RoleName=name, PolicyArn=READ)
        iam.put_role_policy(
            RoleName=name, PolicyName="own", PolicyDocument=json.dumps(allow("logs:*"))
        )
    emulator.faults([{"operation": "GetAccountAuthorizationDetails", "deny": True}])
    install(db, "aws_iam")
    rows = db.sql("SELECT role_name, attached_policies_arns, inline_policies, tags FROM role")
    for row in rows:
        assert row["attached_policies_arns"] == [READ]
        assert row["inline_policies"] == {"own": allow("logs:*")}
        assert row["tags"] == {"a": row["role_name"]}
    assert sorted(row["role_name"] for row in rows) == ["one", "two"]


def test_roles_are_read_in_two_calls(db: Database, cloud: Cloud, emulator: Emulator) -> None:
    iam = cloud.client("iam")
    for number in range(20):
        iam.create_role(RoleName=f"role-{number}", AssumeRolePolicyDocument=TRUST)
    since = emulator.mark()
    install(db, "aws_iam")
    asked = [call["operation"] for call in emulator.calls(since) if call["service"] == "iam"]
    assert sorted(asked) == ["GetAccountAuthorizationDetails", "ListRoles"]


def test_mistakes_are_told_at_once(db: Database) -> None:
    install(db, "aws_iam")
    nobody = '{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole"}}'
    for name, columns, words in (
        ("a b", {}, "role_name is no name for a role"),
        ("x" * 65, {}, "role_name is no name for a role"),
        ("web", {"assume_role_policy_document": "{}"}, "is not a policy document"),
        ("web", {"assume_role_policy_document": nobody}, "a statement without a Principal"),
        ("web", {"inline_policies": '{"own": {}}'}, "inline_policies is not a map of policy"),
        ("web", {"inline_policies": "[]"}, "inline_policies is not a map of policy"),
        ("web", {"attached_policies_arns": "{ReadOnlyAccess}"}, "not the ARN of a managed policy"),
        ("web", {"permissions_boundary": "PowerUserAccess"}, "not the ARN of a managed policy"),
        ("web", {"max_session_duration": "60"}, "not between 3600 and 43200"),
        ("web", {"path": "team"}, "path is no path for a role"),
        ("web", {"path": "/aws-reserved/x/"}, "AWS keeps to the roles it makes"),
        ("web", {"description": "\N{SNOWMAN}"}, "description is not one AWS takes"),
        ("web", {"arn": "arn:aws:iam::1:role/web"}, "arn"),
    ):
        row = {"role_name": name, "assume_role_policy_document": TRUST} | columns
        values = ", ".join(["%s"] * len(row))
        sql = f"INSERT INTO role ({', '.join(row)}) VALUES ({values})"
        error = db.error(sql, *row.values())
        assert error.message and words in error.message, (columns, error)
        assert error.hint, error
    insert(db, "web", inline_policies="{}", description="été", permissions_boundary=POWER)


def test_refusals_of_aws_come_through(db: Database, cloud: Cloud) -> None:
    install(db, "aws_iam")
    unknown = "arn:aws:iam::123456789012:policy/unknown"
    insert(db, "unknown", attached_policies_arns=f"{{{unknown}}}")
    insert(db, "nobody", assume_role_policy_document=json.dumps(trust("nobody")))
    insert(db, "fine", attached_policies_arns=f"{{{READ}}}")
    error = db.error("SELECT * FROM iasql_apply()")
    told = f"{error.message} {error.detail}"
    assert "NoSuchEntity" in told and unknown in told, told
    assert "MalformedPolicyDocument: Invalid principal in policy" in told, told
    attached = cloud.client("iam").list_attached_role_policies(RoleName="fine")
    assert [policy["PolicyArn"] for policy in attached["AttachedPolicies"]] == [READ]
    # What is left is done once it can be.
    db.sql("UPDATE role SET attached_policies_arns = NULL WHERE role_name = 'unknown'")
    db.sql("DELETE FROM role WHERE role_name = 'nobody'")
    db.sql("SELECT * FROM iasql_apply()")
    assert plan(db) == []
