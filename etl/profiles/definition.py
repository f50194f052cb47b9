"""The nouns of profiles: what is known of a table as a whole, what is expected of it, and what became of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal

# The line of a profile that stands for the table itself, not for one of its items.
WHOLE = "*"
HISTORY = 12


@dataclass(frozen=True)
class Measure:
    """A number that a profile gives. `kind` decides which bounds make sense and how it is shown.

    count and amount: bounds and relative change; share (0 to 1): bounds and change in points; index (of drift) and days: bounds only.
    """

    name: dict[str, str]
    kind: Literal["count", "amount", "share", "index", "days"]
    of_item: bool = True


MEASURES: dict[str, Measure] = {
    "rows": Measure({"zh": "行数", "en": "rows"}, "count", of_item=False),
    "aside_share": Measure({"zh": "搁置占比", "en": "share set aside"}, "share", of_item=False),
    "null_share": Measure({"zh": "空值占比", "en": "share of nulls"}, "share"),
    "blank_share": Measure({"zh": "无信息占比", "en": "share without information"}, "share"),
    "distinct": Measure({"zh": "不同值个数", "en": "distinct values"}, "count"),
    "distinct_share": Measure({"zh": "不同值占比", "en": "share of distinct values"}, "share"),
    "sum": Measure({"zh": "合计", "en": "sum"}, "amount"),
    "mean": Measure({"zh": "均值", "en": "mean"}, "amount"),
    "age": Measure({"zh": "最新日期距期末天数", "en": "days from the newest date to the end of the period"}, "days"),
    "drift": Measure({"zh": "分布偏移（PSI）", "en": "drift of the distribution (PSI)"}, "index"),
}
AGAINST = ("previous", "median", "mean")


@dataclass(frozen=True)
class ItemProfile:
    """One line of a table's profile: the table as a whole (`item` is `*`), or one item of it.

    `nulls` and `blanks` (null, or what stands for "not recorded") count rows. `codes` of a coded item: value -> rows, `other` being
    the rows with a value that is not in its code table. `distinct` counts the keys of `codes`; elsewhere it is an estimate. Nulls are in neither.
    Of private items there are counts only, of plain texts neither the smallest nor the largest.
    """

    item: str
    rows: int
    aside: int = 0
    nulls: int = 0
    blanks: int = 0
    distinct: int | None = None
    total: Decimal | None = None
    least: Decimal | None = None
    most: Decimal | None = None
    first_day: date | None = None
    last_day: date | None = None
    codes: Mapping[str, int] | None = None
    other: int = 0


@dataclass(frozen=True)
class TableProfile:
    """The profile of a table in one run: one line per item, and one for the whole."""

    table: str
    period: str
    run: str
    items: Mapping[str, ItemProfile] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return self.items[WHOLE].rows


@dataclass(frozen=True)
class Expectation:
    """What a pack expects of one measure of a table. Either fixed bounds (`at_least`, `at_most`), or a change against earlier periods.

    `down` and `up` are relative to the earlier value, `fall` and `rise` are points of a share. `against` says which earlier
    value, of at most `history` periods. Judged only where at least `least_rows` rows are at hand.
    """

    id: str
    table: str
    measure: str
    item: str
    severity: Literal["error", "warning"]
    message: dict[str, str]
    basis: str = ""
    at_least: Decimal | None = None
    at_most: Decimal | None = None
    down: Decimal | None = None
    up: Decimal | None = None
    fall: Decimal | None = None
    rise: Decimal | None = None
    against: str = "median"
    history: int = HISTORY
    least_rows: int = 0
    path: str = ""
    line: int = 0

    @property
    def looks_back(self) -> bool:
        """Whether it needs earlier periods."""
        return self.measure == "drift" or any(bound is not None for bound in (self.down, self.up, self.fall, self.rise))


@dataclass(frozen=True)
class ExpectationSet:
    """The expectations of a standard, in file order."""

    standard: str
    expectations: tuple[Expectation, ...] = ()

    def drifting(self, table: str) -> tuple[str, ...]:
        """Items of the table whose distribution is watched."""
        return tuple(dict.fromkeys(e.item for e in self.expectations if e.table == table and e.measure == "drift"))


@dataclass(frozen=True)
class Range:
    """What one expectation comes to in one run: the value seen and where it should lie, or why that cannot be said.

    `reason`: no_profile, no_value, few_rows, no_history, no_reference, zero_reference. `periods` are the earlier periods that
    were looked at, the latest first; `reference` the value that they give.
    """

    expectation: Expectation
    observed: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    reference: Decimal | None = None
    periods: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Result:
    """What became of an expectation: passed, failed, skipped (see `Range.reason`) or errored."""

    range: Range
    outcome: Literal["passed", "failed", "skipped", "errored"]
    reason: str = ""

    def as_finding(self, period: str, run: str) -> dict[str, Any]:
        """As a line of findings: rule, severity, table, key (the period), item, value and expectation; and what it rests on."""
        found = self.range
        wanted = found.expectation
        return {
            "rule": wanted.id, "outcome": self.outcome, "severity": wanted.severity, "table": wanted.table, "key": period,
            "item": "" if wanted.item == WHOLE else wanted.item, "measure": wanted.measure, "value": _plain(found.observed),
            "expected": expected_text(found), "low": _plain(found.low), "high": _plain(found.high), "reference": _plain(found.reference),
            "against": wanted.against if wanted.looks_back and wanted.measure != "drift" else ("pooled" if wanted.measure == "drift" else ""),
            "periods": list(found.periods), "periods_wanted": wanted.history if wanted.looks_back else 0, "reason": self.reason,
            "message_zh": wanted.message["zh"], "message_en": wanted.message["en"], "basis": wanted.basis, "run": run,
        }


def expected_text(found: Range) -> str:
    """`>= 1`, `<= 0.05`, `900 .. 1100`; '' where there is no range."""
    low, high = _plain(found.low), _plain(found.high)
    if low is not None and high is not None:
        return f"{low} .. {high}"
    return f">= {low}" if low is not None else f"<= {high}" if high is not None else ""


def _plain(number: Decimal | None) -> str | None:
    """A number as text without an exponent, at most six decimals, so that no reader of JSON rounds it."""
    if number is None:
        return None
    text = f"{number:.6f}" if number != number.to_integral_value() else f"{number.to_integral_value():f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
