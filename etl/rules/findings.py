"""Reading findings back: all rows of a run, filtered, paged, exported. Nothing is capped on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.engines.local import Engine, literal, parquet_sql, quote

# The keys that scripts may rely on come first; the rest helps people.
COLUMNS = (
    "rule", "severity", "table", "key", "item", "value", "expected", "source_system", "source_table", "source_key", "serial",
    "family", "difference", "branch", "department", "state", "month_state", "first_seen", "row", "message_zh", "message_en",
)


@dataclass(frozen=True)
class FindingFilter:
    """What to show; None means all."""

    rule: str | None = None
    table: str | None = None
    branch: str | None = None
    severity: str | None = None
    family: str | None = None
    item: str | None = None
    department: str | None = None
    state: str | None = None


def register_findings(engine: Engine, findings: Sequence[Path], serials: dict[str, Path]) -> None:
    """Make the view `_findings` over a run's finding files, with serial numbers where the rows got them."""
    typed = ", ".join(f"CAST(NULL AS {'BIGINT' if c == 'row' else 'VARCHAR'}) AS {quote(c)}" for c in COLUMNS)
    if not findings:
        engine.execute(f"CREATE OR REPLACE TEMP VIEW _findings AS SELECT {typed} WHERE FALSE")
        return
    # Runs of earlier releases lack the later columns.
    told = f"(SELECT {typed} WHERE FALSE UNION ALL BY NAME SELECT * FROM {parquet_sql(findings)})"
    numbered = " UNION ALL ".join(
        f"SELECT {literal(table)} AS \"table\", \"row\", serial FROM read_parquet({literal(str(path))})" for table, path in sorted(serials.items()) if path.is_file())
    if not numbered:
        numbered = "SELECT CAST(NULL AS VARCHAR) AS \"table\", CAST(NULL AS BIGINT) AS \"row\", CAST(NULL AS VARCHAR) AS serial WHERE FALSE"
    others = ", ".join(f"f.{quote(c)}" for c in COLUMNS if c != "serial")
    engine.execute(
        f"CREATE OR REPLACE TEMP VIEW _findings AS SELECT {others}, s.serial FROM {told} AS f "
        f"LEFT JOIN ({numbered}) AS s ON s.\"table\" = f.\"table\" AND s.\"row\" = f.\"row\"")


def query_findings(engine: Engine, chosen: FindingFilter, *, limit: int | None = None, offset: int = 0) -> Iterator[dict[str, Any]]:
    """Findings in a fixed order (severity, rule, key), streamed. A pattern with `%` in rule or table matches by LIKE."""
    where, values = _where(chosen)
    page = (f" LIMIT {int(limit)}" if limit is not None else "") + (f" OFFSET {int(offset)}" if offset else "")
    names = ", ".join(quote(c) for c in COLUMNS)
    cursor = engine.execute(f"SELECT {names} FROM _findings{where} ORDER BY severity, rule, key, source_key, \"row\"{page}", values)
    while batch := cursor.fetchmany(5000):
        for row in batch:
            yield dict(zip(COLUMNS, row, strict=True))


def count_findings(engine: Engine, chosen: FindingFilter) -> int:
    where, values = _where(chosen)
    return int(engine.one(f"SELECT count(*) FROM _findings{where}", values))


def group_findings(engine: Engine, by: Sequence[str], chosen: FindingFilter | None = None) -> list[dict[str, Any]]:
    """Number of findings per combination of `by`, the most frequent first."""
    where, values = _where(chosen or FindingFilter())
    names = ", ".join(quote(c) for c in by)
    return engine.dicts(f"SELECT {names}, count(*) AS findings FROM _findings{where} GROUP BY ALL ORDER BY findings DESC, {names}", values)


def _where(chosen: FindingFilter) -> tuple[str, list[str]]:
    parts, values = [], []
    for name in ("rule", "table", "branch", "severity", "family", "item", "department", "state"):
        value = getattr(chosen, name)
        if value is not None:
            parts.append(f"{quote(name)} {'LIKE' if '%' in value else '='} ?")
            values.append(value)
    return (" WHERE " + " AND ".join(parts)) if parts else "", values
