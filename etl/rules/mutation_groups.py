"""Faults for rules about groups of rows: values that should be unique, sums that should agree."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from etl.engines.local import quote
from etl.rules.compile import compile_reconcile, compile_single
from etl.rules.definition import Rule, Side
from etl.rules.mutation_faults import TRIES, Fault
from etl.rules.mutation_world import Edit, Row, ValueUnfit, fit

if TYPE_CHECKING:
    from etl.rules.mutation_faults import Search

# How many rows are held against how many others in the search for two that are nearly the same.
ONES, OTHERS = 40, 300


def unique_faults(search: Search, rule: Rule, judged: list[int]) -> Iterator[Fault]:
    """Make a row share with another what should be its own."""
    world = search.world
    items = list(dict.fromkeys([*rule.unique, *(rule.when.columns if rule.when else ())]))
    sql = compile_single(rule)
    world.clear()
    clean = {row for (row,) in world.engine.rows(sql)}
    pairs = []
    ones = search.spread(rule.table, judged, ONES)
    others = search.spread(rule.table, [row["_row"] for row in world.rows(rule.table)], OTHERS)
    for one in ones:
        like = world.row(rule.table, one)
        for other in others:
            if other == one or other in clean:
                continue
            row = world.row(rule.table, other)
            values = {code: like[code] for code in items if row[code] != like[code]}
            if values:
                pairs.append(((search.used[rule.table][other] + search.used[rule.table][one], search.echo(rule.table, values), len(values), other, one), values, other))
    pairs.sort(key=lambda pair: (pair[0][1], pair[0][2], pair[0][0]))
    for _, values, other in islice(_mixed(pairs), TRIES):
        yield from _shown(search, rule, sql, clean, (Edit(rule.table, other, values),), other)
    yield from _copies(search, rule, sql, clean, items, ones)


def _mixed(pairs: list) -> Iterator[Any]:
    """Pairs in order, but no more than a few of the same row: another may do where one does not."""
    taken: dict[int, int] = {}
    for pair in pairs:
        taken[pair[2]] = taken.get(pair[2], 0) + 1
        if taken[pair[2]] <= 3:
            yield pair


def _copies(search: Search, rule: Rule, sql: str, clean: set[int], items: list[str], ones: list[int]) -> Iterator[Fault]:
    """With too few rows: the example's values in a row, and a second row like it under a key of its own."""
    world = search.world
    table = world.standard.tables[rule.table]
    for one in ones[:3] or search.spread(rule.table, [row["_row"] for row in world.rows(rule.table)], 3):
        for example in [{}, *(e[rule.table][0] for e in rule.examples_fail if e.get(rule.table))]:
            try:
                values = {code: fit(table.by_code[code], example[code]) for code in items if code in example}
                key = other_key(search, rule.table, world.row(rule.table, one), set(rule.unique))
            except ValueUnfit:
                continue
            first = (Edit(rule.table, one, values),) if values else ()
            number = world.new_number(rule.table)
            yield from _shown(search, rule, sql, clean, (*first, Edit(rule.table, number, {**values, **key}, copy_of=one)), number)


def other_key(search: Search, table: str, row: Row, keep: set[str]) -> Row:
    """Another business key for a copy of `row`, by an item that is not in `keep`. Raises ValueUnfit."""
    for item in reversed(search.world.standard.tables[table].key_items):
        if item.code in keep:
            continue
        taken = {other[item.code] for other in search.world.rows(table)}
        for value in (f"{row[item.code]}9", f"{row[item.code]}8", Decimal(99), Decimal(98)) if item.type != "date" else ():
            try:
                if fit(item, value) not in taken:
                    return {item.code: fit(item, value)}
            except ValueUnfit:
                continue
    return {}


def _shown(search: Search, rule: Rule, sql: str, clean: set[int], edits: tuple[Edit, ...], row: int) -> Iterator[Fault]:
    try:
        search.world.lay(edits)
    except ValueUnfit:
        return
    if row in {found for (found,) in search.world.engine.rows(sql)} - clean:
        yield Fault(rule, edits, row, 0)


def reconcile_faults(search: Search, rule: Rule, _judged: list[int]) -> Iterator[Fault]:
    """Change an amount on one side; where a side has no rows, make some from the example."""
    world, reconcile = search.world, rule.reconcile
    assert reconcile is not None
    sql = compile_reconcile(rule)
    world.clear()
    clean = {found[0] for found in world.engine.rows(sql)}
    for edits in islice(_amounts(search, rule, (reconcile.left, reconcile.right)), TRIES):
        try:
            world.lay(edits)
        except ValueUnfit:
            continue
        if {found[0] for found in world.engine.rows(sql)} - clean:
            yield Fault(rule, edits, None, 0)


def _amounts(search: Search, rule: Rule, sides: tuple[Side, Side]) -> Iterator[tuple[Edit, ...]]:
    world = search.world
    for read in (_valued, _limiting):
        for side in sides:
            where = side.where.sql(quote) if side.where else "TRUE"
            rows = [row for (row,) in world.engine.rows(f"SELECT _row FROM base.{quote(side.table)} WHERE {where} ORDER BY _row")]
            for row in search.spread(side.table, rows, 4):
                for code in sorted(read(side), key=lambda code: search.echo(side.table, [code])):
                    for value in search.values(rule, side.table, code, world.row(side.table, row)[code])[:14]:
                        yield (Edit(side.table, row, {code: value}),)
    for side in sides:
        known = world.standard.tables[side.table].by_code
        for row in search.spread(side.table, [row["_row"] for row in world.rows(side.table)], 3):
            for example in rule.examples_fail:
                for like in example.get(side.table) or []:
                    values = {code: like[code] for code in [*_valued(side), *_limiting(side)] if code in like and code in known}
                    if values:
                        yield (Edit(side.table, row, values),)
            yield (Edit(side.table, world.new_number(side.table), other_key(search, side.table, world.row(side.table, row), set(side.by)), copy_of=row),)


def _valued(side: Side) -> list[str]:
    return list(side.value.columns)


def _limiting(side: Side) -> list[str]:
    """What a side counts: the items of its condition, and those it groups by."""
    return list(dict.fromkeys([*(side.where.columns if side.where else ()), *side.by]))
