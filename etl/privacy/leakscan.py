"""The leak scan: are any of these clear personal values in these files? Proves that outside the vault there are none.

Files are read by what they are, not by their names: Parquet by its columns, SQLite by its tables, zip (xlsx) and gzip
by their members, and the rest as text in UTF-8 or GB18030, or as bytes. Reports say where and how often, never what.
"""

from __future__ import annotations

import gzip
import html
import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote as percent_quote

if TYPE_CHECKING:
    import polars
    import pyarrow

PIECE = 8 * 1024 * 1024
_MAXIMUM_DEPTH = 4
# Shorter values (one Chinese character, two digits) occur everywhere and prove nothing.
MINIMUM_LENGTH = 2


@dataclass(frozen=True)
class Leak:
    """`count` occurrences of the values searched for, in `path`; `part` is a column, table or member inside it."""

    path: str
    count: int
    part: str = ""


def scan_for_values(
    paths: Iterable[Path | str], values: Iterable[str], exclude: Iterable[Path | str] = ()
) -> list[Leak]:
    """Occurrences of `values` in the files at `paths` (folders are walked), apart from what lies below `exclude`.

    Values are also looked for as JSON (\\uXXXX) and URLs (%XX) write them; file names are searched too. A value that
    lies across a boundary of 8 MiB in a file without line ends may be counted twice, never missed.
    Raises ValueError where a value is shorter than two characters: it would be found everywhere.
    """
    needles = _needles(values)
    leaks: list[Leak] = []
    skipped = [Path(path).resolve() for path in exclude]
    for path in _files(paths):
        resolved = path.resolve()
        if any(resolved == folder or folder in resolved.parents for folder in skipped):
            continue
        if needles.plain and (count := _count(str(path.name), needles)):
            leaks.append(Leak(str(path), count, "(file name)"))
        found: dict[str, int] = {}
        if needles.plain and path.stat().st_size:
            for part, text in _texts(path, needles):
                if count := _count(text, needles):
                    found[part] = found.get(part, 0) + count
        leaks += [Leak(str(path), count, part) for part, count in found.items()]
    return leaks


def _files(paths: Iterable[Path | str]) -> Iterator[Path]:
    for path in map(Path, paths):
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink())
        elif path.is_file():
            yield path


@dataclass(frozen=True)
class _Needles:
    """The values as they are, and as JSON and URLs write them; the second list only matters where there are escapes."""

    plain: list[str]
    escaped: list[str]


def _needles(values: Iterable[str]) -> _Needles:
    plain: set[str] = set()
    escaped: set[str] = set()
    for value in values:
        if len(value) < MINIMUM_LENGTH:
            raise ValueError(f"a value of {len(value)} character(s) cannot be searched for")
        plain.add(value)
        if not value.isascii():
            text, percent = json.dumps(value)[1:-1], percent_quote(value)
            escaped |= {text, text.upper().replace("\\U", "\\u"), percent, percent.lower()}
    return _Needles(sorted(plain), sorted(escaped))


def _count(text: str | polars.Series, needles: _Needles) -> int:
    import polars as pl

    series = pl.Series([text], dtype=pl.String) if isinstance(text, str) else text
    # Overlapping, so that a value inside another one counts too.
    hits = series.str.find_many(needles.plain, overlapping=True).list.len().sum() or 0
    if needles.escaped and series.str.contains(r"\\u|%[0-9A-Fa-f]").any():
        hits += series.str.find_many(needles.escaped, overlapping=True).list.len().sum() or 0
    return int(hits)


def _texts(path: Path, needles: _Needles) -> Iterator[tuple[str, str | polars.Series]]:
    """(part, text) pairs that together hold all text of the file."""
    with path.open("rb") as stream:
        magic = stream.read(16)
    if magic.startswith(b"PAR1"):
        yield from _parquet(path, needles)
    elif magic.startswith(b"SQLite format 3\x00"):
        yield from _sqlite(path)
        # Deleted rows stay in free pages until they are overwritten.
        yield from _plain(path.open("rb"), "(pages)", "utf-8")
    else:
        with path.open("rb") as stream:
            yield from _stream(stream, magic, "", 0)


def _stream(stream: io.BufferedIOBase, magic: bytes, part: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth < _MAXIMUM_DEPTH and magic.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(stream) as archive:
                for member in archive.infolist():
                    yield part, member.filename
                    data = archive.read(member)
                    inner = f"{part}/{member.filename}" if part else member.filename
                    yield from _stream(io.BytesIO(data), data[:16], inner, depth + 1)
            return
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error):
            stream.seek(0)
    if depth < _MAXIMUM_DEPTH and magic.startswith(b"\x1f\x8b"):
        try:
            data = gzip.decompress(stream.read())
            yield from _stream(io.BytesIO(data), data[:16], part, depth + 1)
            return
        except (OSError, EOFError, zlib.error):
            stream.seek(0)
    yield from _plain(stream, part)


def _plain(stream: io.BufferedIOBase, part: str, encoding: str | None = None) -> Iterator[tuple[str, str]]:
    with stream:
        encoding = encoding or _encoding(stream)
        stream.seek(0)
        tail, piece = b"", stream.read(PIECE)
        while piece:
            data, piece = tail + piece, stream.read(PIECE)
            cut = data.rfind(b"\n") + 1 if piece else len(data)
            # Without a line end nearby, the last 1000 bytes are searched again with the next piece.
            body, tail = (data[:cut], data[cut:]) if cut > len(data) // 2 else (data, data[-1000:])
            text = body.decode(encoding, "replace")
            yield part, html.unescape(text) if "&#" in text else text


def _encoding(stream: io.BufferedIOBase) -> str:
    """UTF-16 by its mark; UTF-8 or GB18030 where all of the file decodes; else bytes with the odd ones replaced."""
    import codecs

    start = stream.read(2)
    if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16-le" if start == codecs.BOM_UTF16_LE else "utf-16-be"
    for encoding in ("utf-8", "gb18030"):
        stream.seek(0)
        decoder = codecs.getincrementaldecoder(encoding)("strict")
        try:
            while piece := stream.read(PIECE):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
            return encoding
        except UnicodeDecodeError:
            continue
    return "utf-8"


def _parquet(path: Path, needles: _Needles) -> Iterator[tuple[str, str | polars.Series]]:
    import polars as pl
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as parquet:
        yield "(metadata)", str(parquet.metadata.metadata or "") + " ".join(parquet.schema_arrow.names)
        for batch in parquet.iter_batches(batch_size=100_000):
            columns = {
                name: _column_texts(column) for name, column in zip(batch.schema.names, batch.columns, strict=True)
            }
            found = {name: texts for name, texts in columns.items() if texts is not None}
            # One search for all columns; where it hits, one for each to say which.
            if found and _count(pl.concat([texts.alias("all") for texts in found.values()]), needles):
                yield from found.items()


def _column_texts(column: pyarrow.Array) -> polars.Series | None:
    """A column rendered as text; None for a type that cannot hold a personal value as such."""
    import polars as pl
    import pyarrow as pa

    kind = column.type
    if pa.types.is_temporal(kind) or pa.types.is_boolean(kind) or pa.types.is_floating(kind):
        return None
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        texts = [None if value is None else value.decode("utf-8", "replace") for value in column.to_pylist()]
    elif pa.types.is_nested(kind):
        texts = [
            None if value is None else json.dumps(value, ensure_ascii=False, default=str)
            for value in column.to_pylist()
        ]
    else:
        return pl.Series(pl.from_arrow(column)).cast(pl.String)
    return pl.Series(texts, dtype=pl.String)


def _sqlite(path: Path) -> Iterator[tuple[str, polars.Series]]:
    import sqlite3

    import polars as pl

    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    try:
        tables = [
            row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        ]
        for table in tables:
            quoted = table.replace('"', '""')
            try:
                cursor = connection.execute(f'SELECT * FROM "{quoted}"')
            except sqlite3.OperationalError:
                # A virtual table whose module is not here; its shadow tables are searched by themselves.
                continue
            while rows := cursor.fetchmany(10_000):
                yield table, pl.Series([_cell(row) for row in rows], dtype=pl.String)
    finally:
        connection.close()


def _cell(row: tuple) -> str:
    return "\n".join(v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in row if v is not None)
