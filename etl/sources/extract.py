"""Extract the tables of one core system: one consistent moment, streamed to disk, then converted."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engines.local import DiskFull, Engine, flush, open_engine
from etl.sources.connections import Retry, broke_off, connect_source, source_url
from etl.sources.contracts import Delivered, NullWatch, compare_shape
from etl.sources.convert import convert_table
from etl.sources.definition import ExtractedTable, SourceColumn, SourceSystem
from etl.sources.errors import ContractBroken, ContractProblem, ExtractDiskFull, SourceReadFailed

if TYPE_CHECKING:
    import pyarrow as pa

    from etl.sources.roads import Road

Progress = Callable[[str, str, int, int], None]


def extract_system(system: SourceSystem, url: str, target: Path, *, batch_id: str, tables: set[str] | None = None,
                   needed: dict[str, set[str]] | None = None, progress: Progress | None = None, retry: Retry | None = None,
                   road: str | None = None, threads: int | None = None, memory: str | None = None) -> list[ExtractedTable]:
    """Extract `tables` (all when None) of `system` to `target/<system>/<table>.parquet` and `<table>.aside.parquet`.

    `needed` limits the columns per table; the key always comes along, and the contract is checked in full.
    `progress(system, table, rows read, rows in all)` is called after every batch. `road` forces `adbc` or `sqlalchemy`.
    The database is let go of before conversion begins. Tables come in the contract's order.

    Raises SourceUnreachable, ContractBroken (all problems at once, before any row is read; NULLs after reading),
    SourceReadFailed, ExtractDiskFull. In each case no table of this call is half written.
    """
    unknown = (tables or set()) - set(system.tables)
    if unknown:
        raise ValueError(f"{system.name} has no table {', '.join(sorted(unknown))} in its contract")
    chosen = [table for name, table in system.tables.items() if tables is None or name in tables]
    place = source_url(url)
    folder = target / system.name
    raw_folder = folder / ".raw"
    shutil.rmtree(raw_folder, ignore_errors=True)
    engine = connect_source(system.name, place, retry)
    try:
        # The engine is done with before the fast road opens: see AdbcSqlite on file locks.
        delivered, problems = compare_shape(system, engine, chosen)
    finally:
        engine.dispose()
    columns = {t.table.name: t.table.reading((needed or {}).get(t.table.name)) for t in delivered}
    try:
        with _reading(system, "-", place):
            from etl.sources.roads import open_road

            view = open_road(place, road)
        try:
            reads = _read_all(system, place, view, delivered, problems, columns, raw_folder, progress)
        finally:
            view.close()
        with open_engine(folder / ".raw" / "spill", threads=threads, memory=memory) as duck:
            return [_convert(duck, system, one, columns[one.table.name], raw_folder, folder, batch_id, *reads[one.table.name])
                    for one in delivered]
    finally:
        shutil.rmtree(raw_folder, ignore_errors=True)


def _read_all(system: SourceSystem, place, view: Road, delivered: list[Delivered], problems: list[ContractProblem],
              columns: dict[str, tuple[SourceColumn, ...]], raw_folder: Path, progress: Progress | None) -> dict[str, tuple[int, float]]:
    """Read every table to a raw file; returns (rows, seconds) per table."""
    totals: dict[str, int] = {}
    for one in delivered:
        with _reading(system, one.table.name, place):
            totals[one.table.name] = view.count(one)
        if one.table.required_rows and not totals[one.table.name]:
            problems.append(ContractProblem("table_empty", one.table.name))
    _raise_broken(system, problems)
    raw_folder.mkdir(parents=True, exist_ok=True)
    reads: dict[str, tuple[int, float]] = {}
    for one in delivered:
        started = time.monotonic()
        watch = NullWatch(one.table, columns[one.table.name])
        rows = _read_table(system, place, view, one, watch, raw_folder / f"{one.table.name}.parquet", totals[one.table.name], progress)
        problems.extend(watch.problems())
        reads[one.table.name] = (rows, time.monotonic() - started)
    _raise_broken(system, problems)
    return reads


def _read_table(system: SourceSystem, place, view: Road, one: Delivered, watch: NullWatch, path: Path, total: int,
                progress: Progress | None) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = watch.columns
    schema = pa.schema([*((f"c{i}", pa.string()) for i in range(len(columns))), ("_invalid", pa.list_(pa.int32()))])
    rows, size = 0, 0
    writer = None
    try:
        with _room(path, lambda: _estimate(total, rows, size)):
            writer = pq.ParquetWriter(path, schema, compression="zstd", compression_level=1, use_dictionary=False)
            batches = iter(view.batches(one, columns))
            while True:
                with _reading(system, one.table.name, place):
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
                if progress is not None:
                    progress(system.name, one.table.name, rows, total)
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


def _convert(duck: Engine, system: SourceSystem, one: Delivered, columns: tuple[SourceColumn, ...], raw_folder: Path, folder: Path,
             batch_id: str, rows_in: int, seconds: float) -> ExtractedTable:
    started = time.monotonic()
    raw = raw_folder / f"{one.table.name}.parquet"
    path, aside = folder / f"{one.table.name}.parquet", folder / f"{one.table.name}.aside.parquet"
    needed = raw.stat().st_size
    try:
        with _room(path, lambda: needed):
            rows_out, rows_aside = convert_table(duck, raw, path, aside, system=system.name, table=one.table, columns=columns,
                                                 batch_id=batch_id, rows_in=rows_in)
    except BaseException:
        # The two files of a table belong together: one without the other would lose rows unseen.
        for file in (path, aside):
            file.unlink(missing_ok=True)
        raise
    if rows_in != rows_out + rows_aside:
        raise RuntimeError(f"{system.name}.{one.table.name}: {rows_in} rows in, {rows_out} out, {rows_aside} aside")
    return ExtractedTable(system.name, one.table.name, path, aside, rows_in, rows_out, rows_aside, seconds + time.monotonic() - started)


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
