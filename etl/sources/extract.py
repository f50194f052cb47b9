"""Extract the tables of one core system: one consistent moment, streamed to disk, then converted."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.engines.local import DiskFull, Engine, flush, open_engine
from etl.files import whole_file
from etl.sources.connections import Retry, broke_off, connect_source, source_url
from etl.sources.contracts import Delivered, NullWatch, compare_shape
from etl.sources.convert import convert_table, ordered_file
from etl.sources.definition import ExtractedTable, SourceColumn, SourceSystem, SourceTable
from etl.sources.errors import ContractBroken, ContractProblem, ExtractDiskFull, SourceReadFailed

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlalchemy as sa

    from etl.sources.roads import Only, Road

Progress = Callable[[str, str, int, int], None]
# What was read lies here until it is converted; READ appears when all tables of the system are in.
RAW = ".raw"
READ = "read.json"


@dataclass(frozen=True)
class Snapshot:
    """One consistent moment of a database, open for reading; raw files go to `folder`, faults of the data to `problems`."""

    system: SourceSystem
    place: sa.URL
    view: Road
    folder: Path
    problems: list[ContractProblem]
    progress: Progress | None = None

    def read(self, one: Delivered, columns: tuple[SourceColumn, ...], name: str, total: int, only: Only | None = None) -> int:
        """Read a table, or the rows that `only` picks, to the raw file `<name>.parquet`; the number of rows."""
        watch = NullWatch(one.table, columns)
        rows = _read_table(self, one, watch, raw_file(self.folder, name), total, only)
        self.problems.extend(watch.problems())
        return rows


@dataclass(frozen=True)
class Making:
    """Where raw files become the files of a run: `raw` and `folder` lie beside each other, `batch_id` names the run."""

    engine: Engine
    system: SourceSystem
    raw: Path
    folder: Path
    batch_id: str

    def convert(self, table: SourceTable, columns: tuple[SourceColumn, ...], rows_in: int, name: str, into: Path | None = None) -> tuple[Path, Path, int, int]:
        """Convert the raw file `<name>.parquet`; (file of the rows, file of those set aside, rows out, rows aside).

        What it has made of the raw file already is not made again; the caller drops what is left of it with `drop_raw`.
        """
        raw, into = raw_file(self.raw, name), into or self.folder
        path, aside = into / f"{name}.parquet", into / f"{name}.aside.parquet"
        needed = raw.stat().st_size if raw.is_file() else 0
        try:
            with _room(path, lambda: needed):
                rows_out, rows_aside = convert_table(self.engine, raw, path, aside, system=self.system.name, table=table, columns=columns,
                                                     batch_id=self.batch_id, rows_in=rows_in)
        except BaseException:
            # The two files of a table belong together: one without the other would lose rows unseen.
            for file in (path, aside):
                file.unlink(missing_ok=True)
            raise
        if rows_in != rows_out + rows_aside:
            raise RuntimeError(f"{self.system.name}.{table.name}: {rows_in} rows in, {rows_out} out, {rows_aside} aside")
        return path, aside, rows_out, rows_aside


class Way:
    """A way of reading tables: `read` while the snapshot is open, `finish` afterwards, perhaps in another process. This one reads all rows."""

    def prepare(self, folder: Path, columns: dict[str, tuple[SourceColumn, ...]]) -> None:
        """What takes long and needs no snapshot, before it is opened: it holds up those who write to the database."""

    def read(self, snapshot: Snapshot, one: Delivered, columns: tuple[SourceColumn, ...], total: int) -> dict[str, Any]:
        """Put raw files aside; what is returned (JSON) is what `finish` needs to know."""
        return {"rows": snapshot.read(one, columns, one.table.name, total)}

    def finish(self, making: Making, table: SourceTable, columns: tuple[SourceColumn, ...], notes: dict[str, Any]) -> tuple[int, int, int]:
        """Make the table's files out of the raw ones; (rows in, rows out, rows aside). Killed, it is called again."""
        _, _, rows_out, rows_aside = making.convert(table, columns, notes["rows"], table.name)
        return notes["rows"], rows_out, rows_aside


def extract_system(system: SourceSystem, url: str, target: Path, *, batch_id: str, tables: set[str] | None = None,
                   needed: dict[str, set[str]] | None = None, progress: Progress | None = None, retry: Retry | None = None,
                   road: str | None = None, threads: int | None = None, memory: str | None = None, way: Way | None = None,
                   done: Callable[[ExtractedTable], None] | None = None) -> list[ExtractedTable]:
    """Extract `tables` (all when None) of `system` to `target/<system>/<table>.parquet` and `<table>.aside.parquet`.

    `needed` limits the columns per table; the key always comes along, and the contract is checked in full.
    `progress(system, table, rows read, rows in all)` is called after every batch. `road` forces `adbc` or `sqlalchemy`.
    The database is let go of before conversion begins. Tables come in the contract's order; `done` is told of each as it is finished.
    `way` is how tables are read: all of their rows, unless said otherwise.

    The tables of a system are of one moment. A read that breaks off is therefore begun anew for all of them; but once all
    are read, a killed run that is called again (same `batch_id`) goes on with what it has, and `done` hears of every table again.

    Raises SourceUnreachable, ContractBroken (all problems at once, before any row is read; NULLs after reading),
    SourceReadFailed, ExtractDiskFull. In each case no table of this call is half written.
    """
    unknown = (tables or set()) - set(system.tables)
    if unknown:
        raise ValueError(f"{system.name} has no table {', '.join(sorted(unknown))} in its contract")
    chosen = [table for name, table in system.tables.items() if tables is None or name in tables]
    columns = {table.name: table.reading((needed or {}).get(table.name)) for table in chosen}
    way = way or Way()
    folder = target / system.name
    raw_folder = folder / RAW
    try:
        notes = _notes_of(raw_folder, batch_id, columns)
        if notes is None:
            shutil.rmtree(raw_folder, ignore_errors=True)
            read = _read_all(system, source_url(url), chosen, columns, raw_folder, way, retry, road, progress)
            notes = {name: {**read[name], "columns": [column.name for column in columns[name]]} for name in read}
            _note(raw_folder / READ, {"batch": batch_id, "tables": notes})
        shutil.rmtree(raw_folder / "spill", ignore_errors=True)
        finished = []
        with open_engine(raw_folder / "spill", threads=threads, memory=memory) as duck:
            making = Making(duck, system, raw_folder, folder, batch_id)
            for table in chosen:
                finished.append(_finish(making, way, table, columns[table.name], notes[table.name]))
                if done is not None:
                    done(finished[-1])
    except Exception:
        # Only a kill leaves the raw files behind: what failed may have failed because of them.
        shutil.rmtree(raw_folder, ignore_errors=True)
        raise
    shutil.rmtree(raw_folder, ignore_errors=True)
    return finished


def _finish(making: Making, way: Way, table: SourceTable, columns: tuple[SourceColumn, ...], notes: dict[str, Any]) -> ExtractedTable:
    """Finish a table, or find it finished."""
    noted = making.raw / f"{table.name}.done.json"
    path, aside = making.folder / f"{table.name}.parquet", making.folder / f"{table.name}.aside.parquet"
    if noted.is_file():
        kept = json.loads(noted.read_text(encoding="utf-8"))
    else:
        started = time.monotonic()
        rows_in, rows_out, rows_aside = way.finish(making, table, columns, notes)
        kept = {"rows_in": rows_in, "rows_out": rows_out, "rows_aside": rows_aside, "seconds": notes["seconds"] + time.monotonic() - started}
        _note(noted, kept)
    drop_raw(making.raw, table.name)
    return ExtractedTable(making.system.name, table.name, path, aside, **kept)


def raw_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.parquet"


def drop_raw(folder: Path, name: str) -> None:
    """Remove a raw file and what conversion made of it on the way."""
    raw = raw_file(folder, name)
    for file in (raw, ordered_file(raw)):
        file.unlink(missing_ok=True)


def _note(path: Path, content: dict[str, Any]) -> None:
    with whole_file(path, mode=0o600) as partial:
        partial.write_text(json.dumps(content), encoding="utf-8")


def _notes_of(raw_folder: Path, batch_id: str, columns: dict[str, tuple[SourceColumn, ...]]) -> dict[str, Any] | None:
    """What a killed call of the same batch noted when it had read the same tables and columns; None where there is none."""
    try:
        found = json.loads((raw_folder / READ).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    same = found["batch"] == batch_id and {name: notes["columns"] for name, notes in found["tables"].items()} == {
        name: [column.name for column in chosen] for name, chosen in columns.items()}
    return found["tables"] if same else None


def _read_all(system: SourceSystem, place: sa.URL, chosen: list[SourceTable], columns: dict[str, tuple[SourceColumn, ...]], raw_folder: Path, way: Way,
              retry: Retry | None, road: str | None, progress: Progress | None) -> dict[str, dict[str, Any]]:
    """Read every table to raw files, all at one moment; the way's notes and the seconds per table."""
    engine = connect_source(system.name, place, retry)
    try:
        # The engine is done with before the fast road opens: see AdbcSqlite on file locks.
        delivered, problems = compare_shape(system, engine, chosen)
    finally:
        engine.dispose()
    raw_folder.mkdir(parents=True, exist_ok=True)
    way.prepare(raw_folder, columns)
    with _reading(system, "-", place):
        from etl.sources.roads import open_road

        view = open_road(place, road)
    snapshot = Snapshot(system, place, view, raw_folder, problems, progress)
    try:
        totals: dict[str, int] = {}
        for one in delivered:
            with _reading(system, one.table.name, place):
                totals[one.table.name] = view.count(one)
            if one.table.required_rows and not totals[one.table.name]:
                problems.append(ContractProblem("table_empty", one.table.name))
        _raise_broken(system, problems)
        notes: dict[str, dict[str, Any]] = {}
        for one in delivered:
            started = time.monotonic()
            read = way.read(snapshot, one, columns[one.table.name], totals[one.table.name])
            notes[one.table.name] = {**read, "seconds": time.monotonic() - started}
        _raise_broken(system, problems)
        return notes
    finally:
        view.close()


def _read_table(snapshot: Snapshot, one: Delivered, watch: NullWatch, path: Path, total: int, only: Only | None) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    system, columns = snapshot.system, watch.columns
    schema = pa.schema([*((f"c{i}", pa.string()) for i in range(len(columns))), ("_invalid", pa.list_(pa.int32()))])
    rows, size = 0, 0
    writer = None
    try:
        with _room(path, lambda: _estimate(total, rows, size)):
            writer = pq.ParquetWriter(path, schema, compression="zstd", compression_level=1, use_dictionary=False)
            batches = iter(snapshot.view.batches(one, columns, only))
            while True:
                with _reading(system, one.table.name, snapshot.place):
                    batch = next(batches, None)
                if batch is None:
                    break
                if batch.num_rows == 0:
                    continue
                decoded = decode(batch, schema)
                named = decoded.select(list(range(len(columns)))).rename_columns([column.name for column in columns])
                watch.see(named)
                writer.write_batch(decoded)
                rows, size = rows + batch.num_rows, path.stat().st_size
                if snapshot.progress is not None:
                    snapshot.progress(system.name, one.table.name, rows, total)
            writer.close()
            flush(path)
    except BaseException:
        _abandon(writer)
        path.unlink(missing_ok=True)
        raise
    return rows


def _abandon(writer) -> None:
    # Closing writes the footer, which fails again on a full disk; the file is thrown away in any case.
    with suppress(OSError):
        if writer is not None:
            writer.close()


def decode(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Bytes to text. A value that is no valid UTF-8 shows its bad bytes as \\xNN, and its column is noted in `_invalid`."""
    import pyarrow as pa

    arrays, invalid = [], {}
    for position, column in enumerate(batch.columns):
        try:
            arrays.append(column.cast(pa.string()))
        except pa.ArrowInvalid:
            texts = []
            for row, value in enumerate(column.to_pylist()):
                try:
                    texts.append(None if value is None else value.decode("utf-8"))
                except UnicodeDecodeError:
                    texts.append(value.decode("utf-8", "backslashreplace"))
                    invalid.setdefault(row, []).append(position)
            arrays.append(pa.array(texts, pa.string()))
    noted = [invalid.get(row) for row in range(batch.num_rows)] if invalid else pa.nulls(batch.num_rows, pa.list_(pa.int32()))
    return pa.RecordBatch.from_arrays([*arrays, pa.array(noted, pa.list_(pa.int32())) if invalid else noted], schema=schema)


def _raise_broken(system: SourceSystem, problems: list[ContractProblem]) -> None:
    if problems:
        raise ContractBroken(system=system.name, path=str(system.path or "source.yaml"), problems=problems)


def _estimate(total: int, rows: int, size: int) -> int:
    """Bytes that a table still needs, judged by what is written: the rest of its raw file, and its converted twin."""
    whole = size * total // rows if rows else total * 100
    return max(2 * whole - size, 0)


@contextmanager
def _room(path: Path, needed: Callable[[], int]):
    """Turn a full disk into an error that names the place and the bytes needed."""
    try:
        yield
    except ExtractDiskFull:
        raise
    except Exception as error:
        if not _is_disk_full(error):
            raise
        free = shutil.disk_usage(path.parent if path.parent.exists() else os.curdir).free
        raise ExtractDiskFull(path=str(path), needed=needed(), free=free) from None


def _is_disk_full(error: Exception) -> bool:
    # Libraries wrap the system's error in their own; DuckDB also stops before it has spilled the disk full.
    return (isinstance(error, DiskFull) or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
            or "No space left" in str(error) or "max_temp_directory_size" in str(error))


@contextmanager
def _reading(system: SourceSystem, table: str, place):
    """Turn a driver's error into one that names system and table, and quotes no data."""
    import adbc_driver_manager
    import pyarrow as pa
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
        raise SourceReadFailed(system=system.name, table=table, reason=broke_off(error, place)) from None
