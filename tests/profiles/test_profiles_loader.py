"""Thresholds in a pack: what is read, and what is refused with file and line."""

from __future__ import annotations

from decimal import Decimal

import pytest
from small_profiles import small_standard, write_expectations

from etl.errors import EastboundError
from etl.packs.roots import PackRoots
from etl.profiles.definition import MEASURES, WHOLE
from etl.profiles.loader import load_expectations
from etl.standard.loader import load_standard

TEXT = "message: {zh: 说明, en: Text}"


def load(tmp_path, text: str):
    standard = small_standard(tmp_path)
    write_expectations(tmp_path, text)
    return load_expectations(standard, PackRoots((tmp_path,))).expectations


def test_what_is_read(tmp_path):
    one, other = load(tmp_path, f"""\
  - {{id: SM-BD-PF-01, table: BD, measure: rows, against: previous, down: 0.1, up: 0.2, least_rows: 50, severity: error, {TEXT}, basis: by hand (G)}}
  - {{id: SM-BD-PF-02, table: BD, measure: drift, item: ZT, at_most: 0.25, history: 6, severity: warning, {TEXT}}}
""")
    assert (one.item, one.down, one.up, one.against, one.least_rows, one.history, one.basis) == (WHOLE, Decimal("0.1"), Decimal("0.2"), "previous", 50, 12, "by hand (G)")
    assert one.looks_back and one.line == 3
    assert (other.item, other.at_most, other.history, other.looks_back) == ("ZT", Decimal("0.25"), 6, True)


def test_a_standard_without_the_file_expects_nothing(tmp_path):
    standard = small_standard(tmp_path)
    assert load_expectations(standard, PackRoots((tmp_path,))).expectations == ()


@pytest.mark.parametrize(("line", "told"), [
    ("id: SM-BD-PF-1, table: BD, measure: rows, at_least: 1", "should read SM-BD-PF-<nn>"),
    ("id: SM-BD-PF-01, table: BB, measure: rows, at_least: 1", "has no table BB"),
    ("id: SM-BD-PF-01, table: BD, measure: row, at_least: 1", "did you mean rows"),
    ("id: SM-BD-PF-01, table: BD, measure: rows, item: BF, at_least: 1", "takes no item"),
    ("id: SM-BD-PF-01, table: BD, measure: sum, item: BFF, up: 1", "has no item BFF that comes from a source; did you mean BF"),
    ("id: SM-BD-PF-01, table: BD, measure: sum, item: ZT, up: 1", "sum is for numbers"),
    ("id: SM-BD-PF-01, table: BD, measure: sum, item: CS, up: 1", "not taken of personal items"),
    ("id: SM-BD-PF-01, table: BD, measure: age, item: BF, at_most: 1", "age is for dates"),
    ("id: SM-BD-PF-01, table: BD, measure: drift, item: BDH, at_most: 1", "a code table or a reference"),
    ("id: SM-BD-PF-01, table: BD, measure: drift, item: XM, at_most: 1", "not taken of personal items"),
    ("id: SM-BD-PF-01, table: BD, measure: rows", "no bound: give one of at_least, at_most, down, up"),
    ("id: SM-BD-PF-01, table: BD, measure: rows, rise: 0.1", "rows takes no rise"),
    ("id: SM-BD-PF-01, table: BD, measure: null_share, item: BF, up: 0.1", "null_share takes no up"),
    ("id: SM-BD-PF-01, table: BD, measure: rows, at_least: 1, up: 0.1", "as two expectations"),
    ("id: SM-BD-PF-01, table: BD, measure: rows, at_least: 0", "can never be missed"),
    ("id: SM-BD-PF-01, table: BD, measure: rows, down: 1.5", "can never be missed"),
    ("id: SM-BD-PF-01, table: BD, measure: null_share, item: BF, at_most: 1", "should be below 1"),
    ("id: SM-BD-PF-01, table: BD, measure: rows, at_least: 9, at_most: 1", "at_least is above at_most"),
    ("id: SM-BD-PF-01, table: BD, measure: rows, at_least: 1, history: 3", "history has no effect here"),
    ("id: SM-BD-PF-01, table: BD, measure: rows, up: 0.1, against: previous, history: 3", "looks at one period"),
    ("id: SM-BD-PF-01, table: BD, measure: drift, item: ZT, at_most: 0.1, against: mean", "against has no effect here"),
    ("id: SM-BD-PF-01, table: BD, measure: rows, up: lots", "up should be a number"),
    ("id: SM-BD-PF-01, table: BD, measure: rows, up: 0.1, colour: red", "unknown key colour"),
    ("id: SM-BD-PF-01, table: BD, measure: rows, up: 0.1, history: 0", "whole number from 1 on"),
])
def test_what_is_refused_with_its_line(tmp_path, line, told):
    with pytest.raises(EastboundError) as refused:
        load(tmp_path, f"  - {{{line}, severity: warning, {TEXT}}}\n")
    sentence = refused.value.sentence("en")
    assert told in sentence and "profiles.yaml line 3:" in sentence
    assert "profiles.yaml 第 3 行：" in refused.value.sentence("zh")


def test_severity_message_and_standard_are_wanted(tmp_path):
    with pytest.raises(EastboundError) as refused:
        load(tmp_path, "  - {id: SM-BD-PF-01, table: BD, measure: rows, up: 1, message: {zh: 说明}}\n")
    assert "severity is missing" in refused.value.sentence("en") and "message needs zh and en" in refused.value.sentence("en")
    path = tmp_path / "validation_rules/small_2026/profiles.yaml"
    path.write_text("standard: other\n", encoding="utf-8")
    with pytest.raises(EastboundError, match="standard should be small_2026"):
        load_expectations(load_standard("small_2026", PackRoots((tmp_path,))), PackRoots((tmp_path,)))


def test_an_id_appears_once(tmp_path):
    line = f"  - {{id: SM-BD-PF-01, table: BD, measure: rows, up: 1, severity: warning, {TEXT}}}\n"
    with pytest.raises(EastboundError, match="appears twice; see line 3"):
        load(tmp_path, line + line)


def test_the_built_in_packs_watch_every_table_that_is_sent():
    standard = load_standard("east_life_2020")
    expectations = load_expectations(standard).expectations
    assert {table.code for table in standard.submitted_tables} == {e.table for e in expectations}
    assert {e.measure for e in expectations} == set(MEASURES)
    registry = load_expectations(load_standard("registry_life_2")).expectations
    assert {"LCCont", "LCPolTransaction", "LJAPay", "LLClaimPolicy"} <= {e.table for e in registry}
    # No threshold is a regulator's: each says so.
    assert all("(G)" in e.basis for e in (*expectations, *registry))
