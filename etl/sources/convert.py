"""From delivered text to the contract's types: trim, convert strictly, number the rows, set aside what does not convert.

What converts (anything else is set aside with one of `REASONS`, never rounded, cut or nulled):

text       any valid Unicode; blanks at both ends are dropped, what is then empty is NULL
integer    digits with an optional sign (`7`, `-7`, `7.0`), within 64 bits
decimal    digits with an optional point and exponent; no more decimals than the scale, trailing zeros apart
date       yyyy-mm-dd, also with a time of day that is midnight
timestamp  yyyy-mm-dd, with hh:mm, seconds and up to six decimals of them
"""

from __future__ import annotations

from pathlib import Path

from etl.engines.local import Engine, literal, quote
from etl.expressions.blank import clean_text_sql
from etl.sources.definition import SourceColumn, SourceTable

REASONS = ("encoding", "integer", "decimal", "date", "timestamp", "range", "scale")

_DIGITS = r"[+-]?[0-9]+(\.0*)?"
_DECIMAL = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?"
# DuckDB takes the year 0000 for 1 BC; no calendar of a core system means that.
_YEAR = r"([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_DATE = _YEAR + r"-[0-9]{2}-[0-9]{2}([ T]00:00(:00(\.0+)?)?)?"
_TIMESTAMP = _YEAR + r"-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)?"


def typed_sql(column: SourceColumn, value: str) -> str:
    """SQL that gives the value in the contract's type, NULL where it does not convert."""
    if column.type == "text":
        return value
    if column.type == "integer":
        return f"CASE WHEN regexp_full_match({value}, {literal(_DIGITS)}) THEN try_cast(split_part({value}, '.', 1) AS BIGINT) END"
    if column.type == "decimal":
        # The usual spelling is settled by one expression; exponents and the like are counted out.
        usual = f"[+-]?[0-9]+([.][0-9]{{0,{column.scale}}}0*)?"
        return (f"CASE WHEN regexp_full_match({value}, {literal(usual)}) OR (regexp_full_match({value}, {literal(_DECIMAL)}) "
                f"AND {_decimals(value)} <= {column.scale}) THEN try_cast({value} AS DECIMAL({column.precision}, {column.scale})) END")
    if column.type == "date":
        return f"CASE WHEN regexp_full_match({value}, {literal(_DATE)}) THEN try_cast(substr({value}, 1, 10) AS DATE) END"
    return f"CASE WHEN regexp_full_match({value}, {literal(_TIMESTAMP)}) THEN try_cast(replace({value}, 'T', ' ') AS TIMESTAMP) END"


def reason_sql(column: SourceColumn, value: str, typed: str) -> str:
    """SQL that says why `typed` is NULL although `value` is not."""
    if column.type == "text":
        return "NULL"
    why = literal(column.type)
    if column.type == "integer":
        why = f"CASE WHEN regexp_full_match({value}, {literal(_DIGITS)}) THEN 'range' ELSE 'integer' END"
    elif column.type == "decimal":
        why = (f"CASE WHEN NOT regexp_full_match({value}, {literal(_DECIMAL)}) THEN 'decimal' "
               f"WHEN {_decimals(value)} > {column.scale} THEN 'scale' ELSE 'range' END")
    return f"CASE WHEN {value} IS NOT NULL AND {typed} IS NULL THEN {why} END"


def _decimals(value: str) -> str:
    """SQL of the number of decimals that a number in text really has: counted, since a cast would round."""
    fraction = f"length(rtrim(regexp_extract({value}, '^[+-]?[0-9]*[.]?([0-9]*)', 1), '0'))"
    exponent = f"coalesce(try_cast(nullif(regexp_extract({value}, '[eE]([+-]?[0-9]+)$', 1), '') AS INTEGER), 0)"
    zero = f"regexp_full_match({value}, '[+-]?[0.]+([eE].*)?')"
    return f"(CASE WHEN {zero} THEN 0 ELSE {fraction} - {exponent} END)"


def convert_table(engine: Engine, raw: Path, target: Path, aside: Path, *, system: str, table: SourceTable,
                  columns: tuple[SourceColumn, ...], batch_id: str, rows_in: int) -> tuple[int, int]:
    """Turn `raw` (text columns c0, c1, ... and `_invalid`, the numbers of columns that are no valid text) into
    `target` and `aside`; returns (rows out, rows aside).

    `raw` is replaced by `ordered_file(raw)`, which stays for the caller to remove: killed in between, it goes on from there.
    `_src_row` counts all rows, those set aside too, from 1 in the order of the key, then of all columns, by bytes.
    """
    steps = _Steps(system, table, columns, batch_id)
    ordered = ordered_file(raw)
    # Ordered as delivered, converted afterwards: a sort carries along what it sorts, and numbering is one thread's work.
    if not ordered.is_file():
        delivered = f"read_parquet({literal(str(raw))})"
        order = steps.order(unique=_key_is_unique(engine, steps, delivered))
        engine.write_parquet(f"SELECT *, row_number() OVER () AS _row FROM (SELECT * FROM {delivered} ORDER BY {order})", ordered)
    raw.unlink(missing_ok=True)
    engine.execute(f"CREATE OR REPLACE TEMP VIEW _typed AS {steps.typed(f'read_parquet({literal(str(ordered))})')}")
    kept = engine.write_parquet(f"SELECT {steps.kept()} FROM _typed WHERE NOT ({steps.faulty()})", target)
    # Most tables have nothing to set aside, and are spared another look at every value.
    some = "FALSE" if kept == rows_in else steps.faulty()
    set_aside = engine.write_parquet(f"SELECT {steps.aside()} FROM _typed WHERE {some}", aside)
    return kept, set_aside


def ordered_file(raw: Path) -> Path:
    """The raw file's rows in the order of the key, numbered: the step between `raw` and its conversion."""
    return raw.with_suffix(".ordered.parquet")


def _key_is_unique(engine: Engine, steps: _Steps, delivered: str) -> bool:
    keys = steps.keys()
    some_null = " OR ".join(f"{key} IS NULL" for key in keys)
    return not engine.one(
        f"SELECT EXISTS (SELECT 1 FROM {delivered} WHERE {some_null}) "
        f"OR EXISTS (SELECT 1 FROM {delivered} GROUP BY {', '.join(keys)} HAVING count(*) > 1)")


class _Steps:
    """The SQL fragments of one table. c0.. are values as delivered, t0.. typed ones, f0.. reasons why there is none."""

    def __init__(self, system: str, table: SourceTable, columns: tuple[SourceColumn, ...], batch_id: str) -> None:
        self.system, self.table, self.columns, self.batch_id = system, table, columns, batch_id
        self.by_name = {column.name: i for i, column in enumerate(columns)}

    def typed(self, source: str) -> str:
        cleaned = ", ".join(f"{clean_text_sql(f'c{i}')} AS v{i}" for i in range(len(self.columns)))
        typed = ", ".join(f"{typed_sql(column, f'v{i}')} AS t{i}" for i, column in enumerate(self.columns))
        faults = ", ".join(
            f"CASE WHEN _invalid IS NOT NULL AND list_contains(_invalid, {i}) THEN 'encoding' "
            f"ELSE {reason_sql(column, f'v{i}', f't{i}')} END AS f{i}"
            for i, column in enumerate(self.columns))
        return f"SELECT *, {faults} FROM (SELECT *, {typed} FROM (SELECT *, {cleaned} FROM {source}))"

    def keys(self) -> list[str]:
        """The key's values in their types, as expressions over what was delivered."""
        return [self._direct(self.by_name[name]) for name in self.table.key]

    def _direct(self, position: int) -> str:
        return typed_sql(self.columns[position], clean_text_sql(f"c{position}"))

    def order(self, *, unique: bool) -> str:
        """Typed values first, so that 1.5 and 1.50 from two databases come to stand in the same place."""
        every = range(len(self.columns))
        parts = self.keys() if unique else [*self.keys(), *(self._direct(i) for i in every), *(f"c{i}" for i in every)]
        return ", ".join(f"{part} ASC NULLS FIRST" for part in dict.fromkeys(parts))

    def faulty(self) -> str:
        return " OR ".join(f"f{i} IS NOT NULL" for i in range(len(self.columns)))

    def key_text(self) -> str:
        parts = (f"coalesce(CAST(t{self.by_name[name]} AS VARCHAR), v{self.by_name[name]}, '')" for name in self.table.key)
        return f"concat_ws('|', {', '.join(parts)})"

    def kept(self) -> str:
        values = [f"t{i} AS {quote(column.name)}" for i, column in enumerate(self.columns)]
        return ", ".join([*values, f"{literal(self.system)} AS _src_system", f"{literal(self.table.name)} AS _src_table",
                          f"{self.key_text()} AS _src_key", f"{literal(self.batch_id)} AS _batch", "_row AS _src_row"])

    def aside(self) -> str:
        """One line per row: its first fault in column, reason, original; all of them in `faults`; the whole row in `row`."""
        listed = ", ".join(
            f"CASE WHEN f{i} IS NOT NULL THEN {{'column': {literal(column.name)}, 'reason': f{i}, 'original': c{i}}} END"
            for i, column in enumerate(self.columns))
        faults = f"list_filter([{listed}], lambda fault: fault IS NOT NULL)"
        row = ", ".join(f"{literal(column.name)}: c{i}" for i, column in enumerate(self.columns))
        return ", ".join([
            f"{literal(self.system)} AS _src_system", f"{literal(self.table.name)} AS _src_table", f"{self.key_text()} AS _src_key",
            f"{literal(self.batch_id)} AS _batch", "_row AS _src_row", f"{faults}[1].\"column\" AS \"column\"",
            f"{faults}[1].reason AS reason", f"{faults}[1].original AS original", f"{faults} AS faults", f"MAP {{{row}}} AS \"row\"",
        ])


def scan_sql(raw: Path, table: SourceTable, columns: tuple[SourceColumn, ...]) -> str:
    """SQL over a raw file of the key's columns and one more, the mark: `_src_key`, `_lead` (the key's first value as delivered),
    `mark` in its type (NULL where it does not convert) and `_usable`: whether every part of the key is there and converts."""
    *keys, mark = columns
    steps = _Steps("", table, tuple(keys), "")
    value = f"c{len(keys)}"
    typed = typed_sql(mark, clean_text_sql(value))
    if mark.type == "timestamp":
        # Spelt as everybody spells it, it need not be taken apart: that is most of the work of a scan.
        plain = f"try_cast({value} AS TIMESTAMP)"
        typed = f"CASE WHEN length({value}) = 19 AND CAST({plain} AS VARCHAR) = {value} THEN {plain} ELSE {typed} END"
    usable = " AND ".join(f"t{i} IS NOT NULL AND f{i} IS NULL" for i in range(len(keys)))
    return (f"SELECT {steps.key_text()} AS _src_key, c{steps.by_name[table.key[0]]} AS _lead, {typed} AS mark, {usable} AS _usable "
            f"FROM ({steps.typed(f'read_parquet({literal(str(raw))})')})")
