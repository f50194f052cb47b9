"""The demo insurer, built once for the whole test run and shared by its processes; tests must not change it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from filelock import FileLock

from etl.commands.demo import SYSTEMS, create
from etl.pipeline import RunRequest, RunResult, start_run
from etl.submission.definition import Period
from etl.workspace import Workspace

POLICIES = 400
SEED = 11
AS_OF = date(2026, 10, 31)
REQUEST = RunRequest("east_life_2020", Period.parse("2026-10"), date(2026, 11, 15))


@dataclass(frozen=True)
class Month:
    """A workspace and how its run ended."""

    workspace: Workspace
    run: str
    status: str
    findings: dict[str, int]
    package: Path | None

    @property
    def finding_files(self) -> list[Path]:
        return sorted((self.workspace.run_folder(self.run) / "findings").glob("*.parquet"))


def sqlite_urls() -> dict[str, str]:
    return {name: f"sqlite:///demo/{name}.db" for name in SYSTEMS}


def _once(shared: Path, name: str, build: Callable[[Path], RunResult]) -> Month:
    """Build a month in a folder that all test processes share, unless another has done so."""
    folder = shared / name
    with FileLock(str(folder) + ".lock"):
        note = folder / "result.json"
        if not note.is_file():
            result = build(folder)
            note.write_text(json.dumps({"run": result.run, "status": result.status, "findings": result.findings,
                                        "package": str(result.package) if result.package else None}))
    told = json.loads(note.read_text())
    return Month(Workspace.open(folder), told["run"], told["status"], told["findings"], Path(told["package"]) if told["package"] else None)


@pytest.fixture(scope="session")
def shared(tmp_path_factory, worker_id) -> Path:
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


def _month(folder: Path, faults: float) -> RunResult:
    create(folder, policies=POLICIES, seed=SEED, faults=faults, urls=sqlite_urls(), as_of=AS_OF)
    return start_run(Workspace.open(folder), REQUEST)


@pytest.fixture(scope="session")
def clean_month(shared) -> Month:
    """A clean insurer whose October was run to the end."""
    return _once(shared, "clean", lambda folder: _month(folder, 0.0))


@pytest.fixture(scope="session")
def faulty_month(shared) -> Month:
    """The same insurer with at least one fault of every kind, run as far as it goes."""
    return _once(shared, "faulty", lambda folder: _month(folder, 0.02))
