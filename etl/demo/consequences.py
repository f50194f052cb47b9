"""What a fault must cause beside its own finding: one wrong value is seen from several places.

A kind states its consequences narrowly: a rule, and the row or the group of rows on which it must fire, told by the spoilt
row's own values. What is found and neither planted nor stated is unexplained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa

Row = dict[str, Any]


@dataclass(frozen=True)
class Consequence:
    """A finding to expect: under `rule` on the source row (system, table, key), or, where `system` is empty, on the group
    `key` of the reported table `table`. `of` is the key of the spoilt row."""

    fault: str
    rule: str
    system: str
    table: str
    key: str
    of: str


@dataclass(frozen=True)
class Spoilt:
    """A row before and after it was spoilt; of a copied row, the original and the copy. `look`: rows of "system.table" that
    have the given values. `as_of`: the last day of the month."""

    source: str
    keys: tuple[str, ...]
    before: Row
    after: Row
    as_of: date
    look: Callable[..., list[Row]] = field(compare=False)

    @property
    def system(self) -> str:
        return self.source.split(".")[0]

    @property
    def table(self) -> str:
        return self.source.split(".")[1]


Told = tuple[str, str, str, str]
Cause = Callable[[Spoilt], Iterator[Told]]
When = Callable[[Spoilt], Any]


def key_text(row: Row, keys: tuple[str, ...]) -> str:
    """A row's key as findings and the truth tell it: trimmed parts, joined."""
    return "|".join("" if row[name] is None else str(row[name]).strip() for name in keys)


def here(*rules: str, when: When = lambda spoilt: True) -> Cause:
    """On the spoilt row itself. Rules are named without the standard's prefix."""
    def told(spoilt: Spoilt) -> Iterator[Told]:
        if when(spoilt):
            yield from ((f"EL20-{rule}", spoilt.system, spoilt.table, key_text(spoilt.after, spoilt.keys)) for rule in rules)

    return told


def original(*rules: str, when: When = lambda spoilt: True) -> Cause:
    """On the row of which the spoilt one is a copy."""
    def told(spoilt: Spoilt) -> Iterator[Told]:
        if when(spoilt):
            yield from ((f"EL20-{rule}", spoilt.system, spoilt.table, key_text(spoilt.before, spoilt.keys)) for rule in rules)

    return told


def there(source: str, *rules: str, by: dict[str, str], only: Callable[[Spoilt, Row], Any] = lambda spoilt, row: True, when: When = lambda spoilt: True) -> Cause:
    """On the rows of another table of a core system that belong to the spoilt row. `by`: its column -> the column of the spoilt
    row with the same value (as it was before); `only` limits the rows further, `when` the spoilt rows."""
    def told(spoilt: Spoilt) -> Iterator[Told]:
        system, table = source.split(".")
        for row in spoilt.look(source, **{column: spoilt.before[own] for column, own in by.items()}) if when(spoilt) else ():
            if only(spoilt, row):
                yield from ((f"EL20-{rule}", system, table, row["_key"]) for rule in rules)

    return told


def groups(rule: str, *keys: Callable[[Spoilt], str], when: When = lambda spoilt: True) -> Cause:
    """On groups of rows of the reported table that the rule speaks for: reconciliations have no single source row."""
    def told(spoilt: Spoilt) -> Iterator[Told]:
        if when(spoilt):
            yield from ((f"EL20-{rule}", "", rule.split("-")[0], key(spoilt)) for key in keys)

    return told


def of(*columns: str, changed: bool = False) -> Callable[[Spoilt], str]:
    """The key of a group: the spoilt row's values, joined; `changed`: as they are now. A text in = is itself: "=B01"."""
    def key(spoilt: Spoilt) -> str:
        row = spoilt.after if changed else spoilt.before
        return "|".join(name[1:] if name.startswith("=") else str(row[name]) for name in columns)

    return key


def looker(connections: dict[str, sa.Connection], tables: dict[str, dict[str, sa.Table]]) -> Callable[..., list[Row]]:
    """How `there` finds rows: each with its key under `_key`."""
    def look(source: str, **values: Any) -> list[Row]:
        system, name = source.split(".")
        if system not in tables:
            return []
        table = tables[system][name]
        keys = tuple(column.name for column in table.primary_key)
        found = connections[system].execute(sa.select(table).where(*(table.c[c] == v for c, v in values.items())).order_by(*table.primary_key)).mappings()
        return [{**row, "_key": key_text(dict(row), keys)} for row in found]

    return look
