"""The policies of docs/iam.md against the calls that are really made: what is called is allowed, and
what is allowed is called."""

from __future__ import annotations

import json
import re
from pathlib import Path

import psycopg
import pytest
from conftest import Cloud, Database
from resources import TABLES, WRITTEN
from resources.aws_ecr import push
from support import install
from test_resources import Case
from testbed import REGION, Emulator

PAGE = Path(__file__).resolve().parent.parent / "docs/iam.md"
#: Services whose actions have another prefix than the front's name for them.
PREFIXES = {"elbv2": "elasticloadbalancing", "tagging": "tag"}
#: What AWS asks for along with another action: nobody calls it.
ALONG = {"kms:CreateGrant", "kms:DescribeKey", "iam:PassRole", "iam:CreateServiceLinkedRole"}


#: What is allowed and not called here, with the reason.
UNCALLED = {
    # Asked of a listener with TLS that is to be made anew: tests/test_replacement.py.
    "aws_elb": {"elasticloadbalancing:DescribeListenerCertificates"},
    # Whoever may not use the tagging API asks group by group.
    "aws_cloudwatch": {"logs:ListTagsForResource"},
    # tests/test_roles.py: whoever may not read all details asks role by role; what others gave.
    "aws_iam": {"iam:GetRole", "iam:GetRolePolicy", "iam:RemoveRoleFromInstanceProfile"},
    # The description of a rule for what leaves; those here are for what enters.
    "aws_security_group": {"ec2:UpdateSecurityGroupRuleDescriptionsEgress"},
}


def policies() -> dict[str, tuple[set[str], set[str]]]:
    """What may be called to read and to manage, by module."""
    found = {}
    for section in PAGE.read_text().split("\n## ")[1:]:
        texts = re.findall(r"```json\n(.*?)\n```", section, re.DOTALL)
        reads, manages = (set(json.loads(text)["Statement"][0]["Action"]) for text in texts)
        found[section.split("\n")[0]] = reads, manages
    return found


def with_dependencies(db: Database, module: str) -> list[str]:
    needed = db.one("SELECT dependencies FROM iasql_modules_list() WHERE module_name = %s", module)
    names = [name.split("@")[0] for name in needed]
    return [module, *(each for name in names for each in with_dependencies(db, name))]


def called(emulator: Emulator, since: int = 0) -> set[str]:
    """The IAM actions of the calls that were made."""
    calls = emulator.calls(since)
    return {f"{PREFIXES.get(it['service'], it['service'])}:{it['operation']}" for it in calls}


def exercise(case: Case) -> None:
    """Makes, changes and removes whatever a description has of a table."""
    case.start(*case.description.rows)
    # Before anything is made anew, and so may be something else than its description says.
    for change in sorted(case.description.changes, key=lambda change: change.action == "replace"):
        keys = dict(case.keys)
        case.db.sql("BEGIN")
        try:
            case.update(change.of, change.set)
            case.db.sql("SELECT * FROM iasql_apply()")
            case.db.sql("COMMIT")
        except psycopg.Error:
            # It does not go with an earlier one.
            case.db.sql("ROLLBACK")
            case.keys = keys
    if "deletion_protection" in case.description.rows["full"]:
        case.db.sql(f"UPDATE {case.table} SET deletion_protection = false")
        case.db.sql("SELECT * FROM iasql_apply()")
    # All of it goes, but for what AWS keeps, and which is back with a sync.
    case.db.sql("SELECT delete_all_records()")
    case.db.sql("SELECT * FROM iasql_apply()")
    case.db.sql("SELECT * FROM iasql_sync()")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("module", policies())
def test_what_is_called_is_allowed_and_what_is_allowed_is_called(
    db: Database, cloud: Cloud, emulator: Emulator, module: str
) -> None:
    install(db, module)
    allowed = policies()
    parts = [it for it in with_dependencies(db, module) if it in allowed]
    reads = set().union(*(allowed[part][0] for part in parts))
    manages = set().union(*(allowed[part][1] for part in parts))
    tables = db.sql(
        "SELECT created_table_name AS name FROM iasql_install(%s) WHERE module_name LIKE %s",
        module,
        f"{module}%",
    )
    for table in (it["name"] for it in tables if it["name"] in WRITTEN):
        exercise(Case(db, cloud, table))
    if "repository_image" in {it["name"] for it in tables}:
        cloud.ecr.create_repository(repositoryName="images")
        push(cloud, REGION, "images", "one")
        db.sql("SELECT * FROM iasql_sync()")
        db.sql("DELETE FROM repository_image")
        db.sql("SELECT * FROM iasql_apply()")
    assert called(emulator) - manages == set()
    since = emulator.mark()
    for function in "iasql_plan", "iasql_plan_sync", "iasql_drift", "iasql_sync":
        db.sql(f"SELECT * FROM {function}()")
    assert called(emulator, since) - reads == set()
    assert set(TABLES) >= {it["name"] for it in tables if it["name"] in WRITTEN}
    # What a module declares itself; what it needs of others, they are asked for.
    declared = allowed[module][1] - ALONG
    assert declared - called(emulator) == UNCALLED.get(module, set())


