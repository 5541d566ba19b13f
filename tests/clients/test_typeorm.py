"""TypeORM: the project in typeorm/, run by the command line of each version.
docs/clients/typeorm.md is made of its files."""

from __future__ import annotations

import shutil
from pathlib import Path

import docs
import packages
import pytest
import tutorial
from conftest import Cloud, Database
from project import MISTAKES, WRONG, Project
from support import QUOTA, WRONG_KEY, install, log_groups, plan, repositories, subnets, vpcs
from testbed import REGION, Emulator

SOURCE = packages.CLIENTS / "typeorm"
NEWEST = "1.1"
RUNS = [(version, mode) for version in (NEWEST, "0.3") for mode in ("all", "each", "none")]
PAGE = docs.ROOT / "docs/clients/typeorm.md"


class TypeOrm:
    """The project, copied, with a version of TypeORM and the address of the database."""

    def __init__(self, db: Database, directory: Path, version: str) -> None:
        environment = {"DATABASE_URL": db.server.url(db.name), "AWS_REGION": REGION}
        of_version = SOURCE / version
        modules = packages.node_modules(of_version)
        path = [modules / ".bin", packages.node()]
        self.project = Project(SOURCE, directory, path, environment)
        for file in of_version.iterdir():
            shutil.copy(file, self.project.directory)
        self.project.put(node_modules=modules)
        self.project.command = ["typeorm"]
        self.source = [] if version == "0.2" else ["-d", "data-source.js"]

    def run(self, name: str, *arguments: str) -> str:
        return self.project.run(name, *self.source, *arguments)

    def fails(self, name: str, *arguments: str) -> str:
        return self.project.fails(name, *self.source, *arguments)

    def take(self, example: str) -> None:
        """The migrations of an example in the place of the tutorial's."""
        place = self.project.directory / "src/migration"
        shutil.rmtree(place)
        shutil.copytree(SOURCE / "examples" / example, place)


def recorded(db: Database) -> list[str]:
    return [row["name"] for row in db.sql("SELECT name FROM migrations ORDER BY id")]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("version", "mode"), [*RUNS, ("0.2", "all")])
def test_the_tutorial_and_its_revert(
    db: Database, cloud: Cloud, tmp_path: Path, version: str, mode: str
) -> None:
    cloud.ec2.create_vpc(CidrBlock="10.9.0.0/16")
    theirs = vpcs(cloud), subnets(cloud)
    typeorm = TypeOrm(db, tmp_path, version)
    typeorm.run("migration:run", "--transaction", mode)
    assert recorded(db) == ["Install1646683871211", "Initial1646683871219"]
    tutorial.deployed(cloud, "latest", 1)
    assert plan(db) == []

    typeorm.run("migration:revert", "--transaction", mode)
    assert recorded(db) == ["Install1646683871211"]
    tutorial.nothing(db, cloud)
    assert (vpcs(cloud), subnets(cloud)) == theirs
    assert plan(db) == []
    typeorm.run("migration:revert", "--transaction", mode)
    assert recorded(db) == []
    assert db.one("SELECT to_regclass('security_group')") is None


def test_a_migration_in_a_transaction_applies_the_rows_above_it(
    db: Database, cloud: Cloud, tmp_path: Path
) -> None:
    install(db, "aws_cloudwatch")
    typeorm = TypeOrm(db, tmp_path, NEWEST)
    typeorm.take("wrapped")
    said = typeorm.run("migration:run")
    (group,) = cloud.logs.describe_log_groups()["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == ("quickstart-worker", 30)
    assert f"create log_group {group['logGroupArn']}" in said
    assert plan(db) == []
    typeorm.run("migration:revert")
    assert log_groups(cloud) == []


@pytest.mark.parametrize("mode", ["all", "each"])
def test_a_migration_that_failed_half_way_goes_on_once_it_is_mended(
    db: Database, cloud: Cloud, tmp_path: Path, mode: str
) -> None:
    install(db, "aws_cloudwatch", "aws_ecr")
    typeorm = TypeOrm(db, tmp_path, NEWEST)
    typeorm.take("halfway")
    said = typeorm.fails("migration:run", "--transaction", mode)
    assert "repository_name is no name for a repository" in said
    # The rows are gone; what AWS was told to make is there, and known to be ours.
    assert recorded(db) == []
    assert (log_groups(cloud), db.sql("SELECT * FROM log_group")) == (["reports"], [])
    (orphan,) = db.sql("SELECT action, table_name, reason FROM iasql_plan()")
    assert tuple(orphan.values()) == ("delete", "log_group", "orphan")

    made = cloud.logs.describe_log_groups()["logGroups"]
    typeorm.take("repaired")
    typeorm.run("migration:run", "--transaction", mode)
    assert recorded(db) == ["Reports1700000000000"]
    assert cloud.logs.describe_log_groups()["logGroups"] == made
    assert repositories(cloud) == ["reports"]
    assert plan(db) == []


def test_one_migration_may_go_without_a_transaction(
    db: Database, cloud: Cloud, tmp_path: Path
) -> None:
    install(db, "aws_cloudwatch")
    typeorm = TypeOrm(db, tmp_path, NEWEST)
    typeorm.take("statements")
    assert "ForbiddenTransactionModeOverrideError" in typeorm.fails("migration:run")
    typeorm.run("migration:run", "--transaction", "each")
    assert log_groups(cloud) == ["quickstart-worker"]


def test_the_schema_of_entities_leaves_our_tables_alone(
    db: Database, cloud: Cloud, tmp_path: Path
) -> None:
    install(db, "aws_cloudwatch", "aws_ecr")
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('quickstart')")
    typeorm = TypeOrm(db, tmp_path, NEWEST)
    typeorm.run("schema:sync")
    assert db.one("SELECT count(*) FROM log_group") == 1
    said = typeorm.fails("schema:drop")
    assert "because extension iasql requires it" in said
    assert db.one("SELECT count(*) FROM log_group") == 1


def test_the_message_says_what_to_do(
    db: Database, cloud: Cloud, emulator: Emulator, tmp_path: Path
) -> None:
    install(db, "aws_cloudwatch", "aws_ecr", "aws_vpc")
    emulator.faults([QUOTA])
    typeorm = TypeOrm(db, tmp_path, NEWEST)
    for example, message in MISTAKES.items():
        typeorm.take(example)
        said = typeorm.fails("migration:run")
        assert f"QueryFailedError: {message}" in said
        assert f"QueryFailedError: {message}" in PAGE.read_text()
    assert "hint: 'A quota of the account is used up" in said
    assert (log_groups(cloud), repositories(cloud)) == ([], ["api"])
    emulator.faults([WRONG_KEY])
    said = typeorm.fails("migration:run")
    assert f"QueryFailedError: {WRONG}" in said
    assert WRONG in PAGE.read_text()
