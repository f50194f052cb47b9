"""Prove rules by their examples: a passing example gives no finding, a failing one gives at least one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etl.engines.local import Engine, literal, quote
from etl.engines.types import sql_type
from etl.expressions.blank import clean_text
from etl.rules.compile import compile_reconcile, compile_row_rules, compile_single
from etl.rules.definition import Rule
from etl.standard.definition import DataItem, Standard, Table
from etl.standard.values import value_fault


@dataclass(frozen=True)
class ExampleFault:
    """An example that does not do what it says."""

    rule: str
    path: str
    line: int
    zh: str
    en: str


def run_examples(engine: Engine, standard: Standard, rules: Sequence[Rule]) -> tuple[int, list[ExampleFault]]:
    """Run all examples of `rules`. Returns how many were run and what is wrong with them.

    The engine needs the standard's code tables and parameters (see Engine.load_codes, set_parameters).
    """
    faults: list[ExampleFault] = []
    run = 0
    for rule in rules:
        told = [("pass", number, example) for number, example in enumerate(rule.examples_pass, 1)]
        told += [("fail", number, example) for number, example in enumerate(rule.examples_fail, 1)]
        run += len(told)
        for (wanted, number, _), fired in zip(told, _run_all(engine, standard, rule, [example for _, _, example in told]), strict=True):
            if isinstance(fired, str):
                faults.append(ExampleFault(rule.id, rule.path, rule.line, f"{wanted} 样例 {number}：{fired}", f"{wanted} example {number}: {fired}"))
            elif wanted == "pass" and fired:
                faults.append(ExampleFault(rule.id, rule.path, rule.line, f"pass 样例 {number} 却触发了规则", f"pass example {number} fires the rule"))
            elif wanted == "fail" and not fired:
                faults.append(ExampleFault(rule.id, rule.path, rule.line, f"fail 样例 {number} 没有触发规则", f"fail example {number} does not fire the rule"))
    return run, faults


def _run_all(engine: Engine, standard: Standard, rule: Rule, examples: Sequence[Any]) -> list[bool | str]:
    """Per example: whether it fires the rule, or what is wrong with it."""
    import duckdb

    if rule.kind == "row":
        # The examples of a row rule are rows of one table: all of them in one go, unless one of them is broken.
        try:
            load_rows(engine, standard.tables[rule.table], examples)
            failing = {row for row, _ in engine.rows(compile_row_rules(rule.table, [rule]))}
            return [number in failing for number in range(1, len(examples) + 1)]
        except (duckdb.Error, ValueError, TypeError):
            pass
    return [_run_one(engine, standard, rule, example) for example in examples]


def _run_one(engine: Engine, standard: Standard, rule: Rule, example: Any) -> bool | str:
    """Whether one example fires the rule, or what is wrong with it."""
    import duckdb

    if rule.kind == "row":
        content = {rule.table: [example]}
    elif isinstance(example, dict):
        content = example
    else:
        return "should map tables to lists of rows"
    try:
        for code in sorted(rule.tables() | set(content)):
            if code not in standard.tables:
                return f"no table {code}"
            load_rows(engine, standard.tables[code], content.get(code) or [])
        if rule.kind == "row":
            sql = compile_row_rules(rule.table, [rule])
        elif rule.kind == "reconcile":
            sql = compile_reconcile(rule)
        else:
            sql = compile_single(rule)
        return bool(engine.one(f"SELECT count(*) FROM ({sql})"))
    except (duckdb.Error, ValueError, TypeError) as error:
        return str(error).splitlines()[0]


def load_rows(engine: Engine, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Make `rows` (item code -> Python value) the content of data.<table>; items left out are NULL."""
    columns = ", ".join(f"{quote(item.code)} {sql_type(item)}" for item in table.mapped_items)
    for schema in ("data", "aside"):
        engine.execute(f"CREATE OR REPLACE TABLE {schema}.{quote(table.code)} (_row BIGINT, {columns}, _unmapped VARCHAR[])")
    known = {item.code: item for item in table.mapped_items}
    tuples: list[str] = []
    for number, row in enumerate(rows, 1):
        unknown = set(row) - set(known)
        if unknown:
            raise ValueError(f"no item {', '.join(sorted(map(str, unknown)))} in {table.code}")
        values = [_literal(row.get(code), item) for code, item in known.items()]
        tuples.append(f"({number}, {', '.join(values)}, [])")
    if tuples:
        engine.execute(f"INSERT INTO data.{quote(table.code)} VALUES {', '.join(tuples)}")


def _literal(value: Any, item: DataItem) -> str:
    if value is None:
        return "NULL"
    wrong = value_fault(item, value)
    if wrong:
        raise ValueError(wrong[1])
    if item.type == "text":
        # Rules see texts as the house reads them, in examples too.
        text = clean_text(value)
        return "NULL" if text is None else literal(text)
    if item.type == "date":
        return f"DATE {literal(value.isoformat())}"
    return f"CAST({literal(repr(value))} AS {sql_type(item)})"
