"""Faults for rules between tables: the row itself, one of its partners, or the link between them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from etl.rules.compile import compile_single
from etl.rules.definition import Rule
from etl.rules.mutation_faults import TRIES, Fault
from etl.rules.mutation_groups import other_key
from etl.rules.mutation_world import Edit, Row, ValueUnfit, fit

if TYPE_CHECKING:
    from etl.rules.mutation_faults import Search

Tried = tuple[int, tuple[Edit, ...]]


def relation_faults(search: Search, rule: Rule, judged: list[int]) -> Iterator[Fault]:
    """Faults that make `rule` fire: one value of a row that it judged, else the values of its failing examples."""
    world = search.world
    sql = compile_single(rule)
    world.clear()
    clean = {row for (row,) in world.engine.rows(sql)}
    every = [row["_row"] for row in world.rows(rule.table) if row["_row"] not in clean]
    maker = _Maker(search, rule)
    small = chain.from_iterable(maker.single(row) for row in search.spread(rule.table, judged, 3))
    large = chain.from_iterable(maker.from_examples(row) for row in [*search.spread(rule.table, judged, 2), *search.spread(rule.table, every, 4)])
    for row, edits in chain(islice(small, TRIES), islice(large, TRIES)):
        try:
            world.lay(edits)
        except ValueUnfit:
            continue
        if row not in clean and world.engine.one(f"SELECT count(*) FROM ({sql}) WHERE _row = {row}"):
            yield Fault(rule, edits, row, 0)


class _Maker:
    """Makes the faults to try for one relation."""

    def __init__(self, search: Search, rule: Rule) -> None:
        assert rule.relation is not None
        self.search, self.world, self.rule, self.relation = search, search.world, rule, rule.relation
        self.own = self.world.standard.tables[rule.table].by_code
        self.other = self.world.standard.tables[self.relation.to].by_code
        named = list(rule.expect.columns) if rule.expect else []
        self.expected = [name for name in named if name in self.own]
        partner = [name.rpartition(".")[2] for name in named if "." in name]
        self.counted = list(dict.fromkeys([*partner, *(c for e in self.relation.aggregate.values() for c in e.columns)]))
        self.limiting = list(self.relation.to_where.columns) if self.relation.to_where else []
        self._linked: dict[tuple, list[Row]] = {}
        for row in self.world.rows(self.relation.to):
            self._linked.setdefault(tuple(row[item] for item in self.relation.on.values()), []).append(row)

    def partners(self, row: Row) -> list[Row]:
        found = self._linked.get(tuple(row[item] for item in self.relation.on), [])
        return [partner for partner in found if self.relation.to != self.rule.table or partner["_row"] != row["_row"]]

    # One value

    def single(self, number: int) -> Iterator[Tried]:
        """One value of the row, of a partner or of the link; where few rules across tables look, first."""
        row = self.world.row(self.rule.table, number)
        partners = self.partners(row)
        steps: list[tuple[int, str, int, str, list[Any]]] = []
        for code in self.expected:
            steps.append((0, self.rule.table, number, code, self._values(self.rule.table, code, row[code], self._examples(self.rule.table, code))))
        for partner in partners[:2]:
            for rank, codes in ((0, self.counted), (1, self.limiting)):
                for code in codes:
                    values = self._values(self.relation.to, code, partner[code], self._examples(self.relation.to, code))
                    steps.append((rank, self.relation.to, partner["_row"], code, values))
        steps.sort(key=lambda step: (step[0], self.search.echo(step[1], [step[3]])))
        for _, table, place, code, values in steps:
            yield from ((number, (Edit(table, place, {code: value}),)) for value in values)
        yield from self._links(number, row)

    def _links(self, number: int, row: Row) -> Iterator[Tried]:
        """Link the row to nothing, then to the partners of others."""
        for code in sorted(self.relation.on, key=lambda code: self.search.echo(self.rule.table, [code])):
            values = self._values(self.rule.table, code, row[code], self._examples(self.rule.table, code))
            yield from ((number, (Edit(self.rule.table, number, {code: value}),)) for value in values if value is not None)
        yield from ((number, edits) for edits in self._joined(number, row))

    def _joined(self, number: int, row: Row) -> Iterator[tuple[Edit, ...]]:
        """The row takes over the link of a partner, or a partner takes over the row's."""
        pairs = list(self.relation.on.items())
        for partner in self.world.rows(self.relation.to)[:6]:
            own = {a: partner[b] for a, b in pairs if row[a] != partner[b]}
            if own and None not in own.values():
                yield (Edit(self.rule.table, number, own),)
            theirs = {b: row[a] for a, b in pairs if row[a] != partner[b]}
            if theirs and not (self.relation.to == self.rule.table and partner["_row"] == number):
                yield (Edit(self.relation.to, partner["_row"], theirs),)

    def _values(self, table: str, code: str, now: Any, examples: list[Any]) -> list[Any]:
        return self.search.values(self.rule, table, code, now, examples)

    def _examples(self, table: str, code: str) -> list[Any]:
        return [row.get(code) for example in self.rule.examples_fail for row in example.get(table) or []]

    # The failing examples

    def from_examples(self, number: int) -> Iterator[Tried]:
        """A row and its partners with the values of a failing example, linked as they are or as the example says."""
        row = self.world.row(self.rule.table, number)
        if not self.rule.examples_fail:
            yield from self._links(number, row)
        for example in self.rule.examples_fail:
            owns = example.get(self.rule.table) or []
            for index, own in enumerate(owns):
                others = example.get(self.relation.to) or []
                if self.relation.to == self.rule.table:
                    others = [o for i, o in enumerate(others) if i != index]
                linked = [o for o in others if all(o.get(b) == own.get(a) for a, b in self.relation.on.items())]
                try:
                    yield from ((number, edits) for edits in self._placed(number, row, own, linked))
                except ValueUnfit:
                    continue

    def _placed(self, number: int, row: Row, own: Row, linked: list[Row]) -> Iterator[tuple[Edit, ...]]:
        read = {code for table, code in self.rule.items_read() if table == self.rule.table and code in self.own}
        if self.relation.to == self.rule.table:
            read -= set(self.counted) - set(self.expected) - set(self.rule.when.columns if self.rule.when else ())
            read |= {code for code in (*self.counted, *self.limiting) if code in own}
        values = {code: fit(self.own[code], own.get(code)) for code in read - set(self.relation.on)}
        mine = {code: value for code, value in values.items() if value != row[code]}
        partners = self.partners(row)
        if not linked:
            for code in self.relation.on:
                for value in self._values(self.rule.table, code, row[code], [own.get(code)])[:8] if partners else []:
                    if value is not None:
                        yield (Edit(self.rule.table, number, {**mine, code: value}),)
            yield from ([(Edit(self.rule.table, number, mine),)] if mine and not partners else [])
        else:
            yield from self._together(number, row, mine, linked, partners)
        # What the example takes its link from may matter to the rule as well.
        keys = {code: fit(self.own[code], own.get(code)) for code in self.relation.on}
        link = {b: keys[a] for a, b in self.relation.on.items()}
        if None not in keys.values():
            yield (Edit(self.rule.table, number, {**mine, **keys}), *self._helpers(number, row, linked, link, []))

    def _together(self, number: int, row: Row, mine: Row, linked: list[Row], partners: list[Row]) -> Iterator[tuple[Edit, ...]]:
        link = {b: row[a] for a, b in self.relation.on.items()}
        first = (Edit(self.rule.table, number, mine),) if mine else ()
        if None not in link.values():
            for start in range(min(len(partners), 3) or 1):
                yield (*first, *self._helpers(number, row, linked, link, partners[start:]))
            if partners:
                yield (*first, *self._helpers(number, row, linked, link, []))
        # No partner yet: the row moves to the partners of another, which the example then changes.
        for partner in self.world.rows(self.relation.to)[:4]:
            moved = {a: partner[b] for a, b in self.relation.on.items()}
            if None in moved.values() or (self.relation.to == self.rule.table and partner["_row"] == number):
                continue
            there = {b: moved[a] for a, b in self.relation.on.items()}
            yield (Edit(self.rule.table, number, {**mine, **moved}), *self._helpers(number, row, linked, there, self.partners({**row, **moved})))

    def _helpers(self, number: int, row: Row, linked: list[Row], link: Row, partners: list[Row]) -> tuple[Edit, ...]:
        """The example's partner rows: real ones changed as far as there are any, copies under other keys beyond."""
        edits: list[Edit] = []
        pool = self.world.rows(self.relation.to)
        for index, like in enumerate(linked):
            wanted = {code: fit(self.other[code], like.get(code)) for code in [*self.counted, *self.limiting] if code not in link}
            if index < len(partners):
                real = partners[index]
                changed = {code: value for code, value in wanted.items() if value != real[code]}
                edits += [Edit(self.relation.to, real["_row"], changed)] if changed else []
            elif pool:
                base = (partners or pool)[0]
                key = other_key(self.search, self.relation.to, base, set(link) | set(wanted))
                edits.append(Edit(self.relation.to, self.world.new_number(self.relation.to), {**wanted, **link, **key}, copy_of=base["_row"]))
        return tuple(edits)
