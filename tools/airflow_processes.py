"""Long-running processes that are started together and stopped together, with everything they started themselves."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from etl.errors import EastboundError

GRACE = 20.0
ROOT = Path(__file__).resolve().parents[1]


class PortTaken(EastboundError):
    zh = "端口 {port} 已被占用；请换一个：make airflow PORT=…"
    en = "port {port} is taken; choose another one: make airflow PORT=…"


class AlreadyRunning(EastboundError):
    zh = "{home} 已有一个 Airflow 在运行；请先停止它，或用 --home 指定另一个文件夹"
    en = "an Airflow is at work in {home}; stop it first, or name another folder with --home"


class StepFailed(EastboundError):
    zh = "{step} 失败（退出码 {code}）：\n{output}"
    en = "{step} failed (exit code {code}):\n{output}"
    exit_code = 3


class ComponentEnded(EastboundError):
    zh = "{name} 已退出（退出码 {code}）；日志在 {log}，最后几行：\n{output}"
    en = "{name} has ended (exit code {code}); its log is {log}, last lines:\n{output}"
    exit_code = 3


class Stopped(Exception):
    """Ctrl-C or TERM."""


def run_step(step: str, command: list[str], env: dict[str, str], stop: threading.Event) -> None:
    """Run a command to its end. Raises StepFailed; Stopped where Ctrl-C reached this process, and so the command, in the meantime."""
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
    if stop.is_set():
        raise Stopped
    if done.returncode:
        raise StepFailed(step=step, code=done.returncode, output="\n".join((done.stdout + done.stderr).strip().splitlines()[-15:]))


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the folder: two schedulers on one SQLite file would work against each other."""
    import fcntl

    with open(home / "running.lock", "w", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(home=str(home)) from None
        yield


def refuse_taken(port: int) -> None:
    import socket

    with socket.socket() as probe:
        # As the server does it: a port that the last one left a moment ago is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise PortTaken(port=port) from None


class Component:
    """One long-running process with all its children, out of reach of the Ctrl-C that is meant for the launcher, writing to a log file."""

    def __init__(self, name: str, command: list[str], env: dict[str, str], log: Path) -> None:
        self.name, self.log = name, log
        with open(log, "ab") as stream:
            self.process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
        self.born = psutil.Process(self.process.pid).create_time()

    def check(self) -> None:
        """Raises ComponentEnded."""
        if self.process.poll() is not None:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
            raise ComponentEnded(name=self.name, code=self.process.returncode, log=str(self.log), output="\n".join(lines))


def orphans(pid: int) -> list[psutil.Process]:
    """What is left in the process group of a leader that has ended."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != pid and os.getpgid(process.pid) == pid:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def with_children(leaders: list[psutil.Process]) -> list[psutil.Process]:
    """These and everything that they started: tasks lead process groups of their own, so ending groups would miss them."""
    found = list(leaders)
    for leader in leaders:
        try:
            found += leader.children(recursive=True)
        except psutil.Error:
            continue
    return found


def end_all(leaders: list[psutil.Process], grace: float = GRACE) -> None:
    """End them with all their children, politely first; the stubborn ones by force."""
    found = with_children(leaders)
    for process in found:
        _quietly(process.terminate)
    _, rest = psutil.wait_procs(found, timeout=grace)
    # Asked anew: what was started in the meantime is to end, too.
    rest = with_children(rest)
    for process in rest:
        _quietly(process.kill)
    psutil.wait_procs(rest, timeout=grace)


def end_leftovers(noted: Path) -> None:
    """End what a killed launcher left behind. A number that now belongs to another process is let be, which the time of its birth tells."""
    leaders = []
    for pid, born in json.loads(noted.read_text(encoding="utf-8")) if noted.is_file() else ():
        try:
            process = psutil.Process(pid)
            if process.create_time() == born:
                leaders.append(process)
        except psutil.Error:
            continue
    end_all(leaders)


def _quietly(act: Callable[[], None]) -> None:
    try:
        act()
    except psutil.Error:
        pass


@contextmanager
def components(commands: dict[str, list[str]], env: dict[str, str], logs: Path, noted: Path) -> Iterator[list[Component]]:
    """Start them all, noting their numbers for the case that this process is killed; at the end stop them all, with everything they started."""
    started: list[Component] = []
    try:
        for name, command in commands.items():
            started.append(Component(name, command, env, logs / f"{name}.log"))
            noted.write_text(json.dumps([(component.process.pid, component.born) for component in started]), encoding="utf-8")
        yield started
    finally:
        leaders: list[psutil.Process] = []
        for component in started:
            pid = component.process.pid
            leaders += [psutil.Process(pid)] if component.process.poll() is None else orphans(pid)
        end_all(leaders)
        noted.unlink(missing_ok=True)


def go_on(started: list[Component], stop: threading.Event) -> None:
    """Raises Stopped, or ComponentEnded where one of them has."""
    if stop.is_set():
        raise Stopped
    for component in started:
        component.check()
