"""Compute figures over tables that the engine knows: whole, or split by a dimension. What has no value says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from etl.engines.local import Engine, quote
from etl.figures.compile import figure_sql, unjudged_sql
from etl.figures.definition import Figure, FigureSet, FigureValue, Reason

# Sums and counts of nothing are 0, and the sum over the members of a dimension is the whole.
ADDITIVE = ("sum", "count")


class Tables:
    """Which tables the engine has, by role, and how many rows each holds."""

    def __init__(self, rows: Mapping[tuple[str, str], int]) -> None:
        self.rows = dict(rows)

    def known(self, role: str, table: str) -> bool:
        return (role, table) in self.rows

    def missing(self, figure: Figure) -> Reason | None:
        """Why the rows of a figure cannot be counted, if so."""
        source = figure.source
        assert source
        counts = [self.rows[role, source.table] for role in source.runs if (role, source.table) in self.rows]
        if not counts:
            waiting = [role for role in source.runs if role != "current"]
            return Reason(f"no_{waiting[0]}") if waiting and "current" not in source.runs else Reason("table_absent", source.table)
        if not any(counts):
            return Reason("table_empty", source.table)
        for join in source.joins:
            if not any((role, join.table) in self.rows for role in source.looked_up):
                return Reason("table_absent", join.table)
        return None


def compute(engine: Engine, figures: FigureSet, wanted: Sequence[str], tables: Tables, by: str | None = None) -> dict[str, list[FigureValue]]:
    """Values of `wanted` figures (id -> values): one for the whole, or one per member of the dimension `by`.

    Members come in the order of their codes, rows without a member (`None` as text '') last. The period is the engine's.
    """
    found: dict[str, list[FigureValue]] = {}
    for name in figures.closure(list(wanted)):
        figure = figures.figures[name]
        if by and by not in figures.dimensions(name):
            found[name] = [FigureValue(name, None, None, Reason("no_dimension", by))]
        elif figure.source:
            found[name] = _over_rows(engine, figure, tables, by)
        else:
            found[name] = _formula(engine, figures, figure, found, by)
    return {name: found[name] for name in wanted}


def _over_rows(engine: Engine, figure: Figure, tables: Tables, by: str | None) -> list[FigureValue]:
    reason = tables.missing(figure)
    if reason:
        return [FigureValue(figure.id, None, None, reason)]
    unjudged = int(engine.one(unjudged_sql(figure, tables.known)))
    values = []
    for member, value, rows in engine.rows(figure_sql(figure, tables.known, by)):
        exact, why = as_decimal(value), None
        if exact is None:
            if rows == 0 and figure.aggregate in ADDITIVE:
                exact = Decimal(0)
            else:
                why = Reason("all_missing" if rows else "no_row")
        values.append(FigureValue(figure.id, (member or "") if by else None, exact, why, int(rows), unjudged))
    return values


def _formula(engine: Engine, figures: FigureSet, figure: Figure, found: dict[str, list[FigureValue]], by: str | None) -> list[FigureValue]:
    parts = {name: {value.member: value for value in found[name]} for name in figure.parts}
    if by:
        # A part that has no value at all (its table is empty) has none for any member either.
        members: list[str | None] = sorted({member for values in parts.values() for member in values if member is not None}, key=lambda m: (m == "", m))
    else:
        members = [None]
    rows = [{name: _part(figures, name, values, member, by) for name, values in parts.items()} for member in members]
    results = _evaluate(engine, figure, [{name: value.value for name, value in row.items()} for row in rows])
    values = []
    for member, row, result in zip(members, rows, results, strict=True):
        why = None
        if result is None:
            lacking = next((name for name, value in row.items() if value.value is None), None)
            why = Reason("part", lacking, row[lacking].reason) if lacking else Reason("zero_divisor")
        values.append(FigureValue(figure.id, member, result, why, sum(v.rows for v in row.values()), max((v.unjudged for v in row.values()), default=0)))
    return values or [FigureValue(figure.id, None, None, Reason("part", figure.parts[0], Reason("no_row")))]


def _part(figures: FigureSet, name: str, values: dict[str | None, FigureValue], member: str | None, by: str | None) -> FigureValue:
    """A part's value for a member. A member that a sum does not know adds nothing; an average of it does not exist."""
    if member in values:
        return values[member]
    if None in values:
        return values[None]
    additive = all(figure.aggregate in ADDITIVE for figure in figures.rows_of(name)) and not _divides(figures, name)
    return FigureValue(name, member, Decimal(0)) if additive else FigureValue(name, member, None, Reason("no_row"))


def _divides(figures: FigureSet, name: str) -> bool:
    from sqlglot import exp

    formulas = [figures.figures[one].formula for one in figures.closure([name])]
    return any(formula.tree.find(exp.Div, exp.Mod) is not None for formula in formulas if formula)


def _evaluate(engine: Engine, figure: Figure, rows: list[dict[str, Decimal | None]]) -> list[Decimal | None]:
    """The formula for every row of part values; NULL parts and divisions by zero give None."""
    if not rows:
        return []
    assert figure.formula
    names = list(rows[0])
    listed = ", ".join("(" + ", ".join([str(number), *("NULL::DOUBLE" if row[name] is None else f"'{row[name]}'::DOUBLE" for name in names)]) + ")"
                       for number, row in enumerate(rows))
    columns = ", ".join(["_number", *(quote(name) for name in names)])
    return [as_decimal(value) for _, value in engine.rows(
        f"SELECT _number, {figure.formula.sql(quote)} FROM (VALUES {listed}) AS parts({columns}) ORDER BY _number")]


def as_decimal(value: Any) -> Decimal | None:
    """A number of the engine, exact; a float by its shortest text, without the noise beyond ten places."""
    if value is None:
        return None
    if isinstance(value, float):
        return round(Decimal(repr(value)), 10).normalize() if value == value and abs(value) != float("inf") else None
    return Decimal(value)
