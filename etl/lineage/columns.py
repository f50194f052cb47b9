"""Which source columns a data item is made of: read off the checked expressions of the mapping, never off data.

A column is a *direct* origin where its value ends up in the item, and an *indirect* one where it only decides: over rows (join,
filter, grouping) or between values (the conditions of a CASE). The words are those of OpenLineage's column lineage.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlglot import exp

from etl.expressions import Expression
from etl.expressions.syntax import column_name
from etl.mapping.definition import Branch, Join, TableMapping
from etl.standard.definition import DataItem, Standard

DIRECT, INDIRECT = "DIRECT", "INDIRECT"
IDENTITY, TRANSFORMATION, AGGREGATION = "IDENTITY", "TRANSFORMATION", "AGGREGATION"
JOIN, FILTER, GROUP_BY, CONDITIONAL = "JOIN", "FILTER", "GROUP_BY", "CONDITIONAL"


@dataclass(frozen=True)
class Step:
    """What is done with a column: `kind` DIRECT or INDIRECT; `text` is the expression of the pack, for direct steps that change a value."""

    kind: str
    subtype: str
    text: str = ""


@dataclass(frozen=True)
class Origin:
    """A column of a core system, and what is done with it."""

    system: str
    table: str
    column: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class TableOrigins:
    """`items`: data item -> its origins (none for constants, defaults and what the house assigns). `rows`: what decides which rows there are."""

    items: dict[str, tuple[Origin, ...]]
    rows: tuple[Origin, ...] = ()


def is_masked(standard: Standard, item: DataItem) -> bool:
    """Whether the item leaves the house other than it is."""
    return bool(item.privacy) and (standard.masking.get(str(item.privacy)) or {}).get("transform") != "clear"


class _Found:
    """Collects steps by column, in the order in which they are met."""

    def __init__(self) -> None:
        self.steps: dict[tuple[str, str, str], dict[Step, None]] = {}

    def add(self, place: tuple[str, str, str], step: Step) -> None:
        self.steps.setdefault(place, {})[step] = None

    def origins(self) -> tuple[Origin, ...]:
        return tuple(Origin(*place, tuple(steps)) for place, steps in sorted(self.steps.items()))


def table_origins(mapping: TableMapping) -> TableOrigins:
    """The origins of every mapped item of a table, over all branches."""
    items: dict[str, _Found] = {}
    rows = _Found()
    for branch in mapping.branches:
        reader = _Branch(branch)
        for code, source in branch.items.items():
            found = items.setdefault(code, _Found())
            if source.expression is not None:
                reader.item(source.expression, found)
        if branch.where is not None:
            reader.deciding(branch.where.columns, FILTER, rows)
    return TableOrigins({code: found.origins() for code, found in items.items()}, rows.origins())


class _Branch:
    """Resolves `alias.column` of one branch to columns of core systems."""

    def __init__(self, branch: Branch) -> None:
        self.branch = branch
        self.joins = {join.alias: join for join in branch.joins}

    def item(self, expression: Expression, found: _Found) -> None:
        """The origins of an item's expression."""
        aliases: dict[str, None] = {}
        for name, conditional in _columns(expression):
            aliases[name.partition(".")[0]] = None
            if conditional:
                for place in self.places(name):
                    found.add(place, Step(INDIRECT, CONDITIONAL))
                continue
            plain = isinstance(_bare(expression.tree), exp.Column)
            for place, aggregate in self.values(name):
                if aggregate is not None:
                    found.add(place, Step(DIRECT, AGGREGATION, aggregate if plain else expression.text))
                else:
                    found.add(place, Step(DIRECT, IDENTITY) if plain else Step(DIRECT, TRANSFORMATION, expression.text))
        self.joined(aliases, found)

    def deciding(self, columns: Iterable[str], subtype: str, found: _Found) -> None:
        """Columns that decide over rows, and the joins that bring them."""
        aliases: dict[str, None] = {}
        for name in columns:
            aliases[name.partition(".")[0]] = None
            for place in self.places(name):
                found.add(place, Step(INDIRECT, subtype))
        self.joined(aliases, found)

    def joined(self, aliases: Iterable[str], found: _Found) -> None:
        """What the joins behind `aliases` match and filter by, and the joins behind those."""
        seen: set[str] = set()
        todo = [alias for alias in aliases if alias in self.joins]
        while todo:
            join = self.joins[todo.pop(0)]
            if join.alias in seen:
                continue
            seen.add(join.alias)
            for own, expression in join.pairs:
                found.add((join.system, join.table, own), Step(INDIRECT, GROUP_BY if join.kind == "aggregate" else JOIN))
                for name in expression.columns:
                    for place in self.places(name):
                        found.add(place, Step(INDIRECT, JOIN))
                    todo += [alias for alias in [name.partition(".")[0]] if alias in self.joins]
            for name in join.where.columns if join.where else ():
                found.add((join.system, join.table, name.partition(".")[2]), Step(INDIRECT, FILTER))

    def values(self, name: str) -> Iterator[tuple[tuple[str, str, str], str | None]]:
        """The columns behind `alias.column`, with the text of the aggregation that they go through."""
        alias, _, column = name.partition(".")
        join = self.joins.get(alias)
        if join is not None and join.kind == "aggregate":
            value = join.values[column]
            for inner in value.columns:
                yield (join.system, join.table, inner.partition(".")[2]), value.text
        else:
            yield (*self.table(join), column), None

    def places(self, name: str) -> Iterator[tuple[str, str, str]]:
        for place, _ in self.values(name):
            yield place

    def table(self, join: Join | None) -> tuple[str, str]:
        return (join.system, join.table) if join else (self.branch.system, self.branch.table)


def _columns(expression: Expression) -> Iterator[tuple[str, bool]]:
    """(column as written, whether it stands in a condition) of an expression; names of code maps and code tables are none."""
    known = set(expression.columns)
    for node in expression.tree.find_all(exp.Column):
        if column_name(node) in known:
            yield column_name(node), _in_condition(node, expression.tree)


def _in_condition(node: exp.Expression, top: exp.Expression) -> bool:
    child = node
    while child is not top and child.parent is not None:
        parent = child.parent
        if isinstance(parent, (exp.If, exp.Case)) and parent.this is child:
            return True
        child = parent
    return False


def _bare(tree: exp.Expression) -> exp.Expression:
    while isinstance(tree, exp.Paren):
        tree = tree.this
    return tree
