"""A clean submission in memory, and any single fault laid over it without touching it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

from etl.engines.local import Engine, quote
from etl.expressions.blank import clean_text
from etl.rules.definition import Rule
from etl.standard.definition import DataItem, Standard
from etl.standard.values import value_fault

# Rows of a table that a fault may be made in: the first so many. The check itself reads all of them.
SAMPLE = 3000
Row = dict[str, Any]


@dataclass(frozen=True)
class Edit:
    """Other values for some items of one row; `copy_of` says that the row is new, a copy of that one."""

    table: str
    row: int
    values: Row
    copy_of: int | None = None


class ValueUnfit(Exception):
    """A value that the item's column cannot carry: no fault can be made with it."""


def fit(item: DataItem, value: Any) -> Any:
    """`value` as the engine carries it. Raises ValueUnfit."""
    if value is None:
        return None
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    if value_fault(item, value):
        raise ValueUnfit(item.code)
    if item.type == "text":
        return clean_text(value)
    if item.type == "decimal":
        return Decimal(repr(value)).quantize(Decimal(1).scaleb(-item.scale))
    return int(value) if item.type == "integer" else value


class World:
    """The tables of one clean submission: `base.*` as they are, `data.*` as rules see them.

    The engine needs the tables as `base.<TABLE>` (with `_row` and the lineage columns), `aside.*`, the code tables and
    the parameters. Until `lay` is called, `data.*` is `base.*`.
    """

    def __init__(self, engine: Engine, standard: Standard, rules: Sequence[Rule]) -> None:
        self.engine, self.standard, self.rules = engine, standard, rules
        self._rows: dict[str, list[Row]] = {}
        self._shapes: dict[str, Any] = {}
        self._next: dict[str, int] = {}
        # Per table with another view than its plain one: the numbers of the rows that the view hides.
        self._touched: dict[str, tuple[int, ...]] = {}
        engine.schema("edit")
        for table in standard.tables:
            self._plain(table)

    # Reading

    def rows(self, table: str) -> list[Row]:
        """The rows of a table that a fault may be made in, in order of `_row`."""
        if table not in self._rows:
            found = self.engine.connection.sql(f"SELECT * FROM base.{quote(table)} ORDER BY _row LIMIT {SAMPLE}").to_arrow_table()
            self._shapes[table] = found.schema
            self._rows[table] = found.to_pylist()
        return self._rows[table]

    def row(self, table: str, number: int) -> Row:
        """A row by its number, as it is in the clean submission."""
        return self._by_number(table)[number]

    def _by_number(self, table: str) -> dict[int, Row]:
        cache = self.__dict__.setdefault("_numbered", {})
        if table not in cache:
            cache[table] = {row["_row"]: row for row in self.rows(table)}
        return cache[table]

    def new_number(self, table: str) -> int:
        """A row number that no row of the table has."""
        if table not in self._next:
            self._next[table] = int(self.engine.one(f"SELECT coalesce(max(_row), 0) FROM base.{quote(table)}"))
        self._next[table] += 1
        return self._next[table]

    @cached_property
    def readers(self) -> dict[tuple[str, str], int]:
        """How many rules across rows or tables read an item: a fault there shows in many places."""
        counts: dict[tuple[str, str], int] = {}
        for rule in self.rules:
            if rule.kind != "row":
                for place in rule.items_read():
                    counts[place] = counts.get(place, 0) + 1
        return counts

    # Changing

    def lay(self, edits: Iterable[Edit]) -> None:
        """Show the submission with these edits and no others. Raises ValueUnfit."""
        changed: dict[str, dict[int, Row]] = {}
        for edit in edits:
            known = self.standard.tables[edit.table].by_code
            rows = changed.setdefault(edit.table, {})
            if edit.row not in rows:
                rows[edit.row] = {**self.row(edit.table, edit.row if edit.copy_of is None else edit.copy_of), "_row": edit.row}
            for code, value in edit.values.items():
                rows[edit.row][code] = fit(known[code], value)
        # All that may be refused comes before anything is changed.
        contents = {table: self._content(table, list(rows.values())) for table, rows in changed.items()}
        for table in self._touched.keys() - changed.keys():
            self._plain(table)
            del self._touched[table]
        for table, rows in changed.items():
            self._load(table, contents[table])
            if self._touched.get(table) != tuple(rows):
                self.engine.execute(
                    f"CREATE OR REPLACE VIEW data.{quote(table)} AS SELECT * FROM base.{quote(table)} WHERE _row NOT IN ({', '.join(map(str, rows))}) "
                    f"UNION ALL SELECT * FROM edit.{quote(table)}")
                self._touched[table] = tuple(rows)

    def lay_only(self, table: str, rows: list[Row]) -> None:
        """Show nothing but `rows` (already fit, numbered by `_row`) in one table."""
        self._load(table, self._content(table, rows))
        self.engine.execute(f"CREATE OR REPLACE VIEW data.{quote(table)} AS SELECT * FROM edit.{quote(table)}")
        self._touched[table] = ()

    def clear(self) -> None:
        """Show the clean submission again."""
        self.lay(())

    def _plain(self, table: str) -> None:
        self.engine.execute(f"CREATE OR REPLACE VIEW data.{quote(table)} AS SELECT * FROM base.{quote(table)}")

    def _content(self, table: str, rows: list[Row]) -> Any:
        import pyarrow as pa

        self.rows(table)
        try:
            return pa.Table.from_pylist(rows, schema=self._shapes[table])
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            raise ValueUnfit(table) from None

    def _load(self, table: str, content: Any) -> None:
        self.engine.connection.register("_edit_rows", content)
        self.engine.execute(f"CREATE OR REPLACE TABLE edit.{quote(table)} AS SELECT * FROM _edit_rows")
        self.engine.connection.unregister("_edit_rows")


def tries(item: DataItem, now: Any, *, examples: Iterable[Any] = (), literals: Iterable[Any] = (), seen: Callable[[], Iterable[Any]] = tuple,
          names: Sequence[str] = ()) -> list[Any]:
    """Values that might break a rule about `item`, the likeliest first: from its examples, its own constants, then by type.

    `now` is the value in the clean row, `seen` gives other values of the column, `names` those of its code table.
    """
    wanted: list[Any] = [*examples, *_about_literals(item, literals)]
    if item.type == "text":
        text = now if isinstance(now, str) else ""
        wanted += [None, *seen(), *names]
        wanted += [text + "1", text[:-1] + ("2" if text[-1:] == "1" else "1"), ("9" if text[:1] != "9" else "8") + text[1:], "?", "１" + text[1:], text[::-1]]
    elif item.type == "date":
        day = now if isinstance(now, date) else date(2026, 1, 1)
        wanted += [_shift(day, n) for n in (1, -1, 40, -40, 400, -400, 4000, -4000, 40000)] + [None, date(9999, 12, 31), date(1900, 1, 1), *seen()]
    else:
        number = now if now is not None else Decimal(0)
        wanted += [number + 1, number - 1, number * 2, -number, 0, None, number + Decimal("0.01"), number + 100000, number * 1000, -1, *seen()]
    kept: list[Any] = []
    for value in wanted:
        try:
            value = fit(item, value)
        except (ValueUnfit, ArithmeticError):
            continue
        if value != now and value not in kept:
            kept.append(value)
    return kept


def _about_literals(item: DataItem, literals: Iterable[Any]) -> list[Any]:
    """The constants a rule compares with, and what lies right beside them."""
    found: list[Any] = []
    for literal in literals:
        if item.type == "date" and isinstance(literal, date):
            found += [literal, _shift(literal, 1), _shift(literal, -1)]
        elif item.type in ("integer", "decimal") and isinstance(literal, (int, float, Decimal)):
            step = Decimal(1).scaleb(-item.scale)
            found += [Decimal(str(literal)), Decimal(str(literal)) + step, Decimal(str(literal)) - step]
        elif item.type == "text" and isinstance(literal, str):
            found.append(literal)
    return found


def _shift(day: date, days: int) -> date:
    return date.fromordinal(min(max(day.toordinal() + days, 1), date.max.toordinal()))
