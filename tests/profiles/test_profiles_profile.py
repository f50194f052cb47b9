"""The profile of a table against rows counted by hand; and what it must not hold."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from small_profiles import small_standard

from etl.engines import open_engine
from etl.profiles.definition import WHOLE
from etl.profiles.profile import ValueLists, profile_table, read_profiles, write_profiles

DAY = date(2026, 10, 31)
ROWS = """
    SELECT * FROM (VALUES
        ('P1', 'A', '有效', '张三', 1980, 100.50::DECIMAL(16,2), DATE '2026-10-05'),
        ('P2', 'A', '有效', '李四', 1990, 200.00, DATE '2026-10-30'),
        ('P3', 'B', '终止', '张三', NULL, NULL, DATE '9999-12-31'),
        ('P4', 'C', '未知', NULL, 1970, -0.50, NULL),
        ('P5', NULL, '作废', '王五', 1980, 0.00, DATE '2026-10-01'),
        ('P6', '赵六家', '赵六', '赵六', 2001, 100.50, DATE '2026-09-30'),
        ('P7', 'B', NULL, '孙七', 2002, 1.00, DATE '2026-10-02')) v(BDH, JGDM, ZT, XM, CS, BF, RQ)"""


@pytest.fixture
def profile(tmp_path):
    standard = small_standard(tmp_path)
    with open_engine() as engine:
        engine.execute("CREATE TABLE data.JG AS SELECT * FROM (VALUES ('A'), ('B'), ('C'), ('D')) v(JGDM)")
        engine.execute(f"CREATE TABLE data.BD AS {ROWS}")
        return profile_table(ValueLists(engine, standard, DAY), standard.tables["BD"], "2026-10", "r1", ("JGDM",), aside=3)


def test_rows_nulls_blanks(profile):
    assert profile.rows == 7 and profile.items[WHOLE].aside == 3
    nulls = {code: line.nulls for code, line in profile.items.items() if code != WHOLE}
    assert nulls == {"BDH": 0, "JGDM": 1, "ZT": 1, "XM": 1, "CS": 1, "BF": 1, "RQ": 1}
    # 未知 and 9999-12-31 stand for "not recorded": one row each, besides the nulls.
    assert (profile.items["ZT"].blanks, profile.items["RQ"].blanks, profile.items["BF"].blanks) == (2, 2, 1)


def test_numbers_and_dates(profile):
    premium = profile.items["BF"]
    # 100.50 + 200.00 - 0.50 + 0.00 + 100.50 + 1.00
    assert (premium.total, premium.least, premium.most) == (Decimal("401.50"), Decimal("-0.50"), Decimal("200.00"))
    assert (profile.items["RQ"].first_day, profile.items["RQ"].last_day) == (date(2026, 9, 30), date(9999, 12, 31))


def test_codes_are_counted_and_what_is_no_code_is_not_kept(profile):
    state = profile.items["ZT"]
    # 作废 ended in 2020 and 赵六 is a name in the wrong column: two rows that are none of the codes.
    assert state.codes == {"有效": 2, "终止": 1, "未知": 1} and state.other == 2 and state.distinct == 3
    branch = profile.items["JGDM"]
    assert branch.codes == {"A": 2, "B": 2, "C": 1} and branch.other == 1


def test_private_items_are_counted_only(profile):
    for code in ("XM", "CS"):
        line = profile.items[code]
        assert (line.total, line.least, line.most, line.first_day, line.codes) == (None, None, None, None, None)
    # 5 and 5; the engine's estimate may be off by one, and is never above the filled rows.
    assert abs(profile.items["XM"].distinct - 5) <= 1 and profile.items["CS"].distinct <= 6


def test_no_value_of_a_person_is_in_the_file(profile, tmp_path):
    path = write_profiles([profile], tmp_path)
    everything = path.read_text(encoding="utf-8")
    assert "有效" in everything
    assert not any(name in everything for name in ("张三", "李四", "赵六", "1980", "P1"))


def test_a_profile_reads_back_as_it_was_written(profile, tmp_path):
    write_profiles([profile], tmp_path)
    assert read_profiles(tmp_path) == {"BD": profile}
    assert read_profiles(tmp_path / "elsewhere") == {}


def test_the_profile_takes_one_scan(tmp_path):
    standard = small_standard(tmp_path)
    asked: list[str] = []
    with open_engine() as engine:
        engine.execute("CREATE TABLE data.JG AS SELECT 'A' AS JGDM")
        engine.execute(f"CREATE TABLE data.BD AS {ROWS}")
        take = engine.rows
        engine.rows = lambda sql, parameters=None: (asked.append(sql), take(sql, parameters))[1]
        profile_table(ValueLists(engine, standard, DAY), standard.tables["BD"])
        over = [sql for sql in asked if 'data."BD"' in sql]
        plan = "\n".join(row[1] for row in take(f"EXPLAIN {over[0]}"))
    assert len(over) == 1 and plan.count("Sequential Scan") == 1


def test_an_empty_table_has_a_profile(tmp_path):
    standard = small_standard(tmp_path)
    with open_engine() as engine:
        engine.execute(f"CREATE TABLE data.BD AS {ROWS} WHERE false")
        engine.execute("CREATE TABLE data.JG AS SELECT 'A' AS JGDM WHERE false")
        profile = profile_table(ValueLists(engine, standard, DAY), standard.tables["BD"], drifting=("JGDM",))
    assert profile.rows == 0 and profile.items["ZT"].codes == {} and profile.items["BF"].total is None
    # Nothing to count by: there were no branches at all.
    assert profile.items["JGDM"].codes is None


def test_thousands_of_codes_are_counted_alike(tmp_path):
    standard = small_standard(tmp_path)
    codes = tmp_path / "mappings/standards/small_2026/codes/ZT.csv"
    codes.write_text("code,name,name_en,valid_from,valid_to,provenance\n" + "".join(f"{n},状态{n},,,,G\n" for n in range(3000)), encoding="utf-8")
    from etl.standard.loader import load_standard_folder

    standard = load_standard_folder(codes.parents[1])
    with open_engine() as engine:
        engine.execute("CREATE TABLE data.BD AS SELECT n::VARCHAR AS BDH, NULL::VARCHAR AS JGDM, '状态' || (n % 3)::VARCHAR AS ZT, NULL::VARCHAR AS XM, NULL::BIGINT AS CS,"
                       " 1.00::DECIMAL(16,2) AS BF, NULL::DATE AS RQ FROM range(10) t(n)")
        values = ValueLists(engine, standard, DAY)
        unwatched = profile_table(values, standard.tables["BD"])
        first, second = (profile_table(values, standard.tables["BD"], drifting=("ZT",)) for _ in range(2))
    # So many values are counted one by one only where somebody watches them.
    assert unwatched.items["ZT"].codes is None and unwatched.items["ZT"].distinct == 3
    assert first.items["ZT"].codes == {"状态0": 4, "状态1": 3, "状态2": 3} and first == second


def test_distinct_values_are_estimated_within_a_tenth(tmp_path):
    standard = small_standard(tmp_path)
    with open_engine() as engine:
        engine.execute("CREATE TABLE data.BD AS SELECT 'P' || n AS BDH, NULL::VARCHAR AS JGDM, NULL::VARCHAR AS ZT, '姓名' || (n % 500) AS XM, NULL::BIGINT AS CS,"
                       " 1.00::DECIMAL(16,2) AS BF, NULL::DATE AS RQ FROM range(2000) t(n)")
        items = profile_table(ValueLists(engine, standard, DAY), standard.tables["BD"]).items
    assert 1800 <= items["BDH"].distinct <= 2000 and 450 <= items["XM"].distinct <= 550
