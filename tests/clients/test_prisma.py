"""Prisma 6 and 7: the tutorial of docs/clients/prisma.md, and whatever touches iasql's tables.

The CLI's engine is the WebAssembly build that npm has (tests/clients/prisma/offline), the client is
the one its users have.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import packages
import pytest
import tutorial
from conftest import Cloud, Database
from project import Project
from support import QUOTA, WRONG_KEY, fresh_database, groups, install, log_groups, plan, repositories, rules
from testbed import Emulator, Server

SOURCE = packages.CLIENTS / "prisma"
VERSIONS = "6", "7"
TUTORIAL = (
    "aws_iam",
    "aws_cloudwatch",
    "aws_ecr",
    "aws_ecs_fargate",
    "aws_elb",
    "aws_security_group",
    "aws_vpc",
)
#: What `npx prisma` runs, a second later.
CLI = "node_modules/.bin/prisma"
#: What `db pull` says of every database of iasql: comments are there for people, deferred uniqueness
#: for rows that swap what they stand for. Both are about Prisma's own migrations, not its client.
HARMLESS = {"constraint-deferring", "database-comments"}


class Prisma(Project):
    """The project as the user of a version has it, with packages of its own: a client is generated
    into them."""

    def __init__(self, version: str, directory: Path) -> None:
        own = SOURCE / f"v{version}"
        environment = {
            "CHECKPOINT_DISABLE": "1",
            "PRISMA_HIDE_UPDATE_MESSAGE": "1",
            "PRISMA_SCHEMA_ENGINE_BINARY": str(directory / "project/schema-engine.mjs"),
            "NO_COLOR": "1",
        }
        super().__init__(SOURCE / "project", directory, [packages.node()], environment)
        for further in own, SOURCE / "offline":
            shutil.copytree(further, self.directory, dirs_exist_ok=True)
        modules = self.directory / "node_modules"
        shutil.copytree(packages.node_modules(own), modules, symlinks=True, copy_function=linked)
        self.version = version

    def prisma(self, db: Database, *words: str) -> str:
        return self.run(CLI, *words, DATABASE_URL=db.server.url(db.name))

    def pull(self, db: Database) -> str:
        """Introspects and generates; returns what `db pull` said."""
        said = self.prisma(db, "db", "pull")
        self.prisma(db, "generate")
        return said

    def script(self, db: Database, *words: str) -> Any:
        """What a script prints, as JSON on the last line."""
        said = self.run("node", *words, DATABASE_URL=db.server.url(db.name))
        return json.loads(said.splitlines()[-1])

    @property
    def schema(self) -> str:
        return (self.directory / "prisma/schema.prisma").read_text()


def linked(source: str, target: str) -> None:
    """A copy that takes no room, where the file system can do that."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.fixture(params=VERSIONS)
def prisma(request: pytest.FixtureRequest, tmp_path: Path) -> Prisma:
    return Prisma(request.param, tmp_path)


@pytest.fixture(scope="module", params=VERSIONS)
def pulled(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    server: Server,
    emulator: Emulator,
) -> tuple[Prisma, str]:
    """A project that knows every module's tables, and what `db pull` said."""
    # The test before may have left the account with faults.
    emulator.reset()
    project = Prisma(request.param, tmp_path_factory.mktemp("prisma"))
    with fresh_database(server) as database:
        install(database, *TUTORIAL)
        said = project.pull(database)
    return project, said


@pytest.fixture
def generated(pulled: tuple[Prisma, str]) -> Prisma:
    return pulled[0]


def model(schema: str, name: str) -> str:
    """The lines of a model or an enum."""
    (found,) = re.findall(rf"^(?:model|enum) {name} {{\n(.*?)^}}", schema, re.DOTALL | re.MULTILINE)
    return str(found)


# The tutorial


def test_the_tutorial_deploys_and_takes_down(generated: Prisma, db: Database, cloud: Cloud) -> None:
    install(db, *TUTORIAL)
    applied = generated.script(db, "index.js")
    tutorial.deployed(cloud, "latest", 1, role_name="ecsTaskExecRole")
    assert {line["action"] for line in applied} == {"create"}
    assert {line["table_name"] for line in applied} >= {"service", "listener", "role"}
    assert plan(db) == []

    applied = generated.script(db, "teardown.js")
    assert {line["action"] for line in applied} == {"delete"}
    tutorial.nothing(db, cloud)
    assert plan(db) == []


# Introspection


def test_pull_warns_of_nothing_that_hinders(pulled: tuple[Prisma, str]) -> None:
    project, said = pulled
    assert set(re.findall(r"https://pris\.ly/d/([a-z-]+)", said)) == HARMLESS, said
    assert "not supported by Prisma Client, because Prisma currently does not support" not in said
    assert "Unsupported(" not in project.schema
    assert "@@ignore" not in project.schema
    assert not re.search(r"^ *//(?!/)", project.schema, re.MULTILINE), project.schema


def test_pull_names_models_relations_and_enums_like_the_tables(
    pulled: tuple[Prisma, str], db: Database
) -> None:
    project, _ = pulled
    install(db, *TUTORIAL)
    tables = db.sql(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    models = re.findall(r"^model (\w+)", project.schema, re.MULTILINE)
    assert sorted(models) == sorted(row["relname"] for row in tables)
    assert re.search(r"^ *subnet +subnet\[\]$", model(project.schema, "vpc"), re.MULTILINE)
    rule = model(project.schema, "security_group_rule")
    assert re.search(r"^ *cidr_ipv4 +String\?$", rule, re.MULTILINE)
    mutability = model(project.schema, "repository_image_tag_mutability_enum")
    assert {"MUTABLE", "IMMUTABLE"} <= set(mutability.split())


def test_models_follow_the_modules(prisma: Prisma, db: Database, cloud: Cloud) -> None:
    install(db, "aws_cloudwatch")
    prisma.prisma(db, "db", "pull")
    assert "model log_group {" in prisma.schema
    assert "model repository {" not in prisma.schema
    install(db, "aws_ecr")
    prisma.pull(db)
    code = (
        "const prisma = require('./client');"
        "prisma.repository.create({ data: { repository_name: 'web' } })"
        ".then((row) => console.log(JSON.stringify(row)))"
    )
    assert prisma.script(db, "-e", code)["repository_name"] == "web"
    assert plan(db) == [("create", "repository", "web")]


# The client


def test_rules_of_a_security_group_through_their_model(
    generated: Prisma, db: Database, cloud: Cloud
) -> None:
    install(db, "aws_security_group")
    said = generated.script(db, "firewall.js")

    (group,) = groups(cloud)
    ingress = [rule for rule in rules(cloud, group) if not rule["IsEgress"]]
    assert [
        (rule["FromPort"], rule["ToPort"], rule["CidrIpv4"], rule["Description"])
        for rule in ingress
    ] == [(443, 443, "0.0.0.0/0", "everyone")]
    assert [line["action"] for line in said["edited"]] == ["update", "delete"]
    assert [row["from_port"] for row in said["inside"]] == [443]
    assert said["inside"][0]["security_group_rule_id"] == ingress[0]["SecurityGroupRuleId"]
    assert said["idle"] == [], "a row that is written back as it is read is no edit"


def test_every_function_answers(generated: Prisma, db: Database, cloud: Cloud) -> None:
    functions = {row["name"] for row in db.sql("SELECT name FROM iasql_help()")}
    answers = generated.script(db, "functions.js")

    assert functions <= set(answers), "functions.js calls every function that there is"
    assert [row["module_name"] for row in answers["iasql_modules_installed"]] == [
        "aws_cloudwatch",
        "aws_ecr",
    ]
    expected = {"action": "create", "table_name": "log_group", "description": "app"}
    for preview in "iasql_plan_apply", "iasql_preview_apply":
        (line,) = answers[preview]
        assert line.items() >= expected.items()
    assert answers["iasql_plan"][0]["after"]["log_group_name"] == "app"
    assert log_groups(cloud) == ["app"]
    assert answers["iasql_history"][0]["outcome"] == "done"
    assert {row["dropped_table_name"] for row in answers["iasql_uninstall"]} >= {"repository"}


def test_an_interactive_transaction_has_a_time_limit_and_an_apply_outlives_it(
    generated: Prisma, db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_cloudwatch")
    emulator.settings({"latency_ms": 200})

    said = generated.script(db, "transactions.js", "hasty")
    assert said["code"] == "P2028", said
    assert "Consider increasing the interactive transaction timeout" in said["message"]
    # AWS does not roll back: what was made has no row, and the next apply takes it away again.
    assert log_groups(cloud) == ["hasty"]
    assert db.sql("SELECT * FROM log_group") == []
    assert [(line["action"], line["reason"]) for line in db.sql("SELECT * FROM iasql_plan()")] == [
        ("delete", "orphan")
    ]

    for way in "batch", "patient":
        generated.script(db, "transactions.js", way)
    assert log_groups(cloud) == ["batch", "patient"]
    names = db.sql("SELECT log_group_name FROM log_group ORDER BY 1")
    assert [row["log_group_name"] for row in names] == ["batch", "patient"]


#: What each attempt of mistakes.js is told.
MISTAKES = {
    "wrong credentials": "InvalidClientTokenId: The security token included in the request is invalid",
    "no default region": "no default region is set yet: install a module, or run SELECT default_aws",
    "a row that does not exist": "Foreign key constraint violated on the constraint: `subnet_vpc_id_fkey`",
    "a label that does not exist": "Expected repository_image_tag_mutability_enum",
    "an apply that fails in part": "1 of 2 changes failed: create log_group partly in us-east-1: ",
    "a column of AWS": 'column "log_group_arn" of table "log_group" is filled by AWS and can\'t be',
    "a range with host bits": 'has bits set to the right of its mask: write "10.0.0.0/16"',
    "no range at all": '"anywhere" is not an address range',
    "a region that is not enabled": 'region "eu-west-1" is not enabled in this database',
    "a name AWS refuses": "repository_name is no name for a repository: 2 to 256 lower-case",
    "a module that does not exist": 'there is no module "aws_ec3". Did you mean "aws_ecr"?',
    "a name that is taken": "Unique constraint failed on the",
    "a region that does not exist": 'region "eu-wets-1" does not exist in this account',
}


def test_messages_alone_tell_what_is_wrong(
    generated: Prisma, db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    """Detail and hint do not reach a user of Prisma."""
    install(db, "aws_cloudwatch", "aws_ecr", "aws_security_group")
    # The first call of the first attempt.
    emulator.faults([WRONG_KEY | {"operation": "GetCallerIdentity", "count": 1}, QUOTA])
    told = generated.script(db, "mistakes.js")
    assert set(told) == set(MISTAKES)
    for mistake, message in MISTAKES.items():
        assert message in told[mistake], mistake
    assert (log_groups(cloud), repositories(cloud)) == ([], ["partly"])


# Prisma's own migrations


def test_migrations_begin_with_a_baseline(generated: Prisma, db: Database, cloud: Cloud) -> None:
    said = generated.fails(CLI, "migrate", "deploy", DATABASE_URL=db.server.url(db.name))
    assert "P3005" in said
    assert "The database schema is not empty" in said

    generated.prisma(db, "migrate", "resolve", "--applied", "0_baseline")
    generated.prisma(db, "migrate", "deploy")
    (group,) = cloud.logs.describe_log_groups()["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == ("migrated", 30)
    assert plan(db) == []


def test_push_leaves_the_tables_alone_when_they_are_named_external(
    generated: Prisma, db: Database, cloud: Cloud
) -> None:
    install(db, "aws_cloudwatch")
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('kept')")
    db.sql("SELECT * FROM iasql_apply()")
    url = db.server.url(db.name)
    push = CLI, "db", "push"
    said = generated.fails(*push, "--schema", "prisma/push.prisma", DATABASE_URL=url)
    assert "You are about to drop the `log_group` table" in said

    generated.run("node", "external.js", DATABASE_URL=url)
    skip = ["--skip-generate"] if generated.version == "6" else []
    generated.prisma(db, "db", "push", "--config", "push.config.ts", *skip)
    assert db.one("SELECT count(*) FROM note") == 0
    assert db.one("SELECT log_group_name FROM log_group") == "kept"
    assert log_groups(cloud) == ["kept"]
    assert plan(db) == []
