"""Flyway: the project in flyway/, run by Flyway's own command line. docs/clients/flyway.md is made
of its files."""

from __future__ import annotations

import shutil
from pathlib import Path

import docs
import packages
import pytest
import tutorial
from conftest import Cloud, Database
from project import MISTAKES, WRONG, Project
from support import QUOTA, WRONG_KEY, apply, install, log_groups, nothing_changes, plan, repositories
from testbed import Emulator

SOURCE = packages.CLIENTS / "flyway"
PAGE = docs.ROOT / "docs/clients/flyway.md"
#: A run of Flyway is short: half of it goes to what makes Java fast in the long run.
QUICK_START = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]


class Flyway:
    """The project, copied, and the command line with the address of the database."""

    def __init__(self, db: Database, directory: Path) -> None:
        self.project = Project(SOURCE, directory, [], {"REDGATE_DISABLE_TELEMETRY": "true"})
        archives = f"{packages.jars(SOURCE)}/*"
        address = f"jdbc:postgresql://127.0.0.1:{db.server.port}/{db.name}"
        java = ["java", *QUICK_START, "-cp", archives, "org.flywaydb.commandline.Main"]
        self.project.command = [*java, f"-url={address}", "-skipCheckForUpdate"]

    def run(self, *arguments: str) -> str:
        return self.project.run(*arguments)

    def fails(self, *arguments: str) -> str:
        return self.project.fails(*arguments)

    def take(self, example: str) -> None:
        """The migrations of an example in the place of the tutorial's, which are there already."""
        place = self.project.directory / "migrations"
        shutil.rmtree(place)
        shutil.copytree(SOURCE / "examples" / example, place)


@pytest.fixture
def flyway(db: Database, tmp_path: Path) -> Flyway:
    return Flyway(db, tmp_path)


def history(db: Database) -> list[tuple[str, bool]]:
    rows = db.sql("SELECT version, success FROM flyway_schema_history ORDER BY installed_rank")
    return [(row["version"], row["success"]) for row in rows]


def test_the_tutorial(flyway: Flyway, db: Database, cloud: Cloud, emulator: Emulator) -> None:
    said = flyway.run("migrate")
    assert history(db) == [("1", True), ("2", True)]
    tutorial.deployed(cloud, "latest", 1)
    assert plan(db) == []
    # What the functions return is shown, and so is what a BEGIN inside a transaction means.
    assert "| create | load_balancer " in said
    assert "WARNING: DB: there is already a transaction in progress" in said

    mark = emulator.mark()
    assert "No migration necessary" in flyway.run("migrate")
    assert emulator.calls(mark) == []
    flyway.run("validate")

    db.sql("SELECT delete_all_records()")
    apply(db)
    tutorial.nothing(db, cloud)


def test_a_migration_in_a_transaction_applies_the_rows_above_it(
    flyway: Flyway, db: Database, cloud: Cloud
) -> None:
    install(db, "aws_cloudwatch", "aws_ecr")
    flyway.take("wrapped")
    said = flyway.fails("-baselineOnMigrate=false", "migrate")
    assert 'Found non-empty schema(s) "public" but no schema history table' in said

    said = flyway.run("migrate")
    assert history(db) == [("0.0", True), ("3", True)]
    assert "| create | log_group " in said and "WARNING: DB:" not in said
    (group,) = cloud.logs.describe_log_groups()["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == ("quickstart-worker", 30)
    assert repositories(cloud) == ["quickstart-worker"]
    assert plan(db) == []


def test_clean_empties_the_schema_and_not_the_cloud(
    flyway: Flyway, db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    cloud.logs.create_log_group(logGroupName="theirs")
    install(db, "aws_cloudwatch")
    assert "cleanDisabled" in flyway.fails("clean")
    with nothing_changes(emulator):
        flyway.run("-cleanDisabled=false", "clean")
    assert db.sql("SELECT FROM pg_extension WHERE extname = 'iasql'") == []
    assert log_groups(cloud) == ["theirs"]


def test_a_migration_that_failed_half_way_goes_on_once_it_is_mended(
    flyway: Flyway, db: Database, cloud: Cloud
) -> None:
    install(db, "aws_cloudwatch", "aws_ecr")
    flyway.take("halfway")
    said = flyway.fails("migrate")
    assert "ERROR: repository_name is no name for a repository" in said
    assert "Changes successfully rolled back" in said
    # The rows are; what AWS was told to make is there, and known to be ours.
    assert log_groups(cloud) == ["quickstart-reports"]
    assert db.sql("SELECT * FROM log_group") == []
    (orphan,) = db.sql("SELECT action, table_name, reason FROM iasql_plan()")
    assert tuple(orphan.values()) == ("delete", "log_group", "orphan")

    made = cloud.logs.describe_log_groups()["logGroups"]
    flyway.take("repaired")
    flyway.run("migrate")
    assert history(db) == [("0.0", True), ("3", True)]
    assert cloud.logs.describe_log_groups()["logGroups"] == made
    assert repositories(cloud) == ["reports"]
    assert plan(db) == []


def test_what_a_migration_committed_itself_stays_when_it_fails(
    flyway: Flyway, db: Database, cloud: Cloud
) -> None:
    install(db, "aws_cloudwatch", "aws_ecr")
    flyway.take("committed")
    said = flyway.fails("migrate")
    # Flyway believes it.
    assert "Changes successfully rolled back" in said
    assert plan(db) == [("create", "log_group", "quickstart-reports")]
    flyway.take("repaired")
    assert "duplicate key value violates unique constraint" in flyway.fails("migrate")

    # Takes the rows back to what AWS holds.
    db.sql("SELECT * FROM iasql_sync()")
    flyway.run("migrate")
    assert (log_groups(cloud), repositories(cloud)) == (["quickstart-reports"], ["reports"])
    assert plan(db) == []


def test_a_migration_without_a_transaction_is_repaired(
    flyway: Flyway, db: Database, cloud: Cloud
) -> None:
    install(db, "aws_cloudwatch", "aws_ecr")
    flyway.take("statements")
    one_connection = "-postgresql.transactional.lock=false"
    said = flyway.fails(one_connection, "migrate")
    assert "repository_name is no name for a repository" in said
    assert history(db) == [("0.0", True), ("3", False)]
    assert log_groups(cloud) == ["quickstart-reports"]
    assert plan(db) == []

    made = cloud.logs.describe_log_groups()["logGroups"]
    flyway.run(one_connection, "repair")
    assert history(db) == [("0.0", True)]
    flyway.take("repaired")
    db.sql("DELETE FROM log_group")
    flyway.run(one_connection, "migrate")
    assert history(db) == [("0.0", True), ("3", True)]
    assert cloud.logs.describe_log_groups()["logGroups"] == made
    assert repositories(cloud) == ["reports"]


def test_variables_of_policies_are_no_placeholders(
    flyway: Flyway, db: Database, cloud: Cloud
) -> None:
    install(db, "aws_iam")
    flyway.take("policy")
    setting = flyway.project.directory / "migrations" / "V3__policy.sql.conf"
    text = setting.read_text()
    setting.unlink()
    assert "No value provided for placeholder: ${aws:username}" in flyway.fails("migrate")

    setting.write_text(text)
    flyway.run("migrate")
    found = cloud.client("iam").get_role_policy(RoleName="uploads", PolicyName="own-folder")
    (statement,) = found["PolicyDocument"]["Statement"]
    assert statement["Resource"] == "arn:aws:s3:::uploads/${aws:username}/*"


def test_the_message_says_what_to_do(
    flyway: Flyway, db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_cloudwatch", "aws_ecr", "aws_vpc")
    emulator.faults([QUOTA])
    for example, message in MISTAKES.items():
        flyway.take(example)
        assert f"ERROR: {message}" in flyway.fails("migrate")
        assert f"ERROR: {message}" in PAGE.read_text()
    assert (log_groups(cloud), repositories(cloud)) == ([], ["api"])
    emulator.faults([WRONG_KEY])
    assert f"ERROR: {WRONG}" in flyway.fails("migrate")
    assert WRONG in PAGE.read_text()
