from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.standard.definition import SerialFormat
from etl.submission.serial import (
    SerialLength,
    SerialOverflow,
    SerialPatternBroken,
    SerialUnreadable,
    parse_serial,
    serial_number,
    serial_sql,
)

FORMAT = SerialFormat()
DAY = date(2026, 11, 10)


def test_a_serial_number_is_company_date_and_sequence():
    assert serial_number(FORMAT, "000999", DAY, 1) == "000999202611100000000001"
    assert serial_number(FORMAT, "000999", DAY, 9_999_999_999) == "000999202611109999999999"


@pytest.mark.parametrize("sequence", [0, -1, 10_000_000_000])
def test_a_sequence_that_does_not_fit_is_refused(sequence):
    with pytest.raises(SerialOverflow):
        serial_number(FORMAT, "000999", DAY, sequence)


def test_a_company_of_another_length_is_refused():
    with pytest.raises(SerialLength) as caught:
        serial_number(FORMAT, "99", DAY, 1)
    assert caught.value.values["found"] == 20


@pytest.mark.parametrize(
    "pattern", ["{company}{report_date:%Y%m%d}", "{sequence:d}", "{sequence:010d}{branch}", "{sequence:010d"]
)
def test_a_pattern_that_cannot_work_is_refused(pattern):
    with pytest.raises(SerialPatternBroken):
        serial_number(SerialFormat(pattern=pattern), "000999", DAY, 1)


@given(st.integers(1, 9_999_999_999), st.dates(date(1900, 1, 1), date(9999, 12, 31)), st.from_regex(r"\A[0-9A-Z]{6}\Z"))
def test_what_is_built_parses_back(sequence, day, company):
    serial = parse_serial(FORMAT, serial_number(FORMAT, company, day, sequence))
    assert (serial.company, serial.report_date, serial.sequence) == (company, day, sequence)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "000999202611100000000000",
        "000999202613100000000001",
        "00099920261110000000001",
        "0009992026111000000000011",
        "00099920261110000000000a",
        "00099920261110000000000１",
    ],
)
def test_other_texts_are_no_serial_numbers(text):
    with pytest.raises(SerialUnreadable):
        parse_serial(FORMAT, text)


def test_sql_gives_the_same_as_python():
    import duckdb

    numbers = [1, 2, 10, 9_999_999_999]
    sql = serial_sql(FORMAT, "000999", DAY, "n")
    found = duckdb.sql(f"SELECT {sql} FROM (SELECT unnest({numbers}) AS n)").fetchall()
    assert [f[0] for f in found] == [serial_number(FORMAT, "000999", DAY, n) for n in numbers]


def test_sql_fails_rather_than_cutting_a_sequence():
    import duckdb

    sql = serial_sql(FORMAT, "000999", DAY, "n")
    with pytest.raises(duckdb.Error, match="out of range"):
        duckdb.sql(f"SELECT {sql} FROM (SELECT 10000000000 AS n)").fetchall()


def test_literal_text_and_another_order_of_parts():
    fmt = SerialFormat(pattern="{report_date:%y%m}-{sequence:04d}/{company}", length=14)
    assert serial_number(fmt, "AB12", DAY, 7) == "2611-0007/AB12"


def test_a_literal_with_a_quote_is_safe_in_sql():
    import duckdb

    fmt = SerialFormat(pattern="'{company}'{sequence:04d}", length=10)
    assert duckdb.sql(f"SELECT {serial_sql(fmt, 'AB12', DAY, '7')}").fetchall() == [("'AB12'0007",)]
