"""Standardising: nothing is lost, nothing is guessed, and the same rows give the same bytes."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_sources import CODES, CONT, FILES, small_road

from etl.mapping.run import ItemCount

ITEMS = ("BDH", "JGDM", "KHMC", "BDZT", "SXRQ", "ZZRQ", "BF", "JFCS")


def conts(*rows: dict) -> list[dict]:
    return [{"ContNo": f"P{n}", **CONT, **row} for n, row in enumerate(rows, 1)]


def counts(result) -> dict[str, tuple[int, int, int, int]]:
    return {c.item: (c.mapped, c.defaulted, c.constant, c.unmapped) for c in result.items}


def bad(road) -> list[tuple]:
    return [(row["BDH"], fault["item"], fault["reason"], fault["original"]) for row in road.set_aside() for fault in row["_bad"]]


def test_a_plain_row_becomes_what_the_mapping_says(road):
    road.source("core.Cont", conts({"Prem": Decimal("120.5")}, {"Kind": "2"}))
    road.source("core.App", [{"ContNo": "P1", "AppName": "张三"}])
    road.source("core.Pay", [{"ContNo": "P1", "Money": 60, "PayDate": "20240101"}, {"ContNo": "P1", "Money": 40, "PayDate": "20240201"}, {"ContNo": "P1", "Money": -5}])
    result = road.run()
    assert (result.rows_in, result.rows_out, result.rows_aside) == (1, 1, 0), "P2 is of another kind: no part of the table"
    [row] = road.kept()
    assert {item: row[item] for item in ITEMS} == {
        "BDH": "P1", "JGDM": "J1", "KHMC": "张三", "BDZT": "有效", "SXRQ": date(2024, 1, 1), "ZZRQ": date(2030, 12, 31), "BF": Decimal("120.50"), "JFCS": 2}
    assert {k: row[k] for k in row if k not in ITEMS} == {
        "_row": 1, "_src_system": "core", "_src_table": "Cont", "_src_key": "P1", "_src_row": 1, "_batch": "b1", "_branch": 0, "_unmapped": [], "_missing_codes": [], "_ambiguous": []}
    types = {field.name: str(field.type) for field in pq.read_schema(road.target)}
    assert (types["BF"], types["JFCS"], types["SXRQ"], types["_row"]) == ("decimal128(12, 2)", "int64", "date32[day]", "int64")


def test_without_source_rows_there_are_empty_files(road):
    result = road.run()
    assert (result.rows_in, result.rows_out, result.rows_aside, result.unmapped) == (0, 0, 0, ())
    assert road.kept() == [] and road.set_aside() == []


def test_a_table_that_no_core_system_keeps_is_empty_and_says_why(road):
    road.source("core.Cont", conts({}))
    mapping = FILES["mappings/sources/core/small_2024/BD.yaml"]
    mappings = road.map((mapping[mapping.index("branches:"):], "absent: {zh: 无此业务, en: no such business}\n"))
    assert mappings.tables["BD"].absent["en"] == "no such business" and mappings.sources == set()
    result = road.run(mappings)
    assert (result.rows_in, result.rows_out, result.rows_aside) == (0, 0, 0) and counts(result)["BDH"] == (0, 0, 0, 0)
    types = {field.name: str(field.type) for field in pq.read_schema(road.target)}
    road.run()
    assert {field.name: str(field.type) for field in pq.read_schema(road.target)} == types


def test_a_code_without_entry_is_listed_and_never_the_default(road):
    road.source("core.Cont", conts({"State": "9"}, {"State": "2"}, {"State": None}, {"State": "9"}, {"State": "1 "}))
    result = road.run()
    rows = road.kept()
    # 未知 is the item's default: only the row whose source has nothing gets it.
    assert [r["BDZT"] for r in rows] == [None, "终止", "未知", None, None]
    assert [r["_unmapped"] for r in rows] == [["BDZT"], [], [], ["BDZT"], ["BDZT"]]
    assert rows[0]["_missing_codes"] == [{"item": "BDZT", "map": "core.cont_state", "original": "9"}]
    assert result.unmapped == (("BDZT", "core.cont_state", "1 ", 1), ("BDZT", "core.cont_state", "9", 2))
    assert counts(result)["BDZT"] == (1, 1, 0, 3)
    assert (result.rows_in, result.rows_out, result.rows_aside) == (5, 5, 0), "a row is not set aside for its code"


def test_an_unmapped_code_shows_through_other_expressions_too(road):
    road.source("core.Cont", conts({"State": "9"}))
    result = road.run(road.map(("code(cont_state, c.State)", "coalesce(code(cont_state, c.State), '其他')")))
    assert result.unmapped == (("BDZT", "core.cont_state", "9", 1),) and road.kept()[0]["_unmapped"] == ["BDZT"]


@pytest.mark.parametrize("entries", [3, 500])
def test_long_code_maps_mean_the_same_as_short_ones(road, entries):
    listed = "".join(f"{n},值{n}\n" for n in range(entries)) + "'q',it''s\n"
    (road.root / CODES).write_text("source,target\n" + listed, encoding="utf-8")
    road.source("core.Cont", conts({"State": "2"}, {"State": "'q'"}, {"State": str(entries)}, {"State": None}))
    result = road.run()
    assert [r["BDZT"] for r in road.kept()] == ["值2", "it''s", None, "未知"]
    assert [u[2] for u in result.unmapped] == [str(entries)]


def test_a_code_in_a_branch_that_is_not_taken_is_no_finding(road):
    road.source("core.Cont", conts({"Branch": "A", "State": "1"}, {"Branch": "B", "State": "A"}, {"Branch": "C", "State": "zz"}, {"Branch": "A", "State": "A"}, {"Branch": None, "State": "z"}))
    result = road.run(road.map(("BDZT: code(cont_state, c.State)",
                                "BDZT: \"CASE c.Branch WHEN 'A' THEN code(cont_state, c.State) WHEN 'B' THEN code(life.cont_state, c.State) ELSE '作废' END\"")))
    assert [r["BDZT"] for r in road.kept()] == ["有效", "有效", "作废", None, "作废"]
    assert result.unmapped == (("BDZT", "core.cont_state", "A", 1),)


def test_a_date_in_a_branch_that_is_not_taken_does_not_set_aside(road):
    road.source("core.Cont", conts({"Branch": "A", "EndText": "x"}, {"Branch": "B", "EndText": "x"}, {"Branch": "B", "EndText": "20240131"}, {"Branch": None, "EndText": "x"}))
    road.run(road.map(("ZZRQ: parse_date(c.EndText, '%Y%m%d')", "ZZRQ: \"CASE WHEN c.Branch = 'A' THEN c.SignDate WHEN c.Branch = 'B' THEN parse_date(c.EndText, '%Y%m%d') END\"")))
    assert bad(road) == [("P2", "ZZRQ", "date", "x")]
    assert {r["BDH"]: r["ZZRQ"] for r in road.kept()} == {"P1": date(2024, 1, 1), "P3": date(2024, 1, 31), "P4": date(9999, 12, 31)}


@pytest.mark.parametrize(("text", "read"), [
    ("20240229", date(2024, 2, 29)), ("99991231", date(9999, 12, 31)), ("00010101", date(1, 1, 1)), (None, date(9999, 12, 31)),
    ("20240230", None), ("20241301", None), ("2024-02-29", None), ("202402", None), ("2024111", None), ("20240229x", None), ("00000101", None), ("２０２４０２２９", None),
    ("长期", None), ("0", None),
])
def test_dates_in_text_are_read_or_set_aside_with_their_text(road, text, read):
    road.source("core.Cont", conts({"EndText": text}, {}))
    result = road.run()
    assert (result.rows_in, result.rows_out + result.rows_aside) == (2, 2)
    if read:
        assert road.kept()[0]["ZZRQ"] == read and bad(road) == []
    else:
        assert bad(road) == [("P1", "ZZRQ", "date", text)] and [r["BDH"] for r in road.kept()] == ["P2"]


@pytest.mark.parametrize(("pattern", "text", "read"), [
    ("%Y/%m/%d", "2024/1/5", date(2024, 1, 5)), ("%Y/%m/%d", "2024/01/05", date(2024, 1, 5)), ("%Y-%m-%d", "2024-13-05", None),
    ("%Y年%m月%d日", "2024年1月5日", date(2024, 1, 5)), ("%Y/%m/%d %H:%M:%S", "2024/01/05 23:59:59", date(2024, 1, 5)), ("%Y/%m/%d %H:%M:%S", "2024/01/05", None),
    ("%Y%m%d%H%M%S", "20240105235959", date(2024, 1, 5)), ("%Y%m%d%H%M%S", "2024010523595", None), ("%d.%m.%Y", "05.01.2024", date(2024, 1, 5)),
])
def test_dates_in_the_format_of_the_system(road, pattern, text, read):
    road.source("core.Cont", conts({"EndText": text}))
    road.run(road.map(("'%Y%m%d'", f"'{pattern}'")))
    assert [r["ZZRQ"] for r in road.kept()] == ([read] if read else [])
    assert [b[3] for b in bad(road)] == ([] if read else [text])


@pytest.mark.parametrize(("amount", "read"), [
    ("12.50", "12.50"), ("-0.01", "-0.01"), ("+7", "7.00"), ("0", "0.00"), (".5", "0.50"), ("1.500000000000", "1.50"), (None, None),
    ("1.005", None), ("1,000.00", None), ("1_000", None), ("1e3", None), ("0x10", None), ("１２", None), ("12元", None), ("--1", None), ("1.123456789", None),
    ("99999999999", None), ("9" * 40, None),
])
def test_numbers_in_text_are_read_or_set_aside_never_rounded(road, amount, read):
    road.source("core.Cont", conts({"Amount": amount}))
    result = road.run(road.map(("BF: c.Prem", "BF: parse_number(c.Amount)")))
    if read is None and amount is not None:
        assert result.rows_aside == 1 and len(bad(road)) == 1
        assert bad(road)[0][1] == "BF" and bad(road)[0][2] in ("number", "scale")
        if bad(road)[0][2] == "number":
            assert bad(road)[0][3] == amount
    else:
        assert [r["BF"] for r in road.kept()] == [Decimal(read) if read else None]


@pytest.mark.parametrize(("premium", "kept"), [("100.25", "100.25"), ("100.2500", "100.25"), ("0", "0"), (None, None), ("100.255", False), ("0.0001", False), ("99999999999.00", False)])
def test_decimals_beyond_the_standard_are_set_aside_not_rounded(road, premium, kept):
    road.source("core.Cont", conts({"Prem": premium and Decimal(premium)}))
    road.run()
    if kept is False:
        assert [(b[0], b[1], b[2], Decimal(b[3])) for b in bad(road)] == [("P1", "BF", "scale", Decimal(premium))] and road.kept() == []
    else:
        assert [r["BF"] for r in road.kept()] == [kept and Decimal(kept)] and bad(road) == []


def test_half_a_payment_is_no_whole_number(road):
    road.source("core.Cont", conts({"Times": Decimal("1.5")}, {"Times": Decimal("2.0000")}))
    road.run(road.map(("JFCS: coalesce(p.times, 0)", "JFCS: c.Times")))
    assert [(b[0], b[1], b[2]) for b in bad(road)] == [("P1", "JFCS", "scale")]
    assert [(r["BDH"], r["JFCS"]) for r in road.kept()] == [("P2", 2)]


def test_a_row_set_aside_keeps_all_its_faults_and_its_birth_certificate(road):
    road.source("core.Cont", conts({"EndText": "x", "Prem": Decimal("0.005")}))
    result = road.run()
    [row] = road.set_aside()
    assert [f["item"] for f in row["_bad"]] == ["ZZRQ", "BF"]
    assert (row["BDH"], row["_src_system"], row["_src_table"], row["_src_key"], row["_src_row"], row["_batch"]) == ("P1", "core", "Cont", "P1", 1, "b1")
    assert (result.rows_in, result.rows_out, result.rows_aside) == (1, 0, 1)


def test_text_is_trimmed_and_blank_text_is_nothing(road):
    road.source("core.Cont", conts({"Branch": "\u3000J1 "}, {"Branch": " \u00a0\u3000"}, {"Branch": "J\u30001"}, {"Branch": ""}, {"Branch": "\tJ1"}))
    road.run()
    assert [r["JGDM"] for r in road.kept()] == ["J1", None, "J\u30001", None, "\tJ1"]


def test_defaults_and_constants_are_counted(road):
    road.source("core.Cont", conts({"EndText": None, "State": None}, {"EndText": "20250101"}, {"EndText": None}))
    result = road.run(road.map(("JGDM: c.Branch", "JGDM: {constant: J9, why: {zh: 只有一家, en: there is but one}}"), ("KHMC: a.AppName", "KHMC: {default: true, why: x}"),
                               ("BDZT: code(cont_state, c.State)", "BDZT: {default: true, why: {zh: 无, en: none}}")))
    told = counts(result)
    assert told["JGDM"] == (0, 0, 3, 0) and told["BDZT"] == (0, 3, 0, 0) and told["ZZRQ"] == (1, 2, 0, 0) and told["BDH"] == (3, 0, 0, 0)
    assert told["KHMC"] == (0, 0, 0, 0), "the standard has no default for it"
    assert {(r["JGDM"], r["BDZT"], r["KHMC"]) for r in road.kept()} == {("J9", "未知", None)}
    assert isinstance(result.items[0], ItemCount) and [c.item for c in result.items] == list(ITEMS)


def test_a_join_that_meets_several_rows_is_told_and_multiplies_nothing(road):
    road.source("core.Cont", conts({}, {}, {"ContNo": None}))
    road.source("core.App", [{"ContNo": "P1", "AppName": "乙", "_src_row": 7}, {"ContNo": "P1", "AppName": "甲", "_src_row": 3}, {"ContNo": "P2", "AppName": "丙"}, {"ContNo": None, "AppName": "丁"}])
    result = road.run()
    assert (result.rows_in, result.rows_out) == (3, 3)
    assert [(r["BDH"], r["KHMC"], r["_ambiguous"]) for r in road.kept()] == [("P1", "甲", ["a"]), ("P2", "丙", []), (None, None, [])]


def test_aggregates_over_no_rows_are_nothing(road):
    road.source("core.Cont", conts({}, {}))
    road.source("core.Pay", [{"ContNo": "P1", "Money": 10, "PayDate": "20240105"}, {"ContNo": "P1", "Money": 20, "PayDate": "20240301"}, {"ContNo": "P2", "Money": -1}])
    road.run(road.map(("BF: c.Prem", "BF: p.total"), ("ZZRQ: parse_date(c.EndText,", "ZZRQ: parse_date(p.last,"), ("times: count(*)", "times: count(*), who: any_of(p.Payer)")))
    assert [(r["BF"], r["ZZRQ"], r["JFCS"]) for r in road.kept()] == [(Decimal("30.00"), date(2024, 3, 1), 2), (None, date(9999, 12, 31), 0)]


PERIOD = ("where: c.Kind = '1'", "where: \"c.Kind = '1' AND parse_date(c.EndText, '%Y%m%d') BETWEEN period_start() AND period_end()\"")


def test_a_filter_that_cannot_read_its_date_sets_aside_rather_than_passes_over(road):
    road.source("core.Cont", conts({"EndText": "20240615"}, {"EndText": "20240701"}, {"EndText": "2024.6.15"}, {"EndText": None}, {"EndText": "x", "Kind": "2"}))
    result = road.run(road.map(PERIOD))
    # P5 is of another kind whatever its date says; P4 has no date, so it is not in the period.
    assert [r["BDH"] for r in road.kept()] == ["P1"]
    assert {b[0] for b in bad(road)} == {"P3"} and {b[3] for b in bad(road)} == {"2024.6.15"}
    assert (result.rows_in, result.rows_out, result.rows_aside) == (2, 1, 1)


def test_a_filter_that_needs_no_date_to_be_true_keeps_the_row(road):
    road.source("core.Cont", conts({"EndText": "x", "Branch": "A"}, {"EndText": "x"}))
    road.run(road.map(("where: c.Kind = '1'", "where: \"c.Branch = 'A' OR NOT (parse_date(c.EndText, '%Y%m%d') < period_start())\""), ("ZZRQ: parse_date(c.EndText, '%Y%m%d')", "ZZRQ: c.SignDate")))
    assert [r["BDH"] for r in road.kept()] == ["P1"] and {b[0] for b in bad(road)} == {"P2"}


def test_a_substitute_does_not_hide_an_unreadable_date_from_the_filter(road):
    road.source("core.Cont", conts({"EndText": "x"}, {"EndText": None}))
    road.run(road.map(("where: c.Kind = '1'", "where: \"coalesce(parse_date(c.EndText, '%Y%m%d'), DATE '1900-01-01') >= period_start()\"")))
    assert road.kept() == [] and {b[0] for b in bad(road)} == {"P1"}


def test_two_branches_are_put_together(road):
    both = FILES["mappings/sources/core/small_2024/BD.yaml"]
    second = both[both.index("  - from:"):].replace("c.Kind = '1'", "c.Kind = '2'").replace("JGDM: c.Branch", "JGDM: {constant: J0, why: x}")
    road.source("core.Cont", conts({}, {"Kind": "2"}, {"Kind": "3"}, {"Kind": "2", "EndText": "x"}))
    result = road.run(road.map(("      JFCS: coalesce(p.times, 0)\n", "      JFCS: coalesce(p.times, 0)\n" + second)))
    assert (result.rows_in, result.rows_out, result.rows_aside) == (3, 2, 1)
    assert [(r["_row"], r["BDH"], r["JGDM"], r["_branch"]) for r in road.kept()] == [(1, "P1", "J1", 0), (2, "P2", "J0", 1)]
    assert [r["_branch"] for r in road.set_aside()] == [1] and counts(result)["JGDM"] == (1, 0, 2, 0)


def test_other_functions_of_mappings(road):
    road.source("core.Cont", conts({"Prem": Decimal("100.5"), "Modified": datetime(2024, 5, 6, 7, 8)}))
    road.run(road.map(("KHMC: a.AppName", "KHMC: to_text(c.Times) || '-' || substr(c.ContNo, 1, 1)"), ("SXRQ: c.SignDate", "SXRQ: CAST(c.Modified AS DATE)"), ("BF: c.Prem", "BF: round(c.Prem / 3, 2)")))
    [row] = road.kept()
    assert (row["KHMC"], row["SXRQ"], row["BF"]) == ("1.0000-P", date(2024, 5, 6), Decimal("33.50"))


MANY = [{"ContNo": f"P{n % 40:02}", **CONT, "State": "12 9"[n % 4].strip() or None, "EndText": ("x", "20240101", None)[n % 3], "Prem": Decimal(n) / 8} for n in range(300)]
APPS = [{"ContNo": f"P{n % 50:02}", "AppName": f"客户{n}"} for n in range(90)]


def test_the_same_rows_give_the_same_bytes_in_any_order_on_any_number_of_threads(tmp_path):
    seen = set()
    for threads, shuffle in ((1, 0), (1, 11), (3, 0), (3, 101)):
        folder = tmp_path / f"{threads}-{shuffle}"
        folder.mkdir()
        with small_road(folder, threads) as road:
            road.source("core.Cont", MANY, shuffle)
            road.source("core.App", APPS, shuffle)
            road.source("core.Pay", [{"ContNo": f"P{n % 40:02}", "Money": 1 + n % 3} for n in range(120)], shuffle)
            result = road.run(road.map(("JGDM: c.Branch", "JGDM: code(life.cont_state, c.State)")))
            assert result.rows_in == 300 and 0 < result.rows_aside < 300 and result.unmapped
            seen.add((road.target.read_bytes(), road.aside.read_bytes(), result))
    assert len(seen) == 1


VALUES = st.fixed_dictionaries({}, optional={
    "ContNo": st.sampled_from(["P1", "P2", None, " ", "P1\u3000"]), "Kind": st.sampled_from(["1", "2", None]), "State": st.sampled_from(["1", "2", "9", None, " "]),
    "EndText": st.sampled_from(["20240101", "20240199", "", None, "2024-01-01", "x'y"]), "Prem": st.decimals(-(10**13), 10**13, places=4) | st.none(),
    "Branch": st.text(max_size=3).filter(lambda t: not any(0xD800 <= ord(c) <= 0xDFFF for c in t)) | st.none()})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(VALUES, max_size=8), st.lists(st.sampled_from(["P1", "P2", None]), max_size=4))
def test_rows_in_are_rows_out_and_rows_aside(road, rows, apps):
    rows = conts(*rows)
    road.source("core.Cont", rows)
    road.source("core.App", [{"ContNo": number, "AppName": "a"} for number in apps])
    result = road.run()
    kept, aside = road.kept(), road.set_aside()
    wanted = [n for n, row in enumerate(rows, 1) if row["Kind"] == "1"]
    assert sorted(r["_src_row"] for r in kept + aside) == wanted and result.rows_in == len(wanted)
    assert [r["_row"] for r in kept] == list(range(1, len(kept) + 1))
    for count in result.items:
        assert count.mapped + count.defaulted + count.constant <= result.rows_in
    for row in kept:
        source = rows[row["_src_row"] - 1]
        assert row["BF"] == source["Prem"], "nothing was rounded"
        assert row["BDZT"] is not None or row["_unmapped"] == ["BDZT"]
