"""What happens when a call is cut short, and when the cloud hangs, loses answers or is slow.

A call that is ended ends in under a second; the tests allow half a second more, for a machine that
is busy. What was under way in the cloud meanwhile is found again: nothing is made twice.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import testbed
from conftest import Cloud, Database
from psycopg.rows import dict_row
from testbed import Emulator, Server, pg_config, wait_until

#: How long the end of a call may take: a second, and half of one for a busy machine.
SOON = 1.5
#: How long a worker waits for a change that it has sent when nobody waits for the worker any more.
GRACE = 15.0
#: What a server writes to its log when something went badly wrong.
CRASH = re.compile(
    r"PANIC|panicked|terminated by signal|crash|server process \(PID|TRAP|WARNING:  "
)
RANGE = "10.7.0.0/16"
INNER_SUBNET = """INSERT INTO subnet (vpc_id, cidr_block)
    SELECT id, '10.7.1.0/24' FROM vpc WHERE NOT is_default"""
MODULES = "'aws_cloudwatch', 'aws_ecr', 'aws_security_group'"


@pytest.fixture(autouse=True)
def no_holes(emulator: Emulator) -> Iterator[None]:
    """A call that the emulator lacks, or a dead emulator, proves nothing about the extension."""
    yield
    lost = "EmulatorNotImplemented", "EmulatorUnreachable"
    calls = emulator.calls()
    holes = [call for call in calls if call["not_implemented"] or call["error_code"] in lost]
    assert holes == []


class Statement:
    """A statement under way, on a connection of its own."""

    def __init__(self, db: Database, *sql: str, **options: Any) -> None:
        self.notices: list[str] = []
        self.connection = db.connect(**options)
        self.connection.add_notice_handler(
            lambda told: self.notices.append(told.message_primary or "")
        )
        self.pid = self.connection.info.backend_pid
        self.rows: list[dict[str, Any]] = []
        self.error: psycopg.Error | None = None
        self.began = time.monotonic()
        self.ended = 0.0
        self.thread = threading.Thread(target=self._run, args=sql, daemon=True)
        self.thread.start()

    def _run(self, *sql: str) -> None:
        try:
            for statement in sql:
                self.began = time.monotonic()
                cursor = self.connection.execute(statement.encode())
                self.rows = cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            self.error = error
        finally:
            self.ended = time.monotonic()

    @property
    def running(self) -> bool:
        return self.thread.is_alive()

    def wait(self, seconds: float = 60) -> None:
        self.thread.join(seconds)
        assert not self.running, f"not over after {seconds} s"

    def result(self, seconds: float = 60) -> list[dict[str, Any]]:
        self.wait(seconds)
        if self.error:
            raise self.error
        return self.rows

    def failure(self, seconds: float = 60) -> psycopg.Error:
        self.wait(seconds)
        assert self.error is not None, f"no error, but {self.rows}"
        return self.error


class Psql:
    """psql at a terminal."""

    def __init__(self, db: Database) -> None:
        self.seen = ""
        psql = str(pg_config("bindir") / "psql")
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.environ.update(PSQL_PAGER="", PAGER="", TERM="dumb", PSQL_HISTORY="/dev/null")
            os.execv(psql, [psql, "-X", db.server.url(db.name)])
        self.until("=# ")

    def press(self, keys: str) -> None:
        os.write(self.terminal, keys.encode())

    def until(self, text: str, seconds: float = 30) -> str:
        """Reads until a text is on the terminal; answers all that was before it."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0, f"no {text!r} within {seconds} s in {self.seen!r}"
            if select.select([self.terminal], [], [], left)[0]:
                self.seen += os.read(self.terminal, 4096).decode(errors="replace")
        before, _, self.seen = self.seen.partition(text)
        return before

    def close(self) -> None:
        os.close(self.terminal)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)


@pytest.fixture
def psql(db: Database) -> Iterator[Psql]:
    psql = Psql(db)
    yield psql
    psql.close()


def underway(emulator: Emulator, since: int, **only: str) -> list[dict[str, Any]]:
    """The calls that came and have no answer yet."""
    return [call for call in emulator.calls(since, **only) if call["duration_ms"] is None]


def changes(emulator: Emulator, since: int = 0) -> list[str]:
    """The operations of the calls that may change the cloud, in order."""
    return [call["operation"] for call in emulator.calls(since, mutating="1")]


def vpcs(cloud: Cloud, cidr: str = RANGE) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.ec2.describe_vpcs(
        Filters=[{"Name": "cidr", "Values": [cidr]}]
    )["Vpcs"]
    return found


def log_groups(cloud: Cloud) -> list[str]:
    return sorted(group["logGroupName"] for group in cloud.logs.describe_log_groups()["logGroups"])


def reconnect(db: Database) -> None:
    """Forgets the connections that ended with the server."""
    db.close()
    db.connections.clear()
    db.__dict__.pop("connection", None)
    wait_until("a connection", lambda: answers(db))


def answers(db: Database) -> bool:
    try:
        return db.server.query("SELECT 1", db.name) == "1\n"
    except testbed.TestbedError:
        return False


def no_worker(server: Server, seconds: float) -> None:
    wait_until("the end of the worker", lambda: not server.workers(), seconds)


@pytest.fixture
def restored(server: Server) -> Iterator[None]:
    """A server for the next test, whatever this one did to it."""
    yield
    if not server.alive:
        server.start()
    wait_until("the server", lambda: _up(server))


def _up(server: Server) -> bool:
    try:
        return server.query("SELECT 1") == "1\n"
    except testbed.TestbedError:
        return False


@pytest.fixture
def site(db: Database) -> Database:
    """A database with a VPC to be made, and modules that read in several places at once."""
    db.sql(f"SELECT * FROM iasql_install({MODULES})")
    db.sql("INSERT INTO vpc (cidr_block) VALUES (%s)", RANGE)
    return db


# Ends of a call

ENDS: dict[str, Callable[[Database, Statement], None]] = {
    "pg_cancel_backend": lambda db, call: _signal(db, "pg_cancel_backend", call.pid),
    "pg_terminate_backend": lambda db, call: _signal(db, "pg_terminate_backend", call.pid),
    "a cancel of the client": lambda db, call: call.connection.cancel(),
    "statement_timeout": lambda db, call: None,
}

#: In milliseconds; longer than a call takes to get to where it hangs.
TIMEOUT = 4000


def _signal(db: Database, function: str, pid: int) -> None:
    db.server.query(f"SELECT {function}({pid})")


def begin(db: Database, end: str, *sql: str) -> Statement:
    options = {"options": f"-c statement_timeout={TIMEOUT}"} if end == "statement_timeout" else {}
    return Statement(db, *sql, **options)


def cut_short(db: Database, end: str, call: Statement) -> None:
    """Ends a call; it must end soon, and in the error that users know."""
    asked = call.began + TIMEOUT / 1000 if end == "statement_timeout" else time.monotonic()
    ENDS[end](db, call)
    error = call.failure(SOON + TIMEOUT / 1000)
    assert call.ended - asked < SOON
    assert error.sqlstate == ("57P01" if end == "pg_terminate_backend" else "57014")


@pytest.mark.parametrize("function", ["iasql_plan_apply", "iasql_sync", "iasql_apply"])
@pytest.mark.parametrize("end", ENDS)
def test_a_call_that_reads_ends_at_once(
    site: Database, server: Server, emulator: Emulator, end: str, function: str
) -> None:
    witness = site.connect()
    log, since = server.mark(), emulator.mark()
    with emulator.frozen():
        call = begin(site, end, f"SELECT * FROM {function}()")
        wait_until("a call of AWS", lambda: underway(emulator, since))
        cut_short(site, end, call)
        no_worker(server, 2)
    assert CRASH.findall(server.log(log)) == []
    assert witness.execute("SELECT 1 AS alive").fetchall() == [{"alive": 1}]
    assert changes(emulator, since) == []
    assert [line["action"] for line in site.sql("SELECT * FROM iasql_plan_apply()")] == ["create"]


def test_a_call_ends_at_once_when_the_network_is_dead(
    site: Database, server: Server, emulator: Emulator
) -> None:
    """Connections are taken, by the kernel, and nothing reads from them."""
    with emulator.frozen("front"):
        call = Statement(site, "SELECT * FROM iasql_plan_apply()")
        wait_until("the worker", server.workers)
        cut_short(site, "pg_cancel_backend", call)
        no_worker(server, 2)
    assert len(site.sql("SELECT * FROM iasql_plan_apply()")) == 1


@pytest.mark.parametrize("end", ENDS)
def test_a_call_that_changes_ends_at_once(
    site: Database, server: Server, emulator: Emulator, cloud: Cloud, end: str
) -> None:
    """The VPC is made, and the answer never comes. The next apply waits for the worker to give up
    and finds the VPC by its mark."""
    witness = site.connect()
    log, since = server.mark(), emulator.mark()
    emulator.faults([{"operation": "CreateVpc", "count": 1, "hang": "after"}])
    call = begin(site, end, "SELECT * FROM iasql_apply()")
    wait_until("CreateVpc", lambda: underway(emulator, since, operation="CreateVpc"))
    cut_short(site, end, call)
    assert witness.execute("SELECT 1 AS alive").fetchall() == [{"alive": 1}]

    began = time.monotonic()
    site.sql("SELECT * FROM iasql_apply()")
    assert time.monotonic() - began < GRACE + 5
    assert any("waiting for the last call" in notice for notice in site.notices)
    no_worker(server, 2)
    assert CRASH.findall(server.log(log)) == []
    (vpc,) = vpcs(cloud)
    assert site.sql("SELECT vpc_id FROM vpc WHERE NOT is_default") == [{"vpc_id": vpc["VpcId"]}]
    assert changes(emulator, since) == ["CreateVpc"]
    assert site.sql("SELECT * FROM iasql_plan_apply()") == []
    (entry,) = site.sql("SELECT * FROM iasql_history")
    assert (entry["outcome"], entry["caller_committed"]) == ("unknown", False)


@pytest.mark.parametrize("end", ENDS)
def test_a_change_under_way_is_recorded_when_its_caller_goes(
    site: Database, server: Server, emulator: Emulator, cloud: Cloud, end: str
) -> None:
    site.sql(INNER_SUBNET)
    since = emulator.mark()
    emulator.faults([{"operation": "CreateVpc", "count": 1, "delay_ms": TIMEOUT + 2500}])
    call = begin(site, end, "SELECT * FROM iasql_apply()")
    wait_until("CreateVpc", lambda: underway(emulator, since, operation="CreateVpc"))
    cut_short(site, end, call)
    wait_until(
        "its outcome", lambda: site.sql("SELECT 1 FROM iasql_history WHERE outcome = 'done'")
    )
    (vpc,) = vpcs(cloud)
    (entry,) = site.sql("SELECT * FROM iasql_history")
    assert (entry["action"], entry["table_name"], entry["cloud_id"]) == (
        "create",
        "vpc",
        vpc["VpcId"],
    )
    assert entry["caller_pid"] == call.pid
    # Nothing was begun after that.
    assert changes(emulator, since) == ["CreateVpc"]

    done = site.sql("SELECT * FROM iasql_apply()")
    assert [(line["action"], line["table_name"]) for line in done] == [("create", "subnet")]
    assert changes(emulator, since) == ["CreateVpc", "CreateSubnet"]
    assert len(vpcs(cloud)) == 1
    assert site.sql("SELECT * FROM iasql_plan_apply()") == []


def test_ctrl_c_in_psql_ends_a_plan(
    site: Database, psql: Psql, server: Server, emulator: Emulator
) -> None:
    witness = site.connect()
    log, since = server.mark(), emulator.mark()
    with emulator.frozen():
        psql.press("SELECT * FROM iasql_plan_apply();\n")
        wait_until("a call of AWS", lambda: underway(emulator, since))
        pressed = time.monotonic()
        psql.press("\x03")
        psql.until("ERROR:  canceling statement due to user request")
        assert time.monotonic() - pressed < SOON
        no_worker(server, 2)
    psql.until("=# ")
    psql.press("SELECT action, table_name FROM iasql_plan_apply();\n")
    psql.until(" create | vpc")
    assert CRASH.findall(server.log(log)) == []
    assert witness.execute("SELECT 1 AS alive").fetchall() == [{"alive": 1}]


def test_ctrl_c_in_psql_ends_an_apply(
    site: Database, psql: Psql, server: Server, emulator: Emulator, cloud: Cloud
) -> None:
    log, since = server.mark(), emulator.mark()
    emulator.faults([{"operation": "CreateVpc", "count": 1, "hang": "before"}])
    psql.press("SELECT * FROM iasql_apply();\n")
    wait_until("CreateVpc", lambda: underway(emulator, since, operation="CreateVpc"))
    pressed = time.monotonic()
    os.kill(psql.process, signal.SIGINT)
    psql.until("ERROR:  canceling statement due to user request")
    assert time.monotonic() - pressed < SOON
    psql.until("=# ")
    psql.press("SELECT action, table_name FROM iasql_apply();\n")
    psql.until(" create | vpc")
    no_worker(server, 2)
    assert CRASH.findall(server.log(log)) == []
    assert len(vpcs(cloud)) == 1


@pytest.mark.parametrize("function", ["iasql_plan_apply", "iasql_apply"])
def test_a_fast_shutdown_ends_a_call_at_once(
    site: Database, server: Server, emulator: Emulator, cloud: Cloud, restored: None, function: str
) -> None:
    log, since = server.mark(), emulator.mark()
    if function == "iasql_apply":
        emulator.faults([{"operation": "CreateVpc", "count": 1, "hang": "after"}])
    with emulator.frozen() if function == "iasql_plan_apply" else contextlib.nullcontext():
        call = Statement(site, f"SELECT * FROM {function}()")
        only = {"operation": "CreateVpc"} if function == "iasql_apply" else {}
        wait_until("a call of AWS", lambda: underway(emulator, since, **only))
        asked = time.monotonic()
        server.stop("fast")
        stopped = time.monotonic() - asked
        error = call.failure(1)
        assert call.ended - asked < SOON
        assert error.sqlstate == "57P01"
        # pg_ctl itself looks once a second at most.
        assert stopped < SOON + 1.5
    assert CRASH.findall(server.log(log)) == []
    server.start()
    reconnect(site)
    site.sql("SELECT * FROM iasql_apply()")
    assert len(vpcs(cloud)) == 1
    assert changes(emulator, since) == ["CreateVpc"]
    assert site.sql("SELECT * FROM iasql_plan_apply()") == []


# Sudden death


def _kill_worker(server: Server, call: Statement) -> int:
    (worker,) = server.workers()
    os.kill(worker, signal.SIGKILL)
    return worker


def _kill_backend(server: Server, call: Statement) -> int:
    os.kill(call.pid, signal.SIGKILL)
    return call.pid


def _immediate(server: Server, call: Statement) -> int:
    server.stop("immediate")
    return 0


def _worker_terminated(server: Server, call: Statement) -> int:
    (worker,) = server.workers()
    server.query(f"SELECT pg_terminate_backend({worker})")
    return worker


DEATHS: dict[str, Callable[[Server, Statement], int]] = {
    "kill -9 of the worker": _kill_worker,
    "kill -9 of the backend": _kill_backend,
    "immediate shutdown": _immediate,
    "terminate of the worker": _worker_terminated,
}


def die(db: Database, call: Statement, death: str) -> int:
    """Something ends with no time to say goodbye, and the server is up again afterwards."""
    server, log = db.server, db.server.mark()
    pid = DEATHS[death](server, call)
    error = call.failure(20)
    if death == "terminate of the worker":
        assert (error.sqlstate, f"worker {pid}" in str(error)) == ("08003", True)
        return pid
    # The server cut the connection, and said so or not.
    assert isinstance(error, psycopg.OperationalError)
    if "kill -9" in death:
        # Until the server has noticed it takes connections, only to cut them.
        wait_until("the server to notice", lambda: "reinitializing" in server.log(log))
    elif not server.alive:
        server.start()
    reconnect(db)
    return pid


@pytest.mark.parametrize("death", DEATHS)
def test_an_apply_that_dies_is_finished_by_the_next(
    db: Database, server: Server, emulator: Emulator, cloud: Cloud, restored: None, death: str
) -> None:
    """The log group was made and the journal has its answer; the VPC was made and its answer never
    came; the subnet was not begun."""
    db.sql(f"SELECT * FROM iasql_install({MODULES})")
    db.sql("INSERT INTO vpc (cidr_block) VALUES (%s)", RANGE)
    db.sql(INNER_SUBNET)
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('made')")
    log, since = server.mark(), emulator.mark()
    emulator.faults([{"operation": "CreateVpc", "count": 1, "hang": "after"}])
    call = Statement(db, "SELECT * FROM iasql_apply()")
    wait_until("CreateVpc", lambda: underway(emulator, since, operation="CreateVpc"))
    done = "SELECT 1 FROM iasql_history WHERE outcome = 'done'"
    wait_until("the log group's outcome", lambda: db.sql(done))
    pid = die(db, call, death)
    if death.startswith("kill"):
        assert f"(PID {pid}) was terminated by signal 9" in server.log(log)
    if death == "kill -9 of the worker":
        assert re.search(rf'background worker "iasql[^"]*" \(PID {pid}\)', server.log(log))

    entries = db.sql("SELECT table_name, action, outcome FROM iasql_history ORDER BY table_name")
    made = {"table_name": "log_group", "action": "create", "outcome": "done"}
    lost = {"table_name": "vpc", "action": "create", "outcome": None}
    assert entries == [made, lost]

    db.sql("SELECT * FROM iasql_apply()")
    assert len(vpcs(cloud)) == 1
    assert log_groups(cloud) == ["made"]
    assert sorted(changes(emulator, since)) == ["CreateLogGroup", "CreateSubnet", "CreateVpc"]
    assert db.sql("SELECT * FROM iasql_plan_apply()") == []
    assert db.one("SELECT count(*) FROM vpc WHERE vpc_id IS NULL") == 0
    # What the journal did not know is known now: the fate of the call that died.
    fates = db.sql(
        "SELECT DISTINCT caller_committed FROM iasql_history WHERE caller_pid = %s", call.pid
    )
    assert fates == [{"caller_committed": False}]


@pytest.mark.parametrize("death", DEATHS)
def test_rows_that_die_with_their_apply_leave_orphans(
    db: Database, server: Server, emulator: Emulator, cloud: Cloud, restored: None, death: str
) -> None:
    db.sql(f"SELECT * FROM iasql_install({MODULES})")
    since = emulator.mark()
    emulator.faults([{"operation": "CreateVpc", "count": 1, "hang": "after"}])
    insert = f"INSERT INTO vpc (cidr_block) VALUES ('{RANGE}')"
    group = "INSERT INTO log_group (log_group_name) VALUES ('gone')"
    call = Statement(db, "BEGIN", insert, group, "SELECT * FROM iasql_apply()")
    wait_until("CreateVpc", lambda: underway(emulator, since, operation="CreateVpc"))
    done = "SELECT 1 FROM iasql_history WHERE outcome = 'done'"
    wait_until("the log group's outcome", lambda: db.sql(done))
    die(db, call, death)
    call.connection.close()
    plan = db.sql("SELECT action, table_name, reason FROM iasql_plan() ORDER BY table_name")
    assert plan == [
        {"action": "delete", "table_name": "log_group", "reason": "orphan"},
        {"action": "delete", "table_name": "vpc", "reason": "orphan"},
    ]
    db.sql("SELECT * FROM iasql_apply()")
    assert (vpcs(cloud), log_groups(cloud)) == ([], [])
    assert db.sql("SELECT * FROM iasql_plan_apply()") == []


def test_a_caller_that_vanishes_ends_its_worker(
    site: Database, server: Server, emulator: Emulator
) -> None:
    """A client that is gone is no reason to stop; a backend that is gone is."""
    since = emulator.mark()
    with emulator.frozen():
        call = Statement(site, "SELECT * FROM iasql_plan_apply()")
        wait_until("a call of AWS", lambda: underway(emulator, since))
        _signal(site, "pg_terminate_backend", call.pid)
        call.failure(SOON)
        no_worker(server, 2)


# Answers that get lost

#: What makes each kind, the rows that ask for it, and how many the cloud holds then.
VPC = "INSERT INTO vpc (cidr_block) VALUES ('10.7.0.0/16')"
SUBNET = (
    "INSERT INTO subnet (vpc_id, cidr_block) SELECT id, '172.31.192.0/20' FROM vpc WHERE is_default"
)
GROUP = "INSERT INTO security_group (group_name) VALUES ('web')"
RULE = """INSERT INTO security_group_rule
    (security_group_id, is_egress, ip_protocol, from_port, to_port, cidr_ipv4)
    SELECT id, false, 'tcp', 80, 80, '0.0.0.0/0' FROM security_group WHERE group_name = 'web'"""
POLICY = """INSERT INTO repository_policy (repository_name, policy_text) VALUES ('web',
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}]}')"""


def _subnets(cloud: Cloud) -> int:
    filters = [{"Name": "cidr-block", "Values": ["172.31.192.0/20"]}]
    return len(cloud.ec2.describe_subnets(Filters=filters)["Subnets"])


def _groups(cloud: Cloud) -> int:
    filters = [{"Name": "group-name", "Values": ["web"]}]
    return len(cloud.ec2.describe_security_groups(Filters=filters)["SecurityGroups"])


def _rules(cloud: Cloud) -> int:
    rules = cloud.ec2.describe_security_group_rules()["SecurityGroupRules"]
    return sum(rule.get("FromPort") == 80 for rule in rules)


ROLE = """INSERT INTO role (role_name, assume_role_policy_document) VALUES ('web', '{"Statement":
    [{"Effect": "Allow", "Principal": {"Service": "ecs.amazonaws.com"}, "Action": "sts:AssumeRole"}]}')"""
TARGET = """INSERT INTO target_group (target_group_name, target_type, protocol, port)
    VALUES ('web', 'ip', 'HTTP', 80)"""
BALANCER = """INSERT INTO load_balancer
    (load_balancer_name, scheme, load_balancer_type, ip_address_type)
    VALUES ('web', 'internal', 'application', 'ipv4')"""
LISTENER = """INSERT INTO listener (load_balancer_name, port, protocol, target_group_name)
    VALUES ('web', 80, 'HTTP', 'web')"""
CLUSTER = "INSERT INTO cluster (cluster_name) VALUES ('web')"
TASK = """WITH task AS (INSERT INTO task_definition (family, cpu_memory)
    VALUES ('web', 'vCPU0.25-0.5GB') RETURNING id)
    INSERT INTO container_definition (task_definition_id, name, essential, image)
    SELECT id, 'web', true, 'nginx' FROM task"""
SERVICE = """INSERT INTO service (name, desired_count, subnets, cluster_name, task_definition_id)
    SELECT 'web', 1, ARRAY(SELECT subnet_id FROM subnet LIMIT 1), 'web', id FROM task_definition"""


def _listed(cloud: Cloud, service: str, what: str) -> list[Any]:
    """What there is of something that can be told from what was there before."""
    client = cloud.client(service)
    match what:
        case "Roles":
            return list(client.list_roles()[what])
        case "TargetGroups":
            return list(client.describe_target_groups()[what])
        case "LoadBalancers":
            return list(client.describe_load_balancers()[what])
        case "clusters":
            return list(client.list_clusters()["clusterArns"])
        case _:
            return list(client.list_task_definitions(status="ACTIVE")["taskDefinitionArns"])


def _listeners(cloud: Cloud) -> int:
    (balancer,) = _listed(cloud, "elbv2", "LoadBalancers")
    found = cloud.client("elbv2").describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])
    return len(found["Listeners"])


def _services(cloud: Cloud) -> int:
    return len(cloud.client("ecs").list_services(cluster="web")["serviceArns"])


CREATES: dict[str, tuple[str, str, list[str], Callable[[Cloud], int]]] = {
    "vpc": ("ec2", "CreateVpc", [VPC], lambda cloud: len(vpcs(cloud))),
    "subnet": ("ec2", "CreateSubnet", [SUBNET], _subnets),
    "security_group": ("ec2", "CreateSecurityGroup", [GROUP], _groups),
    "security_group_rule": ("ec2", "AuthorizeSecurityGroupIngress", [GROUP, RULE], _rules),
    "log_group": (
        "logs",
        "CreateLogGroup",
        ["INSERT INTO log_group (log_group_name) VALUES ('web')"],
        lambda cloud: len(log_groups(cloud)),
    ),
    "repository": (
        "ecr",
        "CreateRepository",
        ["INSERT INTO repository (repository_name) VALUES ('web')"],
        lambda cloud: len(cloud.ecr.describe_repositories()["repositories"]),
    ),
    "repository_policy": (
        "ecr",
        "SetRepositoryPolicy",
        ["INSERT INTO repository (repository_name) VALUES ('web')", POLICY],
        lambda cloud: bool(cloud.ecr.get_repository_policy(repositoryName="web")["policyText"]),
    ),
    "public_repository": (
        "ecr-public",
        "CreateRepository",
        ["INSERT INTO public_repository (repository_name) VALUES ('web')"],
        lambda cloud: len(cloud.ecr_public.describe_repositories()["repositories"]),
    ),
    "role": ("iam", "CreateRole", [ROLE], lambda cloud: len(_listed(cloud, "iam", "Roles"))),
    "target_group": (
        "elbv2",
        "CreateTargetGroup",
        [TARGET],
        lambda cloud: len(_listed(cloud, "elbv2", "TargetGroups")),
    ),
    "load_balancer": (
        "elbv2",
        "CreateLoadBalancer",
        [BALANCER],
        lambda cloud: len(_listed(cloud, "elbv2", "LoadBalancers")),
    ),
    "listener": ("elbv2", "CreateListener", [TARGET, BALANCER, LISTENER], _listeners),
    "cluster": ("ecs", "CreateCluster", [CLUSTER], lambda cloud: len(_listed(cloud, "ecs", "clusters"))),
    "task_definition": (
        "ecs",
        "RegisterTaskDefinition",
        [TASK],
        lambda cloud: len(_listed(cloud, "ecs", "taskDefinitions")),
    ),
    "service": ("ecs", "CreateService", [CLUSTER, TASK, SERVICE], _services),
}
#: Those whose rows are parts of another's.
PARTS = {"load_balancer_security_groups", "container_definition", "service_security_groups"}


def test_every_kind_has_its_answers_lost(db: Database) -> None:
    tables = db.sql(
        "SELECT created_table_name AS name FROM iasql_install(VARIADIC ARRAY("
        "SELECT module_name FROM iasql_modules_list())) ORDER BY 1"
    )
    imported = {"repository_image"}
    assert {table["name"] for table in tables} - imported - PARTS == set(CREATES)


@pytest.mark.parametrize("fault", ["drop before", "drop after", "truncate", "throttle", "502"])
@pytest.mark.parametrize("table", CREATES)
def test_a_create_that_goes_wrong_makes_one_thing(
    db: Database, emulator: Emulator, cloud: Cloud, table: str, fault: str
) -> None:
    service, operation, rows, count = CREATES[table]
    effect: dict[str, Any] = {
        "drop before": {"drop": "before", "count": 1},
        "drop after": {"drop": "after", "count": 1},
        "truncate": {"truncate": True, "count": 1},
        "throttle": {"throttle": True, "count": 3},
        "502": {"html": True, "count": 1},
    }[fault]
    further = service in ("iam", "elbv2", "ecs")
    modules = MODULES + (", 'aws_ecs_fargate'" if further else "")
    db.sql(f"SELECT * FROM iasql_install({modules})")
    for row in rows:
        db.sql(row)
    since = emulator.mark()
    emulator.faults([{"service": service, "operation": operation} | effect])
    done = db.sql("SELECT * FROM iasql_apply()")
    assert ("create", table) in [(line["action"], line["table_name"]) for line in done]
    assert count(cloud) == 1
    if table == "vpc" and fault in ("drop after", "truncate"):
        # Nothing but our own mark tells one VPC from another.
        assert changes(emulator, since) == ["CreateVpc"]
    struck = [call for call in emulator.calls(since, operation=operation) if call["fault"]]
    assert len(struck) == effect["count"]
    assert db.sql("SELECT * FROM iasql_plan_apply()") == []
    assert {entry["outcome"] for entry in db.sql("SELECT outcome FROM iasql_history")} == {"done"}


@pytest.mark.parametrize(
    ("edit", "operation"),
    [
        ("UPDATE log_group SET retention_in_days = 14", "PutRetentionPolicy"),
        ("DELETE FROM log_group", "DeleteLogGroup"),
    ],
)
@pytest.mark.parametrize("fault", [{"drop": "before"}, {"drop": "after"}, {"throttle": True}])
def test_other_changes_survive_a_lost_answer(
    db: Database, emulator: Emulator, cloud: Cloud, edit: str, operation: str, fault: dict[str, Any]
) -> None:
    cloud.logs.create_log_group(logGroupName="web")
    db.sql("SELECT * FROM iasql_install('aws_cloudwatch')")
    db.sql(edit)
    emulator.faults([{"operation": operation, "count": 1} | fault])
    db.sql("SELECT * FROM iasql_apply()")
    groups = cloud.logs.describe_log_groups()["logGroups"]
    assert [group["retentionInDays"] for group in groups] == ([14] if "UPDATE" in edit else [])
    assert db.sql("SELECT * FROM iasql_plan_apply()") == []


def test_a_list_that_breaks_off_deletes_nothing(
    db: Database, emulator: Emulator, cloud: Cloud
) -> None:
    """The second page can't be had: the rows of the third are not gone."""
    for number in range(7):
        cloud.logs.create_log_group(logGroupName=f"group-{number}")
    db.sql("SELECT * FROM iasql_install('aws_cloudwatch')")
    emulator.settings({"page_size": 3})
    emulator.faults([{"operation": "DescribeLogGroups", "nth": 2, "deny": True}])
    since = emulator.mark()
    assert db.sql("SELECT * FROM iasql_sync()") == []
    assert db.one("SELECT count(*) FROM log_group") == 7
    assert any("could not read log_group" in notice for notice in db.notices)
    reasons = db.sql("SELECT table_name, region FROM iasql_unrepresented")
    assert reasons == [{"table_name": "log_group", "region": "us-east-1"}]
    db.sql("DELETE FROM log_group WHERE log_group_name = 'group-6'")
    assert db.sql("SELECT * FROM iasql_apply()") == []
    assert changes(emulator, since) == []
    emulator.faults([])
    assert len(db.sql("SELECT * FROM iasql_apply()")) == 1
    assert len(log_groups(cloud)) == 6


def test_what_fails_takes_only_its_own_along(
    db: Database, emulator: Emulator, cloud: Cloud
) -> None:
    db.sql(f"SELECT * FROM iasql_install({MODULES})")
    for row in VPC, "INSERT INTO log_group (log_group_name) VALUES ('fine')":
        db.sql(row)
    db.sql(INNER_SUBNET)
    emulator.faults([{"operation": "CreateVpc", "deny": True}])
    error = db.error("SELECT * FROM iasql_apply()")
    assert error.sqlstate == "42501"
    assert "1 of 3 changes failed, 1 that wait for them were not tried" in (error.message or "")
    assert "create subnet" in (error.detail or "") and "CreateVpc" in f"{error}"
    assert "does what is left" in (error.hint or "")
    assert log_groups(cloud) == ["fine"]
    emulator.faults([])
    since = emulator.mark()
    db.sql("SELECT * FROM iasql_apply()")
    assert changes(emulator, since) == ["CreateVpc", "CreateSubnet"]
    assert db.sql("SELECT * FROM iasql_plan_apply()") == []


def test_an_install_that_is_cancelled_leaves_nothing(
    db: Database, server: Server, emulator: Emulator
) -> None:
    tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    before, since = db.one(tables), emulator.mark()
    with emulator.frozen():
        call = begin(db, "pg_cancel_backend", f"SELECT * FROM iasql_install({MODULES})")
        wait_until("a call of AWS", lambda: underway(emulator, since))
        cut_short(db, "pg_cancel_backend", call)
        no_worker(server, 2)
    assert db.one(tables) == before
    assert db.sql("SELECT * FROM iasql_modules_installed()") == []
    assert len(db.sql(f"SELECT * FROM iasql_install({MODULES})")) == 9


# A slow apply


def test_a_slow_apply_says_what_it_is_at(
    site: Database, server: Server, emulator: Emulator
) -> None:
    site.sql("INSERT INTO log_group (log_group_name) VALUES ('quick')")
    since = emulator.mark()
    emulator.faults([{"operation": "CreateVpc", "delay_ms": 3500}])
    call = Statement(site, "SELECT * FROM iasql_apply()")
    wait_until("CreateVpc", lambda: underway(emulator, since, operation="CreateVpc"))
    wait_until("progress", lambda: site.sql("SELECT 1 FROM iasql_progress WHERE done = 1"))
    (progress,) = site.sql("SELECT * FROM iasql_progress")
    assert progress["caller_pid"] == call.pid
    assert (progress["call"], progress["done"], progress["total"]) == ("apply", 1, 2)
    assert "creating vpc" in progress["doing"]
    assert [progress["worker_pid"]] == server.workers()
    assert call.running
    assert len(call.result()) == 2
    told = [notice for notice in call.notices if "creating vpc" in notice]
    assert told and all(re.fullmatch(r"1 of 2: creating vpc .*\(\d+ s.*\)", it) for it in told)
    # One a second at most.
    assert len(told) <= 4
    wait_until("no progress", lambda: not site.sql("SELECT 1 FROM iasql_progress"))


def test_a_reader_sees_progress_too(site: Database, emulator: Emulator, server: Server) -> None:
    site.sql("CREATE ROLE looker LOGIN")
    try:
        with emulator.frozen():
            call = Statement(site, "SELECT * FROM iasql_plan_apply()")
            reader = site.connect(user="looker", row_factory=dict_row)
            query = "SELECT call, caller_pid FROM iasql_progress"
            wait_until("progress", lambda: reader.execute(query).fetchall())
            assert reader.execute(query).fetchall() == [
                {"call": "plan_apply", "caller_pid": call.pid}
            ]
        call.result()
        reader.close()
    finally:
        site.sql("DROP ROLE looker")
