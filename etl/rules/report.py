"""Findings as they are written: what failed, whose it is, what it should have been, and whether it was there before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from etl.engines.local import Engine, literal, quote
from etl.expressions.syntax import column_name
from etl.rules.bounds import amount_sql, expected_sql, tried
from etl.rules.definition import Rule
from etl.rules.judged import own_column
from etl.standard.definition import DataItem, Standard, Table

FINDING_COLUMNS = (
    "rule", "severity", "family", "table", "key", "item", "value", "expected", "difference", "branch", "department", "source_system",
    "source_table", "source_key", "row", "message_zh", "message_en", "first_seen", "state", "month_state",
)
# What makes a finding the same one in another run.
IDENTITY = ("rule", "table", "key", "item", "source_system", "source_table", "source_key")
# How a private item's value is shown where clear values must not be: (item, SQL of the text) -> SQL.
Show = Callable[[DataItem, str], str]


@dataclass
class Setting:
    """What a check knows of its surroundings.

    `absent` are tables that no core system delivers, with the reason. `departments` says who answers for a source table
    (system, table), `table_departments` for a reported table as a whole. `run` is the run's id and `history` says that
    the table `_before` holds earlier findings (see `history.load_history`). `one_partner` is what was found out about
    the keys of partner tables.
    """

    absent: Mapping[str, str] = field(default_factory=dict)
    departments: Mapping[tuple[str, str], str] = field(default_factory=dict)
    table_departments: Mapping[str, str] = field(default_factory=dict)
    run: str = ""
    history: bool = False
    one_partner: dict[tuple, bool] = field(default_factory=dict)


def plain(_: DataItem, sql: str) -> str:
    """Show values as they are: for data that hold nothing private."""
    return sql


def branch_item(table: Table) -> str | None:
    """The item that says which branch a row belongs to."""
    for code in ("GLJGDM", "HPJGDM", "SSFZJGDM", "FZJGDM"):
        if code in table.by_code:
            return code
    return None


def shown_item(table: Table, code: str, show: Show) -> str:
    """SQL text of an item as people may see it: private items masked, dates and numbers as text."""
    item = table.by_code[code]
    text = f"CAST({own_column(code)} AS VARCHAR)"
    return show(item, text) if item.privacy else text


def key_sql(table: Table, show: Show) -> str:
    """SQL of a row's business key, its parts joined by '|'."""
    return "concat_ws('|', " + ", ".join(shown_item(table, item.code, show) for item in table.key_items) + ")"


def kept_columns(table: Table) -> tuple[str, ...]:
    """Columns of a failing row that its findings may speak of; `_failing` has them."""
    return ("_row", "_src_system", "_src_table", "_src_key", *(item.code for item in table.mapped_items))


def findings_sql(engine: Engine, standard: Standard, table: Table, rules: Sequence[Rule], show: Show, setting: Setting) -> str:
    """SQL of all findings of one table from `_hits`, `_group_hits` and `_failing`, in a fixed order."""
    _register_rules(engine, rules)
    value, expected, difference = _told(engine, table, rules, show)
    branch = branch_item(table)
    names = literal(table.code)
    rows = (
        f"SELECT r.rule, r.severity, r.family, {names} AS \"table\", {key_sql(table, show)} AS key, r.item, {value} AS value, "
        f"coalesce({expected}, r.expectation) AS expected, {difference} AS difference, "
        f"{own_column(branch) if branch else 'CAST(NULL AS VARCHAR)'} AS branch, r.department, t._src_system AS source_system, t._src_table AS source_table, "
        f"t._src_key AS source_key, t._row AS \"row\", r.message_zh, r.message_en "
        f"FROM _hits AS h JOIN _rules AS r ON r._rule = h._rule JOIN _failing AS t ON t._row = h._row")
    groups = (
        f"SELECT r.rule, r.severity, r.family, {names}, g._key, r.item, {amount_sql('g._left')}, {amount_sql('g._right')}, "
        f"{amount_sql('(g._left - g._right)')}, CAST(NULL AS VARCHAR), r.department, NULL, NULL, NULL, NULL, r.message_zh, r.message_en "
        f"FROM _group_hits AS g JOIN _rules AS r ON r._rule = g._rule")
    return in_setting(f"{rows} UNION ALL {groups}", setting) + " ORDER BY rule, key, \"row\""


def in_setting(findings: str, setting: Setting) -> str:
    """Add to findings who answers for them and since when they are there: the columns of FINDING_COLUMNS, in order."""
    joins, department = "", "f.department"
    if setting.departments:
        listed = ", ".join(f"({literal(s)}, {literal(t)}, {literal(d)})" for (s, t), d in sorted(setting.departments.items()))
        joins += f" LEFT JOIN (VALUES {listed}) AS d(s, t, d) ON d.s = f.source_system AND d.t = f.source_table"
        department = f"coalesce({department}, d.d)"
    if setting.table_departments:
        listed = ", ".join(f"({literal(t)}, {literal(d)})" for t, d in sorted(setting.table_departments.items()))
        joins += f" LEFT JOIN (VALUES {listed}) AS e(t, d) ON e.t = f.\"table\""
        department = f"coalesce({department}, e.d)"
    first_seen, state, month_state = literal(setting.run), "'new'", "CAST(NULL AS VARCHAR)"
    if setting.history:
        same = " AND ".join(f"b.{quote(c)} IS NOT DISTINCT FROM f.{quote(c)}" for c in IDENTITY)
        joins += f" LEFT JOIN _before AS b ON {same}"
        first_seen = f"coalesce(b.first_seen, {first_seen})"
        state = "CASE WHEN b.in_period THEN 'open' ELSE 'new' END"
        month_state = "CASE WHEN b.in_month THEN 'open' WHEN (SELECT known FROM _month_known) THEN 'new' END"
    own = [c for c in FINDING_COLUMNS if c not in ("first_seen", "state", "month_state")]
    columns = ", ".join(f"{department} AS department" if c == "department" else f"f.{quote(c)}" for c in own)
    return f"SELECT {columns}, {first_seen} AS first_seen, {state} AS state, {month_state} AS month_state FROM ({findings}) AS f{joins}"


def _told(engine: Engine, table: Table, rules: Sequence[Rule], show: Show) -> tuple[str, str, str]:
    """(value, expected, difference) of a row's finding, as SQL; only for the rules that found something."""
    hit = {index for (index,) in engine.rows("SELECT DISTINCT _rule FROM _hits")}
    nothing = "CAST(NULL AS VARCHAR)"

    def private(tree: exp.Expression) -> bool:
        names = {column_name(column).rpartition(".")[2] for column in tree.find_all(exp.Column)}
        return any(name in table.by_code and table.by_code[name].privacy for name in names)

    values, expected, difference = [], [], []
    for index in sorted(hit):
        rule = rules[index]
        if rule.item in table.by_code and not table.by_code[rule.item].assigned:
            values.append(f"WHEN {index} THEN {shown_item(table, rule.item, show)}")
        if rule.kind != "row":
            continue
        if rule.expected is not None and private(rule.expected.tree):
            # Worked out from private items, it is shown as such a value is.
            item = next(table.by_code[c] for c in rule.expected.columns if table.by_code[c].privacy)
            expected.append(f"WHEN {index} THEN {show(item, f'CAST({tried(rule.expected.sql(own_column))} AS VARCHAR)')}")
            continue
        bound, amount = expected_sql(rule, table, own_column, private)
        expected.append(f"WHEN {index} THEN {bound}")
        difference.append(f"WHEN {index} THEN {amount}")
    return tuple(f"CASE h._rule {' '.join(cases)} END" if cases else nothing for cases in (values, expected, difference))  # type: ignore[return-value]


def _register_rules(engine: Engine, rules: Sequence[Rule]) -> None:
    engine.put("_rules", {
        "rule": [r.id for r in rules], "severity": [r.severity for r in rules], "family": [r.family for r in rules], "item": [r.item for r in rules],
        "expectation": [r.expectation() for r in rules], "department": [r.department or None for r in rules],
        "message_zh": [r.message.get("zh", "") for r in rules], "message_en": [r.message.get("en", "") for r in rules],
    }, numbered="_rule", temporary=True)
