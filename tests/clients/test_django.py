"""Django 4.2 and 5.2: migrations forth and back, models of `inspectdb`, objects as resources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import packages
import pytest
import tutorial
from conftest import Cloud, Database
from project import Project
from support import QUOTA, WRONG_KEY, groups, install, log_groups, plan, repositories, rules
from testbed import Emulator

SOURCE = packages.CLIENTS / "django"
#: 4.2 with psycopg2, 5.2 with psycopg 3.
VERSIONS = "42", "52"


class Django(Project):
    def __init__(self, version: str, directory: Path, db: Database) -> None:
        python = packages.python(SOURCE / f"v{version}")
        environment = {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(db.server.port),
            "PGUSER": "postgres",
            "PGDATABASE": db.name,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONWARNINGS": "ignore",
        }
        super().__init__(SOURCE / "project", directory, [python.parent], environment)
        self.models = self.directory / "infra/models.py"

    def manage(self, *words: str) -> str:
        return self.run("python", "manage.py", *words)

    def inspect(self, command: str = "inspectdb") -> None:
        """Writes models.py, from nothing."""
        self.models.write_text("")
        self.models.write_text(self.manage(command))

    def told(self, command: str) -> Any:
        """What a command of the project prints, as JSON."""
        return json.loads(self.manage(command).splitlines()[-1])


@pytest.fixture(params=VERSIONS)
def django(request: pytest.FixtureRequest, tmp_path: Path, db: Database) -> Django:
    return Django(request.param, tmp_path, db)


def test_the_tutorial_deploys_and_takes_down(django: Django, db: Database, cloud: Cloud) -> None:
    install(db, "aws_ecs_fargate")
    django.inspect()
    applied = django.told("deploy")
    tutorial.deployed(cloud, "latest", 1, role_name="ecsTaskExecRole")
    assert {line["action"] for line in applied} == {"create"}
    assert plan(db) == []

    django.told("teardown")
    tutorial.nothing(db, cloud)
    assert plan(db) == []


# Models


@pytest.mark.parametrize("command", ["inspectdb", "inspectiasql"])
def test_models_pass_check_unedited(django: Django, db: Database, command: str) -> None:
    install(db, "aws_ecs_fargate")
    django.inspect(command)
    assert "no issues" in django.manage("check")
    code = django.models.read_text()
    assert "class SecurityGroupRule(models.Model):" in code
    assert "vpc = models.ForeignKey('Vpc', models.DO_NOTHING" in code
    assert ("postgres.ArrayField" in code) == (command == "inspectiasql")


def test_saving_what_is_unchanged_is_no_edit_and_null_is_the_default(
    django: Django, db: Database, cloud: Cloud
) -> None:
    install(db, "aws_cloudwatch", "aws_ecr")
    # Repositories have a list.
    django.inspect("inspectiasql")
    told = django.told("edits")

    assert [line["action"] for line in told["created"]] == ["create", "create"]
    assert told["defaults"] == ["STANDARD", {}, "us-east-1", "MUTABLE", [], False]
    assert told["untouched"] == []
    assert [(line["action"], line["table_name"]) for line in told["edited"]] == [
        ("update", "log_group")
    ]
    assert told["stale"] == [], "an object that knows nothing of AWS's columns edits none of them"
    (group,) = cloud.logs.describe_log_groups()["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == ("web", 7)
    assert repositories(cloud) == ["web"]


#: What each attempt of the command `mistakes` is told.
MISTAKES = {
    "wrong credentials": "InvalidClientTokenId: The security token included in the request is invalid",
    "a module there is not": 'there is no module "aws_ec3". Did you mean "aws_ecr"?',
    "no default region": "no default region is set yet: install a module, or run SELECT default_aws",
    "a row there is not": 'Key (vpc_id)=(999) is not present in table "vpc"',
    "an apply that fails in part": "1 of 2 changes failed: create log_group partly in us-east-1: ",
    "a column of AWS": 'column "log_group_arn" of table "log_group" is filled by AWS and can\'t be',
    "a range with host bits": 'has bits set to the right of its mask: write "10.0.0.0/16"',
    "a region that is not enabled": 'region "eu-west-1" is not enabled in this database',
    "a region that does not exist": 'region "eu-wets-1" does not exist in this account',
    "a name AWS refuses": "repository_name is no name for a repository: 2 to 256 lower-case",
    "a label there is not": 'enum repository_image_tag_mutability_enum: "SOMETIMES"',
    "something AWS refuses": "10.9.0.0/24",
}


def test_messages_tell_what_is_wrong(
    django: Django, db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_cloudwatch", "aws_ecr", "aws_vpc")
    django.inspect()
    # The first call of the first attempt.
    emulator.faults([WRONG_KEY | {"operation": "GetCallerIdentity", "count": 1}, QUOTA])
    told = django.told("mistakes")
    assert set(told) == set(MISTAKES)
    for mistake, message in MISTAKES.items():
        assert message in told[mistake], mistake
    assert (log_groups(cloud), repositories(cloud)) == ([], ["partly"])


# Migrations


def test_migrations_forth_and_back(django: Django, db: Database, cloud: Cloud) -> None:
    django.manage("migrate")

    (group,) = cloud.logs.describe_log_groups()["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == ("web", 30)
    (made,) = groups(cloud)
    (rule,) = (rule for rule in rules(cloud, made) if not rule["IsEgress"])
    assert (rule["FromPort"], rule["CidrIpv4"]) == (443, "0.0.0.0/0")
    assert plan(db) == []

    django.manage("migrate", "infra", "0001")
    assert (log_groups(cloud), groups(cloud)) == ([], {})
    django.manage("migrate", "infra", "zero")
    assert db.sql("SELECT * FROM iasql_modules_installed()") == []


def test_migrations_never_touch_the_tables_of_the_modules(
    django: Django, db: Database, cloud: Cloud
) -> None:
    """Models of inspectdb are `managed = False`."""
    django.manage("migrate")
    django.inspect()
    django.manage("makemigrations", "infra", "--name", "models")
    assert "managed" in (django.directory / "infra/migrations/0004_models.py").read_text()
    django.manage("migrate")
    assert db.one("SELECT log_group_name FROM log_group") == "web"
    django.models.write_text("")
    django.manage("makemigrations", "infra", "--name", "no_models")
    django.manage("migrate")
    assert db.one("SELECT log_group_name FROM log_group") == "web"
    assert plan(db) == []


FAILING = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("infra", "0003_blocks")]
    operations = [
        migrations.RunSQL(
            "BEGIN; INSERT INTO log_group (log_group_name) VALUES ('stays'); COMMIT;"
            "SELECT * FROM iasql_install('aws_ec3')"
        )
    ]
"""


def test_a_commit_in_an_atomic_migration_ends_its_transaction(django: Django, db: Database) -> None:
    django.manage("migrate")
    (django.directory / "infra/migrations/0004_failing.py").write_text(FAILING)
    said = django.fails("python", "manage.py", "migrate")
    assert 'there is no module "aws_ec3". Did you mean "aws_ecr"?' in said
    assert db.sql("SELECT FROM django_migrations WHERE name = '0004_failing'") == []
    # What the COMMIT kept is still there, and a second run meets it.
    assert plan(db) == [("create", "log_group", "stays")]
    assert "already exists" in django.fails("python", "manage.py", "migrate")
