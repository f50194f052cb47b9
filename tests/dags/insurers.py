"""Demo insurers for tests of the DAGs: a workspace, its twin with the same sources and keys, and what the command makes of the twin."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

from etl.commands.demo import SYSTEMS, create
from etl.ledger import open_ledger
from etl.privacy.keys import Keyring
from etl.workspace import Workspace
from tests.dags.airflow_env import REPOSITORY

POOLS = REPOSITORY / "deploy" / "pools.json"


def make_insurer(folder: Path, *, policies: int = 120, as_of: date = date(2026, 10, 31), seed: int = 11) -> Workspace:
    """A clean insurer with its keys."""
    create(folder, policies=policies, seed=seed, faults=0.0, urls={name: f"sqlite:///demo/{name}.db" for name in SYSTEMS}, as_of=as_of)
    workspace = Workspace.open(folder)
    Keyring.open(workspace.keys_folder)
    return workspace


def twin_of(workspace: Workspace, folder: Path) -> Workspace:
    """Another workspace with the same sources, settings and keys: it must come to the same bytes."""
    folder.mkdir(parents=True)
    for name in ("demo", "keys", "archive"):
        if (workspace.root / name).is_dir():
            shutil.copytree(workspace.root / name, folder / name)
    shutil.copy(workspace.root / "workspace.yaml", folder)
    return Workspace.open(folder)


def eastbound(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run([sys.executable, "-m", "etl", "--lang", "en", *map(str, arguments)], env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, cwd=REPOSITORY,
                          text=True, capture_output=True, timeout=600)


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder, with the hash of its bytes."""
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def runs_of(workspace: Workspace, standard: str = "east_life_2020", period: str | None = None) -> list:
    with open_ledger(workspace.ledger_place) as ledger:
        return ledger.runs(standard, period)


def personal_values(workspace: Workspace) -> set[str]:
    """ID numbers, names and telephone numbers as they stand in the core systems, long enough to be told from anything else."""
    import sqlite3

    found: set[str] = set()
    with sqlite3.connect(workspace.root / "demo" / "life_admin.db") as core:
        for column in ("AppntName", "AppntIDNo"):
            with_column = [row[0] for row in core.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in with_column:
                if column in {row[1] for row in core.execute(f"PRAGMA table_info({table})")}:
                    found |= {str(row[0]) for row in core.execute(f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL")}
        for table, column in (("LDPerson", "IDNo"), ("LDPerson", "Name"), ("LDPerson", "Mobile"), ("LAAgent", "IDNo")):
            if column in {row[1] for row in core.execute(f"PRAGMA table_info({table})")}:
                found |= {str(row[0]) for row in core.execute(f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL")}
    return {value for value in found if len(value) >= 3}
