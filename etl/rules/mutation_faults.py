"""For one rule, one fault in real rows that makes it fire: as few other values as possible."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from typing import Any

from sqlglot import exp

from etl.engines.local import quote
from etl.expressions import Expression
from etl.rules.compile import compile_row_rules, compile_single
from etl.rules.definition import Rule
from etl.rules.judged import own_column
from etl.rules.mutation_world import Edit, Row, ValueUnfit, World, fit, tries

# How many faults are tried before a rule counts as one that nothing here can break.
TRIES = 120


@dataclass(frozen=True)
class Fault:
    """Edits that make `rule` fire at `row` (None for a reconciliation); `judged` rows passed it in the clean data."""

    rule: Rule
    edits: tuple[Edit, ...]
    row: int | None
    judged: int


class Search:
    """Looks for faults, and spreads them over the rows so that many can be tried in one check."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.used: dict[str, Counter[int]] = defaultdict(Counter)

    def find(self, rules: Sequence[Rule]) -> Iterator[tuple[Rule, Fault | None, int]]:
        """(rule, its fault or None, rows that the rule judged in the clean data) for every rule."""
        from etl.rules.mutation_groups import reconcile_faults, unique_faults
        from etl.rules.mutation_relations import relation_faults

        by_table: dict[str, list[Rule]] = defaultdict(list)
        for rule in rules:
            if rule.kind == "row":
                by_table[rule.table].append(rule)
        for table, some in by_table.items():
            yield from self.row_faults(table, some)
        makers = {"relation": relation_faults, "unique": unique_faults, "reconcile": reconcile_faults}
        for rule in rules:
            if rule.kind != "row":
                judged = self.judged(rule)
                fault = next(makers[rule.kind](self, rule, judged), None) if self.world.rows(rule.table) else None
                self.world.clear()
                if fault:
                    self.use(fault)
                yield rule, fault, len(judged)

    def use(self, fault: Fault) -> None:
        """Note which rows a fault sits in, so that the next one takes others."""
        places = {(edit.table, edit.row) for edit in fault.edits} | ({(fault.rule.table, fault.row)} if fault.row else set())
        for table, row in places:
            self.used[table][row] += 1

    def spread(self, table: str, rows: Iterable[int], count: int) -> list[int]:
        """Up to `count` of `rows`, the least used ones first."""
        known = {row["_row"] for row in self.world.rows(table)}
        return sorted((row for row in rows if row in known), key=lambda row: (self.used[table][row], row))[:count]

    def judged(self, rule: Rule) -> list[int]:
        """Rows of the clean data to which the rule applies and that pass it."""
        if rule.kind == "reconcile":
            side = rule.reconcile.left  # type: ignore[union-attr]
            where = side.where.sql(quote) if side.where else "TRUE"
            return [row for (row,) in self.world.engine.rows(f"SELECT _row FROM base.{quote(side.table)} WHERE {where} ORDER BY _row")]
        if rule.expect is None or rule.kind == "unique":
            present = [*(rule.unique or rule.relation.on)]  # type: ignore[union-attr]
            tests = [f"t.{quote(item)} IS NOT NULL" for item in present] + ([f"({rule.when.sql(own_column)})"] if rule.when else [])
            sql = f"SELECT t._row FROM base.{quote(rule.table)} AS t WHERE {' AND '.join(tests)} ORDER BY 1"
        elif rule.kind == "row":
            sql = f"SELECT _row FROM ({compile_row_rules(rule.table, [opposite(rule)])}) ORDER BY 1"
        else:
            sql = f"SELECT DISTINCT _row FROM ({compile_single(opposite(rule))}) ORDER BY 1"
        return [row for (row,) in self.world.engine.rows(sql)]

    # Rules about a single row: many faults are tried in one scan

    def row_faults(self, table: str, rules: Sequence[Rule]) -> Iterator[tuple[Rule, Fault | None, int]]:
        """Try all faults of a table's row rules at once and keep, per rule, the one with the fewest other findings."""
        world = self.world
        if not world.rows(table):
            yield from ((rule, None, 0) for rule in rules)
            return
        every = [rule for rule in world.rules if rule.table == table and rule.kind == "row"]
        place = {rule.id: index for index, rule in enumerate(every)}
        judged: dict[str, list[int]] = {rule.id: [] for rule in rules}
        for row, index in world.engine.rows(compile_row_rules(table, [opposite(rule) for rule in rules])):
            judged[rules[index].id].append(row)
        clean = Counter(world.engine.rows(compile_row_rules(table, every)))
        tried: list[tuple[Rule, int, Row]] = []
        for rule in rules:
            anywhere = self.spread(table, [row["_row"] for row in world.rows(table)], 2)
            bases = self.spread(table, judged[rule.id], 2) or (anywhere if rule.origin == "derived" else [])
            if bases:
                self.used[table][bases[0]] += 1
                for base in bases:
                    tried += [(rule, base, values) for values in islice(self.row_values(rule, base), TRIES)]
            for base in anywhere:
                for places in ({(table, code) for code in rule.when.columns} if rule.when else set(), rule.items_read()):
                    tried += [(rule, base, values) for values in self.overlays(rule, base, places)]
        world.lay_only(table, [{**world.row(table, base), **values, "_row": number} for number, (_, base, values) in enumerate(tried, 1)])
        hits: dict[int, set[int]] = defaultdict(set)
        for number, index in world.engine.rows(compile_row_rules(table, every)):
            hits[number].add(index)
        world.clear()
        best: dict[str, tuple[tuple, int, Row]] = {}
        for number, (rule, base, values) in enumerate(tried, 1):
            if place[rule.id] not in hits[number] or clean[(base, place[rule.id])]:
                continue
            others = len({index for index in hits[number] if not clean[(base, index)]}) - 1
            cost = (others, self.echo(table, values), len(values), number)
            if rule.id not in best or cost < best[rule.id][0]:
                best[rule.id] = (cost, base, values)
        for rule in rules:
            found = best.get(rule.id)
            yield rule, Fault(rule, (Edit(table, found[1], found[2]),), found[1], len(judged[rule.id])) if found else None, len(judged[rule.id])

    def echo(self, table: str, values: Iterable[str]) -> int:
        """In how many rules across rows other values of these items may show."""
        return sum(self.world.readers.get((table, code), 0) for code in values)

    def row_values(self, rule: Rule, base: int) -> Iterator[Row]:
        """Changes of a row to which the rule applies: one item first, then all that it expects something of."""
        row = self.world.row(rule.table, base)
        table = self.world.standard.tables[rule.table]
        derived = derived_value(rule, row.get(rule.item), table.by_code[rule.item].length) if rule.origin == "derived" else ()
        if derived:
            yield {rule.item: derived[0]}
            return
        assert rule.expect is not None
        columns = list(rule.expect.columns)
        for code in columns:
            for value in self.values(rule, rule.table, code, row[code], [e.get(code) for e in rule.examples_fail]):
                yield {code: value}
        yield from self.overlays(rule, base, {(rule.table, code) for code in columns})

    def overlays(self, rule: Rule, base: int, places: Iterable[tuple[str, str]]) -> Iterator[Row]:
        """The rule's failing examples laid over a row, for the items in `places`."""
        row, known = self.world.row(rule.table, base), self.world.standard.tables[rule.table].by_code
        codes = sorted(code for table, code in places if table == rule.table and code in known)
        for example in rule.examples_fail:
            try:
                values = {code: fit(known[code], example.get(code)) for code in codes}
            except ValueUnfit:
                continue
            changed = {code: value for code, value in values.items() if value != row[code]}
            if changed:
                yield changed

    def values(self, rule: Rule, table: str, code: str, now: Any, examples: Iterable[Any] = ()) -> list[Any]:
        """Values to try in one item for this rule."""
        item = self.world.standard.tables[table].by_code[code]
        codes = self.world.standard.codes.get(item.codes or "")
        names = [value.name if item.send == "text" else value.code for value in codes.values[:12]] if codes else []
        return tries(item, now, examples=[e for e in examples if e is not None], literals=literals(rule), seen=lambda: self.seen(table, code), names=names)

    def seen(self, table: str, code: str) -> list[Any]:
        """Some values of a column of the clean data."""
        return list(islice(dict.fromkeys(row[code] for row in self.world.rows(table) if row[code] is not None), 6))


def opposite(rule: Rule) -> Rule:
    """The rule that fires where this one passes."""
    assert rule.expect is not None
    wanted = rule.expect
    tree = exp.Not(this=exp.Paren(this=wanted.tree.copy()))
    return replace(rule, family="cross_item" if rule.kind == "row" else rule.family,
                   expect=Expression(f"NOT ({wanted.text})", tree, wanted.family, wanted.columns, wanted.code_tables))


def derived_value(rule: Rule, now: Any, length: int) -> tuple[Any, ...]:
    """The one value that breaks a rule derived from the dictionary; empty for other rules."""
    text = now if isinstance(now, str) else "x"
    return {"required": (None,), "length": ("x" * (length + 1),), "format": (text[:1] + "\x01" + text[1:],), "code_table": ("?",)}.get(rule.family, ())


def literals(rule: Rule) -> list[Any]:
    """The constants in a rule's expressions: texts, numbers and dates."""
    expressions: list[Expression | None] = [rule.when, rule.expect]
    if rule.relation:
        expressions += [rule.relation.to_where, *rule.relation.aggregate.values()]
    found: list[Any] = []
    for expression in expressions:
        for node in expression.tree.find_all(exp.Literal) if expression else ():
            if not node.is_string:
                found.append(float(node.this) if "." in node.this else int(node.this))
                continue
            found.append(node.this)
            try:
                found.append(date.fromisoformat(node.this))
            except ValueError:
                pass
    return list(dict.fromkeys(found))
