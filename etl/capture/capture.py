"""Capturing a core system: how each table is read, given what is there to compare with; and its counts in the ledger."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.capture.assemble import assemble
from etl.capture.base import Bases
from etl.capture.compare import compare_images
from etl.capture.image import drop_layers, fetch_image, rows_sql
from etl.capture.increment import read_increment
from etl.engines.local import open_engine, quote
from etl.errors import EastboundError
from etl.ledger.capture import CaptureCount, capture_counts, record_capture
from etl.privacy.vault import Vault
from etl.sources.connections import shown, source_url
from etl.sources.contracts import Delivered
from etl.sources.definition import ExtractedTable, SourceColumn, SourceSystem, SourceTable
from etl.sources.extract import Making, Progress, Snapshot, Way, extract_system

if TYPE_CHECKING:
    from etl.engines import Engine
    from etl.ledger import Ledger
    from etl.ledger.definition import Run

FULL, INCREMENTAL, CHANGE = "full", "incremental", "change"
MODES = (FULL, INCREMENTAL, CHANGE)
# Beside the raw files: the image to compare with, and the rows that were fetched.
OLD, NEW = "old", "new"
_SECRET = re.compile("user|pass|pwd|secret|token|key", re.IGNORECASE)
_TYPES = {"text": "VARCHAR", "integer": "BIGINT", "date": "DATE", "timestamp": "TIMESTAMP"}


def capture_system(system: SourceSystem, url: str, vault: Vault, run: str, *, tables: set[str], mode: str, ledger: Ledger, company: str,
                   base: str = "accepted", memory: str | None = None, progress: Progress | None = None, road: str | None = None,
                   done: Callable[[ExtractedTable], None] | None = None) -> list[ExtractedTable]:
    """Read `tables` of a system for `run`; each ends as the image of the whole table as it now is (see `etl.capture.image`).

    `mode`: `full` reads everything; `incremental` reads the keys and watermarks of a table that has a watermark, and in whole only
    the rows that are new or moved; `change` reads everything and compares. A table without watermark, or without an earlier image
    to compare with, is read in full in every mode; the ledger says so. `base` is the policy of `etl.capture.base.Bases`.
    What was inserted, updated, deleted is in the ledger when `done` hears of a table. Raises what `extract_system` raises.
    """
    if mode not in MODES:
        raise ValueError(f"{mode!r} is not one of {', '.join(MODES)}")
    way = CaptureWay(system, vault, run, Bases(vault, ledger, company, run, base), mode, ledger, _fingerprint(url), memory)
    return extract_system(system, url, vault.folder(run, "extract"), batch_id=run, tables=tables, memory=memory, progress=progress, road=road, way=way, done=done)


class CaptureWay(Way):
    """Reads tables in one of the capture modes."""

    def __init__(self, system: SourceSystem, vault: Vault, run: str, bases: Bases, mode: str, ledger: Ledger, place: str, memory: str | None) -> None:
        self._system, self._vault, self._run, self._bases, self._mode = system, vault, run, bases, mode
        self._ledger, self._place, self._memory = ledger, place, memory
        # Per table the run to compare with, and why it will not do.
        self._found: dict[str, tuple[Run | None, str]] = {}

    def prepare(self, folder: Path, columns: dict[str, tuple[SourceColumn, ...]]) -> None:
        if self._mode == FULL:
            return
        with open_engine(folder / "spill", memory=self._memory) as engine:
            for name, chosen in columns.items():
                base = self._bases.of(self._system.name, name)
                self._found[name] = (base, "no_base" if base is None else self._fetch(engine, base, name, chosen, folder / OLD))

    def read(self, snapshot: Snapshot, one: Delivered, columns: tuple[SourceColumn, ...], total: int) -> dict[str, Any]:
        table = one.table
        base, unfit = self._found.get(table.name, (None, ""))
        if base is None or unfit:
            return self._whole(snapshot, one, columns, total, mode=FULL, reason=unfit)
        if self._mode == CHANGE or table.watermark is None:
            return self._whole(snapshot, one, columns, total, mode=CHANGE, base=base.id, reason="" if self._mode == CHANGE else "no_watermark")
        with open_engine(snapshot.folder / "spill", memory=self._memory) as engine:
            found = read_increment(engine, snapshot, one, columns, total, base, snapshot.folder / OLD, snapshot.folder / NEW)
        if isinstance(found, str):
            return self._whole(snapshot, one, columns, total, mode=CHANGE, base=base.id, reason=found)
        return {"mode": INCREMENTAL, "base": base.id, **found}

    def _whole(self, snapshot: Snapshot, one: Delivered, columns: tuple[SourceColumn, ...], total: int, **notes: Any) -> dict[str, Any]:
        return {**notes, **super().read(snapshot, one, columns, total)}

    def _fetch(self, engine: Engine, base: Run, table: str, columns: tuple[SourceColumn, ...], folder: Path) -> str:
        """Bring the base's image here; why it cannot be compared with, or nothing."""
        noted = next((c for c in capture_counts(self._ledger, base.id) if (c.system, c.table) == (self._system.name, table)), None)
        if noted is not None and noted.place != self._place:
            return "source_moved"
        try:
            fetch_image(self._vault, base.id, self._system.name, table, folder)
            found = {row[0]: row[1] for row in engine.rows(f"DESCRIBE {rows_sql(folder, table)}")}
        except (EastboundError, OSError):
            return "base_unreadable"
        except Exception as error:
            import duckdb

            # What the engine says of a damaged file may quote what is in it.
            if not isinstance(error, duckdb.Error):
                raise
            return "base_unreadable"
        wanted = {c.name: f"DECIMAL({c.precision},{c.scale})" if c.type == "decimal" else _TYPES[c.type] for c in columns}
        same = {name: kind for name, kind in found.items() if not name.startswith("_")} == wanted
        return "" if same else "contract_changed"

    def finish(self, making: Making, table: SourceTable, columns: tuple[SourceColumn, ...], notes: dict[str, Any]) -> tuple[int, int, int]:
        old = making.raw / OLD
        if notes["mode"] == INCREMENTAL:
            rows_out, rows_aside = assemble(making, table, old, making.raw / NEW, notes)
            counts = {name: notes[name] for name in ("inserted", "updated", "deleted", "unchanged")}
            rows_in = notes["total"]
        else:
            drop_layers(making.folder, table.name)
            rows_in, rows_out, rows_aside = super().finish(making, table, columns, notes)
            counts = compare_images(making.engine, table.name, columns, making.folder, old) if notes["mode"] == CHANGE else {}
        record_capture(self._ledger, self._run, CaptureCount(
            self._system.name, table.name, notes["mode"], notes["rows"], notes.get("reason", ""), notes.get("base"),
            _watermark(making.engine, table, making.folder), place=self._place, **counts))
        return rows_in, rows_out, rows_aside


def _watermark(engine: Engine, table: SourceTable, folder: Path) -> str | None:
    """The highest watermark of an image, as text."""
    if table.watermark is None:
        return None
    return engine.one(f"SELECT CAST(max({quote(table.watermark)}) AS VARCHAR) FROM ({rows_sql(folder, table.name)})")


def _fingerprint(url: str) -> str:
    """Tells one database, and one schema in it, from another, without saying where it is; a new account or password changes nothing."""
    place = source_url(url)
    options = sorted((name, value) for name, value in place.normalized_query.items() if not _SECRET.search(name))
    return hashlib.sha256(f"{shown(place)} {options}".encode()).hexdigest()[:32]
