"""An apply that is killed at any of its boundaries is finished by the next one, as if nothing had
happened: the same cloud, the same rows, nothing twice, nothing left over. So is one whose results
could not be written, or whose library was exchanged.

For the boundaries there is a server with the library as the feature `failpoints` builds it: a
process stops at a place of its own (modules/cloud/failpoint.rs), and is killed there.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import Cloud, Database
from support import (
    FURTHER_MODULES,
    MODULES,
    FurtherServer,
    apply,
    changing_calls,
    install,
    plan,
    policy,
    running,
)
from test_nerves import Statement, die, no_holes, restored, underway, vpcs
from testbed import Emulator, Testbed, pg_config, wait_until

__all__ = ["no_holes", "restored"]  # Fixtures for the tests here, too.

IN_THE_WORKER = [
    "before intent",
    "after intent",
    "before call",
    "after call",
    "before outcome",
    "after outcome",
    "before event",
]
IN_THE_BACKEND = [
    "after event",
    "before write-back",
    "after write-back",
    "before commit",
    "after commit",
]
#: A user's commit is not flushed, and is lost in a crash; the journal's are flushed all the same.
UNFLUSHED = "immediate shutdown without synchronous_commit"
KILLS = ["immediate shutdown", "kill -9 of the backend", UNFLUSHED]

#: Of several modules: a VPC, which AWS would make again and again; changes of what is there; a
#: group and a repository made anew with their rules, which go in one call, and policy; the next
#: revision of a task definition; a load balancer, which takes its time; and what goes.
EDITS = [
    "INSERT INTO vpc (cidr_block) VALUES ('10.7.0.0/16')",
    "INSERT INTO subnet (vpc_id, cidr_block, availability_zone)"
    " SELECT id, '10.7.1.0/24', 'us-east-1a' FROM vpc WHERE cidr_block = '10.7.0.0/16'",
    "INSERT INTO log_group (log_group_name, retention_in_days) VALUES ('fresh', 7)",
    "INSERT INTO load_balancer (load_balancer_name, scheme, load_balancer_type, ip_address_type)"
    " VALUES ('web', 'internal', 'application', 'ipv4')",
    "UPDATE role SET description = 'new' WHERE role_name = 'web'",
    "UPDATE security_group SET description = 'new' WHERE group_name = 'web'",
    "UPDATE container_definition SET tag = '2'",
    "UPDATE repository SET repository_name = 'fresh'",
    "DELETE FROM subnet WHERE cidr_block = '10.8.1.0/24'",
    "DELETE FROM log_group WHERE log_group_name = 'old'",
    "DELETE FROM security_group_rule WHERE from_port IN (90, 91)",
]


def furnish(cloud: Cloud) -> None:
    """What the account holds before the edits."""
    vpc = cloud.ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    cloud.ec2.create_subnet(VpcId=vpc, CidrBlock="10.8.1.0/24")
    for name, ports in [("web", (80, 81, 82)), ("api", (90, 91))]:
        group = cloud.ec2.create_security_group(GroupName=name, Description="old")["GroupId"]
        all_ranges = {"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        rules = [all_ranges | {"FromPort": port, "ToPort": port} for port in ports]
        cloud.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rules)
    cloud.logs.create_log_group(logGroupName="old")
    cloud.ecr.create_repository(repositoryName="web")
    cloud.ecr.set_repository_policy(repositoryName="web", policyText=json.dumps(policy()))
    trust = {"Effect": "Allow", "Principal": {"Service": "ecs.amazonaws.com"}}
    cloud.client("iam").create_role(
        RoleName="web",
        Description="old",
        AssumeRolePolicyDocument=json.dumps({"Statement": [trust | {"Action": "sts:AssumeRole"}]}),
    )
    cloud.client("ecs").register_task_definition(
        family="web",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "web", "image": "nginx:1", "essential": True}],
    )


def held(cloud: Cloud) -> dict[str, list[Any]]:
    """All that the account holds of these kinds."""
    ec2, ecs = cloud.ec2, cloud.client("ecs")
    tasks = [
        ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
        for status in ("ACTIVE", "INACTIVE")
        for arn in ecs.list_task_definitions(status=status)["taskDefinitionArns"]
    ]
    return {
        "vpcs": ec2.describe_vpcs()["Vpcs"],
        "subnets": ec2.describe_subnets()["Subnets"],
        "groups": ec2.describe_security_groups()["SecurityGroups"],
        "rules": ec2.describe_security_group_rules()["SecurityGroupRules"],
        "log groups": cloud.logs.describe_log_groups()["logGroups"],
        "repositories": [
            it | {"policy": cloud.ecr.get_repository_policy(repositoryName=it["repositoryName"])}
            for it in cloud.ecr.describe_repositories()["repositories"]
        ],
        "roles": cloud.client("iam").list_roles()["Roles"],
        "load balancers": cloud.client("elbv2").describe_load_balancers()["LoadBalancers"],
        "task definitions": [{"tags": task["tags"]} | task["taskDefinition"] for task in tasks],
    }


def rows(db: Database) -> dict[str, list[Any]]:
    """The module tables, and what is remembered of their rows."""
    tables = db.sql(
        "SELECT created_table_name AS name FROM iasql_install(VARIADIC ARRAY("
        "SELECT module_name FROM iasql_modules_installed())) ORDER BY 1"
    )
    found = {
        f"table {name}": [it["row"] for it in db.sql(f"SELECT to_jsonb(t) AS row FROM {name} t")]
        for name in (table["name"] for table in tables)
    }
    return found | {"base": db.sql("SELECT table_name, region, cloud_id FROM iasql.base")}


#: What differs from run to run and means nothing: moments, and the numbers of rows and roles.
FLEETING = re.compile(r"(ResponseMetadata|[Tt]ime|[Dd]ate|At|_at|^id|RoleId|role_id)$")


def comparable(found: dict[str, list[Any]], named: dict[str, str]) -> Counter[str]:
    """The same in any run: names in place of AWS's ids, nothing of when and in which order."""
    text = json.dumps(found, default=str)
    for number, name in named.items():
        text = text.replace(number, name)
    # The rest: what has no name of its own, and the marks of the journal.
    text = re.sub(r"\b([a-z]+)-[0-9a-f]{8,17}\b", r"\1", text)
    text = re.sub(r"\b[0-9a-f]{16}(?:[0-9a-f]{16})?\b", "a number", text)

    def plain(it: Any, key: str = "") -> Any:
        match it:
            case dict():
                return {k: plain(v, k) for k, v in it.items() if not FLEETING.search(k)}
            case list():
                return sorted((plain(part) for part in it), key=repr)
            case int() if key.endswith("_id") or key == "vpc":
                return "a row"
            case _:
                return it

    many = json.loads(text).items()
    return Counter(f"{kind}: {plain(it)}" for kind, all in many for it in all)


def names(cloud: Cloud) -> dict[str, str]:
    """What tells VPCs, subnets and groups apart that have no name that AWS goes by."""
    vpcs = {it["VpcId"]: f"vpc {it['CidrBlock']}" for it in cloud.ec2.describe_vpcs()["Vpcs"]}
    subnets = cloud.ec2.describe_subnets()["Subnets"]
    groups = cloud.ec2.describe_security_groups()["SecurityGroups"]
    return (
        vpcs
        | {it["SubnetId"]: f"subnet {it['CidrBlock']}" for it in subnets}
        | {it["GroupId"]: f"group {it['GroupName']} of {vpcs[it['VpcId']]}" for it in groups}
    )


@dataclass
class Brittle:
    """A server whose processes stop where they are told to, and the account behind it."""

    server: FurtherServer
    cloud: Cloud
    numbers: Iterator[int]

    def edited(self, *settings: str) -> Database:
        """A database of an account as found, with the edits made and not applied."""
        self.cloud.emulator.reset()
        furnish(self.cloud)
        name = f"brittle_{next(self.numbers)}"
        self.server.query(f"CREATE DATABASE {name} TEMPLATE start")
        for setting in settings:
            self.server.query(f"ALTER DATABASE {name} SET {setting}")
        db = Database(self.server, name)
        # The edits are to be there after any crash.
        db.sql("SET synchronous_commit = on")
        db.sql("SELECT * FROM iasql_sync()")
        for edit in EDITS:
            db.sql(edit)
        return db

    @property
    def file(self) -> Path:
        return self.server.data / "iasql.failpoints"

    def stop_at(self, place: str, number: int) -> None:
        self.file.write_text(f"{place} {number}\n")
        self.file.chmod(0o666)

    def passed(self) -> Counter[str]:
        """How often each place was passed since."""
        return Counter(self.file.read_text().splitlines()[1:])

    def outcome(self, db: Database) -> Counter[str]:
        """The account and the rows."""
        return comparable(held(self.cloud) | rows(db), names(self.cloud))


@pytest.fixture(scope="module")
def brittle(testbed: Testbed, account: Cloud) -> Iterator[Brittle]:
    # Copied to where the server's user may read it, under the name that the extension goes by.
    library = testbed.state.directory / "failpoints"
    library.mkdir(mode=0o755)
    shutil.copy(failpoints(), library / "iasql.so")
    server = FurtherServer(
        testbed,
        "brittle",
        testbed.server.environment,
        dynamic_library_path=f"'{library}:$libdir'",
        # Nothing leaves the server's memory but what has to, and what has left it is safe: it is
        # processes that die here, not the machine.
        wal_writer_delay="10s",
        fsync="off",
    )
    account.emulator.reset()
    with running(server):
        server.query("CREATE DATABASE start TEMPLATE template0")
        start = Database(server, "start")
        start.sql("CREATE EXTENSION iasql")
        install(start, *MODULES, *FURTHER_MODULES)
        start.close()
        yield Brittle(server, account, itertools.count(1))


@dataclass
class Reference:
    """An apply that nothing interrupts."""

    passes: Counter[str]
    outcome: Counter[str]


@pytest.fixture(scope="module")
def reference(brittle: Brittle) -> Reference:
    db = brittle.edited()
    brittle.stop_at("nowhere", 0)
    since = brittle.cloud.emulator.mark()
    assert {line[0] for line in apply(db)} == {"create", "update", "replace", "delete"}
    assert plan(db) == []
    # A call for the rules of each group.
    made = Counter(changing_calls(brittle.cloud.emulator, since))
    assert made["AuthorizeSecurityGroupIngress"] == 1
    assert made["RevokeSecurityGroupIngress"] == 2
    reference = Reference(brittle.passed(), brittle.outcome(db))
    db.close()
    return reference


def failpoints() -> Path:
    built = Path.home() / ".cache/iasql/target/release/examples/libiasql_failpoints.so"
    return Path(os.environ.get("IASQL_FAILPOINTS", built))


def crashes(place: str, passes: int) -> list[tuple[str, int]]:
    """Each way to die, at passes from the first to the last; and a death after each call, since
    each leaves the cloud as no other does."""
    kills = KILLS + ["kill -9 of the worker"] * (place in IN_THE_WORKER)
    if place == "after call":
        return [(kills[at % len(kills)], at + 1) for at in range(passes)]
    return [(kill, 1 + at * (passes - 1) // (len(kills) - 1)) for at, kill in enumerate(kills)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("place", IN_THE_WORKER + IN_THE_BACKEND)
def test_an_apply_killed_at_any_boundary_ends_as_one_that_was_not(
    brittle: Brittle, reference: Reference, place: str
) -> None:
    emulator = brittle.cloud.emulator
    for kill, number in crashes(place, reference.passes[place]):
        at = f"{kill} at pass {number} of {place}"
        db = brittle.edited(*["synchronous_commit = off"] * (kill == UNFLUSHED))
        brittle.stop_at(place, number)
        call = Statement(db, "SELECT * FROM iasql_apply()")
        wait_until(at, lambda: brittle.passed()[place] == number or not call.running)
        # Steps that end at the same moment are written down together, or not.
        assert call.running or number > 1, f"{at}: {call.error}, {brittle.passed()}"
        if call.running:
            die(db, call, "immediate shutdown" if kill == UNFLUSHED else kill)
        # What the dead one had asked for may take the emulator longer than a restart takes.
        wait_until(f"{at}: the last answer", lambda: all(it["status"] for it in emulator.calls()))
        brittle.file.unlink()
        apply(db)
        assert plan(db) == [], at
        assert db.sql("SELECT * FROM iasql_history WHERE outcome IS NULL") == [], at
        outcome = brittle.outcome(db)
        lacking, beyond = reference.outcome - outcome, outcome - reference.outcome
        assert not lacking and not beyond, "\n".join([at, "lacking", *lacking, "beyond", *beyond])
        db.close()
        call.connection.close()


def test_every_boundary_is_passed(reference: Reference) -> None:
    assert sorted(reference.passes) == sorted(IN_THE_WORKER + IN_THE_BACKEND)


def test_a_thread_that_breaks_off_leaves_its_tables_as_they_are(brittle: Brittle) -> None:
    """It has told of one page then. The server does not notice."""
    db = brittle.edited()
    roles, postmaster = db.sql("SELECT * FROM role ORDER BY role_name"), brittle.server.pid
    assert roles
    brittle.file.write_text("after the first page\n")
    db.sql("SELECT * FROM iasql_sync()")
    assert db.sql("SELECT * FROM role ORDER BY role_name") == roles
    unread = "SELECT table_name FROM iasql_unrepresented WHERE reason LIKE '%thread%has ended'"
    assert {"table_name": "role"} in db.sql(unread)
    brittle.file.unlink()
    db.sql("SELECT * FROM iasql_sync()")
    assert db.sql(unread) == [] and plan(db) == []
    assert brittle.server.pid == postmaster
    db.close()


def test_the_library_that_users_get_has_no_failpoints() -> None:
    directory = Path(os.environ.get("IASQL_LIBRARY_PATH") or pg_config("pkglibdir"))
    for word in b"iasql.failpoints", b"before write-back", b"after outcome", b"thread break off":
        assert word in failpoints().read_bytes()
        assert word not in (directory / "iasql.so").read_bytes()


# Results that can't be written back

VPC = "INSERT INTO vpc (cidr_block) VALUES ('10.7.0.0/16')"
EDIT = """UPDATE vpc SET tags = '{"a": "1"}' WHERE cidr_block = '10.7.0.0/16'"""
OTHER_EDIT = "UPDATE log_group SET retention_in_days = 7"
APPLY = "SELECT * FROM iasql_apply()"


def at_work(db: Database, emulator: Emulator, *statements: str) -> Statement:
    """An apply whose VPC is being made, for two seconds."""
    since = emulator.mark()
    emulator.faults([{"operation": "CreateVpc", "count": 1, "delay_ms": 2000}])
    call = Statement(db, *statements, APPLY)
    wait_until("CreateVpc", lambda: underway(emulator, since, operation="CreateVpc"))
    return call


def a_serialization_failure(db: Database, emulator: Emulator) -> Statement:
    call = at_work(db, emulator, "BEGIN ISOLATION LEVEL REPEATABLE READ")
    db.sql(EDIT)
    return call


def a_deadlock(db: Database, emulator: Emulator) -> Statement:
    """Another session has the VPC's row and waits for a row that the apply's transaction has."""
    call = at_work(db, emulator, "BEGIN", OTHER_EDIT)
    # The one that looks is the one that gives way: the apply.
    Statement(db, "SET deadlock_timeout = '1h'", "BEGIN", EDIT, OTHER_EDIT, "COMMIT")
    return call


def a_full_disk(db: Database, emulator: Emulator) -> Statement:
    """As far as a trigger of the user's can be one."""
    db.sql("""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE 'no space left on device' USING ERRCODE = 'disk_full'; END $$""")
    db.sql("CREATE TRIGGER refuse BEFORE UPDATE ON vpc FOR EACH ROW EXECUTE FUNCTION refuse()")
    call = at_work(db, emulator)
    call.wait()
    db.sql("DROP TRIGGER refuse ON vpc")
    db.sql(EDIT)
    return call


@pytest.mark.parametrize(
    ("trouble", "sqlstate"),
    [(a_serialization_failure, "40001"), (a_deadlock, "40P01"), (a_full_disk, "53100")],
)
def test_results_that_can_not_be_written_are_found_again(
    db: Database,
    emulator: Emulator,
    cloud: Cloud,
    trouble: Callable[[Database, Emulator], Statement],
    sqlstate: str,
) -> None:
    install(db)
    cloud.logs.create_log_group(logGroupName="web")
    db.sql("SELECT * FROM iasql_sync()")
    db.sql(VPC)
    since = emulator.mark()
    call = trouble(db, emulator)
    assert call.failure().sqlstate == sqlstate
    call.connection.close()
    wait_until("the edit", lambda: db.sql("SELECT 1 FROM vpc WHERE tags ? 'a'"))
    assert ("update", "vpc") in [line[:2] for line in apply(db)]
    assert plan(db) == []
    assert changing_calls(emulator, since).count("CreateVpc") == 1
    (vpc,) = vpcs(cloud)
    tags = {tag["Key"]: tag["Value"] for tag in vpc["Tags"]}
    assert tags["a"] == "1"
    assert db.one("SELECT vpc_id FROM vpc WHERE NOT is_default") == vpc["VpcId"]


# Another version


@pytest.mark.parametrize("function", ["iasql_plan_apply", "iasql_apply", "iasql_sync"])
def test_a_library_of_another_version_touches_nothing(
    db: Database, emulator: Emulator, cloud: Cloud, restored: None, function: str
) -> None:
    """Not even what a crash has left open; that waits for the library that fits."""
    install(db)
    db.sql(VPC)
    since = emulator.mark()
    emulator.faults([{"operation": "CreateVpc", "count": 1, "hang": "after"}])
    call = Statement(db, APPLY)
    wait_until("CreateVpc", lambda: underway(emulator, since, operation="CreateVpc"))
    die(db, call, "kill -9 of the worker")
    db.sql("UPDATE pg_extension SET extversion = '0.0.9' WHERE extname = 'iasql'")
    journal, mark = db.sql("SELECT * FROM iasql.journal"), emulator.mark()
    error = db.error(f"SELECT * FROM {function}()")
    assert error.sqlstate == "55000"
    assert "library of iasql 0.1.0" in (error.message or "")
    assert "this database has iasql 0.0.9" in (error.message or "")
    assert "ALTER EXTENSION iasql UPDATE" in (error.hint or "")
    assert emulator.calls(mark) == []
    assert db.sql("SELECT * FROM iasql.journal") == journal
    db.sql("UPDATE pg_extension SET extversion = '0.1.0' WHERE extname = 'iasql'")
    apply(db)
    assert len(vpcs(cloud)) == 1
    assert plan(db) == []
