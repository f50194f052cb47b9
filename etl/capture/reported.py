"""What a run reports that the last accepted submission did not: by key and a hash over the items of the standardised rows."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etl.capture.base import ACCEPTED, accepted_runs
from etl.capture.compare import compare_rows, row_hash
from etl.engines.local import Engine, literal, open_engine, quote
from etl.privacy.vault import Vault

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.ledger.definition import Run
    from etl.standard.definition import Standard, Table


@dataclass(frozen=True)
class ReportedChange:
    """Rows of a reported table against those of `base_run`. `capture` is how the regulator wants the table: full, incremental, change.

    Without an earlier submission to compare with, or where the two cannot be compared, `base_run` and the counts are None.
    """

    table: str
    capture: str
    rows: int
    base_run: str | None = None
    inserted: int | None = None
    updated: int | None = None
    deleted: int | None = None
    unchanged: int | None = None


def reported_changes(vault: Vault, ledger: Ledger, run: Run, standard: Standard, policy: str = ACCEPTED) -> list[ReportedChange]:
    """The submitted tables of a run against the submission accepted before it.

    A table that is reported in full is compared with the last submission, whatever its period; one of which each period carries its own
    rows with the last of the same period. Rows are compared as standardised, before masking, so that a new masking key changes nothing.
    """
    earlier = [other for other in accepted_runs(ledger, run.company, policy, but=run.id) if other.standard == run.standard and other.started_at < run.started_at]
    found = []
    with vault.scratch() as own, open_engine(own / "spill") as engine:
        for table in standard.submitted_tables:
            base = next((other for other in earlier if table.capture == "full" or other.period == run.period), None)
            found.append(_compare(engine, vault, run, base, table))
    return found


def _compare(engine: Engine, vault: Vault, run: Run, base: Run | None, table: Table) -> ReportedChange:
    name = f"standard/{table.code}.parquet"
    if name not in vault.files(run.id):
        return ReportedChange(table.code, table.capture, 0)
    with ExitStack() as stack:
        now = stack.enter_context(vault.read(run.id, name))
        rows = int(engine.one(f"SELECT count(*) FROM {_file(now)}"))
        if base is None or name not in vault.files(base.id):
            return ReportedChange(table.code, table.capture, rows)
        before = stack.enter_context(vault.read(base.id, name))
        items = [item.code for item in table.mapped_items]
        shapes = [{row[0]: row[1] for row in engine.rows(f"DESCRIBE SELECT {', '.join(quote(i) for i in items)} FROM {_file(now)}")}]
        old = {row[0]: row[1] for row in engine.rows(f"DESCRIBE SELECT * FROM {_file(before)}")}
        if any(old.get(item) != kind for item, kind in shapes[0].items()):
            # Another edition of the table: its rows are not these rows.
            return ReportedChange(table.code, table.capture, rows)
        key = [item.code for item in table.key_items] or items
        counts = compare_rows(engine, _hashed(now, key, items), _hashed(before, key, items))
        return ReportedChange(table.code, table.capture, rows, base.id, **counts)


def _file(path: Path) -> str:
    return f"read_parquet({literal(str(path))})"


def _hashed(path: Path, key: list[str], items: list[str]) -> str:
    keyed = ", ".join(quote(item) for item in key)
    return f"SELECT CAST(ROW({keyed}) AS VARCHAR) AS k, {row_hash(items)} AS h FROM {_file(path)}"
