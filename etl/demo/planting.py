"""Plant faults into the databases of a demo insurer, keep the truth about them, and take them out again."""

from __future__ import annotations

import csv
import json
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from etl.demo.columns import stream
from etl.demo.errors import FaultHasNoRow, RepairMismatch
from etl.demo.fault_kinds_events import EVENT_KINDS
from etl.demo.fault_kinds_master import MASTER_KINDS
from etl.demo.fault_kinds_policies import LEDGER_KINDS, POLICY_KINDS
from etl.demo.faults import Insurer, Kind
from etl.demo.store import open_database, relations
from etl.files import whole_file

TRUTH_COLUMNS = ("fault", "system", "table", "key", "item", "rule")
# The scarce rows first: claims and call-backs of the month; then what there is plenty of.
KINDS: tuple[Kind, ...] = (*EVENT_KINDS, *LEDGER_KINDS, *POLICY_KINDS, *MASTER_KINDS)
_WINDOW = 240


def plant(urls: dict[str, str], *, policies: int, seed: int, rate: float, as_of: date, truth: Path) -> int:
    """Plant about `rate` faults per policy, at least one of every kind, and write the truth; the number planted.

    Raises FaultHasNoRow when the insurer is too small to carry every kind.
    """
    total = max(len(KINDS), round(rate * policies))
    told: list[tuple[str, ...]] = []
    log: list[dict[str, Any]] = []
    with ExitStack() as stack:
        insurer = _open(urls, as_of, stack)
        for kind in KINDS:
            if not _plant_kind(insurer, kind, 1, stream(seed, f"fault {kind.name}"), told, log):
                raise FaultHasNoRow(fault=kind.name)
        _plant_rest(insurer, total, seed, told, log)
        # The log is safe before anything is changed for good.
        _write(truth, told, log)
        for connection in insurer.connections.values():
            connection.commit()
    return len(told)


def _plant_rest(insurer: Insurer, total: int, seed: int, told: list, log: list) -> None:
    """What is wanted beyond one of each kind, in equal shares; what a kind has no rows for goes to those that have."""
    able = [kind for kind in KINDS if kind.most != 1]
    turn = 0
    while able and len(told) < total:
        turn += 1
        share = -(-(total - len(told)) // len(able))
        still_able = []
        for kind in able:
            count = min(share, total - len(told), kind.most - 1 if kind.most else share)
            planted = _plant_kind(insurer, kind, count, stream(seed, f"fault {kind.name} {turn}"), told, log) if count else 0
            if planted == count and kind.most is None:
                still_able.append(kind)
        able = still_able


def _plant_kind(insurer: Insurer, kind: Kind, count: int, rng: np.random.Generator, told: list, log: list) -> int:
    table = insurer.tables[kind.system][kind.table]
    keys = [column.name for column in table.primary_key]
    planted = 0
    for row in _candidates(insurer, kind, table, count, rng):
        entities = {_text(row[name]) for name in kind.locks}
        if entities & insurer.taken:
            continue
        values = kind.spoil(insurer, row)
        if values is None:
            continue
        insurer.taken |= entities | {_text(values[name]) for name in kind.locks if name in values}
        connection = insurer.connections[kind.system]
        if kind.copy:
            connection.execute(table.insert().values(values))
            log.append({"system": kind.system, "table": kind.table, "key": {k: values[k] for k in keys}, "before": None})
        else:
            connection.execute(table.update().where(*(table.c[k] == row[k] for k in keys)).values(values))
            log.append({"system": kind.system, "table": kind.table, "key": {k: values.get(k, row[k]) for k in keys}, "before": {name: row[name] for name in values}})
        shown = {**row, **values}
        told.append((kind.name, kind.system, kind.table, "|".join(_text(shown[k]) for k in keys), kind.item, kind.rule))
        planted += 1
        if planted == count:
            break
    return planted


def _candidates(insurer: Insurer, kind: Kind, table: sa.Table, count: int, rng: np.random.Generator):
    """Rows that may carry the fault, shuffled: windows of neighbouring keys from random places, then all of them once."""
    connection = insurer.connections[kind.system]
    conditions = kind.where(insurer, table)
    total = connection.scalar(sa.select(sa.func.count()).select_from(table).where(*conditions)) or 0
    order = list(table.primary_key)
    begins = list(range(0, total, _WINDOW))
    for begin in (begins[i] for i in rng.permutation(len(begins)).tolist()):
        rows = connection.execute(sa.select(table).where(*conditions).order_by(*order).offset(begin).limit(_WINDOW)).mappings().all()
        # A few from each place, so that faults are spread over the book; all of them where the book is one window.
        picks = rng.permutation(len(rows)).tolist()
        for i in picks if total <= 4 * _WINDOW else picks[: max(4, count * 4 // len(begins))]:
            yield dict(rows[i])


def _open(urls: dict[str, str], as_of: date, stack: ExitStack) -> Insurer:
    from etl.sources.loader import load_source

    connections, tables = {}, {}
    for system, url in urls.items():
        engine = open_database(url)
        stack.callback(engine.dispose)
        connections[system] = stack.enter_context(engine.connect())
        tables[system] = relations(load_source(system))
    return Insurer(as_of, connections, tables)


def _text(value: Any) -> str:
    # Source keys are told as the house sees them: trimmed.
    return "" if value is None else str(value).strip()


def truth_file(truth: Path) -> Path:
    """The truth's file: `truth` itself, or faults.csv in the folder it names."""
    return truth if truth.suffix == ".csv" else truth / "faults.csv"


def _undo_path(truth: Path) -> Path:
    return truth_file(truth).with_suffix(".undo.jsonl")


def _write(truth: Path, told: list[tuple[str, ...]], log: list[dict[str, Any]]) -> None:
    with whole_file(_undo_path(truth), 0o600) as path:
        path.write_text("".join(json.dumps(entry, ensure_ascii=False, default=str) + "\n" for entry in log), encoding="utf-8")
    with whole_file(truth_file(truth)) as path, path.open("w", encoding="utf-8", newline="") as stream_out:
        writer = csv.writer(stream_out, lineterminator="\n")
        writer.writerow(TRUTH_COLUMNS)
        writer.writerows(told)


def forget(truth: Path) -> None:
    """Remove what is told of an earlier insurer's faults."""
    truth_file(truth).unlink(missing_ok=True)
    _undo_path(truth).unlink(missing_ok=True)


def undo(urls: dict[str, str], *, truth: Path) -> int:
    """Put every spoilt row back as it was and drop the added ones; the number of faults undone. The truth stays to be read."""
    path = _undo_path(truth)
    if not path.is_file():
        return 0
    log = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    with ExitStack() as stack:
        insurer = _open(urls, date.min, stack)
        for entry in reversed(log):
            table = insurer.tables[entry["system"]][entry["table"]]
            where = [table.c[name] == _typed(table.c[name], value) for name, value in entry["key"].items()]
            statement: Any = table.delete().where(*where)
            if entry["before"] is not None:
                statement = table.update().where(*where).values({name: _typed(table.c[name], value) for name, value in entry["before"].items()})
            if insurer.connections[entry["system"]].execute(statement).rowcount != 1:
                raise RepairMismatch(system=entry["system"], table=entry["table"])
        for connection in insurer.connections.values():
            connection.commit()
    path.unlink()
    return len(log)


def _typed(column: sa.Column, value: Any) -> Any:
    return date.fromisoformat(value) if isinstance(column.type, sa.Date) and value is not None else value
