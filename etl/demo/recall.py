"""Compare what was planted with what a run found: every fault found, every finding explained.

A finding is explained directly (a fault's own rule on the spoilt row, or on a group of rows that the fault names), as a stated
consequence of a fault, or not at all. There is no looser match.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etl.demo.errors import DemoTruthUnread
from etl.demo.planting import consequences_file, truth_file, undo_file

Place = tuple[str, str, str, str]


@dataclass(frozen=True)
class Recall:
    """The outcome. `missed`: rows of faults.csv without a finding. `unexplained`: findings (rule, table, key, source) that no
    fault accounts for. `unseen`: stated consequences that did not show; they do not count against anything."""

    run: str
    planted: int
    kinds: int
    found: int
    findings: int
    direct: int
    consequences: int
    missed: list[dict[str, str]] = field(default_factory=list)
    unexplained: list[dict[str, Any]] = field(default_factory=list)
    unseen: list[dict[str, str]] = field(default_factory=list)
    mended: bool = False

    @property
    def complete(self) -> bool:
        """Whether every fault was found and every finding is explained."""
        return not self.missed and not self.unexplained


def compare(faults: list[dict[str, str]], consequences: list[dict[str, str]], findings: Iterable[dict[str, Any]], *, run: str = "", mended: bool = False) -> Recall:
    """Match the rows of faults.csv and consequences.csv with a run's findings.

    findings: with rule, table, key, source_system, source_table, source_key; the last three null where a group of rows is spoken of.
    """
    listed = list(findings)
    seen = {place(f) for f in listed}
    own: dict[tuple[str, str, str], set[Place]] = {}
    for fault in faults:
        own.setdefault((fault["fault"], fault["rule"], fault["key"]), set()).add((fault["rule"], fault["system"], fault["table"], fault["key"]))
    stated: set[Place] = set()
    for told in consequences:
        named = (told["rule"], told["system"], told["table"], told["key"])
        mine = own.get((told["fault"], told["rule"], told["of"]))
        # A reconciliation has no source row: the group that a fault names under its own rule stands for it.
        (stated if told["system"] or mine is None else mine).add(named)
    direct = {named for places in own.values() for named in places}
    explained = {True: 0, False: 0}
    unexplained = []
    for finding in listed:
        named = place(finding)
        if named in direct or named in stated:
            explained[named in direct] += 1
        else:
            unexplained.append({name: finding[name] for name in ("rule", "table", "key", "source_system", "source_table", "source_key")})
    missed = [fault for fault in faults if not own[(fault["fault"], fault["rule"], fault["key"])] & seen]
    return Recall(run, len(faults), len({fault["fault"] for fault in faults}), len(faults) - len(missed), len(listed), explained[True], explained[False], missed,
                  unexplained, [told for told in consequences if (told["rule"], told["system"], told["table"], told["key"]) not in seen], mended)


def place(finding: dict[str, Any]) -> Place:
    """Rule and row of a finding: the source row, or the group of the reported table with an empty system."""
    if finding["source_system"] is None:
        return finding["rule"], "", finding["table"], finding["key"] or ""
    return finding["rule"], finding["source_system"], finding["source_table"], finding["source_key"]


def read_truth(folder: Path) -> tuple[list[dict[str, str]], list[dict[str, str]], bool]:
    """The rows of faults.csv and consequences.csv in `folder`, and whether the faults have been mended since.

    Raises DemoTruthUnread where nothing was planted.
    """
    if not truth_file(folder).is_file():
        raise DemoTruthUnread(file=truth_file(folder).name)
    faults = _rows(truth_file(folder))
    consequences = _rows(consequences_file(folder)) if consequences_file(folder).is_file() else []
    return faults, consequences, not undo_file(folder).is_file()


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def recall_of_run(truth: Path, run: str, findings: list[Path]) -> Recall:
    """Compare the truth in `truth` with the findings of `run`, whose files are `findings`."""
    from etl.engines import open_engine
    from etl.rules.findings import FindingFilter, query_findings, register_findings

    faults, consequences, mended = read_truth(truth)
    with open_engine() as engine:
        register_findings(engine, findings, {})
        return compare(faults, consequences, query_findings(engine, FindingFilter()), run=run, mended=mended)
