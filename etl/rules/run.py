"""Run rules over the tables of one submission and write every finding; nothing is capped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from etl.engines.local import Engine, literal, quote
from etl.rules.compile import compile_reconcile, compile_row_rules, compile_single, own_column
from etl.rules.definition import Rule, RuleOutcome
from etl.standard.definition import DataItem, Standard, Table

FINDING_COLUMNS = (
    "rule", "severity", "family", "table", "key", "item", "value", "expected", "difference", "branch", "source_system",
    "source_table", "source_key", "row", "message_zh", "message_en",
)
# How a private item's value is shown where clear values must not be: (item, SQL of the text) -> SQL.
Show = Callable[[DataItem, str], str]


def plain(_: DataItem, sql: str) -> str:
    """Show values as they are: for data that hold nothing private."""
    return sql


def branch_item(table: Table) -> str | None:
    """The item that says which branch a row belongs to."""
    for code in ("GLJGDM", "HPJGDM", "SSFZJGDM", "FZJGDM"):
        if code in table.by_code:
            return code
    return None


def check_table(engine: Engine, standard: Standard, table: Table, rules: Sequence[Rule], target: Path, *,
                show: Show = plain) -> list[RuleOutcome]:
    """Run all `rules` of one table against `data.<table>` and write the findings to `target` (Parquet).

    The views `data.*`, `aside.*` and the code tables must be there. Returns one outcome per rule; a rule whose
    SQL breaks while running is `errored` and takes no other rule with it.
    """
    rows = int(engine.one(f"SELECT count(*) FROM data.{quote(table.code)}"))
    engine.execute("CREATE OR REPLACE TEMP TABLE _hits (_row BIGINT, _rule INTEGER)")
    engine.execute("CREATE OR REPLACE TEMP TABLE _group_hits (_rule INTEGER, _key VARCHAR, _left DECIMAL(38,4), _right DECIMAL(38,4))")
    broken: dict[int, str] = {}
    row_rules = [i for i, rule in enumerate(rules) if rule.kind == "row"]
    _collect_rows(engine, table, rules, row_rules, broken)
    for index, rule in enumerate(rules):
        if rule.kind in ("relation", "unique"):
            _guarded(engine, f"INSERT INTO _hits SELECT _row, {index} FROM ({compile_single(rule)})", index, broken)
        elif rule.kind == "reconcile":
            _guarded(engine, f"INSERT INTO _group_hits SELECT {index}, _key, _left, _right FROM ({compile_reconcile(rule)})", index, broken)
    counts: dict[int, int] = defaultdict(int)
    for source in ("_hits", "_group_hits"):
        for index, count in engine.rows(f"SELECT _rule, count(*) FROM {source} GROUP BY _rule"):
            counts[index] += count
    _register_rules(engine, rules)
    engine.write_parquet(_findings_sql(standard, table, rules, show), target)
    engine.execute("DROP TABLE _hits; DROP TABLE _group_hits; DROP TABLE _rules")
    return [_outcome(rule, index, counts[index], rows, broken) for index, rule in enumerate(rules)]


def _outcome(rule: Rule, index: int, failed: int, rows: int, broken: dict[int, str]) -> RuleOutcome:
    outcome = "errored" if index in broken else "failed" if failed else "passed"
    return RuleOutcome(rule.id, rule.family, rule.severity, rule.table, outcome, 0 if index in broken else rows, failed, broken.get(index, ""))


def _collect_rows(engine: Engine, table: Table, rules: Sequence[Rule], indexes: list[int], broken: dict[int, str]) -> None:
    """All row rules in one scan; where that breaks, halve until the broken rule stands alone."""
    if not indexes:
        return
    import duckdb

    numbered = ", ".join(f"({position}, {index})" for position, index in enumerate(indexes))
    sql = compile_row_rules(table.code, [rules[i] for i in indexes])
    try:
        engine.execute(f"INSERT INTO _hits SELECT h._row, n.i FROM ({sql}) AS h JOIN (VALUES {numbered}) AS n(p, i) ON n.p = h._rule")
    except duckdb.Error as error:
        _raise_if_the_machine_failed(error)
        if len(indexes) == 1:
            # The engine's sentence may quote a value; keep only what kind of fault it was.
            broken[indexes[0]] = type(error).__name__
            return
        half = len(indexes) // 2
        _collect_rows(engine, table, rules, indexes[:half], broken)
        _collect_rows(engine, table, rules, indexes[half:], broken)


def _guarded(engine: Engine, sql: str, index: int, broken: dict[int, str]) -> None:
    import duckdb

    try:
        engine.execute(sql)
    except duckdb.Error as error:
        _raise_if_the_machine_failed(error)
        broken[index] = type(error).__name__


def _raise_if_the_machine_failed(error: Exception) -> None:
    """A full disk or lack of memory says nothing about a rule: the run has failed, not the rule."""
    import duckdb

    if isinstance(error, (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.InterruptException)):
        raise error


def _register_rules(engine: Engine, rules: Sequence[Rule]) -> None:
    import pyarrow as pa

    columns = {
        "_rule": pa.array(range(len(rules)), pa.int32()),
        "rule": pa.array([r.id for r in rules], pa.string()), "severity": pa.array([r.severity for r in rules], pa.string()),
        "family": pa.array([r.family for r in rules], pa.string()), "item": pa.array([r.item for r in rules], pa.string()),
        "expectation": pa.array([r.expectation() for r in rules], pa.string()),
        "message_zh": pa.array([r.message.get("zh", "") for r in rules], pa.string()),
        "message_en": pa.array([r.message.get("en", "") for r in rules], pa.string()),
    }
    engine.connection.register("_rules_arrow", pa.table(columns))
    engine.execute("CREATE OR REPLACE TEMP TABLE _rules AS SELECT * FROM _rules_arrow")
    engine.connection.unregister("_rules_arrow")


def shown_item(table: Table, code: str, show: Show) -> str:
    """SQL text of an item as people may see it: private items masked, dates and numbers as text."""
    item = table.by_code[code]
    text = f"CAST({own_column(code)} AS VARCHAR)"
    return show(item, text) if item.privacy else text


def key_sql(table: Table, show: Show) -> str:
    """SQL of a row's business key, its parts joined by '|'."""
    return "concat_ws('|', " + ", ".join(shown_item(table, item.code, show) for item in table.key_items) + ")"


def _findings_sql(standard: Standard, table: Table, rules: Sequence[Rule], show: Show) -> str:
    item_cases, expected_cases = [], []
    for index, rule in enumerate(rules):
        if rule.item in table.by_code and not table.by_code[rule.item].assigned:
            item_cases.append(f"WHEN {index} THEN {shown_item(table, rule.item, show)}")
        if rule.expected is not None and rule.kind == "row":
            private = [table.by_code[c] for c in rule.expected.columns if c in table.by_code and table.by_code[c].privacy]
            sql = rule.expected.sql(own_column)
            # What was expected may fail to compute for a row; the finding stands all the same.
            text = f"CAST({sql if rule.expected.code_tables else f'TRY({sql})'} AS VARCHAR)"
            expected_cases.append(f"WHEN {index} THEN {show(private[0], text) if private else text}")
    value = f"CASE h._rule {' '.join(item_cases)} END" if item_cases else "NULL"
    expected = f"CASE h._rule {' '.join(expected_cases)} END" if expected_cases else "CAST(NULL AS VARCHAR)"
    branch = branch_item(table)
    names = literal(table.code)
    return (
        f"SELECT r.rule, r.severity, r.family, {names} AS \"table\", {key_sql(table, show)} AS key, r.item, {value} AS value, "
        f"coalesce({expected}, r.expectation) AS expected, CAST(NULL AS VARCHAR) AS difference, "
        f"{own_column(branch) if branch else 'NULL'} AS branch, t._src_system AS source_system, t._src_table AS source_table, "
        f"t._src_key AS source_key, t._row AS \"row\", r.message_zh, r.message_en "
        f"FROM _hits AS h JOIN _rules AS r ON r._rule = h._rule JOIN data.{quote(table.code)} AS t ON t._row = h._row "
        f"UNION ALL SELECT r.rule, r.severity, r.family, {names}, g._key, r.item, {_amount('g._left')}, {_amount('g._right')}, "
        f"{_amount('g._left - g._right')}, CAST(NULL AS VARCHAR), NULL, NULL, NULL, NULL, r.message_zh, r.message_en "
        f"FROM _group_hits AS g JOIN _rules AS r ON r._rule = g._rule ORDER BY rule, key, \"row\""
    )


def _amount(sql: str) -> str:
    """A sum as text: two places, more only where they say something."""
    return f"CASE WHEN {sql} = round({sql}, 2) THEN CAST(CAST({sql} AS DECIMAL(38,2)) AS VARCHAR) ELSE CAST({sql} AS VARCHAR) END"


def summarise(outcomes: Iterable[RuleOutcome]) -> dict[str, int]:
    """Counts of findings by severity: {error: n, warning: n}."""
    totals = {"error": 0, "warning": 0}
    for outcome in outcomes:
        totals[outcome.severity] += outcome.failed
    return totals
