"""A private PostgreSQL and an emulated AWS, on loopback, for the demo, the tests and `make up`.

    python tests/testbed.py up | down | psql [ARGS] | env | demo

The emulated AWS is moto behind `iasql-front`, the strict proxy in tests/front. Everything lives in
one directory (IASQL_RUN, else /tmp/iasql-<uid>-<checkout>), which holds the cluster, the logs and
`state.json`: ports, and pids each with its start time, so that a number that was given to another
process meanwhile is never signalled. Only the standard library is needed here; moto needs the
virtual environment that the Makefile makes.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
DATABASE = "iasql"
REGION = "us-east-1"
#: What the emulator takes for credentials: anything does.
TEST_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
#: With one of these set, `up` starts no emulator: the server gets the environment as it is.
OWN_CLOUD = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE")


#: Loopback is never reached through a proxy, whatever the environment says.
HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class TestbedError(Exception):
    """Something the person at the keyboard can put right; shown without a traceback."""


def run_directory() -> Path:
    """Below /tmp and not the home directory: the server's user must be able to reach it."""
    if named := os.environ.get("IASQL_RUN"):
        return Path(named).resolve()
    checkout = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8]
    return Path(f"/tmp/iasql-{os.getuid()}-{checkout}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(what: str, ready: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TestbedError(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.02)


# Processes


def started_at(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


def alive(process: Mapping[str, int] | None) -> bool:
    return process is not None and started_at(process["pid"]) == process["started"]


def end(process: Mapping[str, int]) -> None:
    """Ends a process of ours, even if it is stopped; SIGKILL if it does not go by itself."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not alive(process):
            break
        with contextlib.suppress(ProcessLookupError):
            os.kill(process["pid"], number)
            os.kill(process["pid"], signal.SIGCONT)
        with contextlib.suppress(TestbedError):
            wait_until("the end", lambda: not alive(process), seconds=5)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process["pid"], os.WNOHANG)


class State:
    """The run directory, and `state.json` in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "state.json"

    def create(self) -> None:
        self.directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        if self.directory.stat().st_uid != os.getuid():
            raise TestbedError(f"{self.directory} belongs to another user; set IASQL_RUN")

    def read(self) -> dict[str, Any]:
        return json.loads(self.file.read_text()) if self.file.exists() else {}

    def put(self, **values: Any) -> None:
        draft = self.file.with_suffix(".new")
        draft.write_text(json.dumps(self.read() | values, indent=2))
        draft.replace(self.file)

    def spawn(self, name: str, command: list[str], port: int, **env: str) -> None:
        """Starts a process in a group of its own, with its output in `<name>.log`."""
        with (self.directory / f"{name}.log").open("w") as log:
            child = subprocess.Popen(
                command,
                env=os.environ | env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = {"pid": child.pid, "started": started_at(child.pid), "port": port}
        self.put(**{name: process})

    def remove(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)


# The emulated AWS


class Emulator:
    """moto, and the front before it."""

    def __init__(self, state: State) -> None:
        self.state = state

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.state.read()['front']['port']}"

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs. boto3 reads AWS_DEFAULT_REGION, every other SDK AWS_REGION."""
        return TEST_CREDENTIALS | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def launch(self) -> None:
        """Starts both; `wait` waits for them, and there is a cluster to make meanwhile."""
        front = front_binary()
        moto_port, front_port = free_port(), free_port()
        server = Path(__file__).with_name("moto_server.py")
        moto = [sys.executable, str(server), "-H", "127.0.0.1", "-p", str(moto_port)]
        self.state.spawn("moto", moto, moto_port, MOTO_IAM_LOAD_MANAGED_POLICIES="true")
        upstream = f"http://127.0.0.1:{moto_port}"
        listen = f"127.0.0.1:{front_port}"
        self.state.spawn("front", [front, "--listen", listen, "--upstream", upstream], front_port)

    def wait(self) -> None:
        moto = f"http://127.0.0.1:{self.state.read()['moto']['port']}/moto-api/"
        for name, url in ("moto", moto), ("front", f"{self.endpoint}/_front/health"):
            wait_until(f"an answer of {name}", functools.partial(self._answers, name, url))

    def _answers(self, name: str, url: str) -> bool:
        if not self.alive(name):
            log = (self.state.directory / f"{name}.log").read_text()
            raise TestbedError(f"{name} ended: {log}")
        with contextlib.suppress(OSError), HTTP.open(url, timeout=5):
            return True
        return False

    def alive(self, name: str) -> bool:
        return alive(self.state.read().get(name))

    def stop(self) -> None:
        for name in "front", "moto":
            if process := self.state.read().get(name):
                end(process)

    def reset(self) -> None:
        """An account as new: no resources, no recorded calls, no faults, no settings."""
        for name in "moto", "front":
            self.signal(name, signal.SIGCONT)
        self.front("POST", "reset?moto=1")

    def mark(self) -> int:
        """The end of the record of calls, to read on from later."""
        last: int = self.front("GET", "calls")["last"]
        return last

    def calls(self, since: int = 0, **only: str) -> list[dict[str, Any]]:
        """The calls that came, an observer's own left out. `only` selects: a `service`, an
        `operation`, `mutating="1"`."""
        query = urllib.parse.urlencode({"since": since} | only)
        found: list[dict[str, Any]] = self.front("GET", f"calls?{query}")["calls"]
        return found

    def faults(self, rules: list[dict[str, Any]]) -> None:
        """Adds faults (tests/front/src/fault.rs); an empty list removes them all."""
        if rules:
            self.front("POST", "faults", rules)
        else:
            self.front("DELETE", "faults")

    def settings(self, values: dict[str, Any]) -> None:
        """`page_size`, `latency_ms`, `pending_ms` (tests/front/src/front.rs)."""
        self.front("POST", "settings", values)

    def signal(self, name: str, number: int) -> None:
        process = self.state.read()[name]
        if alive(process):
            os.kill(process["pid"], number)

    @contextlib.contextmanager
    def frozen(self, name: str = "moto") -> Iterator[None]:
        """Inside, `moto` or `front` takes connections and answers nothing: an AWS that hangs."""
        self.signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(name, signal.SIGCONT)

    def front(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the front's own API."""
        request = urllib.request.Request(
            f"{self.endpoint}/_front/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        try:
            with HTTP.open(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as refused:
            raise TestbedError(f"front: {method} {path}: {refused.read().decode()}") from refused
        return json.loads(text)


def front_binary() -> str:
    built = Path.home() / ".cache/iasql/front-target/release/iasql-front"
    binary = Path(os.environ.get("IASQL_FRONT", built))
    if not binary.exists():
        raise TestbedError(f"{binary} is not there; `make build` builds it")
    return str(binary)


# PostgreSQL


def pg_config(name: str) -> Path:
    """A directory of the PostgreSQL in use: PG_CONFIG's, the one on the PATH, or Debian's."""
    program = os.environ.get("PG_CONFIG") or shutil.which("pg_config")
    command = [program or "/usr/lib/postgresql/15/bin/pg_config", f"--{name}"]
    return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


class Server:
    """A PostgreSQL cluster of its own, for superuser `postgres`, who needs no password."""

    def __init__(self, state: State, environment: Mapping[str, str]) -> None:
        self.state = state
        #: The server's environment, and so its AWS settings; a change takes effect at a restart.
        self.environment = dict(environment)
        self.home = state.directory / "server"
        self.data = self.home / "data"
        self.log_file = self.home / "log"

    @property
    def port(self) -> int:
        port: int = self.state.read()["server_port"]
        return port

    @property
    def pid(self) -> int | None:
        """The postmaster, unless the file that names it was left by one that is gone."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n")[0])
            ours = str(self.data).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except FileNotFoundError:
            return None
        return pid if ours else None

    @property
    def alive(self) -> bool:
        return self.pid is not None

    def url(self, dbname: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{dbname}"

    def create(self) -> None:
        self.home.mkdir(mode=0o755)
        if os.geteuid() == 0:
            os.chown(self.home, *pwd.getpwnam("postgres")[2:4])
        self._run(
            "initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8"
        )

    def start(self) -> None:
        if "server_port" not in self.state.read():
            self.state.put(server_port=free_port())
        if not self.alive:
            # Left by a server that was killed; the number in it may be a zombie's, or another's.
            for lock in self.data / "postmaster.pid", self.home / f".s.PGSQL.{self.port}.lock":
                lock.unlink(missing_ok=True)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.home,
            "max_worker_processes": 32,
            "log_min_messages": "info",
            # Quoted for the shell that pg_ctl starts the server with.
            "log_line_prefix": "'%m [%p] %b %d '",
        }
        if path := os.environ.get("IASQL_LIBRARY_PATH"):
            # A build that is not installed: iasql.so is looked for here first. What the server's user
            # may not read would be passed over without a word.
            parents = Path(path).resolve().parents if os.geteuid() == 0 else []
            if any(parent.stat().st_mode & 0o001 == 0 for parent in parents):
                raise TestbedError(f"the server may not read what is in {path}")
            settings["dynamic_library_path"] = f"'{path}:$libdir'"
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self._run("pg_ctl", "--wait", f"--log={self.log_file}", f"--options={options}", "start")

    def stop(self, mode: str = "fast") -> None:
        if self.alive:
            self._run("pg_ctl", "--wait", f"--mode={mode}", "stop")

    def restart(self, mode: str = "fast") -> None:
        self.stop(mode)
        self.start()

    def mark(self) -> int:
        """The end of the log, to read on from later."""
        return self.log_file.stat().st_size

    def log(self, since: int = 0) -> str:
        return self.log_file.read_bytes()[since:].decode(errors="replace")

    def workers(self) -> list[int]:
        """The pids of the extension's background workers, in any database."""
        query = "SELECT pid FROM pg_stat_activity WHERE backend_type ILIKE 'iasql%' ORDER BY pid"
        return [int(pid) for pid in self.query(query).split()]

    def query(self, sql: str, dbname: str = "postgres") -> str:
        psql = [str(pg_config("bindir") / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]
        done = subprocess.run([*psql, self.url(dbname)], capture_output=True, text=True)
        if done.returncode:
            raise TestbedError(done.stderr.strip())
        return done.stdout

    def _run(self, program: str, *arguments: str) -> None:
        """A server program, as the user who owns the cluster: they refuse to work for root."""
        command = [str(pg_config("bindir") / program), f"--pgdata={self.data}", *arguments]
        owner: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []}
        # To a file, since the server inherits it: a pipe would stay open for as long as it runs.
        output = self.state.directory / f"{program}.log"
        with output.open("w") as log:
            done = subprocess.run(
                command,
                env=self.environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                **(owner if os.geteuid() == 0 else {}),
            )
        if done.returncode:
            log_end = self.log()[-2000:] if self.log_file.exists() else ""
            raise TestbedError(f"{shlex.join(command)}\n{output.read_text()}{log_end}")


def server_environment(aws: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the developer's own environment, so that it behaves alike everywhere. The home
    directory has no ~/.aws in it."""
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/nonexistent", **aws}


def own_cloud_environment() -> dict[str, str]:
    """The user's environment as it is: proxies, certificates and AWS_* settings count."""
    environment = {"AWS_REGION": REGION} | os.environ
    if not any(name in os.environ for name in OWN_CLOUD[1:]):
        # An endpoint alone is an emulator, and takes anything.
        environment |= TEST_CREDENTIALS
    if os.geteuid() == 0:
        # Root's home directory, and a profile in it, is closed to the server's user.
        environment["HOME"] = pwd.getpwnam("postgres").pw_dir
    return environment


# Both together


class Testbed:
    """A server and, unless it is to use the user's own cloud, an emulator."""

    #: Not one of pytest's, whatever its name begins with.
    __test__ = False

    def __init__(self, directory: Path) -> None:
        self.state = State(directory)
        self.emulator = Emulator(self.state)
        self.server = Server(self.state, server_environment({}))

    @classmethod
    def temporary(cls) -> Testbed:
        """One for this process alone; those of processes that died untidily are removed."""
        base = run_directory()
        for old in base.parent.glob(f"{base.name}-*"):
            owner = old.name.removeprefix(f"{base.name}-")
            if owner.isdigit() and started_at(int(owner)) is None:
                Testbed(old).stop(keep=False)
        return cls(base.with_name(f"{base.name}-{os.getpid()}"))

    def start(self, emulate: bool = True) -> None:
        check_installed()
        self.state.create()
        try:
            if emulate:
                self.emulator.launch()
                self.server.environment = server_environment(self.emulator.environment)
            else:
                self.server.environment = own_cloud_environment()
            if not self.server.data.exists():
                self.server.create()
            self.server.start()
            if emulate:
                self.emulator.wait()
        except BaseException:
            self.stop(keep=not emulate)
            raise

    def stop(self, keep: bool) -> None:
        """An emulated account ends with its emulator, so its database is not to be kept."""
        self.server.stop("immediate" if not keep else "fast")
        self.emulator.stop()
        if not keep:
            self.state.remove()


def check_installed() -> None:
    control = pg_config("sharedir") / "extension/iasql.control"
    library = pg_config("pkglibdir") / "iasql.so"
    for file in control, library:
        if not file.exists():
            raise TestbedError(f"the extension is not installed: no {file}; run `make install`")


# Commands


def up() -> None:
    testbed = Testbed(run_directory())
    own = next((name for name in OWN_CLOUD if os.environ.get(name)), None)
    was = testbed.state.read().get("own_cloud")
    if not testbed.server.alive:
        # What an interrupted start or a restart of the machine left behind. A database is kept for
        # the user's own cloud alone: rows of an emulated account must not meet a real one.
        testbed.stop(keep=was is not None and own is not None)
        testbed.start(emulate=own is None)
        testbed.state.put(own_cloud=own)
        if not testbed.server.query(f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"):
            testbed.server.query(f"CREATE DATABASE {DATABASE}")
    elif own != was:
        raise TestbedError("a server with another cloud runs; `make down` stops it")
    exports = {"DATABASE_URL": testbed.server.url(DATABASE)}
    if own is None:
        exports |= testbed.emulator.environment
        cloud = f"emulated, {testbed.emulator.endpoint}"
    else:
        # All but the credentials, which are never written to a file.
        shown = "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_PROFILE"
        exports |= {name: os.environ[name] for name in shown if os.environ.get(name)}
        cloud = f"{os.environ.get('AWS_ENDPOINT_URL', 'AWS itself')}, since {own} is set"
    file = testbed.state.directory / "env.sh"
    file.write_text("".join(f"export {k}={shlex.quote(v)}\n" for k, v in exports.items()))
    print(f"database  {exports['DATABASE_URL']}\ncloud     {cloud}\nexports   {file}")


def down() -> None:
    testbed = Testbed(run_directory())
    if not testbed.state.directory.exists():
        print("nothing runs")
        return
    own_cloud = testbed.state.read().get("own_cloud") is not None
    testbed.stop(keep=own_cloud)
    kept = f"the database is kept in {testbed.state.directory}"
    print("stopped; " + (kept if own_cloud else "the emulated account and its database are gone"))


def running() -> Testbed:
    testbed = Testbed(run_directory())
    if not testbed.server.alive:
        raise TestbedError("nothing runs; `make up` starts a server")
    return testbed


def psql(*arguments: str) -> None:
    program = str(pg_config("bindir") / "psql")
    os.execv(program, [program, running().server.url(DATABASE), *arguments])


def env() -> None:
    print((running().state.directory / "env.sh").read_text(), end="")


def demo() -> None:
    """Runs demo.sql as a user would type it, and stops at the first statement that fails."""
    testbed = Testbed.temporary()
    testbed.start()
    try:
        testbed.server.query("CREATE DATABASE demo")
        command = [str(pg_config("bindir") / "psql"), "-X", "-a", "-v", "ON_ERROR_STOP=1"]
        command += ["-P", "pager=off", "-f", str(CHECKOUT / "tests/demo.sql")]
        # First on the PATH, for the script's own calls of AWS: the Python that has boto3.
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = os.environ | testbed.emulator.environment | {"PATH": path}
        sys.stdout.flush()
        done = subprocess.run([*command, testbed.server.url("demo")], env=environment)
    finally:
        testbed.stop(keep=False)
    if done.returncode:
        raise TestbedError("the demo failed")


def terminated(*_: object) -> None:
    """Cleans up as on Ctrl-C. Once: `timeout`, for one, sends its signal twice."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit("terminated")


def main() -> None:
    commands: dict[str, Callable[..., None]] = {
        "up": up,
        "down": down,
        "psql": psql,
        "env": env,
        "demo": demo,
    }
    name, *arguments = sys.argv[1:] or ["help"]
    if name not in commands or (arguments and name != "psql"):
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, terminated)
    try:
        commands[name](*arguments)
    except TestbedError as error:
        sys.exit(f"testbed: {error}")


if __name__ == "__main__":
    main()
