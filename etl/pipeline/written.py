"""Writing and sealing: text files with serial numbers, the independent reading, the package."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.engines.local import Engine, literal, quote
from etl.errors import EastboundError
from etl.files import whole_file
from etl.pipeline.batches import batch_entry, close_to_others, day_batch
from etl.submission.definition import Package, WrittenFile
from etl.submission.package import MANIFEST, next_version, package_folder_name, read_manifest, seal_package
from etl.submission.serial import serial_sql
from etl.submission.writer import write_table

if TYPE_CHECKING:
    from etl.pipeline.context import RunContext
    from etl.standard.definition import Table


class WriteIncomplete(EastboundError):
    zh = "运行 {run} 的表 {tables} 还没有写出，不能封包；请先写出这些表"
    en = "run {run}: table(s) {tables} are not written yet, so no package can be sealed; write them first"
    exit_code = 3


def text_folder(context: RunContext) -> Path:
    return context.sent_folder / "text"


def write_tables(context: RunContext, timed: Callable[..., Any], tables: Sequence[Table], *, whole: bool) -> None:
    """Write submitted tables; serial numbers run through all tables in load order, whichever are written now. `whole`: start with an empty folder."""
    rows = {table.code: _rows(context.masked(table.code)) for table in context.standard.submitted_tables}
    request = context.request
    first = context.ledger.allocate_serials(context.company.code, request.report_date, context.standard.name, request.period.label, sum(rows.values())) \
        if context.standard.serial else 1
    before = dict(zip(rows, accumulate(rows.values(), initial=0)))
    folder = text_folder(context)
    if whole:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    with context.engine() as engine:
        for table in tables:
            with timed(context, "write", table.code) as note:
                sequence = first + before[table.code]
                source, parts = _parts(context, engine, table)
                files: list[WrittenFile] = []
                for part, path in parts:
                    files.append(write_table(path, table, context.standard, company=context.company, period=request.period, part=part, engine=engine,
                                             report_date=request.report_date, first_sequence=sequence + sum(f.rows for f in files), folder=folder))
                _keep_serials(context, engine, source, table.code, sequence)
                _keep_written(context, table.code, files)
                done = sum(file.rows for file in files)
                note(rows[table.code], done, rows[table.code] - done)


def _keep_written(context: RunContext, table: str, files: Sequence[WrittenFile]) -> None:
    """Note what was written of a table, for the sealing."""
    path = context.folder / "written" / f"{table}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        partial.write_text(json.dumps([{**_plain(file), "path": file.path.name} for file in files], ensure_ascii=False, indent=1), encoding="utf-8")


def written_files(context: RunContext) -> list[WrittenFile]:
    """What was written of all tables, in load order. Raises WriteIncomplete."""
    notes = [(table.code, context.folder / "written" / f"{table.code}.json") for table in context.standard.submitted_tables]
    missing = [code for code, path in notes if not path.is_file()]
    if missing:
        raise WriteIncomplete(run=context.run, tables=", ".join(missing))
    folder = text_folder(context)
    return [WrittenFile(**{**entry, "path": folder / entry["path"]}) for _, path in notes for entry in json.loads(path.read_text(encoding="utf-8"))]


def seal_all(context: RunContext, timed: Callable[..., Any]) -> None:
    """Re-read every file with the independent reader and put the package in its place."""
    folder = text_folder(context)
    files = written_files(context)
    request = context.request
    base = context.workspace.package_base(context.standard.name, request.period.label)
    with timed(context, "seal", "package") as note:
        target = next_version(base) / package_folder_name(context.standard, context.company, request.period, request.report_date)
        if context.standard.sends_clear:
            close_to_others(folder, target.parent, base, context.workspace.package_base(context.standard.name, ""))
        batch = day_batch(context, folder, files) if context.standard.package.kind == "zip" else None
        package = seal_package(
            files, folder, target, context.standard, company=context.company, period=request.period, report_date=request.report_date,
            attachments=[batch.zip_path] if batch else [],
            extra={**({"batch": batch_entry(batch)} if batch else {}),
                   "pack_fingerprint": context.ledger.run(context.run).pack_fingerprint,
                   "masking_key_fingerprint": context.keyring.fingerprint("masking")})
        package = _adopt_forgotten(context, base, package)
        if context.standard.sends_clear:
            close_to_others(package.folder)
        total = sum(file.rows for file in files)
        note(total, total, 0)
    for file in files:
        path = package.folder / file.name
        context.ledger.record_artefact(context.run, "seal", file.table, context.relative(path), sha256=file.sha256, bytes=file.bytes, rows=file.rows)
    context.ledger.finish_run(context.run, "sealed", package=context.relative(package.folder), package_sha256=package.sha256)


def _adopt_forgotten(context: RunContext, base: Path, package: Package) -> Package:
    """A run killed between the package's appearance and its entry in the ledger left a version that nobody knows.

    The same input gives the same bytes: that version is this run's own work, and takes the place of the one just made.
    """
    known = {run.package for run in context.ledger.runs(context.standard.name, context.request.period.label) if run.package}
    for version in sorted(path for path in base.iterdir() if path != package.folder.parent):
        folder = version / package.folder.name
        if (folder / MANIFEST).is_file() and context.relative(folder) not in known and read_manifest(folder).get("self") == package.sha256:
            shutil.rmtree(package.folder.parent)
            return Package(folder, package.manifest, package.sha256)
    return package


def _parts(context: RunContext, engine: Engine, table: Table) -> tuple[Path, list[tuple[str, Path]]]:
    """The rows to write in their order, and (part, rows of that part) for each file; one nameless part without a split.

    A split table is put in the order of its parts first, so that serial numbers run on from file to file.
    """
    source = context.masked(table.code)
    item = context.standard.split_by
    if item is None:
        return source, [("", source)]
    whole, base = context.masked(f"{table.code}.split"), f"read_parquet({literal(str(source))})"
    names = {row[0] for row in engine.rows(f"DESCRIBE SELECT * FROM {base}")}
    keep = "" if "_standard_row" in names else ", _row AS _standard_row"
    engine.write_parquet(f"SELECT * REPLACE (row_number() OVER (ORDER BY {quote(item)}, _row) AS _row){keep} FROM {base} ORDER BY _row", whole)
    ordered = f"read_parquet({literal(str(whole))})"
    parts = []
    for value, before in engine.rows(f"SELECT {quote(item)}, min(_row) - 1 FROM {ordered} GROUP BY 1 ORDER BY 1"):
        path = context.masked(f"{table.code}.{value}")
        engine.write_parquet(f"SELECT * REPLACE (_row - {int(before)} AS _row) FROM {ordered} WHERE {quote(item)} = {literal(value)} ORDER BY _row", path)
        parts.append((value, path))
    return whole, parts


def _keep_serials(context: RunContext, engine: Engine, source_file: Path, table: str, first: int) -> None:
    """Which checked row got which serial number: the way back from a submitted line."""
    item = context.standard.tables[table].transaction_item
    if context.standard.serial is not None:
        sql = serial_sql(context.standard.serial, context.company.code, context.request.report_date, f"_row + {first - 1}")
    else:
        # Without serial numbers a line is named by its transaction, table and place: `trace` takes the number alone, too.
        number = quote(item.code) if item else literal(context.company.code)
        sql = f"{number} || {literal(f':{table}:')} || CAST(_row AS VARCHAR)"
    source = f"read_parquet({literal(str(source_file))})"
    names = {row[0] for row in engine.rows(f"DESCRIBE SELECT * FROM {source}")}
    row = "_standard_row" if "_standard_row" in names else "_row"
    engine.write_parquet(f"SELECT {row} AS \"row\", {sql} AS serial FROM {source} ORDER BY 1", context.serials(table))


def _rows(path: Path) -> int:
    import pyarrow.parquet as pq

    return pq.read_metadata(path).num_rows


def _plain(file: WrittenFile) -> dict[str, Any]:
    return {name: getattr(file, name) for name in WrittenFile.__dataclass_fields__ if name != "path"}
