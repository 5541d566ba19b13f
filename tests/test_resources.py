"""One harness that puts every table of every module through the same tests, from the descriptions
in resources/. What the cloud holds is asked of it over boto3.

A table without a description fails, and so does a column that users can write and no row or change
of its description has.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import Cloud, Database
from psycopg.types.json import Jsonb
from resources import GLOBAL, IMPORTED, PARTS, REGIONAL, TABLES, WRITTEN, aws_iam, primary_key
from resources.aws_ecr import push
from resources.description import Change, Description, Row, Sql
from test_nerves import changes, no_holes
from testbed import REGION, Emulator, Server

__all__ = ["no_holes"]  # A fixture for every test here, too.

#: What the primary key of a table holds.
Key = int | str
#: What users ask for once and AWS keeps no memory of: see test_replacement.py.
WISH = "replace_anyway"
#: A region besides the default one.
ELSEWHERE = "eu-west-1"
NOTHING: list[dict[str, Any]] = []
PLAN = "SELECT action, table_name FROM iasql_plan_apply()"
numbers = itertools.count()

pytestmark = pytest.mark.timeout(300)


def install(db: Database) -> list[str]:
    """Installs all there is; answers the tables."""
    modules = "VARIADIC ARRAY(SELECT module_name FROM iasql_modules_list())"
    lines = db.sql(f"SELECT created_table_name AS name FROM iasql_install({modules})")
    return [line["name"] for line in lines]


@pytest.fixture
def site(db: Database) -> Database:
    install(db)
    return db


@contextlib.contextmanager
def twin(server: Server) -> Iterator[Database]:
    """Another database of the same account, which has just been installed."""
    name = f"twin_{next(numbers)}"
    server.query(f"CREATE DATABASE {name} TEMPLATE template0")
    database = Database(server, name)
    try:
        database.sql("CREATE EXTENSION iasql")
        install(database)
        yield database
    finally:
        database.close()
        server.query(f"DROP DATABASE {name} WITH (FORCE)")


def written(db: Database, table: str) -> list[str]:
    """The columns of a table that users can write."""
    columns = db.sql(
        "SELECT column_name AS name FROM information_schema.columns WHERE table_name = %s", table
    )
    (guard,) = db.sql(
        "SELECT prosrc AS text FROM pg_proc "
        "WHERE pronamespace = 'iasql'::regnamespace AND proname = %s",
        f"{table}_guard",
    )
    text = guard["text"]
    if "iasql.imported_only(" in text:
        return []
    names = {column["name"] for column in columns} - {"id", WISH}
    return [name for name in names if f"iasql.cloud_owned('{table}', '{name}')" not in text]


def values(db: Database, table: str, row: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """The values of a row as SQL, and what goes where it says %s."""
    texts, arguments = [], []
    targets = references(db, table)
    for name, value in row.items():
        if isinstance(value, Sql):
            texts.append(value.text)
        elif name in targets and isinstance(value, str):
            # What AWS calls what it leads to, as `fetch` has it.
            texts.append(
                f"(SELECT row_key::int FROM iasql.base WHERE table_name = '{targets[name]}' "
                "AND cloud_id = %s)"
            )
            arguments.append(value)
        else:
            texts.append("%s")
            arguments.append(Jsonb(value) if isinstance(value, dict) else value)
    return texts, arguments


def own(row: dict[str, Any]) -> dict[str, Any]:
    """A row without its parts."""
    return {name: value for name, value in row.items() if name not in PARTS}


def insert(db: Database, table: str, row: dict[str, Any]) -> Key:
    texts, arguments = values(db, table, own(row))
    into = f"{table} ({', '.join(own(row))}) VALUES ({', '.join(texts)})"
    key: Key = db.one(f"INSERT INTO {into} RETURNING {primary_key(table)}", *arguments)
    put_parts(db, table, key, row)
    return key


def update(db: Database, table: str, key: Key, row: dict[str, Any]) -> Key:
    """Answers the key that the row has then."""
    if own(row):
        texts, arguments = values(db, table, own(row))
        sets = ", ".join(f"{name} = {text}" for name, text in zip(own(row), texts, strict=True))
        known = primary_key(table)
        sql = f"UPDATE {table} SET {sets} WHERE {known} = %s RETURNING {known}"
        key = db.one(sql, *arguments, key)
    put_parts(db, table, key, row)
    return key


def delete(db: Database, table: str, *keys: Key) -> None:
    db.sql(f"DELETE FROM {table} WHERE {primary_key(table)} = ANY(%s)", list(keys))


def shown(key: Key) -> int | None:
    """The id that a plan has for a row: none where a name is the key."""
    return key if isinstance(key, int) else None


def put_parts(db: Database, table: str, key: Key, row: dict[str, Any]) -> None:
    """Gives a row the parts that it is to have, in place of those it has."""
    known = f"t.{primary_key(table)}"
    for part in row.keys() & PARTS.keys():
        link = owner(db, part)
        joined = " AND ".join(f"p.{here} = t.{there}" for here, there in link.items())
        db.sql(f"DELETE FROM {part} p USING {table} t WHERE {joined} AND {known} = %s", key)
        for each in row[part]:
            texts, arguments = values(db, part, each)
            db.sql(
                f"INSERT INTO {part} ({', '.join([*link, *each])}) "
                f"SELECT {', '.join([*(f't.{there}' for there in link.values()), *texts])} "
                f"FROM {table} t WHERE {known} = %s",
                *arguments,
                key,
            )


def owner(db: Database, part: str) -> dict[str, str]:
    """The columns by which a part refers to what it is part of, and what they refer to there."""
    pairs = db.sql(
        """SELECT a.attname AS here, t.attname AS there FROM pg_constraint c
        CROSS JOIN unnest(c.conkey, c.confkey) AS pair (here, there)
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = pair.here
        JOIN pg_attribute t ON t.attrelid = c.confrelid AND t.attnum = pair.there
        WHERE c.contype = 'f' AND c.conrelid = %s::regclass AND c.confrelid = %s::regclass""",
        part,
        PARTS[part],
    )
    return {pair["here"]: pair["there"] for pair in pairs}


def apply(db: Database, why: object = None) -> list[dict[str, Any]]:
    """Applies, after which there is nothing more to do."""
    done = db.sql("SELECT action, table_name, id FROM iasql_apply()")
    assert db.sql("SELECT * FROM iasql_plan()") == NOTHING, why
    return done


def references(db: Database, table: str) -> dict[str, str]:
    """The columns that hold the id of a row of another table, other than the one it is part of."""
    found = db.sql(
        """SELECT a.attname AS name, c.confrelid::regclass::text AS target FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        JOIN pg_attribute t ON t.attrelid = c.confrelid AND t.attnum = c.confkey[1]
        WHERE c.contype = 'f' AND c.conrelid = %s::regclass AND t.attname = 'id'""",
        table,
    )
    targets = {each["name"]: each["target"] for each in found}
    return {name: target for name, target in targets.items() if target != PARTS.get(table)}


def fetch(db: Database, table: str, key: Key | None = None) -> list[Row]:
    """Rows with their parts, and references by what AWS calls what they lead to."""
    if key is None:
        rows = db.sql(f"SELECT * FROM {table}")
    else:
        rows = db.sql(f"SELECT * FROM {table} WHERE {primary_key(table)} = %s", key)
    for row in rows:
        assert row.pop(WISH, False) is False
    for column, target in references(db, table).items():
        ids = db.sql("SELECT row_key, cloud_id FROM iasql.base WHERE table_name = %s", target)
        names = {each["row_key"]: each["cloud_id"] for each in ids}
        for row in rows:
            row[column] = names.get(str(row[column]))
    for part in (part for part, of in PARTS.items() if of == table):
        link = owner(db, part)
        parts = fetch(db, part)
        for row in rows:
            row[part] = [
                {name: value for name, value in each.items() if name not in {"id", "region", *link}}
                for each in parts
                if all(each[here] == row[there] for here, there in link.items())
            ]
    return rows


def plain(row: Row) -> Row:
    """A row in a form in which what means the same is equal."""

    def cell(name: str, value: Any) -> Any:
        if isinstance(value, datetime):
            return value.astimezone(UTC).replace(microsecond=0)
        if isinstance(value, list):
            each = [plain(one) if isinstance(one, dict) else one for one in value]
            return sorted(each, key=str)
        return None if name.endswith("_port") and value == -1 else value

    return {name: cell(name, value) for name, value in row.items() if name != "id"}


class Case:
    """A table, its description, a database, and rows in it."""

    def __init__(self, db: Database, cloud: Cloud, table: str, region: str = REGION) -> None:
        self.db, self.cloud, self.table, self.region = db, cloud, table, region
        self.description: Description = TABLES[table](cloud, region)
        self.keys: dict[str, Key] = {}

    def parents(self) -> None:
        for parent in self.description.parents:
            self.db.sql(parent)
        apply(self.db)

    def start(self, *names: str) -> None:
        """The rows of these names, in the database and in the cloud."""
        self.parents()
        for name in names:
            self.insert(name, self.description.rows[name])
        apply(self.db)

    def insert(self, name: str, row: dict[str, Any]) -> None:
        here = {"region": self.region} if self.table not in GLOBAL else {}
        self.keys[name] = insert(self.db, self.table, row | here)

    def update(self, name: str, row: dict[str, Any]) -> None:
        self.keys[name] = update(self.db, self.table, self.keys[name], row)

    def delete(self, *names: str) -> None:
        delete(self.db, self.table, *(self.keys[name] for name in names))

    def row(self, name: str) -> Row:
        (row,) = fetch(self.db, self.table, self.keys[name])
        return row

    def line(self, action: str, name: str) -> dict[str, Any]:
        """How a plan shows what is done with a row."""
        return {"action": action, "table_name": self.table, "id": shown(self.keys[name])}

    def drift(self, change: str, name: str) -> dict[str, Any]:
        """How drift of a row is shown."""
        return {"change": change, "table_name": self.table, "id": shown(self.keys[name])}

    def seen(self, row: Row) -> Row | None:
        """What the cloud holds of a row."""
        found = self.description.look(self.cloud, row)
        here = {"region": row["region"]} if "region" in row else {}
        return None if found is None else plain(found | here)

    def agree(self, name: str, why: object = None) -> Row:
        """Asserts that the cloud holds what the row says, in every column."""
        row = self.row(name)
        seen = self.seen(row)
        assert seen is not None, (name, why, "is not there")
        assert seen == plain(row), (name, why)
        return row


@pytest.fixture
def case(site: Database, cloud: Cloud, request: pytest.FixtureRequest) -> Case:
    return Case(site, cloud, request.param)


def every(tables: list[str]) -> Callable[..., Any]:
    return pytest.mark.parametrize("case", tables, indirect=True)


def sets(change: Change) -> str:
    return ", ".join(f"{name} = {value!r:.40}" for name, value in change.set.items())


# The descriptions


def test_every_table_has_a_description(db: Database) -> None:
    assert sorted(install(db)) == sorted([*TABLES, *PARTS])


def test_every_column_has_values(site: Database, cloud: Cloud) -> None:
    for table in TABLES:
        description = TABLES[table](cloud, REGION)
        columns = set(written(site, table))
        assert (table in IMPORTED) == (columns == set())
        has_region = "region" in {
            column["name"]
            for column in site.sql(
                "SELECT column_name AS name FROM information_schema.columns WHERE table_name = %s",
                table,
            )
        }
        assert has_region == (table not in GLOBAL), table
        columns -= {"region"}
        columns |= {part for part, of in PARTS.items() if of == table}
        rows, others = description.rows.values(), description.changes
        in_rows = {name for row in rows for name, value in row.items() if value is not None}
        assert columns == in_rows, table
        assert columns == {name for change in others for name in change.set}, table
        assert {change.of for change in others} <= set(description.rows), table
    for part, of in PARTS.items():
        description = TABLES[of](cloud, REGION)
        columns = set(written(site, part)) - {"region", *owner(site, part)}
        for rows in list(description.rows.values()), [it.set for it in description.changes]:
            parts = [each for row in rows for each in row.get(part, [])]
            assert columns == {name for each in parts for name in each}, part


# Into the cloud and back


@every(WRITTEN)
def test_every_column_goes_into_the_cloud_and_back(case: Case, server: Server) -> None:
    case.start(*case.description.rows)
    for name, wanted in case.description.rows.items():
        row = case.agree(name)
        for column, value in wanted.items():
            if column not in PARTS and not isinstance(value, Sql):
                assert plain({column: row[column]}) == plain({column: value})
    # AWS makes a default group with each VPC; they are nobody's rows until a sync.
    for line in case.db.sql("SELECT action, table_name FROM iasql_sync()"):
        assert line["action"] == "create" and line["table_name"].startswith("security_group")
    with twin(server) as other:
        assert other.sql("SELECT * FROM iasql_plan()") == NOTHING
        for table in TABLES:
            ours = sorted((plain(row) for row in fetch(case.db, table)), key=str)
            theirs = sorted((plain(row) for row in fetch(other, table)), key=str)
            assert ours == theirs, table
        assert other.sql("SELECT * FROM iasql_unrepresented") == NOTHING
        assert other.sql("SELECT * FROM iasql_drift()") == NOTHING


@every(WRITTEN)
def test_what_is_made_is_made_in_one_apply(case: Case, emulator: Emulator) -> None:
    """Parents and children together, from nothing."""
    for parent in case.description.parents:
        case.db.sql(parent)
    for name, row in case.description.rows.items():
        case.insert(name, row)
    done = apply(case.db)
    made = [line["id"] for line in done if line["table_name"] == case.table]
    assert {shown(key) for key in case.keys.values()} <= set(made)
    assert {line["action"] for line in done} == {"create"}
    for name in case.description.rows:
        case.agree(name)
    assert [call for call in emulator.calls() if call["refused"]] == []


# Changes


def restore(case: Case, change: Change, before: Row) -> None:
    """Takes a change back."""
    row = before | case.description.rows[change.of]
    case.update(change.of, {name: row[name] for name in change.set})
    case.db.sql("SELECT * FROM iasql_apply()")


@every(WRITTEN)
def test_a_change_sends_what_differs_and_nothing_else(case: Case, emulator: Emulator) -> None:
    case.start(*case.description.rows)
    for change in case.description.changes:
        before = case.row(change.of)
        case.update(change.of, change.set)
        plan = case.db.sql("SELECT action, table_name, id FROM iasql_plan_apply() ORDER BY action")
        # A row whose primary key changes is another row.
        renamed = primary_key(case.table) in change.set
        actions = ["create", "delete"] if renamed else [change.action]
        assert plan == [case.line(action, change.of) for action in actions], sets(change)
        steps = case.db.sql("SELECT columns, reason FROM iasql_plan()")
        for step in steps if not renamed else NOTHING:
            # NULL for what AWS fills in asks for nothing.
            asked = {name for name, value in change.set.items() if value is not None}
            assert asked <= set(step["columns"]) <= set(change.set), sets(change)
        since = emulator.mark()
        apply(case.db, sets(change))
        assert sorted(changes(emulator, since)) == sorted(change.calls), sets(change)
        after = case.agree(change.of, sets(change))
        if change.action == "replace":
            old = case.seen(before)
            # What is called as before is something new.
            assert old is None or old == plain(after), sets(change)
        restore(case, change, before)
        again = plain(case.agree(change.of, sets(change)))
        assert {name: again[name] for name in change.set} == {
            name: plain(before)[name] for name in change.set
        }


@every(WRITTEN)
def test_the_same_values_again_are_no_change(case: Case, emulator: Emulator) -> None:
    case.start(*case.description.rows)
    since = emulator.mark()
    for name, row in case.description.rows.items():
        case.update(name, row)
    assert apply(case.db) == NOTHING
    assert changes(emulator, since) == []


@every(WRITTEN)
def test_nothing_that_has_no_column_is_dropped(case: Case) -> None:
    case.start(*case.description.rows)
    updates = [change for change in case.description.changes if change.action == "update"]
    names = {change.of for change in updates}
    for name in names:
        case.description.enrich(case.cloud, case.row(name))
    case.db.sql("SELECT * FROM iasql_sync()")
    before = {name: case.description.extras(case.cloud, case.row(name)) for name in names}
    for change in updates:
        was = case.row(change.of)
        case.update(change.of, change.set)
        case.db.sql("SELECT * FROM iasql_apply()")
        row = case.agree(change.of, sets(change))
        extras = case.description.extras(case.cloud, row)
        assert extras == before[change.of], sets(change)
        restore(case, change, was)


# What is as it was agreed on


@every(WRITTEN)
def test_what_is_as_it_was_agreed_on_is_not_taken_apart(case: Case, emulator: Emulator) -> None:
    def scans(statement: str) -> int:
        # Prints take one look at a table, rows another one.
        query = (
            "SELECT seq_scan + coalesce(idx_scan, 0) AS scans FROM pg_stat_all_tables "
            f"WHERE relid = '{case.table}'::regclass"
        )
        case.db.sql("SELECT pg_stat_force_next_flush()")
        before = case.db.sql(query)[0]["scans"]
        case.db.sql(statement)
        case.db.sql("SELECT pg_stat_force_next_flush()")
        return case.db.sql(query)[0]["scans"] - before

    plan = "SELECT * FROM iasql_plan_apply()"
    case.start(*case.description.rows)
    case.db.sql("SELECT * FROM iasql_sync()")
    unprinted = "SELECT table_name, row_key FROM iasql.base WHERE seen_print IS NULL"
    assert case.db.sql(unprinted) == []
    looks = scans(plan)
    assert scans("SELECT * FROM iasql_sync()") == looks
    # Without prints all of it has to be read, and a sync makes them anew.
    case.db.sql("UPDATE iasql.base SET seen_print = NULL")
    assert scans(plan) > looks
    case.db.sql("SELECT * FROM iasql_sync()")
    assert scans(plan) == looks
    for change in [change for change in case.description.changes if change.action == "update"][:1]:
        was = case.row(change.of)
        case.update(change.of, change.set)
        assert scans(plan) > looks
        restore(case, change, was)
        assert scans(plan) == looks


# Behind the database's back


@every(WRITTEN)
def test_drift_is_seen_and_put_right(case: Case, emulator: Emulator) -> None:
    case.start(*case.description.rows)
    # What AWS made along with the rows becomes rows, too: nothing of it is drift.
    case.db.sql("SELECT * FROM iasql_sync()")
    for change in case.description.changes:
        if not change.drift:
            continue
        row = case.row(change.of)
        change.drift(case.cloud, row)
        assert case.seen(row) != plain(row), sets(change)
        (drift,) = case.db.sql("SELECT change, table_name, id, columns FROM iasql_drift()")
        assert set(drift.pop("columns")) == set(change.set), sets(change)
        assert drift == case.drift("changed", change.of)
        plan = case.db.sql("SELECT action, reason FROM iasql_plan()")
        assert plan == [{"action": "update", "reason": "drift"}], sets(change)
        apply(case.db)
        case.agree(change.of, sets(change))
        assert plain(case.row(change.of)) == plain(row)


@every(WRITTEN)
def test_drift_is_taken_over_by_sync(case: Case, emulator: Emulator) -> None:
    case.start(*case.description.rows)
    case.db.sql("SELECT * FROM iasql_sync()")
    for change in case.description.changes:
        if not change.drift:
            continue
        row = case.row(change.of)
        change.drift(case.cloud, row)
        since = emulator.mark()
        done = case.db.sql("SELECT action, table_name, id FROM iasql_sync()")
        assert done == [case.line("update", change.of)]
        after = case.agree(change.of, sets(change))
        assert plain(after) != plain(row)
        assert case.db.sql("SELECT * FROM iasql_plan()") == NOTHING
        assert changes(emulator, since) == []
        case.update(change.of, {name: row[name] for name in change.set})
        apply(case.db)
        case.agree(change.of)


@every(WRITTEN)
def test_what_was_deleted_behind_our_back_is_made_again(case: Case) -> None:
    case.start(*case.description.rows)
    for name in case.description.rows:
        row = case.row(name)
        case.description.remove(case.cloud, row)
        assert case.seen(row) is None
        drift = case.db.sql("SELECT change, table_name, id FROM iasql_drift()")
        assert case.drift("deleted", name) in drift
        plan = case.db.sql("SELECT action, table_name, id FROM iasql_plan_apply()")
        assert case.line("create", name) in plan
        apply(case.db)
        case.agree(name)


@every(WRITTEN)
def test_what_was_deleted_behind_our_back_is_gone_after_sync(
    case: Case, emulator: Emulator
) -> None:
    case.start(*case.description.rows)
    for name, key in case.keys.items():
        case.description.remove(case.cloud, case.row(name))
        since = emulator.mark()
        done = case.db.sql("SELECT action, table_name FROM iasql_sync()")
        assert {"action": "delete", "table_name": case.table} in done
        assert fetch(case.db, case.table, key) == []
        assert case.db.sql("SELECT * FROM iasql_plan()") == NOTHING
        assert changes(emulator, since) == []


@every(WRITTEN)
def test_a_row_that_is_deleted_is_deleted(case: Case) -> None:
    case.start(*case.description.rows)
    rows = {name: case.row(name) for name in case.keys}
    for name, row in rows.items():
        case.delete(name)
        assert case.db.sql(PLAN) == [{"action": "delete", "table_name": case.table}]
        assert len(apply(case.db)) == 1
        assert case.seen(row) is None, name


@every(WRITTEN)
def test_deleting_what_is_gone_already_succeeds(case: Case, emulator: Emulator) -> None:
    case.start(*case.description.rows)
    names = iter(list(case.keys))
    # Gone before the apply looks.
    name = next(names)
    case.description.remove(case.cloud, case.row(name))
    case.delete(name)
    since = emulator.mark()
    assert apply(case.db) == NOTHING
    assert changes(emulator, since) == []
    # Gone after it has looked.
    name = next(names, None)
    if name is None:
        name = "again"
        case.insert(name, case.description.rows["full"])
        apply(case.db)
    row = case.row(name)
    case.delete(name)
    assert case.db.sql(PLAN) == [{"action": "delete", "table_name": case.table}]
    case.description.remove(case.cloud, row)
    emulator.faults(
        [{"operation": f"{verb}*", "stale_ms": 1} for verb in ("Describe", "List", "Get")]
    )
    since = emulator.mark()
    done = case.db.sql("SELECT action, table_name FROM iasql_apply()")
    assert done == [{"action": "delete", "table_name": case.table}]
    assert len(changes(emulator, since)) == 1
    emulator.faults([])
    assert case.db.sql("SELECT * FROM iasql_plan()") == NOTHING


# What exists already


@every(WRITTEN)
def test_a_row_for_what_exists_takes_it_over(
    case: Case, emulator: Emulator, server: Server
) -> None:
    case.parents()
    with twin(server) as db:
        other = Case(db, case.cloud, case.table)
        other.description = case.description
        for name, row in case.description.rows.items():
            case.insert(name, row)
        apply(case.db)
        since = emulator.mark()
        for name, row in case.description.rows.items():
            other.insert(name, row)
        plan = db.sql("SELECT action, table_name FROM iasql_plan_apply()")
        if not case.description.named:
            # Nothing tells it from another like it: AWS takes both.
            assert plan == [{"action": "create", "table_name": case.table}] * len(other.keys)
            return
        assert plan == NOTHING
        assert apply(db) == NOTHING
        assert changes(emulator, since) == []
        for name in case.description.rows:
            assert plain(other.agree(name)) == plain(case.row(name))


@every(WRITTEN)
def test_a_row_for_what_exists_brings_it_in_line(
    case: Case, emulator: Emulator, server: Server
) -> None:
    if not case.description.named:
        return
    case.parents()
    with twin(server) as db:
        other = Case(db, case.cloud, case.table)
        other.description = case.description
        for name, row in case.description.rows.items():
            case.insert(name, row)
        apply(case.db)
        change = [change for change in case.description.changes if change.action == "update"][-1]
        other.insert(change.of, case.description.rows[change.of] | change.set)
        since = emulator.mark()
        plan = db.sql("SELECT action, columns FROM iasql_plan()")
        assert plan == [{"action": "update", "columns": list(change.set)}]
        apply(db)
        assert sorted(changes(emulator, since)) == sorted(change.calls)
        other.agree(change.of)


# Many, and elsewhere


@every(WRITTEN)
def test_lists_come_whole_however_small_their_pages(
    case: Case, emulator: Emulator, server: Server
) -> None:
    case.parents()
    for number in range(10):
        case.insert(str(number), case.description.many(number))
    apply(case.db)
    emulator.settings({"page_size": 3})
    with twin(server) as other:
        ours = sorted((plain(row) for row in fetch(case.db, case.table)), key=str)
        theirs = sorted((plain(row) for row in fetch(other, case.table)), key=str)
        assert len(theirs) >= 10
        # A default group comes with each VPC, and is nobody's row until a sync.
        assert ours == [row for row in theirs if row in ours or row.get("group_name") != "default"]
        assert other.sql("SELECT * FROM iasql_plan()") == NOTHING
    # To remove them, too, every one has to be found.
    case.delete(*case.keys)
    assert len(apply(case.db)) == 10


@every(REGIONAL)
def test_the_same_can_be_in_two_regions(case: Case, emulator: Emulator, server: Server) -> None:
    case.db.sql("UPDATE aws_regions SET is_enabled = true WHERE region = %s", ELSEWHERE)
    # What AWS has put into that region, and rows may refer to.
    case.db.sql("SELECT * FROM iasql_sync()")
    case.start("full")
    there = Case(case.db, case.cloud, case.table, ELSEWHERE)
    there.start("full")
    here, elsewhere = case.agree("full"), there.agree("full")
    assert (here["region"], elsewhere["region"]) == (REGION, ELSEWHERE)
    case.delete("full")
    assert len(apply(case.db)) == 1
    assert case.seen(here) is None
    there.agree("full")
    # A region that is not read is out of the database, and left as it is.
    since = emulator.mark()
    case.db.sql("UPDATE aws_regions SET is_enabled = false WHERE region = %s", ELSEWHERE)
    assert fetch(case.db, case.table, elsewhere["id"]) == []
    assert apply(case.db) == NOTHING
    assert changes(emulator, since) == []
    assert there.seen(elsewhere) is not None


#: Those that refer to what stays where it is.
TIED = {
    "listener",
    "load_balancer",
    "repository_policy",
    "security_group",
    "security_group_rule",
    "service",
    "subnet",
    "target_group",
}


@every(sorted(set(REGIONAL) - TIED))
def test_a_row_moves_to_another_region(case: Case) -> None:
    case.start("bare")
    case.db.sql("UPDATE aws_regions SET is_enabled = true WHERE region = %s", ELSEWHERE)
    before = case.row("bare")
    case.db.sql(f"UPDATE {case.table} SET region = %s WHERE id = %s", ELSEWHERE, before["id"])
    (line,) = case.db.sql("SELECT action, id FROM iasql_plan_apply()")
    # A task definition begins there with a first revision, which people see as an update.
    action = "update" if case.table == "task_definition" else "replace"
    assert line == {"action": action, "id": before["id"]}
    apply(case.db)
    after = case.agree("bare")
    assert after["region"] == ELSEWHERE
    assert case.seen(before) is None


# What comes from the cloud alone


@pytest.fixture
def images(site: Database, cloud: Cloud) -> Case:
    case = Case(site, cloud, "repository_image")
    cloud.ecr.create_repository(repositoryName="web")
    for tag in "one", "two", None:
        push(cloud, REGION, "web", tag)
    push(cloud, REGION, "web", "uno", content="one")
    site.sql("SELECT * FROM iasql_sync()")
    for row in site.sql("SELECT id, coalesce(tag, 'none') AS tag FROM repository_image"):
        case.keys[row["tag"]] = row["id"]
    return case


def test_images_are_imported(images: Case, server: Server) -> None:
    assert sorted(images.keys) == ["none", "one", "two", "uno"]
    for name in images.keys:
        images.agree(name)
    with twin(server) as other:
        ours = sorted((plain(row) for row in fetch(images.db, "repository_image")), key=str)
        assert ours == sorted((plain(row) for row in fetch(other, "repository_image")), key=str)


def test_images_are_not_written(images: Case) -> None:
    for sql in (
        "INSERT INTO repository_image (repository_name, digest) VALUES ('web', 'sha256:1')",
        "UPDATE repository_image SET tag = 'three' WHERE tag = 'one'",
    ):
        assert images.db.error(sql).sqlstate == "0A000"


def test_images_are_deleted(images: Case, emulator: Emulator) -> None:
    rows = {name: images.row(name) for name in images.keys}
    since = emulator.mark()
    images.db.sql("DELETE FROM repository_image WHERE tag = 'one' OR tag IS NULL")
    assert len(apply(images.db)) == 2
    assert changes(emulator, since) == ["BatchDeleteImage"] * 2
    assert [images.seen(rows[name]) for name in ("one", "none")] == [None, None]
    images.agree("two")
    # An image stays as long as it has a tag.
    images.agree("uno")
    # One that went by itself can't be made again; its row goes with a sync.
    images.description.remove(images.cloud, rows["two"])
    assert apply(images.db) == NOTHING
    drift = images.db.sql("SELECT change, id FROM iasql_drift()")
    assert drift == [{"change": "deleted", "id": images.keys["two"]}]
    images.db.sql("SELECT * FROM iasql_sync()")
    assert [row["tag"] for row in fetch(images.db, "repository_image")] == ["uno"]


def test_images_go_before_their_repository(images: Case, emulator: Emulator) -> None:
    images.db.sql("DELETE FROM repository_image")
    images.db.sql("DELETE FROM repository")
    apply(images.db)
    assert images.cloud.ecr.describe_repositories()["repositories"] == []
    assert [call for call in emulator.calls() if call["refused"]] == []


def test_a_repository_with_images_is_not_deleted(images: Case) -> None:
    """Not even when the images came after the last look."""
    images.db.sql("DELETE FROM repository_image")
    apply(images.db)
    push(images.cloud, REGION, "web", "late")
    images.db.sql("DELETE FROM repository")
    error = images.db.error("SELECT * FROM iasql_apply()")
    assert error.message and "still holds images" in error.message
    assert len(images.cloud.ecr.list_images(repositoryName="web")["imageIds"]) == 1


def test_many_images_come_in_pages(site: Database, cloud: Cloud, emulator: Emulator) -> None:
    cloud.ecr.create_repository(repositoryName="web")
    for number in range(10):
        push(cloud, REGION, "web", f"tag-{number}")
    emulator.settings({"page_size": 3})
    site.sql("SELECT * FROM iasql_sync()")
    assert site.one("SELECT count(*) FROM repository_image") == 10


# What belongs together


def test_a_rename_takes_along_what_refers_by_name(
    site: Database, cloud: Cloud, emulator: Emulator
) -> None:
    case = Case(site, cloud, "repository_policy")
    case.start("full")
    site.sql("UPDATE repository SET repository_name = 'renamed' WHERE repository_name = 'web'")
    plan = site.sql("SELECT action, table_name FROM iasql_plan_apply() ORDER BY table_name")
    assert plan == [
        {"action": "replace", "table_name": "repository"},
        {"action": "replace", "table_name": "repository_policy"},
    ]
    apply(site)
    assert case.agree("full")["repository_name"] == "renamed"
    assert "web" not in {
        it["repositoryName"] for it in cloud.ecr.describe_repositories()["repositories"]
    }


def test_a_new_range_takes_along_what_is_in_the_vpc(
    site: Database, cloud: Cloud, emulator: Emulator
) -> None:
    site.sql("INSERT INTO vpc (cidr_block) VALUES ('10.1.0.0/16')")
    site.sql(
        "INSERT INTO subnet (vpc_id, cidr_block) "
        "SELECT id, '10.1.1.0/24' FROM vpc WHERE NOT is_default"
    )
    site.sql(
        "INSERT INTO security_group (vpc_id, group_name) "
        "SELECT id, 'web' FROM vpc WHERE NOT is_default"
    )
    site.sql(
        """INSERT INTO security_group_rule (security_group_id, is_egress, ip_protocol, cidr_ipv4)
        SELECT id, true, '-1', '0.0.0.0/0' FROM security_group WHERE group_name = 'web'"""
    )
    apply(site)
    ids = site.sql(
        "SELECT v.id, s.id AS subnet, g.id AS web FROM vpc v, subnet s, security_group g "
        "WHERE s.vpc_id = v.id AND g.vpc_id = v.id AND g.group_name = 'web'"
    )
    site.sql("UPDATE vpc SET cidr_block = '10.1.0.0/17' WHERE NOT is_default")
    plan = site.sql("SELECT action, table_name FROM iasql_plan_apply()")
    assert {line["action"] for line in plan} == {"replace"}
    assert {line["table_name"] for line in plan} >= {"vpc", "subnet", "security_group"}
    apply(site)
    again = site.sql(
        "SELECT v.id, s.id AS subnet, g.id AS web FROM vpc v, subnet s, security_group g "
        "WHERE s.vpc_id = v.id AND g.vpc_id = v.id AND g.group_name = 'web'"
    )
    assert again == ids
    ours = [vpc for vpc in cloud.ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]]
    assert [vpc["CidrBlock"] for vpc in ours] == ["10.1.0.0/17"]
    inside = [{"Name": "vpc-id", "Values": [ours[0]["VpcId"]]}]
    assert len(cloud.ec2.describe_subnets(Filters=inside)["Subnets"]) == 1
    groups = cloud.ec2.describe_security_groups(Filters=inside)["SecurityGroups"]
    assert sorted(group["GroupName"] for group in groups) == ["default", "web"]
    assert [call for call in emulator.calls() if call["refused"]] == []


def test_groups_that_name_each_other_come_and_go(
    site: Database, cloud: Cloud, emulator: Emulator
) -> None:
    case = Case(site, cloud, "security_group_rule")
    for parent in case.description.parents:
        site.sql(parent)
    for name in "group", "group back", "itself":
        case.insert(name, case.description.rows[name])
    apply(site)
    for name in case.keys:
        case.agree(name)
    site.sql(
        "DELETE FROM security_group_rule WHERE source_security_group IS NOT NULL AND "
        "security_group_id IN (SELECT id FROM security_group WHERE group_name <> 'default')"
    )
    site.sql("DELETE FROM security_group WHERE group_name <> 'default'")
    apply(site)
    names = {it["GroupName"] for it in cloud.ec2.describe_security_groups()["SecurityGroups"]}
    assert names == {"default"}
    assert [call for call in emulator.calls() if call["refused"]] == []


def test_a_new_group_has_the_rules_of_its_rows_and_no_other(site: Database, cloud: Cloud) -> None:
    """AWS gives every new group a rule that lets all traffic out."""
    site.sql("INSERT INTO security_group (group_name) VALUES ('closed'), ('open')")
    site.sql(
        """INSERT INTO security_group_rule (security_group_id, is_egress, ip_protocol, cidr_ipv4)
        SELECT id, true, '-1', '0.0.0.0/0' FROM security_group WHERE group_name = 'open'"""
    )
    apply(site)
    for name, count in ("closed", 0), ("open", 1):
        (group,) = cloud.ec2.describe_security_groups(
            Filters=[{"Name": "group-name", "Values": [name]}]
        )["SecurityGroups"]
        assert len(group["IpPermissionsEgress"]) == count
    assert (
        site.one("SELECT count(*) FROM security_group_rule WHERE security_group_rule_id IS NULL")
        == 0
    )


#: What takes two subnets in each VPC, and is left to its own tests.
BALANCED = (
    "load_balancer",
    "load_balancer_security_groups",
    "listener",
    "service",
    "service_security_groups",
)


def test_an_account_of_a_hundred_of_each_is_imported(
    empty_db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    ec2, iam, ecs, elb = (cloud.client(name) for name in ("ec2", "iam", "ecs", "elbv2"))
    trust = json.dumps(aws_iam.trust("ec2.amazonaws.com"))
    for number in range(100):
        name = f"many-{number}"
        cloud.logs.create_log_group(logGroupName=name)
        cloud.ecr.create_repository(repositoryName=name)
        cloud.ecr_public.create_repository(repositoryName=name)
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
        push(cloud, REGION, name, "latest")
        cloud.ecr.set_repository_policy(
            repositoryName=name,
            policyText='{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",'
            ' "Principal": "*", "Action": "ecr:BatchGetImage"}]}',
        )
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")
        ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)
        elb.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")
        ecs.create_cluster(clusterName=name)
        ecs.register_task_definition(
            family=name,
            cpu="256",
            memory="512",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            containerDefinitions=[{"name": "app", "image": "nginx", "essential": True}],
        )
    empty_db.sql("CREATE EXTENSION iasql")
    lines = empty_db.sql(
        "SELECT * FROM iasql_install(VARIADIC ARRAY(SELECT module_name FROM iasql_modules_list()))"
    )
    counts = {line["created_table_name"]: line["record_count"] for line in lines}
    # And what the account had before: a default VPC with its subnets, a default group in each VPC.
    zones = len(ec2.describe_availability_zones()["AvailabilityZones"])
    assert counts == {
        "log_group": 100,
        "repository": 100,
        "public_repository": 100,
        "repository_image": 100,
        "repository_policy": 100,
        "role": 100,
        "vpc": 101,
        "subnet": 100 + zones,
        "security_group": 201,
        "security_group_rule": 201,
        "target_group": 100,
        "cluster": 100,
        "task_definition": 100,
        "container_definition": 100,
    } | dict.fromkeys(BALANCED, 0)
    assert empty_db.sql("SELECT * FROM iasql_plan()") == NOTHING
    assert empty_db.sql("SELECT * FROM iasql_drift()") == NOTHING
    assert changes(emulator) == []
