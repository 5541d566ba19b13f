"""The pages in docs/ say what is so: their snippets are those of tested files, and their transcripts
what psql says. With UPDATE_EXPECT=1 a page is brought up to date instead."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import docs
import pytest
import tutorial
from conftest import Cloud, Database

UPDATE = bool(os.environ.get("UPDATE_EXPECT"))


@pytest.mark.parametrize("page", docs.pages(), ids=lambda page: str(page.relative_to(docs.ROOT)))
def test_snippets_are_those_of_tested_files(page: Path) -> None:
    text = page.read_text()
    if UPDATE:
        page.write_text(docs.included(text))
    else:
        assert text == docs.included(text)


def psql(db: Database, statements: str) -> str:
    """What psql says at a terminal of unlimited width."""
    # Notices and results in the order they come in.
    run = ["stdbuf", "-o0", "psql", "-Xq", "-P", "pager=off", db.server.url(db.name)]
    done = subprocess.run(
        run, input=statements, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
    )
    # How far a call has come depends on the moment.
    return re.sub(r"^NOTICE:  \d+ of \d+.*\n", "", done.stdout, flags=re.MULTILINE)


@pytest.mark.timeout(300)
def test_the_tutorial_is_true(empty_db: Database, cloud: Cloud) -> None:
    """Every transcript is what psql says, and after each the cloud holds what the page promises."""
    page = docs.ROOT / "docs" / "tutorial.md"
    text = page.read_text()
    for found in docs.TRANSCRIPT.finditer(text):
        check, statements, expected = found.groups()
        said = psql(empty_db, statements)
        if UPDATE and expected is not None:
            block = found[0].replace(f"```text\n{expected}```", f"```text\n{said}```")
            text = text.replace(found[0], block, 1)
        elif expected is not None:
            assert docs.steady(said) == docs.steady(expected), statements
        else:
            assert said == "", statements
        if check:
            getattr(tutorial, check)(empty_db, cloud)
    if UPDATE:
        page.write_text(text)
