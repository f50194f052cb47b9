"""The nouns of reconciling: what is held against what, with which tolerance, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Literal

from etl.expressions import Expression
from etl.figures.definition import RowSet
from etl.language import say

KINDS = ("rows", "figures", "workbook", "rules")
Outcome = Literal["agrees", "differs", "not_compared"]
OUTCOME_NAMES = {"agrees": ("一致", "agrees"), "differs": ("有差异", "differs"), "not_compared": ("无法比较", "cannot be compared")}
KIND_NAMES = {"only_left": ("仅左侧有", "only on the left"), "only_right": ("仅右侧有", "only on the right"), "amount": ("金额不同", "amounts differ")}


@dataclass(frozen=True)
class Tolerance:
    """The greatest difference that is none: `absolute`, or `relative` to the right side, whichever is greater."""

    absolute: Decimal = Decimal(0)
    relative: Decimal = Decimal(0)

    def allows(self, difference: Decimal, right: Decimal) -> bool:
        return abs(difference) <= max(self.absolute, self.relative * abs(right))


@dataclass(frozen=True)
class Term:
    """Rows of one submission with their key and amount (None: each row counts 1). `standard` is another standard's name, or None.

    `date` is the day on which a row counts, None where all rows do.
    """

    rows: RowSet
    key: tuple[str, ...]
    amount: Expression | None = None
    standard: str | None = None
    date: Expression | None = None

    @property
    def role(self) -> str:
        return self.rows.runs[0]


@dataclass(frozen=True)
class FigureTerm:
    """A figure of this period's run, or of the one before."""

    figure: str
    run: str = "current"


@dataclass(frozen=True)
class SheetMap:
    """Where a sheet holds which figures: single `cells`, and `columns` under a header row with one line per member.

    `factor` turns the sheet's unit into the figure's: 10000 where the sheet is in ten thousand yuan.
    """

    sheet: str
    factor: Decimal = Decimal(1)
    cells: Mapping[str, str] = field(default_factory=dict)
    header_row: int = 0
    first_row: int = 0
    member: str = ""
    by: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    skip: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reconciliation:
    """One reconciliation of a standard's pack."""

    id: str
    kind: str
    name: dict[str, str]
    definition: dict[str, str]
    basis: str = ""
    tolerance: Tolerance = Tolerance()
    left: tuple[Term, ...] = ()
    right: tuple[Term, ...] = ()
    figures: tuple[FigureTerm, ...] = ()
    by: str | None = None
    sheets: tuple[SheetMap, ...] = ()
    family: str = ""
    rules: tuple[str, ...] = ()
    path: str = ""
    line: int = 0

    @property
    def other(self) -> str | None:
        """The other standard that it looks at."""
        return next((term.standard for term in (*self.left, *self.right) if term.standard), None)


@dataclass(frozen=True)
class Result:
    """What came of a reconciliation. `difference` is left less right; the counts are of keys; `file` holds every row of the difference."""

    id: str
    outcome: Outcome
    reason: tuple[str, str] = ("", "")
    left: Decimal | None = None
    right: Decimal | None = None
    keys: int = 0
    only_left: int = 0
    only_right: int = 0
    amounts: int = 0
    file: Path | None = None
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def difference(self) -> Decimal | None:
        return self.left - self.right if self.left is not None and self.right is not None else None

    def why(self) -> str:
        return say(*self.reason)


def not_compared(name: str, zh: str, en: str) -> Result:
    return Result(name, "not_compared", (zh, en))
