"""The nouns of mapping: branches, joins, item sources, code maps (代码对照表)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from etl.expressions import Expression
from etl.standard.definition import Standard


@dataclass(frozen=True)
class CodeMap:
    """Source code -> what the standard sends. `name` is `<system>.<map>`."""

    name: str
    entries: dict[str, str]
    path: str = ""


@dataclass(frozen=True)
class Join:
    """A joined source table: `left` brings at most one row, `aggregate` brings values over all its rows.

    `pairs` are (own column, expression over earlier aliases) that must be equal.
    """

    kind: Literal["left", "aggregate"]
    system: str
    table: str
    alias: str
    pairs: tuple[tuple[str, Expression], ...]
    where: Expression | None = None
    values: dict[str, Expression] = field(default_factory=dict)


@dataclass(frozen=True)
class ItemSource:
    """Where a data item comes from: an expression, a constant, or the standard's default, with the reason for those."""

    kind: Literal["expression", "constant", "default"]
    expression: Expression | None = None
    constant: Any = None
    why: dict[str, str] = field(default_factory=dict)
    maps: tuple[str, ...] = ()
    line: int = 0


@dataclass(frozen=True)
class Branch:
    """One way in which rows come about: a driving table, its joins, a filter, and every item."""

    system: str
    table: str
    alias: str
    where: Expression | None
    joins: tuple[Join, ...]
    items: dict[str, ItemSource]

    @cached_property
    def sources(self) -> set[tuple[str, str]]:
        """(system, table) pairs the branch reads."""
        return {(self.system, self.table)} | {(j.system, j.table) for j in self.joins}


@dataclass(frozen=True)
class TableMapping:
    """The mapping of one reported table."""

    standard: str
    table: str
    system: str
    branches: tuple[Branch, ...]
    path: str = ""
    # Why no core system keeps what the table wants (zh, en); such a mapping has no branches and gives no rows.
    absent: dict[str, str] = field(default_factory=dict)

    @cached_property
    def sources(self) -> set[tuple[str, str]]:
        return set().union(*(branch.sources for branch in self.branches)) if self.branches else set()


@dataclass(frozen=True)
class MappingSet:
    """All mappings for one standard, by table, with the code maps they use."""

    standard: str
    tables: dict[str, TableMapping]
    code_maps: dict[str, CodeMap]

    @cached_property
    def sources(self) -> set[tuple[str, str]]:
        return set().union(*(mapping.sources for mapping in self.tables.values())) if self.tables else set()

    def within(self, standard: Standard) -> MappingSet:
        """Without the tables and items that `standard` does not have (on its day)."""
        tables = {}
        for code in self.tables.keys() & standard.tables.keys():
            known, mapping = standard.tables[code].by_code, self.tables[code]
            branches = tuple(replace(branch, items={item: source for item, source in branch.items.items() if item in known}) for branch in mapping.branches)
            tables[code] = replace(mapping, branches=branches)
        return replace(self, tables={code: tables[code] for code in self.tables if code in tables})
