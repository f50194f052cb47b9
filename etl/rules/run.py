"""Run rules over the tables of one submission and write every finding; nothing is capped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from etl.engines.local import Engine, machine_failed, quote
from etl.rules.byvalue import judge_by_value
from etl.rules.compile import RowScan, compile_groups, compile_relations, compile_unique, differing, failing_condition, join_of
from etl.rules.definition import Rule, RuleOutcome
from etl.rules.judged import count_judged, count_rows, judged_rows
from etl.rules.report import FINDING_COLUMNS, Setting, Show, findings_sql, kept_columns, plain
from etl.standard.definition import Standard, Table

__all__ = ["BY_VALUE_ROWS", "FINDING_COLUMNS", "Setting", "Show", "check_table", "plain", "summarise"]

# Below this, looking at the distinct values first costs more than it saves.
BY_VALUE_ROWS = 50_000


def check_table(engine: Engine, standard: Standard, table: Table, rules: Sequence[Rule], target: Path, *,
                show: Show = plain, setting: Setting | None = None, by_value_rows: int = BY_VALUE_ROWS) -> list[RuleOutcome]:
    """Run all `rules` of one table against `data.<table>` and write the findings to `target` (Parquet).

    The views `data.*`, `aside.*` and the code tables must be there. Returns one outcome per rule, in their order; a rule
    whose SQL breaks while running is `errored` and takes no other rule with it. `setting` tells what the findings are
    compared with and which tables were not delivered; tables of `by_value_rows` and more are judged by value first.
    """
    setting = setting or Setting()
    check = _Check(engine, table, rules, setting, by_value_rows)
    engine.execute("CREATE OR REPLACE TEMP TABLE _hits (_row BIGINT, _rule INTEGER)")
    engine.execute("CREATE OR REPLACE TEMP TABLE _group_hits (_rule INTEGER, _key VARCHAR, _left DECIMAL(38,4), _right DECIMAL(38,4))")
    columns = ", ".join(quote(name) for name in kept_columns(table))
    engine.execute(f"CREATE OR REPLACE TEMP TABLE _failing AS SELECT {columns} FROM data.{quote(table.code)} LIMIT 0")
    check.run()
    # The scan kept the rows that it found; those that only relations and uniqueness found are fetched now.
    if engine.one("SELECT 1 FROM _hits ANTI JOIN _failing USING (_row) LIMIT 1") is not None:
        engine.execute(f"INSERT INTO _failing SELECT {columns} FROM data.{quote(table.code)} SEMI JOIN (FROM _hits ANTI JOIN _failing USING (_row)) USING (_row)")
    engine.write_parquet(findings_sql(engine, standard, table, rules, show, setting), target)
    engine.execute("DROP TABLE _hits; DROP TABLE _group_hits; DROP TABLE _rules; DROP TABLE _failing")
    return [check.outcome(index) for index in range(len(rules))]


class _Check:
    """One table's check under way: what was hit, judged, broken and skipped, by place in `rules`."""

    def __init__(self, engine: Engine, table: Table, rules: Sequence[Rule], setting: Setting, by_value_rows: int) -> None:
        self.engine, self.table, self.rules, self.by_value_rows = engine, table, rules, by_value_rows
        self.places = {rule.id: place for place, rule in enumerate(rules)}
        self.one_partner, absent = setting.one_partner, setting.absent
        self.rows = int(engine.one(f"SELECT count(*) FROM data.{quote(table.code)}"))
        self.nulls = engine.null_counts("data", table.code)
        self.broken: dict[int, str] = {}
        self.judged: dict[int, int] = {}
        self.failed: dict[int, int] = defaultdict(int)
        self.skipped = {index: _absence(rule, absent) for index, rule in enumerate(rules) if rule.tables() & absent.keys()}

    def run(self) -> None:
        """All rules; those that require others come after them."""
        waiting = [index for index in range(len(self.rules)) if index not in self.skipped]
        done: set[str] = set()
        while waiting:
            ready = [i for i in waiting if all(r in done or r not in self.places for r in self.rules[i].requires)]
            # A circle of requirements is refused at load; without this one would wait for ever.
            ready = ready or waiting
            self._run([i for i in ready if not self._unmet(i)])
            done |= {self.rules[i].id for i in ready}
            waiting = [i for i in waiting if i not in set(ready)]

    def _unmet(self, index: int) -> bool:
        """Whether a required rule did not pass; the rule is then skipped, with the reason."""
        unmet = [r for r in self.rules[index].requires if r in self.places and self.outcome(self.places[r]).outcome != "passed"]
        if unmet:
            self.skipped[index] = f"requires {', '.join(unmet)}"
        return bool(unmet)

    def _run(self, indexes: list[int]) -> None:
        if not indexes:
            return
        chosen = [(index, self.rules[index]) for index in indexes]
        self.judged |= count_judged(self.engine, self.table.code, [(i, r) for i, r in chosen if r.kind != "row"], self.rows, self.nulls)
        if self.rows:
            self._rows([index for index, rule in chosen if rule.kind == "row"])
            self._relations([(index, rule) for index, rule in chosen if rule.kind == "relation"])
            for index, rule in chosen:
                if rule.kind == "unique":
                    self._guarded([index], f"INSERT INTO _hits SELECT _row, {index} FROM ({compile_unique(rule)})")
        for index, rule in chosen:
            if rule.kind == "reconcile":
                self._reconcile(index, rule)
        wanted = ", ".join(map(str, indexes))
        for source in ("_hits", "_group_hits"):
            for index, count in self.engine.rows(f"SELECT _rule, count(*) FROM {source} WHERE _rule IN ({wanted}) GROUP BY _rule"):
                self.failed[index] += count

    def _rows(self, indexes: list[int]) -> None:
        """All row rules: by value where that is enough, the others in one scan of the rows."""
        never_null = {column for column, count in (self.nulls or {}).items() if count == 0}
        sure = {i: judged_rows(self.rules[i], never_null).sure for i in indexes}
        counts: dict[str, int] = {}
        known: dict[int, str] = {}
        if self.rows >= self.by_value_rows:
            answers, counts = judge_by_value(self.engine, self.table.code, [(i, self.rules[i]) for i in indexes], failing_condition, sure.values())
            self.judged |= {index: answer.judged for index, answer in answers.items()}
            known = {index: answer.failing for index, answer in answers.items() if answer.failing is not None}
            sure = {index: condition for index, condition in sure.items() if index not in answers}
            indexes = [i for i in indexes if i not in answers or i in known]
        counts |= count_rows(self.engine, self.table.code, [c for c in sure.values() if c not in counts], self.rows, self.nulls)
        self.judged |= {index: counts[condition] for index, condition in sure.items()}
        self._scan(indexes, known, never_null)

    def _scan(self, indexes: list[int], known: Mapping[int, str], never_null: set[str]) -> None:
        """One scan; where that breaks, halve until the broken rule stands alone."""
        if not indexes:
            return
        ready = {place: known[index] for place, index in enumerate(indexes) if index in known}
        scan = RowScan(self.table.code, [self.rules[i] for i in indexes], ready, never_null, kept_columns(self.table), judging=True)
        with self.engine.unpushed():
            ran = self._guarded(indexes if len(indexes) == 1 else [], f"CREATE OR REPLACE TEMP TABLE _marks AS {scan.sql}")
        if ran:
            self._marked(indexes, scan)
        elif len(indexes) > 1:
            half = len(indexes) // 2
            self._scan(indexes[:half], known, never_null)
            self._scan(indexes[half:], known, never_null)

    def _marked(self, indexes: list[int], scan: RowScan) -> None:
        """Take over the bits of a scan: hits with their rows, and rows that were counted as judged but could not be."""
        union = self.engine.rows(f"SELECT {', '.join(f'coalesce(bit_or({mask}), 0)' for mask in scan.masks)} FROM _marks")[0]
        set_bits = {place for place in range(len(indexes) + len(scan.doubts)) if scan.any_set(union, place)}
        hits = [f"SELECT _row, {index} FROM _marks WHERE {scan.bit(place)}" for place, index in enumerate(indexes) if place in set_bits]
        if hits:
            self.engine.execute("INSERT INTO _hits " + " UNION ALL ".join(hits))
            columns = ", ".join(f"m.{quote(name)}" for name in kept_columns(self.table))
            self.engine.execute(f"INSERT INTO _failing SELECT {columns} FROM _marks AS m ANTI JOIN _failing AS f ON f._row = m._row")
        for place, doubt in scan.doubts.items():
            if doubt in set_bits:
                self.judged[indexes[place]] -= int(self.engine.one(f"SELECT count(*) FROM _marks WHERE {scan.bit(doubt)}"))
        self.engine.execute("DROP TABLE _marks")

    def _relations(self, rules: list[tuple[int, Rule]]) -> None:
        """Relations that join alike in one join; where that breaks, one by one."""
        groups: dict[tuple, list[tuple[int, Rule]]] = {}
        for index, rule in rules:
            groups.setdefault(join_of(rule), []).append((index, rule))
        for key, group in groups.items():
            several = key[0] == "partner" and not self._one_partner(group[0][1])
            if not self._relation_group(group, several) and len(group) > 1:
                for one in group:
                    self._relation_group([one], several)

    def _relation_group(self, group: list[tuple[int, Rule]], several: bool) -> bool:
        return self._one_row([index for index, _ in group], compile_relations([rule for _, rule in group], several))

    def _one_row(self, indexes: list[int], sql: str) -> bool:
        """Take over what a statement says of several rules: `_f<n>` and `_j<n>`. Returns whether it ran."""
        if not self._guarded(indexes if len(indexes) == 1 else [], f"CREATE OR REPLACE TEMP TABLE _said AS {sql}"):
            return False
        columns = ", ".join(f"_j{n}, len(_f{n})" for n in range(len(indexes)))
        said = self.engine.rows(f"SELECT {columns} FROM _said")[0]
        for place, index in enumerate(indexes):
            if said[2 * place] is not None:
                self.judged[index] = int(said[2 * place])
            if said[2 * place + 1]:
                self.engine.execute(f"INSERT INTO _hits SELECT unnest(_f{place}), {index} FROM _said")
        self.engine.execute("DROP TABLE _said")
        return True

    def _one_partner(self, rule: Rule) -> bool:
        """Whether no row can have several partners: the joined items tell the partners apart."""
        assert rule.relation is not None
        key = (rule.relation.to, *sorted(rule.relation.on.values()))
        if key not in self.one_partner:
            names = ", ".join(quote(item) for item in key[1:])
            self.one_partner[key] = self.engine.one(f"SELECT 1 FROM data.{quote(key[0])} GROUP BY {names} HAVING count(*) > 1 LIMIT 1") is None
        return self.one_partner[key]

    def _reconcile(self, index: int, rule: Rule) -> None:
        if not self._guarded([index], f"CREATE OR REPLACE TEMP TABLE _groups AS {compile_groups(rule)}"):
            return
        self.judged[index] = int(self.engine.one("SELECT count(*) FROM _groups"))
        self.engine.execute(f"INSERT INTO _group_hits SELECT {index}, _key, _left, _right FROM _groups WHERE {differing(rule)}")
        self.engine.execute("DROP TABLE _groups")

    def _guarded(self, indexes: list[int], sql: str) -> bool:
        """Run a statement; what breaks is noted for `indexes`. Returns whether it ran."""
        import duckdb

        try:
            self.engine.execute(sql)
        except duckdb.Error as error:
            # A full disk or lack of memory says nothing about a rule: the run has failed, not the rule.
            if machine_failed(error):
                raise
            self.broken.update(dict.fromkeys(indexes, type(error).__name__))
            return False
        return True

    def outcome(self, index: int) -> RuleOutcome:
        """What became of one rule."""
        rule = self.rules[index]
        if index in self.skipped:
            outcome, reason = "skipped", self.skipped[index]
        elif index in self.broken:
            outcome, reason = "errored", self.broken[index]
        else:
            outcome, reason = ("failed" if self.failed[index] else "passed"), ""
        judged = 0 if reason else self.judged.get(index, 0)
        return RuleOutcome(rule.id, rule.family, rule.severity, rule.table, outcome, judged, self.failed[index], reason)  # type: ignore[arg-type]


def _absence(rule: Rule, absent: Mapping[str, str]) -> str:
    return "; ".join(f"{table} is not delivered: {absent[table]}" for table in sorted(rule.tables() & absent.keys()))


def summarise(outcomes: Iterable[RuleOutcome]) -> dict[str, int]:
    """Counts of findings by severity: {error: n, warning: n}."""
    totals = {"error": 0, "warning": 0}
    for outcome in outcomes:
        totals[outcome.severity] += outcome.failed
    return totals
