"""The hundred rules do what their examples say: on the product's engine, in the naive statement, in polars and in pandas."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import polars as pl
import pytest

from etl.bench.definition import load_course
from etl.bench.naive import naive_statement
from etl.bench.pandas_rules import breaks_rule
from etl.bench.polars_rules import plain_groups, rule_holds
from etl.rules.examples import load_rows, run_examples

RULES = load_course().rules


def test_a_hundred_rules_of_the_usual_mix():
    calls = Counter()
    for rule in RULES:
        text = f"{rule.when.text if rule.when else ''} {rule.expect.text}"
        kind = ("checksum" if any(f in text for f in ("is_id_card", "id_birth_date", "id_sex", "id_area", "is_uscc"))
                else "pattern" if any(f in text for f in ("regexp_matches", "is_mobile", "is_chinese_text", "has_full_width", "is_plain_text")) else rule.family)
        calls[kind] += 1
    assert calls == {"checksum": 10, "pattern": 15, "code_range": 20, "value_range": 20, "conditional_required": 15, "cross_item": 20}


def test_examples_on_the_engine_of_the_house(engine, course):
    assert run_examples(engine, course.standard, course.rules) == (200, [])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_examples_everywhere_else(engine, course, rule):
    examples = [*rule.examples_pass, *rule.examples_fail]
    failing = set(range(len(rule.examples_pass) + 1, len(examples) + 1))
    load_rows(engine, course.table, examples)
    assert {row for _, row in engine.rows(naive_statement("POLICY", [rule]))} == failing
    arrow = engine.connection.sql("SELECT * FROM data.POLICY ORDER BY _row").to_arrow_table()
    frame = pl.from_arrow(arrow).with_columns(pl.selectors.decimal().cast(pl.Float64))
    holds = frame.select("_row", holds=rule_holds(rule, course))
    assert set(holds.filter(~pl.col("holds"))["_row"]) == failing
    in_pandas = frame.to_arrow().to_pandas(date_as_object=False).set_index("_row")
    in_pandas = in_pandas.astype({item.code: "str" for item in course.table.items if item.type == "text"})
    assert set(in_pandas.index[breaks_rule(rule, course, in_pandas)]) == failing


def test_missing_values_break_nothing_but_requirements(engine, course):
    """A row of nulls: only rules whose condition a null can meet may fail, and all ways of checking agree on which."""
    load_rows(engine, course.table, [{}])
    assert engine.rows(naive_statement("POLICY", RULES)) == []
    frame = pl.from_arrow(engine.connection.sql("SELECT * FROM data.POLICY").to_arrow_table()).with_columns(pl.selectors.decimal().cast(pl.Float64))
    assert all(frame.select(rule_holds(rule, course)).item() for rule in RULES)
    in_pandas = pd.DataFrame({item.code: pd.Series([None], dtype={"text": "str", "date": "datetime64[s]"}.get(item.type, "float64")) for item in course.table.items})
    assert not any(breaks_rule(rule, course, in_pandas).any() for rule in RULES)


def test_groups_that_only_group():
    assert plain_groups(r"^(a|b)(?:c)\(d\)$") == r"^(?:a|b)(?:c)\(d\)$"
