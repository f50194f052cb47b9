"""The mutation check: every rule fires at a fault made for it in clean rows, and what fires besides is told apart."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from test_rules_loader import BALANCE, EXISTS, ROW, SUMS, UNIQUE, changed

from etl.rules.derived import all_rules, derived_rules
from etl.rules.mutation import batches, mutate
from etl.rules.mutation_faults import Fault, Search
from etl.rules.mutation_world import Edit, ValueUnfit, World, fit, tries

DAY = date(2024, 5, 1)
BRANCHES = [{"JGDM": "1", "JGMC": "总公司", "SJDM": "0"}, {"JGDM": "2", "JGMC": "分公司", "SJDM": "1"}]
POLICIES = [{"BDH": f"P{n}", "JGDM": str(n % 2 + 1), "KHMC": f"客户{n}", "BDZT": "有效", "SXRQ": DAY, "ZZRQ": date(9999, 12, 31), "BF": Decimal(n * 10), "JFCS": n}
            for n in range(1, 7)] + [{"BDH": "P7", "JGDM": "1", "KHMC": "客户7", "BDZT": "终止", "SXRQ": DAY, "ZZRQ": DAY, "BF": Decimal(70), "JFCS": 7}]
# Two payments per policy that make up its premium; branch 1 has P2 P4 P6 P7 (190), branch 2 has P1 P3 P5 (90).
PAYMENTS = [{"BDH": p["BDH"], "XH": x, "JGDM": p["JGDM"], "RQ": DAY, "JE": p["BF"] / 2} for p in POLICIES for x in (1, 2)]
LEDGER = [{"JGDM": "1", "KM": "6031", "JE": Decimal(190)}, {"JGDM": "2", "KM": "6031", "JE": Decimal(90)}]
CLEAN = {"JG": BRANCHES, "BD": POLICIES, "SF": PAYMENTS, "ZZ": LEDGER}


@pytest.fixture
def clean(checker):
    """A clean submission of the small standard as `base.*`."""
    checker.engine.schema("base")
    for code in checker.standard.tables:
        checker.put(code, CLEAN[code], schema="base")
        checker.engine.execute(f'DROP TABLE data."{code}"')
    return checker


@pytest.fixture
def report(clean, read_rules):
    """The mutation report of rules; all rules of the small standard watch."""
    def run(*rules, table: str = "BD", chosen=None):
        read = read_rules(*rules, table=table)
        every = all_rules(clean.standard, read)
        return mutate(clean.engine, clean.standard, every, every if chosen == "all" else read)

    return run


def test_every_kind_of_rule_fires_at_its_fault_and_nothing_unrelated_does(report):
    told = report(ROW, EXISTS, changed(EXISTS, id="SM24-BD-JGDM-RL-03", expect="JG.JGMC IS NOT NULL"), SUMS, UNIQUE)
    assert [(m.rule, m.outcome, m.unrelated) for m in told.mutants] == [
        (rule, "fired", ()) for rule in ("SM24-BD-ZZRQ-CR-01", "SM24-BD-JGDM-RL-01", "SM24-BD-JGDM-RL-03", "SM24-BD-BF-RL-02", "SM24-BD-KHMC-UQ-01")]
    assert told.sound and told.seeded == ()
    row, exists, partner, sums, _ = told.mutants
    # Only P7 has ended; all seven policies have a branch that exists, has a name, and payments that make up the premium.
    assert [m.judged for m in (row, exists, partner, sums)] == [1, 7, 7, 7]
    assert row.changed == ("BD.ZZRQ",) and sums.changed in (("BD.BF",), ("SF.JE",))
    # A branch code that does not exist breaks the reference of the dictionary as well, and that is no surprise.
    assert exists.changed == ("BD.JGDM",) and exists.related == ("SM24-BD-JGDM-REF",)
    assert partner.changed == ("JG.JGMC",) and partner.related == ()


def test_a_reconciliation_fires(report):
    told = report(BALANCE, table="SF")
    assert [(m.outcome, m.added) for m in told.mutants] == [("fired", 0)]
    assert told.mutants[0].changed in (("SF.JE",), ("ZZ.JE",))


def test_rules_of_the_dictionary_fire_as_well(report, clean):
    told = report(chosen="all")
    assert told.sound and len(told.mutants) == sum(len(derived_rules(clean.standard, table)) for table in clean.standard.tables.values()) > 30
    length = next(m for m in told.mutants if m.rule == "SM24-BD-KHMC-LEN")
    assert (length.changed, length.related) == (("BD.KHMC",), ())


@pytest.mark.parametrize("rule", [
    changed(ROW, expect="ZZRQ IS NOT NULL OR ZZRQ IS NULL"), changed(ROW, when="BDZT = '终止' AND BDZT = '有效'"),
    changed(EXISTS, when="JGDM IS NULL"), changed(SUMS, expect="n >= 0"), changed(UNIQUE, when="BF > 0 AND BF < 0")])
def test_a_rule_that_cannot_fire_is_told(report, rule):
    told = report(rule)
    assert [m.outcome for m in told.mutants] == ["immutable"] and not told.sound
    assert told.mutants[0].reason["en"] and told.mutants[0].reason["zh"]


def test_a_rule_that_applies_to_no_row_takes_the_values_of_its_example(report):
    lapsed = changed(ROW, when="BDZT = '作废'", expect="JFCS = 0", id="SM24-BD-JFCS-CI-01", family="cross_item",
                     examples={"pass": [{"BDZT": "作废", "JFCS": 0}], "fail": [{"BDZT": "作废", "JFCS": 3}]})
    [mutant] = report(lapsed).mutants
    assert (mutant.outcome, mutant.judged, mutant.changed) == ("fired", 0, ("BD.BDZT",))


def test_a_missing_partner_row_is_copied_from_another(report):
    many = changed(SUMS, expect="n <= 2", examples={"pass": [{"BD": []}], "fail": [
        {"BD": [{"BDH": "P1", "BF": 1}], "SF": [{"BDH": "P1", "XH": n, "JE": 1} for n in (1, 2, 3)]}]})
    [mutant] = report(many).mutants
    # A payment of another policy may as well be moved here: either way a third one stands beside the two.
    assert mutant.outcome == "fired" and (mutant.added == 1 or mutant.changed == ("SF.BDH",))


def test_a_rule_that_reads_what_it_does_not_own_up_to_is_an_unrelated_finding(clean, read_rules, monkeypatch):
    from etl.rules.definition import Rule

    ended, ends = read_rules(ROW, changed(ROW, id="SM24-BD-SXRQ-CI-01", family="cross_item", when=..., expect="ZZRQ >= SXRQ",
                                          examples={"pass": [{}], "fail": [{"SXRQ": date(2024, 5, 2), "ZZRQ": DAY}]}))
    honest = Rule.items_read
    # As if this rule looked at SXRQ alone.
    monkeypatch.setattr(Rule, "items_read", lambda rule: {("BD", "SXRQ")} if rule.id == ends.id else honest(rule))
    short = read_rules(changed(ROW, id="SM24-BD-ZZRQ-CI-02", family="cross_item", when=..., expect="ZZRQ >= DATE '2024-05-01'",
                               examples={"pass": [{}], "fail": [{"ZZRQ": date(2024, 4, 30)}]}))
    told = mutate(clean.engine, clean.standard, [*short, ends], short)
    assert [(m.outcome, m.unrelated) for m in told.mutants] == [("unrelated", (ends.id,))] and not told.sound


def test_what_the_clean_data_hold_already_is_nobodys_fault(clean, report):
    clean.put("BD", [*POLICIES, {**POLICIES[0], "BDH": "P8", "KHMC": "客户8", "BDZT": "不明", "JGDM": "1"}], schema="base")
    told = report(ROW, UNIQUE)
    assert told.sound and all("SM24-BD-BDZT-CODE" not in m.related for m in told.mutants)


def test_an_empty_table_gets_made_up_rows(clean, report):
    clean.put("SF", [], schema="base")
    told = report(changed(ROW, id="SM24-SF-JE-VR-01", family="value_range", when=..., expect="JE > 0", examples={"pass": [{"JE": 1}], "fail": [{"JE": 0}]}), table="SF")
    assert told.seeded == ("SF",) and [m.outcome for m in told.mutants] == ["fired"]


def test_the_clean_data_are_as_before(clean, report):
    before = {code: clean.engine.rows(f'SELECT * FROM base."{code}"') for code in CLEAN}
    assert report(ROW, EXISTS, SUMS, UNIQUE).sound
    assert {code: clean.engine.rows(f'SELECT * FROM base."{code}"') for code in CLEAN} == before
    assert {code: clean.engine.rows(f'SELECT * FROM data."{code}"') for code in CLEAN} == before


def test_faults_share_a_check_only_in_rows_that_the_others_do_not_look_at(read_rules):
    rule, sums = read_rules(ROW, SUMS)
    first = Fault(rule, (Edit("BD", 1, {"ZZRQ": None}),), 1, 1)
    elsewhere = Fault(rule, (Edit("BD", 2, {"ZZRQ": None}),), 2, 1)
    same_item, looked_at = Fault(rule, (Edit("BD", 1, {"ZZRQ": DAY}),), 1, 1), Fault(sums, (Edit("BD", 1, {"BDZT": "有效"}),), 1, 1)
    apart = Fault(sums, (Edit("SF", 9, {"JE": 1}), Edit("BD", 1, {"BF": 1})), 1, 1)
    assert batches([first, elsewhere, apart]) == [[first, elsewhere, apart]]
    assert batches([first, same_item]) == [[first], [same_item]]
    assert batches([first, looked_at]) == [[first], [looked_at]]


def test_the_rows_of_many_faults_are_spread(clean, read_rules):
    rules = read_rules(*(changed(ROW, id=f"SM24-BD-JFCS-VR-{n:02}", family="value_range", when=..., expect=f"JFCS < {100 + n}",
                                 examples={"pass": [{"JFCS": 1}], "fail": [{"JFCS": 500}]}) for n in range(7)))
    found = [fault for _, fault, _ in Search(World(clean.engine, clean.standard, rules)).find(rules)]
    assert sorted(fault.row for fault in found) == [1, 2, 3, 4, 5, 6, 7]


def test_edits_are_laid_over_rows_and_taken_away(clean):
    world = World(clean.engine, clean.standard, [])
    world.lay([Edit("BD", 1, {"BF": 5}), Edit("BD", 1, {"JFCS": None}), Edit("SF", 99, {"XH": 3}, copy_of=1)])
    assert clean.engine.rows("SELECT BDH, BF, JFCS FROM data.BD WHERE _row <= 2 ORDER BY _row") == [("P1", Decimal("5.00"), None), ("P2", Decimal("20.00"), 2)]
    assert clean.engine.rows("SELECT BDH, XH FROM data.SF WHERE _row = 99") == [("P1", 3)] and clean.engine.one("SELECT count(*) FROM data.SF") == 15
    world.lay([Edit("BD", 2, {"BF": 1})])
    assert clean.engine.rows("SELECT BF FROM data.BD WHERE _row <= 2 ORDER BY _row") == [(Decimal("10.00"),), (Decimal("1.00"),)]
    assert clean.engine.one("SELECT count(*) FROM data.SF") == 14
    # A value that does not fit is refused as a whole: nothing of it shows.
    with pytest.raises(ValueUnfit):
        world.lay([Edit("JG", 1, {"JGMC": None}), Edit("BD", 1, {"BF": 10**11})])
    assert clean.engine.one("SELECT count(JGMC) FROM data.JG") == 2
    world.lay([Edit("BD", 2, {"BF": 2})])
    assert clean.engine.rows("SELECT BF FROM data.BD WHERE _row <= 2 ORDER BY _row") == [(Decimal("10.00"),), (Decimal("2.00"),)]
    world.clear()
    assert clean.engine.one("SELECT sum(BF) FROM data.BD") == Decimal(280)


def test_values_fit_their_items(small):
    items = small.tables["BD"].by_code
    assert fit(items["BF"], 1.5) == Decimal("1.50") and fit(items["KHMC"], "　甲 ") == "甲" and fit(items["KHMC"], " ") is None and fit(items["BF"], None) is None
    for code, value in (("BF", "1"), ("BF", 10**11), ("BF", 0.001), ("JFCS", Decimal("1.5")), ("SXRQ", "2024-05-01"), ("KHMC", 1)):
        with pytest.raises(ValueUnfit):
            fit(items[code], value)


def test_values_to_try_begin_with_the_examples_and_stay_within_the_type(small):
    items = small.tables["BD"].by_code
    assert tries(items["BF"], Decimal(7), examples=[9], literals=[100, "x", DAY])[:4] == [Decimal(9), Decimal(100), Decimal("100.01"), Decimal("99.99")]
    assert Decimal(7) not in tries(items["BF"], Decimal(7))
    dates = tries(items["SXRQ"], DAY, literals=[DAY, 5])
    assert dates[:2] == [date(2024, 5, 2), date(2024, 4, 30)] and {None, date(9999, 12, 31)} <= set(dates) and DAY not in dates
    assert tries(items["SXRQ"], date(9999, 12, 31))[0] == date(9999, 12, 30)
    assert tries(items["BDZT"], "有效", names=["有效", "终止"])[:2] == [None, "终止"]
