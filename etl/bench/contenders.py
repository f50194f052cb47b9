"""Those who race: each checks the same rules on the same file and writes its findings (`rule`, `row`) as Parquet.

A contender has two steps. `prepare` loads the rules and is not timed. What it returns is called with the data and the
file to write: first with a few rows, so that everything is imported, then with all of them, and that is timed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.bench.definition import PARAMETERS, PERIOD_END, TABLE, load_course

Check = Callable[[Path, Path], None]


@dataclass(frozen=True)
class Contender:
    """`about` tells people what it is; `prepare(memory)` gives the function that is timed."""

    name: str
    about_zh: str
    about_en: str
    prepare: Callable[[str | None], Check]


@contextmanager
def _engine(data: Path, spill: Path, memory: str | None) -> Iterator[Any]:
    """The house's engine with the table, its code tables and the period, as a run has them."""
    from etl.engines import open_engine
    from etl.engines.local import literal

    with open_engine(spill, memory=memory) as engine:
        engine.set_parameters(**PARAMETERS)
        engine.load_codes(load_course().standard.codes.values(), PERIOD_END)
        engine.view_parquet("data", TABLE, data)
        engine.execute(f"CREATE VIEW aside.{TABLE} AS SELECT * FROM read_parquet({literal(str(data))}) LIMIT 0")
        yield engine


def _ours(memory: str | None) -> Check:
    from etl.privacy.display import item_sql
    from etl.rules.run import check_table

    course = load_course()

    def check(data: Path, out: Path) -> None:
        with _engine(data, out.parent / "spill", memory) as engine:
            outcomes = check_table(engine, course.standard, course.table, list(course.rules), out, show=item_sql)
        broken = [f"{o.rule}: {o.reason}" for o in outcomes if o.outcome == "errored"]
        if broken:
            raise RuntimeError("; ".join(broken))

    return check


def _naive(memory: str | None) -> Check:
    from etl.bench.naive import naive_statement

    rules = load_course().rules

    def check(data: Path, out: Path) -> None:
        with _engine(data, out.parent / "spill", memory) as engine:
            engine.write_parquet(naive_statement(TABLE, rules), out)

    return check


def _pandera_polars(_: str | None) -> Check:
    from etl.bench.with_pandera import prepare_polars

    return prepare_polars(load_course())


def _pandera_pandas(_: str | None) -> Check:
    from etl.bench.with_pandera import prepare_pandas

    return prepare_pandas(load_course())


def _pandas(_: str | None) -> Check:
    from etl.bench.with_pandas import prepare

    return prepare(load_course())


CONTENDERS: dict[str, Contender] = {c.name: c for c in (
    Contender("ours", "本产品的检核（完整发现：主键、值、应为、说明）", "the product's check (complete findings: key, value, expected, text)", _ours),
    Contender("naive", "朴素的 DuckDB 语句（规则编号与行号）", "the naive DuckDB statement (rule and row)", _naive),
    Contender("pandera-polars", "pandera，polars 后端，lazy", "pandera on polars, lazy", _pandera_polars),
    Contender("pandera-pandas", "pandera，pandas 后端，lazy", "pandera on pandas, lazy", _pandera_pandas),
    Contender("pandas", "pandas，按块读取", "plain pandas, in chunks", _pandas),
)}
