"""Real Airflow for tests: an environment of its own, its database, and its processes started and stopped.

    env = environment(home, workspace, port=18410)
    migrate(env)
    with airflow(env) as server:                     # api-server, scheduler, dag-processor, triggerer
        server.post("/api/v2/dags/east_monthly/dagRuns", {"logical_date": None}, user="maker")

`environment` makes the settings only, so a test that needs Airflow in its own process calls `adopt(env)` before it imports `airflow`.
"""

from __future__ import annotations

import atexit
import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

REPOSITORY = Path(__file__).parents[2]
DAGS = REPOSITORY / "dags"
ALL = ("api-server", "scheduler", "dag-processor", "triggerer")
# Of the SimpleAuthManager; `maker` and `checker` are different persons with the same rights.
USERS = {"admin": "admin", "maker": "user", "checker": "user", "viewer": "viewer"}
PASSWORDS = {name: f"{name}-of-the-tests" for name in USERS}
START_SECONDS, STOP_SECONDS = 180, 20


def environment(home: Path, workspace: Path, *, port: int | None = None, dags: Path = DAGS, plugins: Path | None = None,
                users: dict[str, str] | None = None, **more: str) -> dict[str, str]:
    """The whole environment of an Airflow that lives in `home` alone: nothing of the caller's own Airflow gets in.

    `port`: of the api-server; any free one by default. `plugins`: the folder of plugins, default `plugins` in `dags`. `more`: settings on
    top, such as AIRFLOW__SCHEDULER__CATCHUP_BY_DEFAULT="False". Writes the passwords of `users` (name -> role) below `home`.
    """
    home = Path(home).absolute()
    home.mkdir(parents=True, exist_ok=True)
    passwords = home / "passwords.json"
    users = USERS if users is None else users
    passwords.write_text(json.dumps({name: PASSWORDS.get(name, f"{name}-of-the-tests") for name in users}) + "\n", encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "EASTBOUND_", "_AIRFLOW"))}
    path = [str(REPOSITORY), *(kept.get("PYTHONPATH") or "").split(os.pathsep)]
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins or dags / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in users.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(b"of the tests, and of no one else"[:32]).decode(),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": "a key of the tests",
        "AIRFLOW__API_AUTH__JWT_SECRET": "a secret of the tests that is long enough for a signature of sixty-four bytes",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        # A finished task is noticed at its worker's next heartbeat: of the usual five seconds every other task would waste some.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "True",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "EASTBOUND_WORKSPACE": str(Path(workspace).absolute()),
        "PYTHONPATH": os.pathsep.join(part for part in path if part),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), kept.get("PATH", ""))),
        "NO_COLOR": "1",
    }
    return kept | settings | addresses(port or free_port()) | more


def addresses(port: int) -> dict[str, str]:
    """The settings that name the port: all of them, since workers report to the api-server too."""
    url = f"http://127.0.0.1:{port}"
    return {"AIRFLOW__API__PORT": str(port), "AIRFLOW__API__BASE_URL": url, "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def adopt(env: dict[str, str]) -> None:
    """Make `env` this process's: before `airflow` is imported for the first time, which reads it once."""
    assert "airflow.configuration" not in sys.modules, "airflow is imported already: its settings cannot be changed any more"
    os.environ.update(env)
    for part in (str(REPOSITORY), env["AIRFLOW__CORE__DAGS_FOLDER"], env["AIRFLOW__CORE__PLUGINS_FOLDER"]):
        if part not in sys.path:
            sys.path.append(part)


def in_process() -> None:
    """Airflow in the test's own process, for what needs no database: settings of its own below a temporary folder, unless they are made already."""
    if "airflow.configuration" not in sys.modules:
        home = Path(tempfile.mkdtemp(prefix="eastbound-airflow-"))
        atexit.register(shutil.rmtree, home, ignore_errors=True)
        adopt(environment(home, home / "workspace"))
        del os.environ["EASTBOUND_WORKSPACE"]
    for part in (str(DAGS), str(DAGS / "plugins")):
        if part not in sys.path:
            sys.path.append(part)


def command(env: dict[str, str], *arguments: str, timeout: float = 240, check: bool = True) -> subprocess.CompletedProcess[str]:
    """`airflow ARGUMENTS`, to its end; output and errors as text."""
    done = subprocess.run([sys.executable, "-m", "airflow", *arguments], env=env, cwd=env["AIRFLOW_HOME"], text=True, capture_output=True, timeout=timeout,
                          stdin=subprocess.DEVNULL)
    assert not check or done.returncode == 0, f"airflow {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done


def migrate(env: dict[str, str]) -> None:
    """Make the metadata database, about seven seconds."""
    command(env, "db", "migrate")


@dataclass
class Airflow:
    """A running Airflow. `url` without a slash at the end; `processes`: name -> process; `logs`: name -> file of its output."""

    url: str
    env: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    logs: dict[str, Path] = field(default_factory=dict)
    _tokens: dict[str, str] = field(default_factory=dict)

    def token(self, user: str = "admin") -> str:
        """A user's token for the REST API: `Authorization: Bearer TOKEN`, or the cookie `_token`."""
        if user not in self._tokens:
            answer = httpx.post(f"{self.url}/auth/token", json={"username": user, "password": PASSWORDS.get(user, f"{user}-of-the-tests")}, timeout=60)
            answer.raise_for_status()
            self._tokens[user] = answer.json()["access_token"]
        return self._tokens[user]

    def call(self, method: str, path: str, *, user: str = "admin", **more: Any) -> httpx.Response:
        """Any call of the REST API as `user`; the answer whatever its status is."""
        headers = {"Authorization": f"Bearer {self.token(user)}", **more.pop("headers", {})}
        return httpx.request(method, self.url + path, headers=headers, timeout=60, **more)

    def get(self, path: str, *, user: str = "admin", **more: Any) -> Any:
        """A reading call; asked again for a while where SQLite, which has one writer at a time, made the server stumble."""
        end = time.monotonic() + 20
        while True:
            answer = self.call("GET", path, user=user, **more)
            if answer.status_code != 500 or time.monotonic() > end:
                return self._json(answer)
            time.sleep(0.5)

    def post(self, path: str, body: Any, *, user: str = "admin") -> Any:
        return self._json(self.call("POST", path, user=user, json=body))

    def patch(self, path: str, body: Any, *, user: str = "admin") -> Any:
        return self._json(self.call("PATCH", path, user=user, json=body))

    def tail(self, name: str, characters: int = 4000) -> str:
        """The end of what a process printed."""
        return self.logs[name].read_text(encoding="utf-8", errors="replace")[-characters:] if name in self.logs else ""

    def wait(self, question: Callable[[], Any], seconds: float, what: str) -> Any:
        """The first true answer to `question`, asked twice a second; fails with the ends of the logs."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for name, process in self.processes.items():
                assert process.poll() is None, f"{name} ended with {process.returncode} while waiting for {what}:\n{self.tail(name)}"
            with suppress(httpx.TransportError):
                if answer := question():
                    return answer
            time.sleep(0.5)
        raise AssertionError(f"{what}: not within {seconds:.0f} s\n" + "\n".join(f"--- {name}\n{self.tail(name)}" for name in self.logs))

    def start(self, name: str) -> None:
        """Start a process in a session of its own, as a group that can be ended."""
        home = Path(self.env["AIRFLOW_HOME"])
        self.logs[name] = home / f"{name}.out"
        with self.logs[name].open("ab") as out:
            self.processes[name] = subprocess.Popen([sys.executable, "-m", "airflow", *_arguments(name, self.env)], env=self.env, cwd=home, stdout=out,
                                                    stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)

    def stop(self, *names: str, kill: bool = False) -> None:
        """End processes with all they started: asked politely first, or with `kill` as a crash would."""
        chosen = {name: self.processes.pop(name) for name in names or tuple(self.processes) if name in self.processes}
        _end(list(chosen.values()), kill)

    @staticmethod
    def _json(answer: httpx.Response) -> Any:
        assert answer.is_success, f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:2000]}"
        return answer.json() if answer.content else None


@contextmanager
def airflow(env: dict[str, str], processes: Sequence[str] = ALL) -> Iterator[Airflow]:
    """Start processes and wait until they are healthy; they are stopped on the way out, whatever happens."""
    running = Airflow(env["AIRFLOW__API__BASE_URL"], env)
    try:
        for name in processes:
            running.start(name)
        if "api-server" in processes:
            running.wait(lambda: _healthy(running, processes), START_SECONDS, "a healthy Airflow")
        yield running
    finally:
        running.stop()


@contextmanager
def api_server(env: dict[str, str], port: int | None = None) -> Iterator[Airflow]:
    """The api-server alone: pages and the REST API, but nothing runs."""
    with airflow(env | addresses(port) if port else env, ("api-server",)) as running:
        yield running


def _arguments(name: str, env: dict[str, str]) -> list[str]:
    return [name, "--host", "127.0.0.1", "--port", env["AIRFLOW__API__PORT"], "--workers", "1"] if name == "api-server" else [name]


def _healthy(running: Airflow, processes: Sequence[str]) -> bool:
    answer = httpx.get(f"{running.url}/api/v2/monitor/health", timeout=10)
    if not answer.is_success:
        return False
    told = answer.json()
    wanted = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}
    return all(told[key]["status"] == "healthy" for name, key in wanted.items() if name in processes)


def _end(processes: list[subprocess.Popen[bytes]], kill: bool) -> None:
    """Tasks run in process groups of their own: every descendant is noted first, and ended with its parent."""
    family: dict[int, psutil.Process] = {}
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(process.pid)
            family.update({each.pid: each for each in (parent, *parent.children(recursive=True))})
    if not kill:
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        psutil.wait_procs(list(family.values()), timeout=STOP_SECONDS)
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    for each in family.values():
        with suppress(psutil.NoSuchProcess):
            each.kill()
    for process in processes:
        process.wait(timeout=30)
