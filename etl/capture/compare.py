"""What differs between two images of a table: by key, and by a hash over all columns."""

from __future__ import annotations

from pathlib import Path

from etl.capture.image import aside_sql, rows_sql
from etl.engines.local import Engine, quote
from etl.sources.definition import SourceColumn


def compare_images(engine: Engine, table: str, columns: tuple[SourceColumn, ...], now: Path, before: Path) -> dict[str, int]:
    """Rows inserted, updated, deleted, unchanged between the images in two folders; rows set aside count as rows.

    Rows of one key are compared as a bag: of those that differ, as many as both sides have are updates.
    """
    names = [column.name for column in columns]
    return compare_rows(engine, _hashed(table, names, now), _hashed(table, names, before))


def _hashed(table: str, names: list[str], folder: Path) -> str:
    return (f"SELECT _src_key AS k, {row_hash(names)} AS h FROM ({rows_sql(folder, table)}) "
            f"UNION ALL SELECT _src_key, hash(CAST(\"row\" AS VARCHAR)) FROM ({aside_sql(folder, table)})")


def row_hash(names: list[str]) -> str:
    """SQL of a 64-bit hash over columns; NULL differs from every value."""
    return f"hash({', '.join(quote(name) for name in names)})"


def compare_rows(engine: Engine, now: str, before: str) -> dict[str, int]:
    """As `compare_images`, of two queries of (k, h): key and hash."""
    row = engine.rows(
        "WITH hashes AS (SELECT k, h, sum(n)::BIGINT AS n, sum(b)::BIGINT AS b FROM (SELECT k, h, 1 AS n, 0 AS b FROM (" + now + ") "
        "UNION ALL SELECT k, h, 0, 1 FROM (" + before + ")) GROUP BY k, h), "
        "keys AS (SELECT sum(least(n, b)) AS same, sum(n) - sum(least(n, b)) AS more, sum(b) - sum(least(n, b)) AS less FROM hashes GROUP BY k) "
        "SELECT coalesce(sum(more - least(more, less)), 0), coalesce(sum(least(more, less)), 0), coalesce(sum(less - least(more, less)), 0), coalesce(sum(same), 0) FROM keys")[0]
    return dict(zip(("inserted", "updated", "deleted", "unchanged"), (int(value) for value in row), strict=True))
