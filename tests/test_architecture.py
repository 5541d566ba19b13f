"""The walls between the rings, as stated at the top of src/lib.rs. Needs no server."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOT_PRODUCT = {"tests", "target"}


def dependencies(manifest: str) -> set[str]:
    """The crates that may be linked in; what only the crate's own tests use is no concern."""
    tables = tomllib.loads((ROOT / manifest).read_text())
    targets = [tables, *tables.get("target", {}).values()]
    kinds = ("dependencies", "build-dependencies")
    return {name for target in targets for kind in kinds for name in target.get(kind, {})}


def code(folder: str) -> dict[str, str]:
    """The Rust files of a ring, comments and tests at a file's end left out."""
    return {
        str(path.relative_to(ROOT)): without_tests(path.read_text())
        for path in sorted((ROOT / folder).rglob("*.rs"))
        if path.name != "tests.rs" and NOT_PRODUCT.isdisjoint(path.relative_to(ROOT).parts)
    }


def without_tests(text: str) -> str:
    text = text.partition("#[cfg(test)]")[0]
    return re.sub(r"^\s*//.*$|\s//\s.*$", "", text, flags=re.MULTILINE)


def files_with(pattern: str, folders: Iterable[str]) -> list[str]:
    """`file: match` for each file that has the pattern."""
    found = [
        (file, re.search(pattern, text))
        for folder in folders
        for file, text in code(folder).items()
    ]
    return [f"{file}: {match[0]}" for file, match in found if match]


def only_in(allowed: str, pattern: str, folders: Iterable[str]) -> list[str]:
    return [hit for hit in files_with(pattern, folders) if not hit.startswith(f"{allowed}: ")]


RINGS = ("src", "modules", "engine")


@pytest.mark.parametrize("manifest", ["engine/Cargo.toml", "modules/Cargo.toml"])
def test_only_the_extension_depends_on_postgres(manifest: str) -> None:
    assert [name for name in dependencies(manifest) if name.startswith("pgrx")] == []


def test_the_engine_knows_neither_aws_nor_any_runtime() -> None:
    outside = ("aws", "tokio", "futures", "reqwest", "hyper")
    assert [name for name in dependencies("engine/Cargo.toml") if name.startswith(outside)] == []


def test_the_engine_does_no_io() -> None:
    pattern = r"\basync\b|std::(fs|process|thread|env|net::(Tcp|Udp|ToSocket))"
    assert files_with(pattern, ["engine/src"]) == []


def test_nothing_depends_on_the_ring_around_it() -> None:
    assert dependencies("engine/Cargo.toml").isdisjoint({"iasql", "iasql-modules"})
    assert "iasql" not in dependencies("modules/Cargo.toml")


def test_the_extension_names_no_aws_service() -> None:
    """The core module, `aws_account`, is named by the schema itself: regions are everywhere."""
    assert [name for name in dependencies("Cargo.toml") if name.startswith("aws")] == []
    assert files_with(r"\baws_(?!account\b|regions\b|region\b)[a-z]+", ["src"]) == []


def test_one_file_runs_sql() -> None:
    assert only_in("src/spi.rs", r"\bSpi(Client)?::|\bSPI_\w+\(", RINGS) == []


def test_one_file_makes_runtimes_and_threads_and_touches_signals() -> None:
    pattern = (
        r"runtime::Builder|Builder::new_(current|multi)_thread|thread::spawn|thread::\{?Builder"
        r"|\bpqsignal|\bsigprocmask|\bpthread_sigmask"
    )
    assert only_in("src/runtime.rs", pattern, RINGS) == []


def test_one_file_writes_create_table() -> None:
    assert only_in("engine/src/ddl.rs", r"(?i)\bcreate table\b", RINGS) == []
