from __future__ import annotations

import sqlite3
from decimal import Decimal

import pytest

from etl.sources.definition import SourceColumn, SourceTable
from etl.sources.extract import extract_system
from tests.sources.conftest import CONT, execute, make_system, rows

FIELDS = ("_src_key", "_src_row", "column", "reason", "original")


def extract(path, tmp_path, *tables, road=None):
    [one] = extract_system(make_system(*tables), str(path), tmp_path / "out", batch_id="b1", road=road)
    assert one.rows_in == one.rows_out + one.rows_aside
    return one, rows(one.path), rows(one.aside_path)


@pytest.mark.parametrize("road", ["adbc", "sqlalchemy"])
def test_what_does_not_convert_is_set_aside_whole_with_its_original(sqlite_path, tmp_path, road):
    # SQLite keeps what it is given, whatever the column's type.
    execute(
        sqlite_path,
        "INSERT INTO LCCont VALUES ('C1', '甲', '2024/01/02', 1, 1, NULL)",
        "INSERT INTO LCCont VALUES ('C2', '乙', '2024-02-30', 1, 1, NULL)",
        "INSERT INTO LCCont VALUES ('C3', '丙', '2024-01-02', '12,5', 1, NULL)",
        "INSERT INTO LCCont VALUES ('C4', '丁', '2024-01-02', 1.005, 1, NULL)",
        "INSERT INTO LCCont VALUES ('C5', '戊', '2024-01-02', 1, 1.5, NULL)",
        "INSERT INTO LCCont VALUES ('C6', '己', '2024-01-02', 1, 1, '2024-01-02 25:00:00')",
        "INSERT INTO LCCont VALUES ('C7', CAST(x'fee5bca0' AS TEXT), '2024-01-02', 1, 1, NULL)",
        "INSERT INTO LCCont VALUES ('C8', CAST(x'eda080' AS TEXT), '2024-01-02', 1, 1, NULL)",
        "INSERT INTO LCCont VALUES ('C9', '壬', '2024-01-02', 12345678901234567, 1, NULL)",
        "INSERT INTO LCCont VALUES ('D1', '癸', ' 2024-01-02　', '  7.50 ', ' 3', '2024-01-02')",
    )
    one, kept, aside = extract(sqlite_path, tmp_path, CONT, road=road)
    assert (one.rows_in, one.rows_out, one.rows_aside) == (10, 1, 9)
    assert [tuple(row[f] for f in FIELDS) for row in aside] == [
        ("C1", 1, "CValiDate", "date", "2024/01/02"),
        ("C2", 2, "CValiDate", "date", "2024-02-30"),
        ("C3", 3, "Prem", "decimal", "12,5"),
        ("C4", 4, "Prem", "scale", "1.005"),
        ("C5", 5, "Years", "integer", "1.5"),
        ("C6", 6, "ModifyTime", "timestamp", "2024-01-02 25:00:00"),
        ("C7", 7, "AppntName", "encoding", "\\xfe张"),
        ("C8", 8, "AppntName", "encoding", "\\xed\\xa0\\x80"),
        ("C9", 9, "Prem", "range", "12345678901234567"),
    ]
    assert {(row["_src_system"], row["_src_table"], row["_batch"]) for row in aside} == {("life_admin", "LCCont", "b1")}
    assert [(r["ContNo"], r["CValiDate"].isoformat(), r["Prem"], r["Years"], r["_src_row"]) for r in kept] == [
        ("D1", "2024-01-02", Decimal("7.50"), 3, 10)]
    assert dict(aside[2]["row"]) == {"ContNo": "C3", "AppntName": "丙", "CValiDate": "2024-01-02", "Prem": "12,5", "Years": "1", "ModifyTime": None}


def test_a_row_with_two_faults_is_one_row_with_both_of_them(sqlite_path, tmp_path):
    execute(sqlite_path, "INSERT INTO LCCont VALUES ('C1', '甲', 'soon', 'much', 1, NULL)")
    one, kept, [aside] = extract(sqlite_path, tmp_path, CONT)
    assert (one.rows_aside, kept) == (1, [])
    assert aside["faults"] == [{"column": "CValiDate", "reason": "date", "original": "soon"}, {"column": "Prem", "reason": "decimal", "original": "much"}]


def test_a_key_that_does_not_convert_still_names_its_row(sqlite_path, tmp_path):
    execute(sqlite_path, "INSERT INTO LJAPay VALUES ('C1', 'first', 1)", "INSERT INTO LJAPay VALUES ('C1', 2, 1)")
    table = SourceTable("LJAPay", {}, ("ContNo", "PayNo"), (SourceColumn("ContNo", "text"), SourceColumn("PayNo", "integer")))
    _, kept, aside = extract(sqlite_path, tmp_path, table)
    assert [(r["_src_key"], r["_src_row"]) for r in aside] == [("C1|first", 1)]
    assert [(r["_src_key"], r["_src_row"]) for r in kept] == [("C1|2", 2)]


@pytest.mark.parametrize("road", ["adbc", "sqlalchemy"])
def test_a_nul_character_is_text_and_reaches_the_rules(sqlite_path, tmp_path, road):
    execute(sqlite_path, "INSERT INTO LCCont (ContNo, AppntName) VALUES ('C1', CAST(x'610062' AS TEXT))")
    _, kept, aside = extract(sqlite_path, tmp_path, CONT, road=road)
    assert aside == [] and kept[0]["AppntName"] == "a\x00b"


@pytest.mark.parametrize("road", ["adbc", "sqlalchemy"])
def test_a_utf16_database_is_read_as_text(tmp_path, road):
    path = tmp_path / "wide.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA encoding = 'UTF-16le'")
    connection.execute("CREATE TABLE T (K TEXT, V TEXT)")
    connection.execute("INSERT INTO T VALUES ('k', '张三')")
    connection.commit()
    connection.close()
    table = SourceTable("T", {}, ("K",), (SourceColumn("K", "text"), SourceColumn("V", "text")))
    _, kept, _ = extract(path, tmp_path, table, road=road)
    assert [(r["K"], r["V"]) for r in kept] == [("k", "张三")]


@pytest.mark.parametrize("road", ["adbc", "sqlalchemy"])
def test_binary_floats_stand_for_the_decimals_that_were_put_in(tmp_path, road):
    path = tmp_path / "core.db"
    execute(path, "CREATE TABLE T (K INTEGER, V REAL)", "INSERT INTO T VALUES (1, 0.1), (2, 0.1 + 0.2), (3, 1e12), (4, 100), (5, 9999999999999.99), (6, -0.0)",
            "INSERT INTO T VALUES (7, 12345678901234.56)", "INSERT INTO T VALUES (8, 1e-7)", "INSERT INTO T VALUES (9, 9e999)")
    table = SourceTable("T", {}, ("K",), (SourceColumn("K", "integer"), SourceColumn("V", "decimal", precision=18, scale=2)))
    _, kept, aside = extract(path, tmp_path, table, road=road)
    assert [(r["K"], str(r["V"])) for r in kept] == [(1, "0.10"), (2, "0.30"), (3, "1000000000000.00"), (4, "100.00"), (5, "9999999999999.99"), (6, "0.00")]
    # Beyond 15 digits a float no longer says which decimal it was: the row is set aside rather than guessed at.
    assert [(r["_src_key"], r["reason"]) for r in aside] == [("7", "scale"), ("8", "scale"), ("9", "decimal")]
