"""A demo insurer's workspace with the registry's stand-in platform beside it, as a process of its own."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
_SERVE = "import sys; from etl.commands.registry import registry; registry.main(sys.argv[1:], standalone_mode=False)"


def insurer(folder: Path, policies: int = 150, seed: int = 5) -> Path:
    """A clean insurer as of 31 October 2026, with nothing sent yet."""
    from etl.commands.demo import SYSTEMS, create

    create(folder, policies=policies, seed=seed, faults=0.0, urls={name: f"sqlite:///demo/{name}.db" for name in SYSTEMS}, as_of=date(2026, 10, 31))
    return folder


def twin(folder: Path, target: Path) -> Path:
    """The same insurer, keys and all, in another place."""
    shutil.copytree(folder, target)
    return target


class StandIn:
    """The platform of one workspace. Its ports stay the same when it is started again."""

    def __init__(self, workspace: Path, *options: str) -> None:
        self.workspace, self.options, self.process = Path(workspace), options, None

    def start(self) -> StandIn:
        self.process = subprocess.Popen([sys.executable, "-c", _SERVE, "platform", "serve", "-w", str(self.workspace), *self.options], cwd=REPOSITORY,
                                        stdout=subprocess.PIPE, text=True)
        assert "SFTP" in self.process.stdout.readline()
        return self

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(20) == 0

    def faults(self, *faults: dict[str, Any]) -> None:
        (self.workspace / "registry-platform").mkdir(exist_ok=True)
        (self.workspace / "registry-platform" / "control.json").write_text(json.dumps({"faults": faults}))

    def impatient(self, **polling: float) -> None:
        """Settings with short waits, in place of those that the stand-in wrote."""
        path = self.workspace / "registry.yaml"
        text = path.read_text(encoding="utf-8").splitlines()
        kept = [line for line in text if not line.startswith(("#", "polling", "retries"))]
        numbers = {"first": 0.05, "most": 0.2, "limit": 60, **polling}
        waits = ", ".join(f"{name}: {value}" for name, value in numbers.items())
        path.write_text("\n".join([*kept, f"polling: {{{waits}}}", "retries: {attempts: 2, first: 0.05, most: 0.1}"]) + "\n", encoding="utf-8")

    def summary(self) -> dict[str, Any]:
        """What the platform holds: days with rows and sums by table, transactions, what came twice, requests counted."""
        from etl.demo.platform.store import STORE_FILE, summary
        from etl.demo.platform.tables import read_tables
        from etl.packs.roots import PackRoots
        from etl.standard.loader import load_standard

        tables = load_standard("registry_life_2", PackRoots.of()).tables
        return summary(self.workspace / "registry-platform" / STORE_FILE, read_tables(next(t.path for t in tables.values() if t.path).parent))


@contextmanager
def standing_in(workspace: Path, *options: str) -> Iterator[StandIn]:
    started = StandIn(workspace, *options).start()
    started.impatient()
    try:
        yield started
    finally:
        started.stop()


# Children are forked by a server that runs no threads: this process may hold an engine's, and their locks would never open in a child.
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["etl.pipeline.registry_day", "etl.pipeline.registry", "etl.ledger", "etl.submission.registry.transport"])


def step_apart(workspace: Path, step: str, day: date, killed: Path | None = None) -> multiprocessing.Process:
    """A step in a process of its own. With `killed` it dies at each point the first time that it comes there in a situation, and notes that there."""
    process = _SERVER.Process(target=_step, args=(workspace, step, day, killed))
    process.start()
    return process


def _step(workspace: Path, step: str, day: date, killed: Path | None) -> None:
    from etl.pipeline import registry_day
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    work = registry_day.RegistryWork(opened, by="airflow", observe=_dying(opened, killed) if killed else None)
    getattr(registry_day, step)(work, day)


def _dying(workspace: Any, killed: Path) -> Any:
    from etl.ledger import open_ledger
    from etl.ledger.registry import RegistryLedger

    def once(point: str) -> None:
        with open_ledger(workspace.ledger_place) as ledger:
            books = RegistryLedger(ledger, workspace.company)
            situation = [point, [[d.state, d.round, d.query_no is None, [b.state for b in books.batches(d.day)]] for d in books.days()]]
        known = json.loads(killed.read_text()) if killed.exists() else []
        if situation not in known:
            killed.write_text(json.dumps([*known, situation]))
            os.kill(os.getpid(), signal.SIGKILL)

    return once
