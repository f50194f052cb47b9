"""The profile of every standardised table of a run: one scan per table, no personal value, one small JSON file per run."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.engines.local import Engine, literal, quote
from etl.files import whole_file
from etl.profiles.definition import WHOLE, ItemProfile, TableProfile
from etl.standard.definition import DataItem, Standard, Table

if TYPE_CHECKING:
    from etl.pipeline.context import RunContext

FOLDER, FILE = "profiles", "tables.json"
# What has more values than this (areas, say) is counted by value only where its distribution is watched, and never above the second number.
COUNTED_VALUES, MOST_VALUES = 500, 5000
INLINE_VALUES = 100


def profile_tables(context: RunContext, engine: Engine) -> None:
    """Write the profiles of all tables of the run to `<run>/profiles/tables.json`.

    Wants the tables as data.<TABLE>. Raises DiskFull.
    """
    import pyarrow.parquet as pq

    values = ValueLists(engine, context.standard, context.request.period.end)
    period = context.request.period.label
    # One file, not one per table: forcing each to disk would take longer than making it.
    write_profiles([profile_table(values, table, period, context.run, context.expectations.drifting(table.code), pq.read_metadata(context.set_aside(table.code)).num_rows)
                    for table in context.tables], context.folder)


class ValueLists:
    """The values by which the rows of an item are counted, as the engine and the standard know them on `day`.

    Any other value may be anything, a name too: such rows are counted, their values are kept nowhere.
    """

    def __init__(self, engine: Engine, standard: Standard, day: date) -> None:
        self.engine, self.standard, self.day = engine, standard, day
        self._codes: dict[tuple[str, str], frozenset[str]] = {}
        self._variables: dict[tuple[str, ...], str] = {}

    def sql(self, item: DataItem, drifting: bool = False) -> str:
        """The values of an item as an SQL list; '' for what is not counted by value.

        Those of its code table; of an item without one that is watched (`drifting`), those of the item it refers to.
        """
        if item.privacy or not (item.codes or (drifting and item.refs)):
            return ""
        if item.codes and not drifting and len(self.standard.codes[item.codes].values) > COUNTED_VALUES:
            return ""
        known = self._of_codes(item) if item.codes else self._of_reference(item)
        values = sorted({*known, *item.allow, *([str(item.default)] if item.default is not None else [])} - {""}) if known else []
        if len(values) <= INLINE_VALUES:
            return f"[{', '.join(literal(value) for value in values)}]" if values else ""
        # Thousands are handed over once as a variable: that is far quicker than parsing them for every item.
        key = tuple(values)
        if key not in self._variables:
            self._variables[key] = f"profile_values_{len(self._variables)}"
            self.engine.execute(f"SET VARIABLE {self._variables[key]} = ?", [values])
        return f"getvariable({literal(self._variables[key])})"

    def _of_codes(self, item: DataItem) -> frozenset[str]:
        key = (item.codes or "", item.send)
        if key not in self._codes:
            valid = self.standard.codes[key[0]].on(self.day)
            self._codes[key] = frozenset(value.name if item.send == "text" else value.code for value in valid)
        return self._codes[key]

    def _of_reference(self, item: DataItem) -> set[str]:
        target = item.refs
        if target is None or self.standard.tables[target.table].by_code[target.item].privacy:
            return set()
        column = quote(target.item)
        found = self.engine.rows(f"SELECT DISTINCT {column}::VARCHAR FROM data.{quote(target.table)} WHERE {column} IS NOT NULL LIMIT {MOST_VALUES + 1}")
        return {*target.exceptions, *(value for (value,) in found)} if len(found) <= MOST_VALUES else set()


def profile_table(values: ValueLists, table: Table, period: str = "", run: str = "", drifting: Collection[str] = (), aside: int = 0) -> TableProfile:
    """The profile of data.<TABLE>, in one scan. `drifting` names the items whose distribution is watched, `aside` is how many rows were set aside."""
    columns: list[str] = ["count(*)"]
    plan: list[tuple[DataItem, dict[str, int]]] = []
    for item in table.mapped_items:
        places: dict[str, int] = {}
        for name, sql in _aggregates(item, values.sql(item, item.code in drifting)):
            places[name] = len(columns)
            columns.append(sql)
        plan.append((item, places))
    row = values.engine.rows(f"SELECT {', '.join(columns)} FROM data.{quote(table.code)}")[0]
    items = {WHOLE: ItemProfile(WHOLE, row[0], aside)}
    for item, places in plan:
        items[item.code] = _item_profile(item, row[0], {name: row[place] for name, place in places.items()})
    return TableProfile(table.code, period, run, items)


def _aggregates(item: DataItem, values: str) -> Iterable[tuple[str, str]]:
    column = quote(item.code)
    yield "filled", f"count({column})"
    if item.default is not None:
        yield "defaults", f"count(*) FILTER ({column} = {_constant(item.default)})"
    if values:
        text = column if item.type == "text" else f"{column}::VARCHAR"
        yield "codes", f"histogram_exact({text}, {values})"
    else:
        yield "distinct", f"approx_count_distinct({column})"
    if item.privacy is None and item.type in ("integer", "decimal"):
        yield from (("total", f"sum({column})"), ("least", f"min({column})"), ("most", f"max({column})"))
    if item.privacy is None and item.type == "date":
        yield from (("first_day", f"min({column})"), ("last_day", f"max({column})"))


def _constant(value: Any) -> str:
    if isinstance(value, date):
        return f"DATE {literal(value.isoformat())}"
    return literal(value) if isinstance(value, str) else str(Decimal(repr(value)))


def _item_profile(item: DataItem, rows: int, seen: dict[str, Any]) -> ItemProfile:
    filled = seen["filled"]
    codes, other, distinct = None, 0, seen.get("distinct")
    if "codes" in seen:
        counts = {str(value): int(count) for value, count in (seen["codes"] or {}).items()}
        # The engine gathers what is none of the values under the empty text, which no item carries: a blank is null.
        other = counts.pop("", 0)
        codes = {value: counts[value] for value in sorted(counts) if counts[value]}
        distinct = len(codes)
    # The estimate of distinct values may lie a little above what there can be.
    distinct = None if distinct is None else min(int(distinct), filled)
    numbers = {name: None if seen.get(name) is None else Decimal(seen[name]) for name in ("total", "least", "most")}
    return ItemProfile(item.code, rows, 0, rows - filled, rows - filled + seen.get("defaults", 0), distinct, **numbers,
                       first_day=seen.get("first_day"), last_day=seen.get("last_day"), codes=codes, other=other)


def write_profiles(profiles: Iterable[TableProfile], run_folder: Path) -> Path:
    """Write profiles to the folder of a run, whole or not at all; returns the file: per table its period, run and items. Amounts are texts, so exact."""
    # JSON, not Parquet: for so few lines the libraries would take longer to import than the profiles to make.
    told = {profile.table: {"period": profile.period, "run": profile.run, "items": [_told(line) for line in profile.items.values()]} for profile in profiles}
    path = run_folder / FOLDER / FILE
    with whole_file(path) as partial:
        partial.write_text(json.dumps(told, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
    return path


def _told(line: ItemProfile) -> dict[str, Any]:
    return {name: value for name in line.__dataclass_fields__ if (value := getattr(line, name)) is not None}


def read_profiles(run_folder: Path) -> dict[str, TableProfile]:
    """The profiles of a run by table; {} where there are none."""
    path = run_folder / FOLDER / FILE
    if not path.is_file():
        return {}
    told = json.loads(path.read_text(encoding="utf-8"))
    return {table: TableProfile(table, about["period"], about["run"], {line["item"]: _line(line) for line in about["items"]}) for table, about in told.items()}


def _line(told: dict[str, Any]) -> ItemProfile:
    numbers = {name: Decimal(told[name]) for name in ("total", "least", "most") if name in told}
    days = {name: date.fromisoformat(told[name]) for name in ("first_day", "last_day") if name in told}
    return ItemProfile(**{**told, **numbers, **days})
