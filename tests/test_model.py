"""Random edits, drift, faults, rollbacks and deaths; in the end rows and cloud agree.

Each seed is a run of its own. More of them: `pytest tests/test_model.py --seeds 200`, others:
`--seed 100 --seeds 60`. One again: `pytest tests/test_model.py --seed 17`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import test_resources as harness
from botocore.exceptions import ClientError
from conftest import Cloud, Database
from resources import TABLES
from resources.aws_ecr import statement
from resources.aws_iam import trust
from resources.description import Change, Description, Row, Sql
from support import install
from test_nerves import CRASH, Statement, die, no_holes, restored, underway
from testbed import REGION, Emulator, wait_until

__all__ = ["no_holes", "restored"]  # Fixtures for every test here, too.

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("restored")]

MODULES = "aws_cloudwatch", "aws_ecr", "aws_elb", "aws_iam", "aws_security_group"
#: What a table's rows refer to, and so follow when it is made anew.
CHILDREN = {
    "vpc": ["subnet", "security_group", "target_group"],
    "subnet": [],
    "security_group": ["security_group_rule"],
    "security_group_rule": [],
    "log_group": [],
    "repository": ["repository_policy"],
    "repository_policy": [],
    "role": [],
    "target_group": [],
}
ROUNDS = 8
#: Changes that AWS refuses beside other rows: what is inside would not fit.
UNFIT = {("vpc", "cidr_block"), ("subnet", "vpc_id"), ("subnet", "cidr_block")}

#: A thing in the cloud: its table, and its id there.
Thing = tuple[str, str]
#: A row: its table and its primary key.
Known = tuple[str, int | str]


def census(cloud: Cloud) -> set[Thing]:
    """All that the account holds, but for what AWS put there and what comes with a VPC."""
    ec2, ecr, elb = cloud.ec2, cloud.ecr, cloud.client("elbv2")
    vpcs = [it for it in ec2.describe_vpcs()["Vpcs"] if not it["IsDefault"]]
    subnets = [it for it in ec2.describe_subnets()["Subnets"] if not it["DefaultForAz"]]
    groups = ec2.describe_security_groups()["SecurityGroups"]
    named = {it["GroupId"] for it in groups if it["GroupName"] != "default"}
    rules = ec2.describe_security_group_rules()["SecurityGroupRules"]
    found = {
        "vpc": [it["VpcId"] for it in vpcs],
        "subnet": [it["SubnetId"] for it in subnets],
        "security_group": named,
        "security_group_rule": [
            it["SecurityGroupRuleId"] for it in rules if it["GroupId"] in named
        ],
        "log_group": [it["logGroupArn"] for it in cloud.logs.describe_log_groups()["logGroups"]],
        "role": [it["Arn"] for it in cloud.client("iam").list_roles()["Roles"]],
        "target_group": [
            it["TargetGroupArn"] for it in elb.describe_target_groups()["TargetGroups"]
        ],
        "repository": [],
        "repository_policy": [],
    }
    for it in ecr.describe_repositories()["repositories"]:
        found["repository"].append(it["repositoryArn"])
        try:
            ecr.get_repository_policy(repositoryName=it["repositoryName"])
        except ecr.exceptions.RepositoryPolicyNotFoundException:
            continue
        found["repository_policy"].append(it["repositoryName"])
    return {(table, id) for table, ids in found.items() for id in ids}


class Model:
    """What may have gone from the cloud and what must be in it, by what was done so far."""

    def __init__(self, db: Database, cloud: Cloud, emulator: Emulator, seed: int) -> None:
        self.db, self.cloud, self.emulator = db, cloud, emulator
        self.random = random.Random(seed)
        self.descriptions: dict[str, Description] = {
            table: TABLES[table](cloud, REGION) for table in CHILDREN
        }
        #: What was done, for the message of a failure.
        self.story: list[str] = []
        #: Which row of its description a row was made as.
        self.made_as: dict[Known, str] = {}
        #: What users asked to be gone: rows that they deleted, and rows that they changed so that
        #: they are made anew.
        self.asked: set[Thing] = set()
        self.anew: set[Known] = set()
        #: What was made by an apply that was rolled back, and what others made.
        self.orphans: set[Thing] = set()
        self.foreign: set[Thing] = set()

    # Rows

    def rows(self, table: str) -> list[int | str]:
        key = harness.primary_key(table)
        default = {"vpc": "is_default", "subnet": "default_for_az"}.get(table)
        if table == "security_group":
            default = "group_name = 'default'"
        if table == "security_group_rule":
            default = "security_group_id IN (SELECT id FROM security_group WHERE group_name = 'default')"
        # What AWS has put there is not for edits: it can't go.
        where = f"WHERE ({default}) IS NOT TRUE" if default else ""
        return [row["key"] for row in self.db.sql(f"SELECT {key} AS key FROM {table} {where} ORDER BY 1")]

    def things(self, *tables: str) -> dict[Known, Thing]:
        """What stands for each row in the cloud."""
        found = self.db.sql(
            "SELECT table_name, row_key, cloud_id FROM iasql.base "
            "WHERE cloud_id IS NOT NULL AND table_name = ANY(%s)",
            list(tables or CHILDREN),
        )
        return {
            (it["table_name"], it["row_key"]): (it["table_name"], it["cloud_id"]) for it in found
        }

    def below(self, table: str) -> list[str]:
        """A table, and those whose rows follow its own."""
        return [table, *(each for child in CHILDREN[table] for each in self.below(child))]

    def note_anew(self, table: str, key: int | str) -> None:
        """A row is to be made anew, and all that may refer to it with it."""
        self.anew.add((table, str(key)))
        for child in self.below(table)[1:]:
            self.anew |= {(child, str(each)) for each in self.rows(child)}

    # What users do

    def edit(self) -> None:
        table = self.random.choice(list(CHILDREN))
        edit = self.random.choice([self.insert, self.insert, self.change, self.change, self.delete])
        try:
            edit(table)
        except (psycopg.errors.IntegrityError, psycopg.errors.CardinalityViolation) as refused:
            self.story.append(f"  refused: {refused.diag.message_primary}")
            if self.db.connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR:
                raise

    def insert(self, table: str, name: str | None = None) -> None:
        description = self.descriptions[table]
        name = name or self.random.choice([*description.rows, "many"])
        row = description.rows.get(name) or description.many(self.random.randrange(4))
        if table == "security_group":
            # Of two rows for one group, one with NULL for its VPC, no constraint knows.
            given = row["vpc_id"].text if "vpc_id" in row else "NULL"
            default = "(SELECT id FROM vpc WHERE is_default)"
            row = row | {"vpc_id": Sql(f"coalesce({given}, {default})")}
        self.story.append(f"insert {table} {name} {row!r:.80}")
        self.made_as[table, harness.insert(self.db, table, row)] = name

    def change(self, table: str) -> None:
        if rows := self.rows(table):
            key = self.random.choice(rows)
            if change := self.change_of(table, key):
                self.story.append(f"change {table} {key}: {harness.sets(change)}")
                new = harness.update(self.db, table, key, change.set)
                if new != key:
                    self.asked |= {it for row, it in self.things(table).items() if row[1] == key}
                self.made_as[table, new] = self.made_as[table, key]
                if change.action == "replace":
                    self.note_anew(table, new)

    def change_of(self, table: str, key: int | str) -> Change | None:
        name = self.made_as.get((table, key))
        fitting = [
            change
            for change in self.descriptions[table].changes
            if change.of == name and not any((table, column) in UNFIT for column in change.set)
        ]
        return self.random.choice(fitting) if fitting else None

    def delete(self, table: str) -> None:
        if rows := self.rows(table):
            key = self.random.choice(rows)
            self.story.append(f"delete {table} {key}")
            thing = self.things(table).get((table, str(key)))
            harness.delete(self.db, table, key)
            self.asked |= {thing} if thing else set()

    def begin(self) -> None:
        """What the rows to come may refer to."""
        self.insert("vpc", "full")
        for table in "security_group_rule", "repository_policy":
            for parent in self.descriptions[table].parents[:3]:
                self.db.sql(parent)

    # What others do

    def drift(self) -> None:
        before = census(self.cloud)
        act = self.random.choice([self.meddle, self.meddle, self.remove, self.found])
        try:
            act(self.random.choice(list(CHILDREN)))
        except ClientError as refused:
            self.story.append(f"  AWS refused: {refused}")
        self.foreign |= census(self.cloud) - before

    def row(self, table: str) -> tuple[int | str, Row] | None:
        """A row that is in the cloud."""
        there = self.things(table)
        keys = [key for key in self.rows(table) if (table, str(key)) in there]
        if not keys:
            return None
        key = self.random.choice(keys)
        (row,) = harness.fetch(self.db, table, key)
        return key, row

    def meddle(self, table: str) -> None:
        if found := self.row(table):
            key, row = found
            change = self.change_of(table, key)
            if change and change.drift:
                self.story.append(f"drift {table} {key}: {harness.sets(change)}")
                change.drift(self.cloud, row)

    def remove(self, table: str) -> None:
        if found := self.row(table):
            key, row = found
            self.story.append(f"remove {table} {key} over the API")
            self.descriptions[table].remove(self.cloud, row)

    def found(self, table: str) -> None:
        """Others make something, some of it with a name that a row has or may get."""
        number = self.random.randrange(4)
        name = f"found-{number}"
        document = trust("ec2.amazonaws.com")
        made: dict[str, Callable[[], Any]] = {
            "vpc": lambda: self.cloud.ec2.create_vpc(CidrBlock=f"10.{200 + number}.0.0/16"),
            "security_group": lambda: self.cloud.ec2.create_security_group(
                GroupName=name, Description=name
            ),
            "log_group": lambda: self.cloud.logs.create_log_group(logGroupName=f"many/{number}"),
            "repository": lambda: self.cloud.ecr.create_repository(repositoryName=f"many/{number}"),
            "repository_policy": lambda: self.cloud.ecr.set_repository_policy(
                repositoryName="bare", policyText=str(statement("ecr:PutImage")).replace("'", '"')
            ),
            "role": lambda: self.cloud.client("iam").create_role(
                RoleName=name, AssumeRolePolicyDocument=str(document).replace("'", '"')
            ),
        }
        if make := made.get(table):
            self.story.append(f"others make {table} {number}")
            make()

    # What the engine does

    def call(self, function: str, why: str = "") -> bool:
        """Applies or syncs. Whatever comes of it, only what users asked for is gone."""
        self.story.append(f"{function} {why}")
        before, there = census(self.cloud), self.things()
        done = True
        try:
            self.db.sql(f"SELECT * FROM {function}()")
        except psycopg.Error as error:
            done = False
            self.story.append(f"  {error.sqlstate} {error.diag.message_primary}")
            assert error.sqlstate and not error.sqlstate.startswith("XX"), error
        self.check(before, there, function, done)
        return done

    def check(
        self, before: set[Thing], there: dict[Known, Thing], function: str, done: bool
    ) -> None:
        after = census(self.cloud)
        gone, made = before - after, after - before
        allowed = self.asked | self.orphans
        allowed |= {thing for row, thing in there.items() if row in self.anew}
        if function == "iasql_sync":
            assert (gone, made) == (set(), set()), "a sync changes nothing in the cloud"
        unasked = {thing for thing in gone - allowed if not self.went_along(thing, gone)}
        assert unasked == set(), "nobody asked for these to go"
        if not done:
            self.orphans |= made

    def went_along(self, thing: Thing, gone: set[Thing]) -> bool:
        """Rules go with their group, and a policy with its repository."""
        table, id = thing
        if table == "repository_policy":
            return any(it == "repository" and arn.endswith(f"/{id}") for it, arn in gone)
        return table == "security_group_rule" and any(it == "security_group" for it, _ in gone)

    def settled(self) -> None:
        """After an apply or a sync that went well: what was asked for is done, or taken back."""
        self.asked.clear()
        self.anew.clear()

    def trouble(self) -> dict[str, Any]:
        """A fault for calls that a run of a few rows makes."""
        where = self.random.choice(
            [{"service": it} for it in ("ec2", "logs", "ecr", "iam", "elbv2")]
            + [{"operation": it} for it in ("Create*", "Delete*", "Describe*", "Put*", "Modify*")]
        )
        what = self.random.choice(
            [
                {"drop": "before"},
                {"drop": "after"},
                {"truncate": True},
                {"throttle": True},
                {"status": 500, "code": "InternalFailure"},
                {"status": 503, "code": "ServiceUnavailable"},
                {"html": True},
                {"deny": True},
                {"expired": True},
                {"stale_ms": 1},
                {"repeat_token": True},
                {"delay_ms": 300},
            ]
        )
        count = {"nth": self.random.randint(1, 4), "count": self.random.randint(1, 2)}
        return where | count | what

    def troubled(self) -> None:
        faults = [self.trouble() for _ in range(self.random.randint(1, 3))]
        self.story.append(f"faults {faults}")
        self.emulator.faults(faults)
        self.emulator.settings({"page_size": self.random.choice([2, 1000])})
        (function,) = self.random.choices(["iasql_apply", "iasql_sync"], [3, 1])
        self.call(function, "in trouble")
        self.emulator.faults([])

    def death(self) -> None:
        """A worker or its caller dies while a change is under way."""
        operation = self.random.choice(["Create*", "Delete*", "Put*", "Modify*", "Authorize*"])
        moment = self.random.choice(["before", "after"])
        way = self.random.choice(["kill -9 of the worker", "terminate of the worker"])
        self.story.append(f"apply, {way}, {moment} {operation}")
        wait_until("the end of the last worker", lambda: not self.db.server.workers())
        before, there = census(self.cloud), self.things()
        since = self.emulator.mark()
        nth = self.random.randint(1, 2)
        self.emulator.faults([{"operation": operation, "nth": nth, "count": 1, "hang": moment}])
        call = Statement(self.db, "SELECT * FROM iasql_apply()")

        def hangs() -> bool:
            return any(it["fault"] for it in underway(self.emulator, since))

        wait_until("a change that hangs", lambda: hangs() or not call.running)
        if hangs():
            die(self.db, call, way)
            self.story.append("  it died")
        else:
            call.wait()
        self.emulator.faults([])
        self.check(before, there, "iasql_apply", call.error is None)

    def rolled_back(self) -> None:
        """A transaction of edits and an apply, and none of it happened."""
        kept = self.made_as.copy(), self.asked.copy(), self.anew.copy()
        self.story.append("begin")
        self.db.sql("BEGIN")
        before, there = census(self.cloud), self.things()
        try:
            for _ in range(self.random.randint(1, 3)):
                self.edit()
            self.story.append("iasql_apply in it")
            self.db.sql("SELECT * FROM iasql_apply()")
        except psycopg.Error as error:
            self.story.append(f"  {error.sqlstate} {error.diag.message_primary}")
            assert error.sqlstate and not error.sqlstate.startswith("XX"), error
        self.story.append("rollback")
        self.db.sql("ROLLBACK")
        self.check(before, there, "iasql_apply", False)
        self.made_as, self.asked, self.anew = kept

    def quiet(self) -> None:
        (function,) = self.random.choices(["iasql_apply", "iasql_sync"], [3, 1])
        if self.call(function):
            assert self.db.sql("SELECT * FROM iasql_plan()") == []
            self.settled()

    def round(self) -> None:
        """Some edits, some drift, and a call that goes one way or another."""
        for _ in range(self.random.randint(3, 10)):
            self.edit()
        for _ in range(self.random.randint(0, 2)):
            self.drift()
        ways = [self.quiet, self.troubled, self.rolled_back, self.death]
        (way,) = self.random.choices(ways, [3, 4, 2, 2])
        way()

    # The end

    def settle(self) -> None:
        """When the dust has settled, one apply does it all and the cloud is as the rows say."""
        self.emulator.settings({"page_size": 1000})
        if not self.call("iasql_apply", "in the end"):
            # Something that stands in the way of a row, which the message says how to get rid of.
            assert "run iasql_sync()" in self.story[-1], "no fault is left to hinder it"
            assert self.call("iasql_sync", "as told") and self.call("iasql_apply", "again")
        assert self.db.sql("SELECT * FROM iasql_plan()") == []
        self.agree()
        ours = set(self.things().values()) | self.unrepresented()
        assert census(self.cloud) - ours <= self.foreign, "what nobody's row stands for"
        self.settled()
        assert self.call("iasql_sync", "in the end")
        assert self.db.sql("SELECT * FROM iasql_plan()") == []
        drift = self.db.sql("SELECT change, table_name, cloud_id FROM iasql_drift()")
        other = {(it["change"], it["table_name"], it["cloud_id"]) for it in drift}
        assert other <= {("unmanaged", *thing) for thing in self.unrepresented()}
        self.agree()
        assert census(self.cloud) <= set(self.things().values()) | self.unrepresented()

    def unrepresented(self) -> set[Thing]:
        """What no row can stand for, such as a target group whose VPC others have deleted."""
        found = self.db.sql("SELECT table_name, cloud_id FROM iasql_unrepresented")
        return {(it["table_name"], it["cloud_id"]) for it in found}

    def agree(self) -> None:
        """Every row is in the cloud as it says, in every column, and no two are the same thing."""
        there = list(self.things().values())
        assert len(set(there)) == len(there)
        for table, description in self.descriptions.items():
            for row in harness.fetch(self.db, table):
                seen = description.look(self.cloud, row)
                assert seen is not None, (table, row)
                assert harness.plain(seen | {"region": REGION}) == harness.plain(
                    row | {"region": REGION}
                )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    first, count = metafunc.config.getoption("seed"), metafunc.config.getoption("seeds")
    count = count or (8 if first is None else 1)
    metafunc.parametrize("seed", range(first or 0, (first or 0) + count))


def test_rows_and_cloud_agree_when_the_dust_has_settled(
    db: Database, cloud: Cloud, emulator: Emulator, seed: int
) -> None:
    install(db, *MODULES)
    log = db.server.mark()
    model = Model(db, cloud, emulator, seed)
    model.begin()
    try:
        for _ in range(ROUNDS):
            model.round()
        model.settle()
    except Exception as error:
        told = "\n".join(model.story)
        raise AssertionError(
            f"{error}\n{told}\nagain: pytest tests/test_model.py --seed {seed}"
        ) from error
    panics = [it for it in CRASH.findall(db.server.log(log)) if "panic" in it.lower()]
    assert panics == []
