"""What several test files ask of a database, of the account behind it, and of servers besides the
one that all tests share."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pwd
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg
from conftest import Cloud, Database, SqlError
from testbed import REGION, Emulator, Server, State, Testbed, free_port

#: What tests install unless they say otherwise, and what a whole service is deployed with besides.
MODULES = "aws_cloudwatch", "aws_ecr", "aws_security_group", "aws_vpc"
FURTHER_MODULES = "aws_ecs_fargate", "aws_elb", "aws_iam"
SECOND_REGION = "eu-west-1"
#: Faults of the front: what AWS answers to a key it does not know, and where no more log groups may be.
WRONG_KEY = {
    "status": 403,
    "code": "InvalidClientTokenId",
    "message": "The security token included in the request is invalid.",
}
QUOTA = {
    "operation": "CreateLogGroup",
    "status": 400,
    "code": "LimitExceededException",
    "message": "Resource limit exceeded.",
}
#: The accounts of the emulator: its own, and one that a role can be assumed in.
ACCOUNT = "123456789012"
OTHER_ACCOUNT = "222222222222"

Line = tuple[str, str, str]


# A database


def install(db: Database, *modules: str) -> None:
    db.sql("SELECT * FROM iasql_install(VARIADIC %s)", list(modules or MODULES))


def lines(db: Database, function: str) -> list[Line]:
    """What plan, apply or sync returned, sorted: action, table, description."""
    rows = db.sql(f"SELECT * FROM {function}()")
    return sorted((row["action"], row["table_name"], row["description"]) for row in rows)


def plan(db: Database) -> list[Line]:
    return lines(db, "iasql_plan_apply")


def apply(db: Database) -> list[Line]:
    return lines(db, "iasql_apply")


def sync(db: Database) -> list[Line]:
    return lines(db, "iasql_sync")


def group_id(db: Database, name: str) -> int:
    number: int = db.one("SELECT id FROM security_group WHERE group_name = %s", name)
    return number


def reports(db: Database, severity: str) -> list[SqlError]:
    """What the connection is told from now on, of a severity; filled as it comes."""
    told: list[SqlError] = []

    def take(said: psycopg.errors.Diagnostic) -> None:
        # Copied: what a handler is given lasts no longer than the handler.
        if said.severity_nonlocalized == severity:
            words = said.message_primary, said.message_detail, said.message_hint
            told.append(SqlError(said.sqlstate, *words))

    db.connection.add_notice_handler(take)
    return told


def in_background(work: Callable[[], Any]) -> Callable[[], Any]:
    """Starts `work` in a thread; the function returned waits for its result or its exception."""
    ended: list[tuple[Any, BaseException | None]] = []

    def run() -> None:
        try:
            ended.append((work(), None))
        except BaseException as error:
            ended.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def result() -> Any:
        thread.join(60)
        assert ended, "still running after a minute"
        value, error = ended[0]
        if error is not None:
            raise error
        return value

    return result


# The cloud


@contextlib.contextmanager
def nothing_changes(emulator: Emulator) -> Iterator[None]:
    """Inside, no call reaches the cloud that could change it."""
    mark = emulator.mark()
    yield
    assert changing_calls(emulator, mark) == []


def changing_calls(emulator: Emulator, since: int = 0) -> list[str]:
    return [call["operation"] for call in emulator.calls(since, mutating="1")]


def log_groups(cloud: Cloud, region: str = REGION) -> list[str]:
    pages = cloud.client("logs", region).get_paginator("describe_log_groups").paginate()
    return sorted(group["logGroupName"] for page in pages for group in page["logGroups"])


def repositories(cloud: Cloud, region: str = REGION) -> list[str]:
    pages = cloud.client("ecr", region).get_paginator("describe_repositories").paginate()
    return sorted(it["repositoryName"] for page in pages for it in page["repositories"])


def public_repositories(cloud: Cloud) -> list[str]:
    found = cloud.ecr_public.describe_repositories()["repositories"]
    return sorted(it["repositoryName"] for it in found)


def vpcs(cloud: Cloud, region: str = REGION) -> dict[str, str]:
    """The ranges of VPCs that are not the default one, by id."""
    found = cloud.client("ec2", region).describe_vpcs()["Vpcs"]
    return {it["VpcId"]: it["CidrBlock"] for it in found if not it["IsDefault"]}


def subnets(cloud: Cloud, region: str = REGION) -> dict[str, str]:
    """The ranges of subnets that AWS did not make, by id."""
    found = cloud.client("ec2", region).describe_subnets()["Subnets"]
    return {it["SubnetId"]: it["CidrBlock"] for it in found if not it["DefaultForAz"]}


def groups(cloud: Cloud, region: str = REGION) -> dict[str, str]:
    """The names of security groups that AWS did not make, by id."""
    found = cloud.client("ec2", region).describe_security_groups()["SecurityGroups"]
    return {it["GroupId"]: it["GroupName"] for it in found if it["GroupName"] != "default"}


def rules(cloud: Cloud, group: str) -> list[dict[str, Any]]:
    filters = [{"Name": "group-id", "Values": [group]}]
    found: list[dict[str, Any]] = cloud.ec2.describe_security_group_rules(Filters=filters)[
        "SecurityGroupRules"
    ]
    return found


def default_vpc(cloud: Cloud, region: str = REGION) -> str:
    found = cloud.client("ec2", region).describe_vpcs()["Vpcs"]
    (vpc,) = (it["VpcId"] for it in found if it["IsDefault"])
    return str(vpc)


def policy(action: str = "ecr:BatchGetImage") -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": "*", "Action": action}
    return {"Version": "2012-10-17", "Statement": [statement]}


def push(cloud: Cloud, repository: str, tag: str) -> None:
    digest = "sha256:" + f"{abs(hash(tag)):064x}"[-64:]
    media = "application/vnd.docker.distribution.manifest.v2+json"
    layer = {"mediaType": media, "size": 1, "digest": digest}
    manifest = {"schemaVersion": 2, "mediaType": media, "config": layer, "layers": [layer]}
    cloud.ecr.put_image(
        repositoryName=repository, imageTag=tag, imageManifest=json.dumps(manifest)
    )


# Further servers


class FurtherServer(Server):
    """A server besides the shared one, with an environment and command-line settings of its own."""

    def __init__(
        self, testbed: Testbed, name: str, environment: Mapping[str, str], **settings: str
    ) -> None:
        directory = testbed.state.directory / name
        directory.mkdir(mode=0o755)
        super().__init__(State(directory), environment)
        self.settings = settings

    def start(self) -> None:
        if "server_port" not in self.state.read():
            self.state.put(server_port=free_port())
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.home,
            # A standby must have at least as many as what it follows.
            "max_worker_processes": "32",
            **self.settings,
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self._run("pg_ctl", "--wait", f"--log={self.log_file}", f"--options={options}", "start")

    def create_as_copy(self, of: Server) -> None:
        """A standby: a copy of a server that goes on following it."""
        self.home.mkdir(mode=0o755)
        if os.geteuid() == 0:
            os.chown(self.home, *pwd.getpwnam("postgres")[2:4])
        connection = ["--host=127.0.0.1", f"--port={of.port}", "--username=postgres"]
        self._run("pg_basebackup", *connection, "--write-recovery-conf", "--checkpoint=fast")


@contextlib.contextmanager
def running(server: FurtherServer, of: Server | None = None) -> Iterator[FurtherServer]:
    """The server made, started, and stopped in the end; a standby of the server `of`."""
    if of is None:
        server.create()
    else:
        server.create_as_copy(of)
    try:
        server.start()
        yield server
    finally:
        server.stop("immediate")


names = (f"further_{number}" for number in itertools.count(1))


@contextlib.contextmanager
def fresh_database(server: Server, extension: bool = True) -> Iterator[Database]:
    name = next(names)
    server.query(f"CREATE DATABASE {name} TEMPLATE template0")
    database = Database(server, name)
    try:
        if extension:
            database.sql("CREATE EXTENSION iasql")
        yield database
    finally:
        database.close()
        server.query(f"DROP DATABASE {name} WITH (FORCE)")
