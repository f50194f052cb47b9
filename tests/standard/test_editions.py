"""Effective dates: a period picks its edition, and within an edition the tables and items in force."""

from __future__ import annotations

from datetime import date

import pytest
from small_standard import NAME, edit, load, write_pack

from etl.errors import EastboundError
from etl.packs.roots import PackRoots
from etl.rules.loader import load_rules, rules_within
from etl.standard import load_standard
from etl.standard.editions import EditionsOverlap, NoEditionInForce, edition_on, editions
from etl.standard.effective import KeyNotInForce, in_force_on
from etl.standard.loader import StandardUnknown


def family(tmp_path, *spans):
    """A pack root with one edition per (name, from, to)."""
    for name, first, last in spans:
        root = write_pack(tmp_path)
        folder = root / "mappings/standards" / name
        (root / "mappings/standards" / NAME).rename(folder)
        head = (folder / "standard.yaml").read_text(encoding="utf-8").replace(f"standard: {NAME}", f"standard: {name}\nfamily: small")
        (folder / "standard.yaml").write_text(head.replace("from: 2024-01-01, to: null", f"from: {first}, to: {last}"), encoding="utf-8")
    return PackRoots((tmp_path,))


def test_a_period_picks_the_edition_in_force_on_its_last_day(tmp_path):
    roots = family(tmp_path, ("small_b", "2025-01-01", "null"), ("small_a", "2021-01-01", "2024-12-31"))
    assert [(e.standard, e.first, e.last) for e in editions("small", roots)] == [("small_a", date(2021, 1, 1), date(2024, 12, 31)), ("small_b", date(2025, 1, 1), None)]
    assert [edition_on("small", day, roots) for day in (date(2021, 1, 1), date(2024, 12, 31), date(2025, 1, 1), date(2030, 1, 1))] == ["small_a", "small_a", "small_b", "small_b"]
    # The name of a standard is that standard, whatever the day.
    assert edition_on("small_b", date(2000, 1, 1), roots) == "small_b" and load_standard("small_b", roots).family == "small"
    with pytest.raises(NoEditionInForce) as caught:
        edition_on("small", date(2020, 12, 31), roots)
    assert caught.value.sentence("en") == "no edition of small is in force on 2020-12-31; there are small_a [2021-01-01..2024-12-31], small_b [2025-01-01..]"
    assert "small 在 2020-12-31 没有生效的版本" in caught.value.sentence("zh")
    with pytest.raises(StandardUnknown):
        edition_on("smal", date(2025, 1, 1), roots)


def test_editions_that_overlap_are_told(tmp_path):
    roots = family(tmp_path, ("small_a", "2021-01-01", "null"), ("small_b", "2025-01-01", "null"))
    assert edition_on("small", date(2024, 12, 31), roots) == "small_a"
    with pytest.raises(EditionsOverlap) as caught:
        edition_on("small", date(2025, 1, 31), roots)
    assert "small_a [2021-01-01..], small_b [2025-01-01..]" in caught.value.sentence("en") and "有多个版本生效" in caught.value.sentence("zh")


@pytest.fixture
def dated(tmp_path):
    root = write_pack(tmp_path, {f"validation_rules/{NAME}/BD.yaml": """\
table: BD
rules:
  - id: SM24-BD-BF-VR-01
    family: value_range
    when: JFCS IS NULL
    expect: BF >= 0
    severity: error
    message: {zh: a, en: a}
    examples: {pass: [{BF: 0}], fail: [{BF: -1}]}
  - id: SM24-BD-BDH-RL-01
    family: relation
    relation: {to: SF, "on": {BDH: BDH}, aggregate: {payments: count(*)}}
    expect: payments > 0
    severity: error
    message: {zh: b, en: b}
    examples: {pass: [{BD: [{BDH: a}], SF: [{BDH: a}]}], fail: [{BD: [{BDH: a}]}]}
  - id: SM24-BD-BF-VR-02
    family: value_range
    expect: BF < 1000
    severity: error
    message: {zh: c, en: c}
    examples: {pass: [{BF: 0}], fail: [{BF: 1000}]}
"""})
    edit(root, "tables/BD.yaml", "code: JFCS, name: {zh: 缴费次数}", "code: JFCS, effective: {from: 2025-01-01}, name: {zh: 缴费次数}")
    edit(root, "tables/SF.yaml", "level: 3", "level: 3\neffective: {from: 2024-07-01, to: 2024-12-31}")
    return root


def test_items_and_tables_out_of_force_are_left_out(dated):
    roots = PackRoots((dated,))
    whole = load(dated)
    assert (whole.tables["SF"].effective_from, whole.tables["SF"].effective_to) == (date(2024, 7, 1), date(2024, 12, 31))
    for day, tables, jfcs, rules in (
        (date(2024, 6, 30), ["BD", "JG", "ZZ"], False, ["BF-VR-02"]),
        (date(2024, 7, 1), ["BD", "JG", "SF", "ZZ"], False, ["BDH-RL-01", "BF-VR-02"]),
        (date(2024, 12, 31), ["BD", "JG", "SF", "ZZ"], False, ["BDH-RL-01", "BF-VR-02"]),
        (date(2025, 1, 1), ["BD", "JG", "ZZ"], True, ["BF-VR-01", "BF-VR-02"]),
    ):
        standard = load_standard(NAME, roots, on=day)
        assert sorted(standard.tables) == tables and ("JFCS" in standard.tables["BD"].by_code) is jfcs
        assert sorted(rule.id.removeprefix("SM24-BD-") for rule in rules_within(standard, load_rules(whole, roots))) == rules
    assert "JFCS" in load_standard(NAME, roots).tables["BD"].by_code


def test_references_to_what_is_not_in_force_fall_away(tmp_path):
    root = write_pack(tmp_path)
    edit(root, "tables/JG.yaml", "level: 1", "level: 1\neffective: {from: 2025-01-01}")
    standard = load(root)
    assert in_force_on(standard, date(2025, 1, 1)) is standard
    before = in_force_on(standard, date(2024, 12, 31))
    assert before.tables["BD"].by_code["JGDM"].refs is None and standard.tables["BD"].by_code["JGDM"].refs.table == "JG"
    assert before.tables["SF"].by_code["BDH"].refs.table == "BD"


def test_a_table_without_its_key_is_told(tmp_path):
    root = write_pack(tmp_path)
    edit(root, "tables/BD.yaml", "length: 20, required: true, key: true", "length: 20, required: true, key: true, effective: {from: 2025-01-01}")
    with pytest.raises(KeyNotInForce) as caught:
        load_standard(NAME, PackRoots((root,)), on=date(2024, 12, 31))
    assert caught.value.sentence("en") == "table BD of small_2024 has no key item in force on 2024-12-31; check the effective dates of its items"


@pytest.mark.parametrize(("effective", "en"), [
    ("{from: 2025-01-01, to: 2024-01-01}", "effective: from 2025-01-01 is after to 2024-01-01"), ("{form: 2025-01-01}", "unknown key form; did you mean from?"),
    ("{from: '2025'}", "effective.from should be a date"), ("2025", "effective should hold keys and values"),
])
def test_effective_dates_that_are_none(tmp_path, effective, en):
    root = write_pack(tmp_path)
    edit(root, "tables/BD.yaml", "code: JFCS,", f"code: JFCS, effective: {effective},")
    with pytest.raises(EastboundError) as caught:
        load(root)
    assert en in caught.value.sentence("en") and "BD.yaml line 15" in caught.value.sentence("en")
