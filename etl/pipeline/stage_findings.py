"""Findings that extraction and standardising make themselves: rows set aside, codes without entry, ambiguous joins.

They join the others in the same shape, so that a reviewer has one list. A row that was set aside is an error: it is
missing from the submission.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from etl.engines.local import Engine, literal, quote
from etl.rules.definition import RuleOutcome
from etl.rules.derived import stage_rule
from etl.rules.report import Setting, Show, branch_item, in_setting

if TYPE_CHECKING:
    from etl.pipeline.context import RunContext
    from etl.standard.definition import Table

_REASONS = {
    "date": "a date", "number": "a number", "scale": "a number of the standard's precision", "integer": "a whole number",
    "decimal": "a number", "timestamp": "a time", "encoding": "valid text", "text": "text",
}


def stage_findings(context: RunContext, engine: Engine, show: Show, setting: Setting) -> list[RuleOutcome]:
    """Write the findings of the stages before the check; returns an outcome per (rule) that found something."""
    outcomes: list[RuleOutcome] = []
    for table in context.tables:
        selects = [_aside_sql(context, table, show), _codes_sql(context, table, show), _joins_sql(context, table, show)]
        path = context.findings(f"{table.code}.stage")
        engine.write_parquet(in_setting(" UNION ALL ".join(selects), setting) + " ORDER BY rule, source_key", path)
        outcomes += _outcomes(engine, table.code, path)
    outcomes += _source_findings(context, engine, setting)
    return outcomes


def _outcomes(engine: Engine, table: str, path) -> list[RuleOutcome]:
    rows = engine.rows(f"SELECT rule, family, severity, count(*) FROM read_parquet({literal(str(path))}) GROUP BY ALL ORDER BY rule")
    return [RuleOutcome(rule, family, severity, table, "failed", int(count), int(count)) for rule, family, severity, count in rows]


def _columns(rule_sql: str, family: str, table: str, key: str, item: str, value: str, expected: str, branch: str, zh: str, en: str,
             row: str = "CAST(NULL AS BIGINT)") -> str:
    return (f"SELECT {rule_sql} AS rule, 'error' AS severity, {literal(family)} AS family, {literal(table)} AS \"table\", {key} AS key, {item} AS item, "
            f"{value} AS value, {expected} AS expected, CAST(NULL AS VARCHAR) AS difference, {branch} AS branch, CAST(NULL AS VARCHAR) AS department, _src_system AS source_system, "
            f"_src_table AS source_table, _src_key AS source_key, {row} AS \"row\", {zh} AS message_zh, {en} AS message_en")


def _shown(table: Table, show: Show) -> str:
    """Original text as people may see it: an item's privacy class decides."""
    cases = "".join(f" WHEN {literal(item.code)} THEN {show(item, 'e.original')}" for item in table.mapped_items if item.privacy)
    return f"CASE e.item{cases} ELSE e.original END" if cases else "e.original"


def _key(table: Table, show: Show) -> str:
    parts = [show(i, f"CAST({quote(i.code)} AS VARCHAR)") if i.privacy else f"CAST({quote(i.code)} AS VARCHAR)" for i in table.key_items]
    return f"concat_ws('|', {', '.join(parts)})"


def _branch(table: Table) -> str:
    code = branch_item(table)
    return quote(code) if code else "CAST(NULL AS VARCHAR)"


def _messages(context: RunContext, table: Table, suffix: str) -> tuple[str, str, str, str]:
    """(rule id, family, zh, en) as SQL over `e.item`."""
    sample = stage_rule(context.standard, table.code, "\x00", suffix)

    def spliced(text: str) -> str:
        return " || ".join(literal(part) if index == 0 else f"e.item || {literal(part)}" for index, part in enumerate(text.split("\x00")))

    return spliced(sample.id), sample.family, spliced(sample.message["zh"]), spliced(sample.message["en"])


def _aside_sql(context: RunContext, table: Table, show: Show) -> str:
    rule, family, zh, en = _messages(context, table, "TYPE")
    expected = "CASE e.reason " + " ".join(f"WHEN {literal(k)} THEN {literal(v)}" for k, v in _REASONS.items()) + " ELSE e.reason END"
    return (_columns(rule, family, table.code, _key(table, show), "e.item", _shown(table, show), expected, _branch(table), zh, en)
            + f" FROM (SELECT *, unnest(_bad) AS e FROM aside.{quote(table.code)})")


def _codes_sql(context: RunContext, table: Table, show: Show) -> str:
    rule, family, zh, en = _messages(context, table, "MAP")
    return (_columns(rule, family, table.code, _key(table, show), "e.item", "e.original", "'an entry in code map ' || e.map", _branch(table), zh, en, "_row")
            + f" FROM (SELECT *, unnest(_missing_codes) AS e FROM data.{quote(table.code)})")


def _joins_sql(context: RunContext, table: Table, show: Show) -> str:
    key_item = table.key_items[0].code
    sample = stage_rule(context.standard, table.code, key_item, "JOIN")
    return (_columns(literal(sample.id), sample.family, table.code, _key(table, show), literal(key_item), "e", "'one source row'", _branch(table),
                     literal(sample.message["zh"]), literal(sample.message["en"]), "_row")
            + f" FROM (SELECT *, unnest(_ambiguous) AS e FROM data.{quote(table.code)})")


def _source_findings(context: RunContext, engine: Engine, setting: Setting) -> list[RuleOutcome]:
    """Source rows that extraction set aside. Their original values stay in the vault: a core system's column has no privacy class."""
    outcomes: list[RuleOutcome] = []
    for system, table in sorted(context.mappings.sources):
        path = context.extracted_aside(system, table)
        if not path.is_file():
            continue
        code = re.sub(r"[^A-Za-z0-9]", "", table).upper()
        name = f"{system}.{table}"
        rule = f"{literal(f'{context.standard.prefix}-SRC-{code}-')} || upper(\"column\") || '-TYPE'"
        select = _columns(rule, "type", name, "_src_key", '"column"', "'(in the vault)'", "reason", "CAST(NULL AS VARCHAR)",
                          f"{literal(f'来源表 {name} 的列 ')} || \"column\" || ' 的值无法读取，该行已搁置'",
                          f"{literal(f'source table {name}: the value in column ')} || \"column\" || ' cannot be read; the row is set aside'")
        target = context.findings(f"{name}.source")
        if engine.write_parquet(in_setting(f"{select} FROM read_parquet({literal(str(path))})", setting) + " ORDER BY rule, source_key", target) == 0:
            target.unlink()
            continue
        outcomes += _outcomes(engine, name, target)
    return outcomes
