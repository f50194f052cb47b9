"""Two sides against each other: totals, keys, amounts and tolerances worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

import pytest
from figure_desk import EAST, FIGURES

from etl.engines import open_engine
from etl.figures.compile import chosen_sql
from etl.figures.reconcile import _term_sql, compare, compare_values, differing_rows
from etl.figures.reconciliation import Tolerance
from etl.figures.reconciliation_loader import load_reconciliations
from etl.figures.runs import apart
from etl.packs.roots import PackRoots
from etl.submission.definition import Period

RECONCILIATIONS = {one.id: one for one in load_reconciliations(EAST, FIGURES, PackRoots.of())}


@pytest.fixture
def engine():
    with open_engine(threads=1) as opened:
        yield opened


def sides(engine, left, right, tmp_path, **tolerance):
    found = compare_values(engine, "x", {k: D(v) for k, v in left.items()}, {k: D(v) for k, v in right.items()},
                           Tolerance(**{k: D(v) for k, v in tolerance.items()}), tmp_path / "x.parquet")
    rows = [(row["kind"], row["key"], row["left"], row["right"], row["difference"]) for row in differing_rows(engine, found.file)] if found.file else []
    return found, rows


def test_equal_sides_agree_and_leave_no_file(engine, tmp_path):
    found, _ = sides(engine, {"a": "1.10", "b": "2.20"}, {"b": "2.20", "a": "1.10"}, tmp_path)
    assert (found.outcome, found.left, found.right, found.difference, found.keys) == ("agrees", D("3.30"), D("3.30"), 0, 2)
    assert found.file is None and not (tmp_path / "x.parquet").exists()


def test_every_kind_of_difference_is_counted_and_written(engine, tmp_path):
    found, rows = sides(engine, {"a": "10", "b": "5", "same": "1"}, {"b": "7.5", "c": "3", "same": "1"}, tmp_path)
    assert (found.outcome, found.left, found.right, found.difference) == ("differs", D(16), D("11.5"), D("4.5"))
    assert (found.keys, found.only_left, found.only_right, found.amounts) == (4, 1, 1, 1)
    assert rows == [("amount", "b", D(5), D("7.5"), D("-2.5")), ("only_left", "a", D(10), None, D(10)), ("only_right", "c", None, D(3), D(-3))]
    assert sum(row[4] for row in rows) == found.difference


def test_two_errors_that_cancel_are_still_a_difference(engine, tmp_path):
    found, rows = sides(engine, {"a": "10", "b": "5"}, {"a": "9", "b": "6"}, tmp_path)
    assert found.outcome == "differs" and found.difference == 0 and [row[4] for row in rows] == [D(1), D(-1)]


def test_tolerance_absolute_and_relative(engine, tmp_path):
    assert sides(engine, {"a": "10.01"}, {"a": "10"}, tmp_path, absolute="0.01")[0].outcome == "agrees"
    assert sides(engine, {"a": "10.02"}, {"a": "10"}, tmp_path, absolute="0.01")[0].outcome == "differs"
    assert sides(engine, {"a": "101"}, {"a": "100"}, tmp_path, relative="0.01")[0].outcome == "agrees"
    assert sides(engine, {"a": "101.01"}, {"a": "100"}, tmp_path, relative="0.01")[0].outcome == "differs"
    # The greater of the two counts.
    assert sides(engine, {"a": "105"}, {"a": "100"}, tmp_path, relative="0.01", absolute="5")[0].outcome == "agrees"


def test_small_differences_that_add_up_are_shown(engine, tmp_path):
    left, right = {str(n): "1.01" for n in range(5)}, {str(n): "1" for n in range(5)}
    found, rows = sides(engine, left, right, tmp_path, absolute="0.02")
    assert found.outcome == "differs" and found.difference == D("0.05") and found.amounts == 0 and len(rows) == 5


def test_nothing_on_either_side_cannot_be_compared(engine, tmp_path):
    found, _ = sides(engine, {}, {}, tmp_path)
    assert found.outcome == "not_compared" and found.reason[1] == "neither side has rows"


def test_a_key_on_one_side_with_amount_zero_is_missing_all_the_same(engine, tmp_path):
    found, rows = sides(engine, {"a": "0", "b": "1"}, {"b": "1"}, tmp_path, absolute="1")
    assert found.outcome == "differs" and rows == [("only_left", "a", D(0), None, D(0))]


def run_terms(desk, name, tmp_path):
    """Both sides of a reconciliation of east_life_2020 over the desk's tables."""
    one = RECONCILIATIONS[name]
    for side, terms in (("_left", one.left), ("_right", one.right)):
        union = " UNION ALL ".join(_term_sql(term, EAST, lambda role, table: (role, table) in desk.rows, Period.parse("2026-10")) for term in terms)
        desk.engine.execute(f"CREATE OR REPLACE TEMP TABLE {side} AS SELECT _key, sum(_amount) AS _amount, count(*) AS _rows FROM ({union}) GROUP BY _key")
    return compare(desk.engine, name, one.tolerance, tmp_path / "x.parquet")


def test_the_ledger_opens_as_it_closed(desk, tmp_path):
    account = {"BXZTBM": "1", "FZJGDM": "8611", "ZZKJKMBH": "1002", "HBDM": "156"}
    desk.put("ZZKJQKMB", [account | {"QMJFYE": "100", "QMDFYE": "0"}, account | {"ZZKJKMBH": "2202", "QMJFYE": "0", "QMDFYE": "40"}], role="previous")
    desk.put("ZZKJQKMB", [account | {"QCJFYE": "100", "QCDFYE": "0"}, account | {"ZZKJKMBH": "2202", "QCJFYE": "0", "QCDFYE": "41"}])
    found = run_terms(desk, "ledger_opening", tmp_path)
    assert (found.outcome, found.left, found.right, found.amounts) == ("differs", D(59), D(60), 1)
    assert [row["key"] for row in differing_rows(desk.engine, found.file)] == ["1|8611|2202|156"]


def test_the_premium_of_the_year_is_the_last_one_and_this_month(desk, tmp_path):
    account = {"FZJGDM": "8611", "ZZKJKMBH": "6031", "QMJFYE": "0"}
    desk.put("ZZKJQKMB", [account | {"QMDFYE": "900"}, account | {"ZZKJKMBH": "603101", "QMDFYE": "900"}], role="previous")
    desk.put("ZZKJQKMB", [account | {"QMDFYE": "1000"}])
    desk.put("BFMXB", [{"GLJGDM": "8611", "SJJE": "60", "QRRQ": "2026-10-01"}, {"GLJGDM": "8611", "SJJE": "40", "QRRQ": "2026-10-31"},
                       {"GLJGDM": "8611", "SJJE": "5", "QRRQ": "2026-11-01"}])
    found = run_terms(desk, "ledger_premium_cumulative", tmp_path)
    assert (found.outcome, found.left, found.right) == ("agrees", D(1000), D(1000))


def test_the_premium_paid_on_a_policy_grows_by_what_was_paid(desk, tmp_path):
    desk.put("GRBDB", [{"GRBDH": "A", "LJBF": "100"}, {"GRBDH": "B", "LJBF": "50"}, {"GRBDH": "never paid", "LJBF": "0"}], role="previous")
    desk.put("GRBDB", [{"GRBDH": "A", "LJBF": "110"}, {"GRBDH": "B", "LJBF": "60"}, {"GRBDH": "C", "LJBF": "7"}])
    desk.put("BFMXB", [{"GRBDH": "A", "SJJE": "10", "QRRQ": "2026-10-01"}, {"GRBDH": "C", "SJJE": "7", "QRRQ": "2026-10-02"}])
    found = run_terms(desk, "policy_premium_cumulative", tmp_path)
    assert found.outcome == "differs"
    assert [(row["key"], row["difference"]) for row in differing_rows(desk.engine, found.file)] == [("B", D(10))]


def test_private_keys_are_masked(desk):
    desk.put("GRKHXXB", [{"KHBH": "1", "XM": "张三丰"}])
    term = RECONCILIATIONS["policies_to_registry"].left[0]
    term = replace(term, rows=replace(term.rows, table="GRKHXXB", joins=(), where=None), date=None, key=("XM",), amount=None)
    assert desk.engine.rows(_term_sql(term, EAST, lambda *_: True, Period.parse("2026-10"))) == [("张**", D(1))]
    assert "GRKHXXB" in chosen_sql(term.rows, lambda *_: True, [], {"n": "1"})


def test_periods_that_share_days_are_not_counted_twice():
    parse = Period.parse
    given = [parse("2026-11"), parse("2026Q4"), parse("2026-10-05"), parse("2027-01"), parse("2027-01-31")]
    assert apart(given) == [parse("2026Q4"), parse("2027-01")]
    assert apart([parse("2026-10-02"), parse("2026-10-01")]) == [parse("2026-10-01"), parse("2026-10-02")]
