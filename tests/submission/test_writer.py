import hashlib
from datetime import date

import pytest

from etl.errors import Problems
from etl.submission.serial import SerialOverflow
from etl.submission.writer import (
    FormatUnusable,
    ValueBreaksLine,
    ValueNotEncodable,
    ValueReadsAsNull,
    WriteSourceUnfit,
    write_table,
)

HEAD = "000999\x01东岸人寿保险股份有限公司\x01"


def test_every_byte_of_a_small_file(written, make):
    file = written(
        [
            make.row(),
            make.row("P2", None, None, None, None, None),
            make.row("P3", "李\U00020000", "未记录", date(9999, 12, 31), "-0.05", -7),
        ]
    )
    expected = (
        f"000999202611100000000001\x01{HEAD}P1\x01张三\x01有效\x012024-02-29\x0112.50\x013\n"
        f"000999202611100000000002\x01{HEAD}P2\x01\x01\x01\x01\x01\n"
        f"000999202611100000000003\x01{HEAD}P3\x01李\U00020000\x01未记录\x019999-12-31\x01-0.05\x01-7\n"
    ).encode()
    assert file.path.read_bytes() == expected
    assert (file.table, file.name, file.rows, file.lines, file.bytes) == (
        "DEMO",
        "000999-DEMO-20261031.txt",
        3,
        3,
        len(expected),
    )
    assert file.sha256 == hashlib.sha256(expected).hexdigest()
    assert (file.first_serial, file.last_serial) == ("000999202611100000000001", "000999202611100000000003")
    assert file.totals == {"BF": "12.45", "FS": "-4"}
    assert [p.name for p in file.path.parent.iterdir()] == [file.name]


def test_other_format_settings_are_obeyed(written, make):
    standard = make.standard(
        encoding="gb18030",
        separator="|",
        line_end="\r\n",
        header=True,
        null="\\N",
        date="%Y%m%d",
        file_name="{table}_{company}_{period_start:%Y%m%d}_{report_date:%Y%m%d}.dat",
    )
    file = written([make.row("P1", None)], standard, first=41)
    assert file.name == "DEMO_000999_20261001_20261110.dat"
    assert file.path.read_bytes() == (
        "LSH|BXJGDM|BXJGMC|BDH|XM|ZT|SXRQ|BF|FS\r\n"
        "000999202611100000000041|000999|东岸人寿保险股份有限公司|P1|\\N|有效|20240229|12.50|3\r\n"
    ).encode("gb18030")


def test_an_empty_table_makes_an_empty_file(written, make):
    file = written([])
    assert file.path.read_bytes() == b""
    assert (file.rows, file.first_serial, file.last_serial, file.totals) == (0, None, None, {"BF": "0.00", "FS": "0"})
    assert (
        written([], make.standard(header=True), folder="headed").path.read_bytes()
        == b"\x01".join([b"LSH", b"BXJGDM", b"BXJGMC", b"BDH", b"XM", b"ZT", b"SXRQ", b"BF", b"FS"]) + b"\n"
    )


@pytest.mark.parametrize("bad", ["\x01", "\n", "\r", "\x00"])
def test_a_value_that_would_break_a_line_refuses_the_table(written, make, tmp_path, bad):
    rows = [make.row(), make.row("P2", f"王{bad}五"), make.row("P3", f"{bad}赵六")]
    with pytest.raises(ValueBreaksLine) as caught:
        written(rows)
    assert caught.value.values == {"table": "DEMO", "item": "XM", "rows": 2}
    for language in ("zh", "en"):
        assert "王" not in caught.value.sentence(language) and "赵" not in caught.value.sentence(language)
    assert list((tmp_path / "out").iterdir()) == []


def test_all_items_that_break_lines_are_named_at_once(written, make):
    with pytest.raises(Problems) as caught:
        written([make.row("P\n", "王\x01五")])
    assert [(e.values["item"], e.values["rows"]) for e in caught.value.errors] == [("BDH", 1), ("XM", 1)]


def test_the_separator_in_force_decides_what_breaks_a_line(written, make):
    assert written([make.row("P|1")]).rows == 1
    with pytest.raises(ValueBreaksLine):
        written([make.row("P|1")], make.standard(separator="|"))


@pytest.mark.parametrize("value", ["a||b", "a|"])
def test_a_long_separator_may_not_arise_across_a_boundary(written, make, value):
    with pytest.raises(ValueBreaksLine) as caught:
        written([make.row("P1", value)], make.standard(separator="||"))
    assert caught.value.values["item"] == "XM"


def test_a_long_separator_works(written, make):
    file = written([make.row("P1", "|a")], make.standard(separator="||"))
    assert file.path.read_bytes().count(b"||") == 8


def test_a_value_like_null_is_refused(written, make):
    with pytest.raises(ValueReadsAsNull) as caught:
        written([make.row(), make.row("P2", "NULL")], make.standard(null="NULL"))
    assert caught.value.values == {"table": "DEMO", "item": "XM", "rows": 1}


def test_a_character_that_the_encoding_lacks_refuses_the_table(written, make, tmp_path):
    standard = make.standard(encoding="gbk")
    assert written([make.row("P1", "张三")], standard).rows == 1
    with pytest.raises(ValueNotEncodable) as caught:
        written([make.row(), make.row("P2", "\U00020000"), make.row("P3", "é€\u0e01")], standard, folder="bad")
    assert caught.value.values == {"table": "DEMO", "item": "XM", "rows": 2, "encoding": "gbk"}
    assert "\U00020000" not in caught.value.sentence("zh")
    assert list((tmp_path / "bad").iterdir()) == []


def test_serial_numbers_that_would_overflow_are_refused_before_writing(written, make, tmp_path):
    assert written([make.row()], first=9_999_999_999).last_serial == "000999202611109999999999"
    with pytest.raises(SerialOverflow):
        written([make.row(), make.row("P2")], first=9_999_999_999, folder="bad")
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"line_end": ""},
        {"separator": ""},
        {"separator": "\n"},
        {"line_end": "|\n"},
        {"encoding": "utf-16"},
        {"null": "\x01"},
        {"separator": "，", "encoding": "ascii"},
    ],
)
def test_a_format_that_cannot_be_read_back_is_refused(written, make, changes):
    with pytest.raises(FormatUnusable):
        written([make.row()], make.standard(**changes))


def test_rows_out_of_order_are_refused(make, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = make.rows(tmp_path / "s.parquet", [make.row("P1"), make.row("P2"), make.row("P3")])
    table = pq.read_table(source)
    for numbers in ([1, 3, 2], [0, 1, 2], [1, 2, 2], [1, 2, None]):
        pq.write_table(
            table.set_column(table.schema.get_field_index("_row"), "_row", pa.array(numbers, pa.int64())), source
        )
        with pytest.raises(WriteSourceUnfit):
            _write(source, make, tmp_path / "out")


@pytest.mark.parametrize(
    "column, kind", [("BF", "decimal128(16, 4)"), ("BF", "double"), ("SXRQ", "string"), ("FS", "string"), ("XM", None)]
)
def test_a_column_of_another_type_is_refused_by_name(make, tmp_path, column, kind):
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = make.rows(tmp_path / "s.parquet", [make.row()])
    table = pq.read_table(source)
    index = table.schema.get_field_index(column)
    types = {"decimal128(16, 4)": pa.decimal128(16, 4), "double": pa.float64(), "string": pa.string()}
    table = (
        table.remove_column(index)
        if kind is None
        else table.set_column(index, column, table.column(index).cast(types[kind]))
    )
    pq.write_table(table, source)
    with pytest.raises(WriteSourceUnfit, match=column):
        _write(source, make, tmp_path / "out")


def test_a_narrower_scale_is_written_with_the_items_own(make, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = make.rows(tmp_path / "s.parquet", [make.row(bf="12.00")])
    table = pq.read_table(source)
    index = table.schema.get_field_index("BF")
    pq.write_table(table.set_column(index, "BF", table.column(index).cast(pa.decimal128(10, 0))), source)
    assert _write(source, make, tmp_path / "out").path.read_bytes().split(b"\x01")[7] == b"12.00"


def test_many_batches_are_one_file(make, tmp_path):
    rows = [make.row(f"P{n}", "名" * (n % 5)) for n in range(120_001)]
    file = _write(make.rows(tmp_path / "s.parquet", rows), make, tmp_path / "out")
    lines = file.path.read_text(encoding="utf-8").split("\n")
    assert len(lines) == 120_002 and lines[-1] == ""
    assert [line.split("\x01")[3] for line in lines[:-1]] == [r[0] for r in rows]
    assert lines[120_000].startswith("000999202611100000120001\x01")


def _write(source, make, folder):
    standard = make.standard()
    return write_table(
        source,
        standard.tables["DEMO"],
        standard,
        company=make.company,
        period=make.period,
        report_date=make.report_date,
        first_sequence=1,
        folder=folder,
    )
