"""The mutation check: each rule is shown one fault in clean data; it must fire, and nothing unrelated with it.

Many faults are tried in one check, each in rows of its own; what a check finds is then told apart by row and by the
items that a rule reads. A fault that cannot be told apart from its neighbours is tried alone.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from etl.engines.local import Engine, literal
from etl.rules.definition import Rule
from etl.rules.mutation_faults import Fault, Search
from etl.rules.mutation_seed import seed_empty
from etl.rules.mutation_world import World
from etl.rules.report import Show, plain
from etl.rules.run import check_table
from etl.standard.definition import Standard

# (rule, table, row, key): a finding; row is None for a reconciliation.
Finding = tuple[str, str, int | None, str]


@dataclass(frozen=True)
class Mutant:
    """What became of one rule: `fired`, `silent` (it did not), `unrelated` (others did too), `immutable` (no fault found).

    `changed` names the items with other values as TABLE.ITEM, `added` counts copied rows, `judged` the clean rows to
    which the rule applied. `related` are other rules that read a changed item and fired, `unrelated` those that do not.
    """

    rule: str
    family: str
    table: str
    outcome: str
    judged: int
    changed: tuple[str, ...] = ()
    added: int = 0
    related: tuple[str, ...] = ()
    unrelated: tuple[str, ...] = ()
    reason: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MutationReport:
    """All rules' mutants, the tables that had to be given made-up rows, how many checks were run, and seconds."""

    mutants: tuple[Mutant, ...]
    seeded: tuple[str, ...]
    checks: int
    seconds: float

    def of(self, outcome: str) -> list[Mutant]:
        return [mutant for mutant in self.mutants if mutant.outcome == outcome]

    @property
    def sound(self) -> bool:
        """Every rule fired, and nothing else that has nothing to do with its fault."""
        return all(mutant.outcome == "fired" for mutant in self.mutants)


def mutate(engine: Engine, standard: Standard, every: Sequence[Rule], chosen: Sequence[Rule], *, show: Show = plain,
           progress: Callable[[str, int, int], None] = lambda *_: None) -> MutationReport:
    """Try one fault for each of `chosen` in the tables `base.*` of the engine, with all rules of `every` watching.

    The engine also needs `aside.*`, the code tables and the parameters (see `World`). Tables without a row get made-up ones.
    """
    started = time.monotonic()
    chosen = list(chosen)
    seeded = seed_empty(engine, standard, every)
    world = World(engine, standard, every)
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(world, show, Path(folder) / "findings.parquet")
        bench.baseline()
        faults: list[Fault] = []
        mutants: dict[str, Mutant] = {}
        for rule, fault, judged in Search(world).find(chosen):
            progress("fault", len(mutants) + len(faults) + 1, len(chosen))
            if fault:
                faults.append(replace(fault, judged=judged))
            else:
                mutants[rule.id] = Mutant(rule.id, rule.family, rule.table, "immutable", judged, reason=_why(world, rule, judged))
        done = 0
        for batch in batches(faults):
            for mutant in bench.judge(batch):
                mutants[mutant.rule] = mutant
            done += len(batch)
            progress("check", done, len(faults))
        world.clear()
    return MutationReport(tuple(mutants[rule.id] for rule in chosen), tuple(seeded), bench.checks, time.monotonic() - started)


def _why(world: World, rule: Rule, judged: int) -> dict[str, str]:
    empty = [table for table in sorted(rule.tables()) if not world.rows(table)]
    if empty:
        return {"zh": f"数据中 {'、'.join(empty)} 没有记录", "en": f"the data hold no row of {', '.join(empty)}"}
    if not judged:
        return {"zh": "数据中没有适用的记录，样例取值套入后也不触发", "en": "no row it applies to, and its examples' values do not make it fire in real rows"}
    return {"zh": "试过的取值都不触发", "en": "none of the values tried makes it fire"}


def batches(faults: Sequence[Fault]) -> list[list[Fault]]:
    """Faults that can be tried in one check: of rules of one table, in rows that no other of them looks at."""
    found: list[tuple[str, list[Fault], list[tuple[dict, set]]]] = []
    for fault in faults:
        changed, looked = _footprint(fault)
        for table, batch, prints in found:
            if table == fault.rule.table and all(_apart(changed, looked, *other) for other in prints):
                batch.append(fault)
                prints.append((changed, looked))
                break
        else:
            found.append((fault.rule.table, [fault], [(changed, looked)]))
    return [batch for _, batch, _ in found]


def _footprint(fault: Fault) -> tuple[dict[tuple[str, int], set[str]], set[tuple[str, int, str]]]:
    """Items changed per row, and the (table, row, item) that the rule looks at in the rows concerned."""
    changed: dict[tuple[str, int], set[str]] = {}
    for edit in fault.edits:
        changed.setdefault((edit.table, edit.row), set()).update(edit.values)
        if edit.copy_of is not None:
            changed.setdefault((edit.table, edit.copy_of), set())
    places = set(changed) | ({(fault.rule.table, fault.row)} if fault.row is not None else set())
    looked = {(table, row, item) for table, row in places for of, item in fault.rule.items_read() if of == table}
    return changed, looked


def _apart(changed: dict, looked: set, other_changed: dict, other_looked: set) -> bool:
    def clear(of: dict, seen: set, others: dict) -> bool:
        return not any((table, row, item) in seen for (table, row), items in of.items() for item in items) and \
            not any(items & others[place] for place, items in of.items() if place in others)

    return clear(changed, other_looked, other_changed) and clear(other_changed, looked, changed)


class _Bench:
    """Runs checks over the world and tells whose findings are whose."""

    def __init__(self, world: World, show: Show, target: Path) -> None:
        self.world, self.show, self.target = world, show, target
        self.checks = 0
        self.by_table: dict[str, list[Rule]] = {}
        self.by_id = {rule.id: rule for rule in world.rules}
        for rule in world.rules:
            self.by_table.setdefault(rule.table, []).append(rule)
        self.clean: set[Finding] = set()

    def baseline(self) -> None:
        """Check the clean submission with every rule: what it finds there is nobody's fault here."""
        self.clean = self.check(self.by_table)

    def check(self, rules: dict[str, list[Rule]]) -> set[Finding]:
        self.checks += 1
        found: set[Finding] = set()
        for table, some in rules.items():
            check_table(self.world.engine, self.world.standard, self.world.standard.tables[table], some, self.target, show=self.show)
            found |= set(self.world.engine.rows(f'SELECT rule, "table", "row", key FROM read_parquet({literal(str(self.target))})'))
        return {(rule, table, row, "" if row is not None else key) for rule, table, row, key in found}

    def judge(self, batch: Sequence[Fault]) -> list[Mutant]:
        """The mutants of faults tried together; alone where what was found cannot be told apart."""
        self.world.lay([edit for fault in batch for edit in fault.edits])
        edited = {edit.table for fault in batch for edit in fault.edits}
        concerned = {table: rules if table in edited else [rule for rule in rules if rule.tables() & edited] for table, rules in self.by_table.items()}
        new = self.check({table: rules for table, rules in concerned.items() if rules}) - self.clean
        told = [_Told(fault, *_footprint(fault)) for fault in batch]
        stray = [finding for finding in sorted(new, key=str) if not self._claim(finding, told)]
        if len(batch) > 1 and stray:
            return [mutant for fault in batch for mutant in self.judge([fault])]
        mutants = []
        for one in told:
            if len(batch) > 1 and not one.fired:
                mutants += self.judge([one.fault])
            else:
                mutants.append(one.mutant(tuple(sorted({finding[0] for finding in stray}))))
        return mutants

    def _claim(self, finding: Finding, told: Sequence[_Told]) -> bool:
        """Give a finding to the fault that explains it."""
        rule, (name, table, row, _) = self.by_id[finding[0]], finding
        for one in told:
            if one.fault.rule.id == name and one.fault.row == row:
                one.fired = True
                return True
        if rule.kind != "row" and any(one.fault.rule.id == name and one.explains(rule, row) for one in told):
            # Its own fault, seen from further rows.
            return True
        at_row = [one for one in told if (table, row) in one.changed]
        for one in [*at_row, *(one for one in told if one not in at_row and rule.kind != "row")]:
            if one.explains(rule, row):
                one.related.add(name)
                return True
        return False


@dataclass
class _Told:
    """A fault with what the check told of it."""

    fault: Fault
    changed: dict[tuple[str, int], set[str]]
    looked: set[tuple[str, int, str]]
    fired: bool = False
    related: set[str] = field(default_factory=set)

    def explains(self, rule: Rule, row: int | None) -> bool:
        """A rule is related when it reads a changed item; about one row, in that very row.

        A row that came to the table is in the view of every rule that looks at more rows of it than one.
        """
        read = rule.items_read()
        if rule.kind == "row":
            return any((table, item) in read for (table, number), items in self.changed.items() if number == row for item in items)
        if any((edit.table, item) in read for edit in self.fault.edits for item in edit.values):
            return True
        return any(edit.copy_of is not None and edit.table in rule.tables() for edit in self.fault.edits)

    def mutant(self, stray: tuple[str, ...]) -> Mutant:
        rule, fault = self.fault.rule, self.fault
        outcome = "unrelated" if stray else "fired" if self.fired else "silent"
        changed = sorted({f"{edit.table}.{item}" for edit in fault.edits for item in edit.values})
        reason: dict[str, Any] = {}
        if outcome == "silent":
            reason = {"zh": "规则单独触发，但在检核中没有触发", "en": "it fires by itself, but not in the check"}
        return Mutant(rule.id, rule.family, rule.table, outcome, fault.judged, tuple(changed), sum(edit.copy_of is not None for edit in fault.edits),
                      tuple(sorted(self.related - {rule.id})), stray, reason)
