from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.engines.local import literal, open_engine
from etl.sources.convert import clean_text_sql, reason_sql, typed_sql
from etl.sources.definition import SourceColumn

INTEGER = SourceColumn("x", "integer")
AMOUNT = SourceColumn("x", "decimal", precision=16, scale=2)
DATE = SourceColumn("x", "date")
MOMENT = SourceColumn("x", "timestamp")


@pytest.fixture(scope="module")
def engine():
    with open_engine() as opened:
        yield opened


def convert(engine, column, text):
    typed = typed_sql(column, "v")
    [row] = engine.rows(f"SELECT {typed}, {reason_sql(column, 'v', typed)} FROM (SELECT {clean_text_sql(literal(text))} AS v)")
    return row


@pytest.mark.parametrize(("column", "text", "expected"), [
    (INTEGER, "7", 7), (INTEGER, "-7", -7), (INTEGER, "+7", 7), (INTEGER, "7.0", 7), (INTEGER, "007", 7), (INTEGER, "9223372036854775807", 2**63 - 1),
    (AMOUNT, "1234.5", Decimal("1234.50")), (AMOUNT, ".5", Decimal("0.50")), (AMOUNT, "5.", Decimal("5.00")), (AMOUNT, "1.500000", Decimal("1.50")),
    (AMOUNT, "1.0e+03", Decimal("1000.00")), (AMOUNT, "1.5e-1", Decimal("0.15")), (AMOUNT, "-0.00", Decimal("0.00")), (AMOUNT, "0.000", Decimal("0.00")),
    (AMOUNT, "99999999999999.99", Decimal("99999999999999.99")), (AMOUNT, "+1", Decimal("1.00")),
    (DATE, "2024-02-29", date(2024, 2, 29)), (DATE, "2024-02-29 00:00:00", date(2024, 2, 29)), (DATE, "2024-02-29T00:00:00.000", date(2024, 2, 29)),
    (DATE, "0001-01-01", date(1, 1, 1)), (DATE, "9999-12-31", date(9999, 12, 31)),
    (MOMENT, "2024-02-29", datetime(2024, 2, 29)), (MOMENT, "2024-02-29T08:09", datetime(2024, 2, 29, 8, 9)),
    (MOMENT, "2024-02-29 08:09:10.123456", datetime(2024, 2, 29, 8, 9, 10, 123456)),
    (INTEGER, "", None), (AMOUNT, " ", None), (DATE, "　", None), (MOMENT, "\u00a0", None),
])
def test_converts(engine, column, text, expected):
    assert convert(engine, column, text) == (expected, None)


@pytest.mark.parametrize(("column", "text", "reason"), [
    (INTEGER, "7.5", "integer"), (INTEGER, "seven", "integer"), (INTEGER, "1e3", "integer"), (INTEGER, "９", "integer"), (INTEGER, "true", "integer"),
    (INTEGER, "9223372036854775808", "range"), (INTEGER, "0x10", "integer"), (INTEGER, "1_000", "integer"),
    (AMOUNT, "1.005", "scale"), (AMOUNT, "1.0e-03", "scale"), (AMOUNT, "100000000000000.00", "range"), (AMOUNT, "1e20", "range"), (AMOUNT, "1,000", "decimal"),
    (AMOUNT, "NaN", "decimal"), (AMOUNT, "Infinity", "decimal"), (AMOUNT, ".", "decimal"), (AMOUNT, "¥5", "decimal"), (AMOUNT, "1_0", "decimal"),
    (AMOUNT, "0." + "0" * 40 + "1", "scale"),
    (DATE, "2024-02-30", "date"), (DATE, "2023-02-29", "date"), (DATE, "2024-1-2", "date"), (DATE, "20240102", "date"), (DATE, "2024-01-02 08:00:00", "date"),
    (DATE, "0000-01-01", "date"), (DATE, "infinity", "date"), (DATE, "2024-01-02 (BC)", "date"), (DATE, "12024-01-02", "date"),
    (MOMENT, "2024-01-02 24:01:00", "timestamp"), (MOMENT, "2024-01-02 08:00:00+08", "timestamp"), (MOMENT, "2024-01-02 08:00:00.1234567", "timestamp"),
])
def test_does_not_convert(engine, column, text, reason):
    assert convert(engine, column, text) == (None, reason)


@pytest.mark.parametrize(("text", "expected"), [
    ("张三", "张三"), (" \u3000\u00a0张 三\u00a0\u3000 ", "张 三"), ("\t张三\t", "\t张三\t"), (" \t ", "\t"), ("", None), ("\u3000", None), ("　Ａ ", "Ａ"),
])
def test_blanks_are_trimmed_and_what_is_empty_is_null(engine, text, expected):
    assert engine.one(f"SELECT {clean_text_sql(literal(text))}") == expected


@settings(max_examples=150, deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-10**9, max_value=10**9), st.booleans())
def test_a_decimal_is_exact_or_set_aside(engine, value, scientific):
    typed, reason = convert(engine, AMOUNT, format(value, "e" if scientific else "f"))
    exact = value == value.quantize(Decimal("0.01"))
    assert (typed, reason) == ((value, None) if exact else (None, "scale"))
