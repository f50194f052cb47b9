"""The nouns of figures: row sets, figures over them, formulas of figures, and what a figure came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from etl.expressions import Expression
from etl.language import say

DIMENSIONS = ("branch", "channel", "product")
RUNS = ("previous", "current", "later")
AGGREGATES = ("sum", "count", "avg", "min", "max")
Period = Literal["flow", "opening", "closing"]
PERIODS = ("flow", "opening", "closing")
PERIOD_NAMES = {"flow": ("本期发生", "flow of the period"), "opening": ("期初时点", "balance at the opening"), "closing": ("期末时点", "balance at the closing")}
# unit -> (Chinese, English, decimal places of its values)
UNITS: dict[str, tuple[str, str, int]] = {
    "yuan": ("元", "yuan", 2), "count": ("件", "items", 0), "persons": ("人", "persons", 0), "times": ("次", "times", 0), "percent": ("%", "%", 2),
    "per_10000": ("件/万件", "per 10,000", 2), "days": ("天", "days", 1), "ratio": ("倍", "times as many", 2),
}


@dataclass(frozen=True)
class Join:
    """At most one row of another table for each row: `on` is own item (or TABLE.ITEM joined before) -> item of the table."""

    table: str
    on: dict[str, str]
    where: Expression | None = None


@dataclass(frozen=True)
class RowSet:
    """Rows that figures count: a table, what is looked up for each row, the date that puts a row into a period, the dimensions.

    `once_per` keeps one row (the first) of those that agree in these items. `runs` says in which runs of the standard the rows
    are looked for: of this period, the one before, or all later ones.
    """

    name: str
    table: str
    joins: tuple[Join, ...] = ()
    date: str | None = None
    where: Expression | None = None
    once_per: tuple[str, ...] = ()
    by: dict[str, str] = field(default_factory=dict)
    runs: tuple[str, ...] = ("current",)
    dated: bool = False  # every row must have the date: one that has none cannot be judged

    def tables(self) -> set[str]:
        return {self.table, *(join.table for join in self.joins)}

    @property
    def looked_up(self) -> tuple[str, ...]:
        """The runs in which joined rows are looked for: its own, then that of the period."""
        return self.runs if "current" in self.runs or "other" in self.runs else (*self.runs, "current")


@dataclass(frozen=True)
class Figure:
    """A named figure: an aggregate over a row set, or a formula of other figures. Values come in `unit`, nothing is scaled."""

    id: str
    name: dict[str, str]
    definition: dict[str, str]
    unit: str
    period: Period
    basis: str = ""
    source: RowSet | None = None
    aggregate: str = ""
    value: Expression | None = None
    where: Expression | None = None
    formula: Expression | None = None
    group: str = ""
    path: str = ""
    line: int = 0

    @property
    def parts(self) -> tuple[str, ...]:
        """The figures that a formula names."""
        return self.formula.columns if self.formula else ()

    @property
    def decimals(self) -> int:
        return UNITS[self.unit][2]

    def rounded(self, value: Decimal) -> Decimal:
        """The value as it is shown, half up."""
        return value.quantize(Decimal(1).scaleb(-self.decimals), rounding=ROUND_HALF_UP)

    def expression(self) -> str:
        """How it is computed, as written."""
        if self.formula:
            return self.formula.text
        inner = self.value.text if self.value else "*"
        return f"{self.aggregate}({inner})"


@dataclass(frozen=True)
class Label:
    """Where the names of a dimension's values come from: a code table, or items of a table."""

    name: dict[str, str]
    codes: str | None = None
    table: str | None = None
    key: str | None = None
    text: str | None = None


@dataclass(frozen=True)
class FigureSet:
    """All figures of a standard, in file order, with their dimensions and row sets."""

    figures: dict[str, Figure]
    row_sets: dict[str, RowSet] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)

    def closure(self, wanted: list[str]) -> list[str]:
        """`wanted` and every figure they are made of, parts first."""
        found: list[str] = []

        def take(name: str) -> None:
            for part in self.figures[name].parts:
                take(part)
            if name not in found:
                found.append(name)

        for name in wanted:
            take(name)
        return found

    def dimensions(self, name: str) -> set[str]:
        """The dimensions by which a figure can be split: all of its parts must know them."""
        figure = self.figures[name]
        if figure.source:
            return set(figure.source.by)
        return set.intersection(*(self.dimensions(part) for part in figure.parts)) if figure.parts else set()

    def rows_of(self, name: str) -> list[Figure]:
        """The figures over rows that `name` is made of."""
        return [figure for figure in (self.figures[one] for one in self.closure([name])) if figure.source]


@dataclass(frozen=True)
class Reason:
    """Why a figure has no value: a code, and the table, figure or dimension that it speaks of."""

    code: str
    about: str = ""
    of: Reason | None = None

    def sentence(self) -> str:
        zh, en = _REASONS[self.code]
        text = say(zh.format(about=self.about), en.format(about=self.about))
        return text + (say("：", ": ") + self.of.sentence() if self.of else "")


_REASONS = {
    "table_absent": ("该次运行没有表 {about}", "the run has no table {about}"),
    "table_empty": ("表 {about} 在该次运行中没有任何行", "table {about} has no rows in this run"),
    "no_row": ("没有符合条件的行", "no row qualifies"),
    "all_missing": ("符合条件的行都没有值", "none of the rows that qualify has a value"),
    "zero_divisor": ("除数为零", "division by zero"),
    "part": ("{about} 无值", "{about} has no value"),
    "no_dimension": ("该指标不能按 {about} 拆分", "this figure cannot be split by {about}"),
    "no_later": ("要看以后各期的运行，现在还没有", "it needs a run of a later period, and there is none"),
    "no_previous": ("没有上一期的运行", "there is no run of the period before"),
}


@dataclass(frozen=True)
class FigureValue:
    """What a figure came to, as a whole (`member` None) or for one member of a dimension.

    Either `value` (exact, not yet rounded) or `reason`. `rows` qualify; `unjudged` rows could not be judged, since what the
    condition looks at is missing, and are not in the figure.
    """

    figure: str
    member: str | None
    value: Decimal | None
    reason: Reason | None = None
    rows: int = 0
    unjudged: int = 0
