"""What a test gets: `db`, a fresh database with the extension, and `cloud`, the account behind it.

The account is emulated (tests/testbed.py) and starts each test empty. A test asserts on what AWS
holds, asked through `cloud`, not only on what the tables say.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import psycopg
import pytest
from botocore.config import Config
from psycopg.rows import dict_row
from testbed import REGION, TEST_CREDENTIALS, Emulator, Server, Testbed

#: The front neither records an observer's calls nor injects faults into them.
OBSERVER = Config(
    user_agent_extra="observer",
    retries={"total_max_attempts": 1},
    connect_timeout=5,
    read_timeout=30,
    proxies={},
)
database_names = (f"test_{number}" for number in itertools.count(1))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", type=int, help="how many seeds test_model.py runs: 8, or 1 of --seed")
    parser.addoption("--seed", type=int, help="the first seed that test_model.py runs")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(120))


@pytest.fixture(scope="session")
def testbed() -> Iterator[Testbed]:
    testbed = Testbed.temporary()
    testbed.start()
    yield testbed
    testbed.stop(keep=False)


@pytest.fixture(scope="session")
def server(testbed: Testbed) -> Server:
    return testbed.server


@pytest.fixture(scope="session")
def emulator(testbed: Testbed) -> Emulator:
    return testbed.emulator


class Cloud:
    """The account as AWS's own clients see it."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator

    # A client takes up to half a second to make, so each is made once.
    @functools.cache  # noqa: B019
    def client(self, service: str, region: str = REGION) -> Any:
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.emulator.endpoint,
            aws_access_key_id=TEST_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=TEST_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=OBSERVER,
        )

    @property
    def ec2(self) -> Any:
        return self.client("ec2")

    @property
    def ecr(self) -> Any:
        return self.client("ecr")

    @property
    def ecr_public(self) -> Any:
        return self.client("ecr-public")

    @property
    def logs(self) -> Any:
        return self.client("logs")


@pytest.fixture(scope="session")
def account(emulator: Emulator) -> Cloud:
    return Cloud(emulator)


@pytest.fixture
def cloud(account: Cloud) -> Cloud:
    """The account, emptied. It is left as the test leaves it, to be looked at."""
    account.emulator.reset()
    return account


@dataclass
class SqlError:
    """What a client is told when a statement fails."""

    sqlstate: str | None
    message: str | None
    detail: str | None
    hint: str | None

    @classmethod
    def of(cls, error: psycopg.Error) -> SqlError:
        told = error.diag
        return cls(error.sqlstate, told.message_primary, told.message_detail, told.message_hint)


class Database:
    """A database with the extension in it, and a connection as superuser."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        self.notices: list[str] = []
        self.connections: list[psycopg.Connection[dict[str, Any]]] = []

    def connect(self, **options: Any) -> psycopg.Connection[dict[str, Any]]:
        """A further connection, in autocommit; `options` are psycopg's (`user`, `options`, ...)."""
        connection = psycopg.connect(
            self.server.url(self.name), **{"autocommit": True, "row_factory": dict_row} | options
        )
        connection.add_notice_handler(lambda told: self.notices.append(told.message_primary or ""))
        self.connections.append(connection)
        return connection

    @functools.cached_property
    def connection(self) -> psycopg.Connection[dict[str, Any]]:
        """The one that `sql`, `one` and `error` use."""
        return self.connect()

    def sql(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """The rows of the last statement; values go where `query` says %s."""
        cursor = self.connection.execute(query.encode(), arguments or None)
        while cursor.nextset():
            pass
        return cursor.fetchall() if cursor.description else []

    def one(self, query: str, *arguments: Any) -> Any:
        """The single value of a single row."""
        (row,) = self.sql(query, *arguments)
        (value,) = row.values()
        return value

    def error(self, query: str, *arguments: Any) -> SqlError:
        """The error that the statement must end in."""
        try:
            rows = self.sql(query, *arguments)
        except psycopg.Error as error:
            return SqlError.of(error)
        pytest.fail(f"no error from {query!r}, but {rows}")

    def close(self) -> None:
        for connection in self.connections:
            connection.close()


@pytest.fixture
def empty_db(server: Server, cloud: Cloud) -> Iterator[Database]:
    """A database without the extension."""
    name = next(database_names)
    # template0 has what a restored dump expects to find: nothing.
    server.query(f"CREATE DATABASE {name} TEMPLATE template0")
    database = Database(server, name)
    yield database
    database.close()
    server.query(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def db(empty_db: Database) -> Database:
    empty_db.sql("CREATE EXTENSION iasql")
    return empty_db
