"""What a planted fault is, and the helpers with which the catalogue describes its kinds.

A kind says which rows of a source table can carry the fault, how to spoil such a row, and which rule must find it. Kinds
spoil rows of tables that drive a reported table, so that the finding's source row is the row that was spoilt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from etl.demo.consequences import Cause

Row = dict[str, Any]
Condition = Callable[["Insurer", sa.Table], list[sa.ColumnElement[bool]]]
# Gives the new values of a row, or None where this row will not do.
Spoil = Callable[["Insurer", Row], Row | None]


@dataclass(frozen=True)
class Kind:
    """A kind of fault. `item` is TABLE.ITEM of the standard, `rule` the rule that must fire. `where` limits the candidate
    rows, `spoil` makes the new values. `copy`: the new values make a second row beside the original. `locks`: columns whose
    values no other fault may share. `most`: how many of this kind at most. `also`: the other findings that it must cause."""

    name: str
    source: str
    item: str
    rule: str
    spoil: Spoil
    where: Condition = lambda insurer, table: []
    copy: bool = False
    locks: tuple[str, ...] = ()
    most: int | None = None
    also: tuple[Cause, ...] = ()

    @property
    def system(self) -> str:
        return self.source.split(".")[0]

    @property
    def table(self) -> str:
        return self.source.split(".")[1]


@dataclass
class Insurer:
    """The databases while faults are planted, with what the kinds look up in other systems."""

    as_of: date
    connections: dict[str, sa.Connection]
    tables: dict[str, dict[str, sa.Table]]
    taken: set[Any] = field(default_factory=set)
    counter: int = 0

    @property
    def month_start(self) -> date:
        return self.as_of.replace(day=1)

    def one(self, source: str, **key: Any) -> Row:
        """A row of `system.table` by its key (or any unique columns); empty when there is none."""
        system, name = source.split(".")
        table = self.tables[system][name]
        found = self.connections[system].execute(sa.select(table).where(*(table.c[c] == v for c, v in key.items()))).mappings().first()
        return dict(found) if found else {}

    def column(self, source: str, name: str, *conditions: Callable[[sa.Table], sa.ColumnElement[bool]]) -> frozenset[Any]:
        """Distinct values of a column, of the rows that meet the conditions."""
        system, table_name = source.split(".")
        table = self.tables[system][table_name]
        return frozenset(self.connections[system].execute(sa.select(table.c[name]).where(*(c(table) for c in conditions)).distinct()).scalars())

    def fresh(self, prefix: str, width: int) -> str:
        """A number that no row of the insurer has."""
        self.counter += 1
        return f"{prefix}{9 * 10 ** (width - 1) + self.counter:0{width}d}"

    @cached_property
    def month_digits(self) -> str:
        return f"{self.as_of:%Y%m}"

    @cached_property
    def claimants(self) -> frozenset[Any]:
        """Customers with a claim, open or closed."""
        return self.column("claims.LLCase", "CustomerNo")

    @cached_property
    def pensioned(self) -> frozenset[Any]:
        """Customers with a pension contract."""
        return self.column("pension.PenContract", "HolderNo") if "pension" in self.tables else frozenset()

    @cached_property
    def claimed(self) -> frozenset[Any]:
        """Policies with a claim."""
        return self.column("claims.LLClaimPolicy", "ContNo")

    @cached_property
    def called(self) -> frozenset[Any]:
        """Policies with a call-back in the month."""
        return self.column("service.CallBack", "ContNo", lambda t: t.c.CallTime.like(f"{self.as_of:%Y/%m}/%"))

    @cached_property
    def called_customers(self) -> frozenset[Any]:
        """Customers with a call-back in the month."""
        return self.column("service.CallBack", "CustomerNo", lambda t: t.c.CallTime.like(f"{self.as_of:%Y/%m}/%"))

    @cached_property
    def paid(self) -> frozenset[Any]:
        """Policies with a premium confirmed in the month."""
        return self.column("life_admin.LJAPay", "ContNo", lambda t: t.c.ConfDate.between(self.month_start, self.as_of))

    @cached_property
    def closed_cases(self) -> frozenset[Any]:
        """Claims closed in the month."""
        return self.column("claims.LLCase", "CaseNo", lambda t: t.c.EndCaseDate.like(f"{self.month_digits}%"))

    @cached_property
    def single_line_cases(self) -> frozenset[Any]:
        """Claims with one benefit line only."""
        table = self.tables["claims"]["LLClaimPolicy"]
        query = sa.select(table.c.CaseNo).group_by(table.c.CaseNo).having(sa.func.count() == 1)
        return frozenset(self.connections["claims"].execute(query).scalars())

    @cached_property
    def plain_cases(self) -> frozenset[Any]:
        """Claims closed in the month with one benefit line."""
        return self.closed_cases & self.single_line_cases

    @cached_property
    def tied_by_sex(self) -> frozenset[Any]:
        """Customers whose relation to a policyholder tells their sex."""
        return self.column("life_admin.LCInsured", "InsuredNo", lambda t: t.c.RelationToAppnt.in_(("02", "03", "04", "05")))


def quiet(insurer: Insurer, row: Row) -> bool:
    """Whether a policy is in no other reported table of the month: no claim, call-back or premium."""
    number = row["ContNo"]
    return number not in insurer.claimed and number not in insurer.called and number not in insurer.paid


def setting(**values: Any) -> Spoil:
    """Set columns to fixed values."""
    return lambda insurer, row: dict(values)


def quietly(change: Spoil) -> Spoil:
    """Only on policies that no other report of the month tells of."""
    return lambda insurer, row: change(insurer, row) if quiet(insurer, row) else None


def unclaimed(change: Spoil) -> Spoil:
    """Only on customers without a claim or a pension contract, for both repeat the customer's data."""
    return lambda insurer, row: change(insurer, row) if row["CustomerNo"] not in insurer.claimants | insurer.pensioned else None


def is_in(**values: Any) -> Condition:
    """Rows whose columns have the given values (a tuple: one of them; ... : any value but null)."""
    def conditions(insurer: Insurer, table: sa.Table) -> list[sa.ColumnElement[bool]]:
        found = []
        for name, value in values.items():
            column = table.c[name]
            found.append(column.is_not(None) if value is ... else column.in_(value) if isinstance(value, tuple) else column.is_(None) if value is None else column == value)
        return found

    return conditions


def both(*parts: Condition) -> Condition:
    """All of several conditions."""
    return lambda insurer, table: [c for part in parts for c in part(insurer, table)]


def later(day: date, count: int) -> date:
    """`count` days after `day` (before, where negative)."""
    return day + timedelta(days=count)


def wrong_check(number: str) -> str:
    """The number with another last character, so that its check fails."""
    return number[:-1] + ("2" if number[-1] != "2" else "3")


def digits(day: date) -> str:
    """A date as the claims system writes it."""
    return f"{day:%Y%m%d}"


def from_digits(text: str) -> date:
    """A date of the claims system."""
    return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
