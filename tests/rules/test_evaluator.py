"""All row rules of two standards on random rows: the engine finds at fault what a slow reading of the rule finds at fault."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from functools import cache

import pyarrow as pa
import pytest
from evaluator import ARROW, Judge, Row, Rows, cleaned

from etl.engines import Engine, open_engine
from etl.engines.local import quote
from etl.expressions import parse_expression
from etl.expressions.blank import clean_text_sql
from etl.rules.definition import Rule
from etl.rules.derived import all_rules
from etl.rules.loader import item_scope, load_rules
from etl.rules.run import check_table
from etl.standard import Standard, Table, load_standard

DAY = date(2026, 10, 31)
PARAMETERS = {"period_start": date(2026, 10, 1), "period_end": DAY, "report_date": date(2026, 11, 15)}
STANDARDS = ("east_life_2020", "registry_life_2")


@cache
def loaded(name: str) -> tuple[Standard, dict[str, list[Rule]]]:
    """A standard and its row rules by table."""
    standard = load_standard(name)
    by_table: dict[str, list[Rule]] = {table.code: [] for table in standard.ordered_tables}
    for rule in all_rules(standard, load_rules(standard)):
        if rule.kind == "row":
            by_table[rule.table].append(rule)
    return standard, by_table


@cache
def judge(name: str) -> Judge:
    return Judge(loaded(name)[0], DAY, PARAMETERS)


@pytest.fixture(scope="module")
def engines():
    """An engine per standard, with its code tables."""
    opened = {}
    with open_engine(threads=1) as first, open_engine(threads=1) as second:
        for name, engine in zip(STANDARDS, (first, second), strict=True):
            engine.load_codes(loaded(name)[0].codes.values(), DAY)
            engine.set_parameters(**PARAMETERS)
            opened[name] = engine
        yield opened


def put(engine: Engine, table: Table, rows: list[Row]) -> None:
    """Make `rows` data.<table>; the engine cleans the texts, as it does when it standardises them."""
    columns = {item.code: pa.array([row[item.code] for row in rows], ARROW[item.type](item)) for item in table.mapped_items}
    columns["_row"] = pa.array(range(len(rows)), pa.int64())
    columns["_unmapped"] = pa.array([row["_unmapped"] for row in rows], pa.list_(pa.string()))
    for name in ("_src_system", "_src_table", "_src_key"):
        columns[name] = pa.array(["k"] * len(rows), pa.string())
    texts = [quote(item.code) for item in table.mapped_items if item.type == "text"]
    clean = "".join(f", {clean_text_sql(text)} AS {text}" for text in texts)
    engine.connection.register("_rows", pa.table(columns))
    engine.execute(f"CREATE OR REPLACE TABLE data.{quote(table.code)} AS SELECT * EXCLUDE ({', '.join(texts)}){clean} FROM _rows")
    engine.connection.unregister("_rows")


def compare(engine: Engine, name: str, code: str, rows: list[Row], folder, *, misread: Rule | None = None) -> tuple[dict[str, Counter], list[str]]:
    """Verdicts by rule (True, False, None -> number of rows), and where engine and slow reading disagree. `misread`: the engine gets this rule instead."""
    standard, by_table = loaded(name)
    table, rules = standard.tables[code], by_table[code]
    read = [misread if misread and misread.id == rule.id else rule for rule in rules]
    put(engine, table, rows)
    seen = [cleaned(table, row) for row in rows]
    judged = {rule.id: [judge(name).judged(rule, row) for row in seen] for rule in rules}
    verdicts = {rule.id: [judge(name).verdict(rule, row, told) for row, told in zip(seen, judged[rule.id], strict=True)] for rule in rules}
    wanted = {(rule, number) for rule, found in verdicts.items() for number, verdict in enumerate(found) if verdict is False}
    target = folder / f"{name}.{code}.parquet"
    by_id = {rule.id: rule for rule in rules}

    def told(place: str, rule: str, row: int) -> str:
        items = dict.fromkeys(item for e in (by_id[rule].when, by_id[rule].expect) if e for item in e.columns)
        return f"{place} {rule}: paper {verdicts[rule][row]}, row { {item: seen[row][item] for item in items} }"

    wrong: list[str] = []
    # Small tables are judged row by row, large ones by their distinct values where that is enough.
    for place, by_value_rows in (("by row", len(rows) + 1), ("by value", 0)):
        outcomes = check_table(engine, standard, table, read, target, by_value_rows=by_value_rows)
        run = {o.rule for o in outcomes if o.outcome in ("passed", "failed")}
        written = set(engine.rows(f"SELECT rule, \"row\" FROM read_parquet('{target}')"))
        wrong += [told(place, *hit) for hit in sorted(written ^ {hit for hit in wanted if hit[0] in run})]
        counted = {rule: sum(one is not None for one in found) for rule, found in judged.items()}
        wrong += [f"{place} {o.rule}: {o.judged} rows judged, not {counted[o.rule]}" for o in outcomes if o.rule in run and o.judged != counted[o.rule]]
        wrong += [f"{place} {o.rule} {o.outcome} {o.reason}" for o in outcomes if o.outcome == "errored"]
    return {rule: Counter(found) for rule, found in verdicts.items()}, wrong


def rows_of(name: str, code: str, seed: int) -> list[Row]:
    standard, by_table = loaded(name)
    made = Rows(standard, standard.tables[code], by_table[code], PARAMETERS, seed)
    return [*made.near_examples(), *made.at_the_edges(), *made.plain(70)]


@pytest.mark.parametrize(("name", "code"), [(name, code) for name in STANDARDS for code in loaded(name)[1]])
def test_engine_and_slow_reading_find_the_same_rows_at_fault(engines, tmp_path, name, code):
    verdicts, wrong = compare(engines[name], name, code, rows_of(name, code, 20261031), tmp_path)
    assert wrong == [], f"{len(wrong)} disagreements, of these the first"
    # Rows on which a rule is silent prove nothing about it: every rule passes some and fails some.
    assert [rule for rule, counts in verdicts.items() if not counts[True] or not counts[False]] == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("name", STANDARDS)
def test_other_random_rows_change_nothing(engines, tmp_path, name, seed):
    wrong = [text for code in loaded(name)[1] for text in compare(engines[name], name, code, rows_of(name, code, seed), tmp_path)[1]]
    assert wrong == []


@pytest.mark.parametrize(("rule", "row", "verdict"), [
    ("EL20-GRBDB-BDZT-REQ", {"BDZT": None}, False),
    ("EL20-GRBDB-BDZT-REQ", {"BDZT": None, "_unmapped": ["BDZT"]}, None),    # said once, by the finding about the code map
    ("EL20-GRBDB-BDZT-REQ", {"BDZT": "有效"}, True),
    ("EL20-GRBDB-BDZT-CODE", {"BDZT": "有　效"}, False),
    ("EL20-GRBDB-BDZT-CODE", {"BDZT": None}, None),
    ("EL20-GRBDB-BDZZRQ1-CR-01", {"BDZT": "终止", "BDZZRQ1": None}, False),
    ("EL20-GRBDB-BDZZRQ1-CR-01", {"BDZT": "终止", "BDZZRQ1": date(9999, 12, 31)}, True),
    ("EL20-GRBDB-BDZZRQ1-CR-01", {"BDZT": "有效", "BDZZRQ1": None}, None),
    ("EL20-GRBDB-BDZZRQ1-CR-01", {"BDZT": None, "BDZZRQ1": None}, None),
])
def test_verdicts_known_by_hand(rule, row, verdict):
    [found] = [r for r in loaded("east_life_2020")[1]["GRBDB"] if r.id == rule]
    paper, whole = judge("east_life_2020"), {"_unmapped": [], **row}
    assert paper.verdict(found, whole, paper.judged(found, whole)) is verdict


def test_a_rule_that_the_engine_reads_otherwise_is_noticed(engines, tmp_path):
    # One comparison of one rule is off by one on the engine only.
    name, code, rule = "east_life_2020", "GRBDB", "EL20-GRBDB-BDZT-LEN"
    standard, by_table = loaded(name)
    [right] = [r for r in by_table[code] if r.id == rule]
    wrong = replace(right, expect=parse_expression(right.expect.text.replace("<=", "<"), item_scope(standard.tables[code], standard), "bool"))
    _, told = compare(engines[name], name, code, rows_of(name, code, 1), tmp_path, misread=wrong)
    assert told and {text.partition(", row")[0] for text in told} == {f"by row {rule}: paper True", f"by value {rule}: paper True"}
