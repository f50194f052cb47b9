"""Plant faults into the databases of a demo insurer, keep the truth about them, and take them out again."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import astuple, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from etl.demo.columns import stream
from etl.demo.consequences import Consequence, Spoilt, key_text, looker
from etl.demo.errors import FaultHasNoRow, RepairMismatch
from etl.demo.fault_kinds_assets import ASSET_KINDS
from etl.demo.fault_kinds_events import EVENT_KINDS
from etl.demo.fault_kinds_master import MASTER_KINDS
from etl.demo.fault_kinds_pension import PENSION_KINDS
from etl.demo.fault_kinds_policies import LEDGER_KINDS, POLICY_KINDS
from etl.demo.fault_kinds_reinsurance import REINSURANCE_KINDS
from etl.demo.fault_kinds_staff import STAFF_KINDS
from etl.demo.faults import Insurer, Kind, Row
from etl.demo.store import open_database, relations
from etl.files import whole_file

TRUTH_COLUMNS = ("fault", "system", "table", "key", "item", "rule")
CONSEQUENCE_COLUMNS = ("fault", "rule", "system", "table", "key", "of")
# The scarce rows first: claims and call-backs of the month; then what there is plenty of.
KINDS: tuple[Kind, ...] = (*EVENT_KINDS, *LEDGER_KINDS, *POLICY_KINDS, *MASTER_KINDS, *STAFF_KINDS, *REINSURANCE_KINDS, *PENSION_KINDS, *ASSET_KINDS)
_WINDOW = 240


def plant(urls: dict[str, str], *, policies: int, seed: int, rate: float, as_of: date, truth: Path) -> int:
    """Plant about `rate` faults per policy, at least one of every kind, and write the truth; the number planted.

    Raises FaultHasNoRow when the insurer is too small to carry every kind.
    """
    # An insurer may go without the newer systems.
    kinds = [kind for kind in KINDS if kind.system in urls]
    total = max(len(kinds), round(rate * policies))
    told = Told()
    with ExitStack() as stack:
        insurer = _open(urls, as_of, stack)
        for kind in kinds:
            if not _plant_kind(insurer, kind, 1, stream(seed, f"fault {kind.name}"), told):
                raise FaultHasNoRow(fault=kind.name)
        _plant_rest(insurer, kinds, total, seed, told)
        # Told when everything is planted: a row that refers to a spoilt one may have got a fault of its own.
        consequences = list(dict.fromkeys(_consequences(insurer, told)))
        # The log is safe before anything is changed for good.
        _write(truth, told, consequences)
        for connection in insurer.connections.values():
            connection.commit()
    return len(told.faults)


@dataclass
class Told:
    """What was planted: rows of faults.csv, what undoing needs, and the kinds with the rows before and after."""

    faults: list[tuple[str, ...]] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    changes: list[tuple[Kind, Row, Row]] = field(default_factory=list)


def _consequences(insurer: Insurer, told: Told) -> Iterator[Consequence]:
    look = looker(insurer.connections, insurer.tables)
    for kind, before, after in told.changes:
        keys = tuple(column.name for column in insurer.tables[kind.system][kind.table].primary_key)
        spoilt = Spoilt(kind.source, keys, before, after, insurer.as_of, look)
        for cause in kind.also:
            yield from (Consequence(kind.name, *named, key_text(after, keys)) for named in cause(spoilt))


def _plant_rest(insurer: Insurer, kinds: list[Kind], total: int, seed: int, told: Told) -> None:
    """What is wanted beyond one of each kind, in equal shares; what a kind has no rows for goes to those that have."""
    able = [kind for kind in kinds if kind.most != 1]
    turn = 0
    while able and len(told.faults) < total:
        turn += 1
        share = -(-(total - len(told.faults)) // len(able))
        still_able = []
        for kind in able:
            count = min(share, total - len(told.faults), kind.most - 1 if kind.most else share)
            planted = _plant_kind(insurer, kind, count, stream(seed, f"fault {kind.name} {turn}"), told) if count else 0
            if planted == count and kind.most is None:
                still_able.append(kind)
        able = still_able


def _plant_kind(insurer: Insurer, kind: Kind, count: int, rng: np.random.Generator, told: Told) -> int:
    table = insurer.tables[kind.system][kind.table]
    keys = [column.name for column in table.primary_key]
    planted = 0
    for row in _candidates(insurer, kind, table, count, rng):
        # No row carries two faults; nor do the rows of what a kind locks.
        entities = {_text(row[name]) for name in kind.locks} | {(kind.source, key_text(row, tuple(keys)))}
        if entities & insurer.taken:
            continue
        values = kind.spoil(insurer, row)
        if values is None:
            continue
        insurer.taken |= entities | {_text(values[name]) for name in kind.locks if name in values}
        connection = insurer.connections[kind.system]
        if kind.copy:
            connection.execute(table.insert().values(values))
            told.log.append({"system": kind.system, "table": kind.table, "key": {k: values[k] for k in keys}, "before": None})
        else:
            connection.execute(table.update().where(*(table.c[k] == row[k] for k in keys)).values(values))
            told.log.append({"system": kind.system, "table": kind.table, "key": {k: values.get(k, row[k]) for k in keys}, "before": {name: row[name] for name in values}})
        shown = {**row, **values}
        told.faults.append((kind.name, kind.system, kind.table, key_text(shown, tuple(keys)), kind.item, kind.rule))
        told.changes.append((kind, row, shown))
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


def consequences_file(truth: Path) -> Path:
    """The file of what the faults must cause besides: consequences.csv beside the truth."""
    return truth_file(truth).with_name("consequences.csv")


def undo_file(truth: Path) -> Path:
    """The file that mending needs; it is gone when everything is mended."""
    return truth_file(truth).with_suffix(".undo.jsonl")


def _write(truth: Path, told: Told, consequences: list[Consequence]) -> None:
    with whole_file(undo_file(truth), 0o600) as path:
        path.write_text("".join(json.dumps(entry, ensure_ascii=False, default=str) + "\n" for entry in told.log), encoding="utf-8")
    for place, columns, rows in ((consequences_file(truth), CONSEQUENCE_COLUMNS, [astuple(c) for c in consequences]), (truth_file(truth), TRUTH_COLUMNS, told.faults)):
        with whole_file(place) as path, path.open("w", encoding="utf-8", newline="") as stream_out:
            writer = csv.writer(stream_out, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)


def forget(truth: Path) -> None:
    """Remove what is told of an earlier insurer's faults."""
    for path in (truth_file(truth), consequences_file(truth), undo_file(truth)):
        path.unlink(missing_ok=True)


def undo(urls: dict[str, str], *, truth: Path) -> int:
    """Put every spoilt row back as it was and drop the added ones; the number of faults undone. The truth stays to be read."""
    path = undo_file(truth)
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
