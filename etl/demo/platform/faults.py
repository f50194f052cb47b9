"""Faults on demand: `control.json` in the stand-in's folder, read anew at every event.

{"faults": [
  {"kind": "reject", "day": "2026-10-05", "transactions": 3},            the first n transactions of the day's increment come back
  {"kind": "reject", "day": "2026-10-05", "transactions": 1, "of": "FAI"}   the same of a correction
  {"kind": "alter", "day": "2026-10-07", "table": "LJAPay", "field": "SumActuPayMoney", "by": "0.01"}   a stored sum is changed before reconciling
  {"kind": "lose", "day": "2026-10-07", "table": "LJAPay"},              a stored row is lost before reconciling
  {"kind": "down", "channel": "http"},   {"kind": "down", "channel": "sftp"},
  {"kind": "slow", "channel": "http", "seconds": 2},
  {"kind": "drop", "after_bytes": 1000},                                 the connection breaks in mid-transfer
  {"kind": "garbage"},                                                   the answer is no XML
  {"kind": "lose_answer"}                                                the request is carried out, its answer is lost
]}

Each happens once, or as often as its "times" says. Table and field of `alter` may be left out.
"""

from __future__ import annotations

import json
from pathlib import Path

from etl.demo.platform.store import Store

CONTROL = "control.json"


class Faults:
    def __init__(self, folder: Path, store: Store) -> None:
        self.path, self.store = folder / CONTROL, store

    def next(self, kind: str, **wanted: str) -> dict | None:
        """The next fault of a kind that is still due, and count it as done. `wanted` must agree where the fault names it."""
        fault = self.peek(kind, **wanted)
        if fault is not None:
            self.store.count(self._name(fault))
        return fault

    def peek(self, kind: str, **wanted: str) -> dict | None:
        try:
            faults = json.loads(self.path.read_text(encoding="utf-8")).get("faults", [])
        except (OSError, ValueError):
            return None
        for fault in faults:
            if fault.get("kind") == kind and all(str(fault.get(key, value)) == value for key, value in wanted.items()):
                done = self.store.one("SELECT n FROM counters WHERE name = ?", self._name(fault))
                if (done["n"] if done else 0) < int(fault.get("times", 1)):
                    return fault
        return None

    @staticmethod
    def _name(fault: dict) -> str:
        return "fault " + json.dumps(fault, sort_keys=True)
