"""Findings against those of earlier runs: new, still open, fixed; and in which run each was first seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from etl.engines.local import Engine, literal, parquet_sql, quote
from etl.rules.report import IDENTITY

FIRST_SEEN = "first_seen"


def load_history(engine: Engine, period: Sequence[Path] | None, month: Sequence[Path] | None, *, period_run: str = "", month_run: str = "") -> None:
    """Make `_before` from the findings of the previous run of the same period and of the last run of the period before.

    None means that there is no such run; an empty list, that it found nothing. `_month_known` says whether last month is
    known at all: without it nothing can be called new against it.
    """
    names = ", ".join(quote(c) for c in IDENTITY)
    typed = ", ".join(f"CAST(NULL AS VARCHAR) AS {quote(c)}" for c in IDENTITY)
    parts = [f"SELECT {typed}, FALSE AS in_period, FALSE AS in_month, CAST(NULL AS VARCHAR) AS first_seen WHERE FALSE"]
    for paths, run, own in ((period, period_run, True), (month, month_run, False)):
        if paths:
            seen = f"coalesce(first_seen, {literal(run)})" if _has_first_seen(engine, paths) else literal(run)
            parts.append(f"SELECT {names}, {'TRUE' if own else 'FALSE'}, {'FALSE' if own else 'TRUE'}, {seen} FROM {parquet_sql(paths)}")
    # Run ids begin with their time, so the smallest is the earliest.
    engine.execute(f"CREATE OR REPLACE TEMP TABLE _before AS SELECT {names}, bool_or(in_period) AS in_period, bool_or(in_month) AS in_month, "
                   f"min(first_seen) AS first_seen FROM ({' UNION ALL '.join(parts)}) GROUP BY ALL")
    engine.execute(f"CREATE OR REPLACE TEMP TABLE _month_known AS SELECT {'TRUE' if month is not None else 'FALSE'} AS known")


def fixed_sql(now: Sequence[Path], before: Sequence[Path]) -> str:
    """Findings of `before` that `now` has no more."""
    if not now:
        return f"SELECT * FROM {parquet_sql(before)}"
    same = " AND ".join(f"n.{quote(c)} IS NOT DISTINCT FROM b.{quote(c)}" for c in IDENTITY)
    return f"SELECT b.* FROM {parquet_sql(before)} AS b ANTI JOIN {parquet_sql(now)} AS n ON {same}"


def _has_first_seen(engine: Engine, paths: Sequence[Path]) -> bool:
    # Runs of earlier releases did not note it.
    return FIRST_SEEN in {row[0] for row in engine.rows(f"DESCRIBE SELECT * FROM {parquet_sql(paths)}")}
