"""Fixed-width files: every byte where the standard puts it, nothing cut, and every damage told by line and item."""

from __future__ import annotations

import hashlib
import re
import tempfile
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.errors import Problems
from etl.standard.definition import EnvelopeField, FieldLayout, FixedFormat, Standard
from etl.submission.fixed_writer import ValueHoldsPadding, ValueNegative, ValueTooWide
from etl.submission.reader import inspect_file, load_lines
from etl.submission.writer import ValueBreaksLine, ValueNotEncodable, ValueReadsAsNull, write_table

NAME = "东岸人寿保险股份有限公司"
HEAD = (EnvelopeField(text="H"), EnvelopeField("table", layout=FieldLayout(width=6)), EnvelopeField("company", layout=FieldLayout(width=6)),
        EnvelopeField("period_end", date="%Y%m"), EnvelopeField("report_date"))
TRAIL = (EnvelopeField(text="T"), EnvelopeField("rows", layout=FieldLayout(width=8)), EnvelopeField("records", layout=FieldLayout(width=8)),
         EnvelopeField("sum", items={"DEMO": "BF"}, layout=FieldLayout(width=20)))
DAYS = {"period_start": date(2026, 10, 1), "period_end": date(2026, 10, 31), "report_date": date(2026, 11, 10)}


def fixed(make, encoding: str = "gb18030", head=HEAD, trail=TRAIL, layouts: dict[str, FieldLayout] | None = None, **fmt) -> Standard:
    standard = make.standard()
    table = standard.tables["DEMO"]
    items = tuple(replace(i, layout=(layouts or {}).get(i.code, FieldLayout())) for i in table.items)
    options = {"line_end": "\r\n", "date": "%Y%m%d", "decimals": "implied", **fmt}
    return replace(standard, format=FixedFormat(encoding=encoding, head=head, trail=trail, **options), tables={"DEMO": replace(table, items=items)})


@pytest.fixture
def inspect(tmp_path):
    def run(content: bytes, standard: Standard, company: str | None = None, days=None):
        path = tmp_path / "000999-DEMO-20261031.txt"
        path.write_bytes(content)
        return inspect_file(path, standard.tables["DEMO"], standard, company, days)

    return run


def found(report) -> list[tuple[int, str, str]]:
    return [(p.line, p.item, p.kind) for p in report.problems]


def name_field(encoding: str, width: int = 60) -> bytes:
    return NAME.encode(encoding).ljust(width)


# Widths: LSH 24, BXJGDM 6, BXJGMC 60, BDH 12, XM 12, ZT 12, SXRQ 8, BF 16 digits and a sign, FS 9 digits and a sign.
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_the_bytes_are_those_worked_out_by_hand(written, make, encoding):
    standard = fixed(make, encoding)
    rows = [make.row(bf="-12.50"), make.row(bdh="P2", xm="\U00020bb7田", zt=None, sxrq=None, bf=None, fs=None), make.row(bdh="P3", xm=None, bf="0.05", fs=-7)]
    file = written(rows, standard)
    name = name_field(encoding)
    lines = [
        b"HDEMO  00099920261020261110",
        b"000999202611100000000001000999" + name + b"P1          " + "张三".encode(encoding).ljust(12) + "有效".encode(encoding).ljust(12)
        + b"20240229" + b"-0000000000001250" + b"0000000003",
        b"000999202611100000000002000999" + name + b"P2          " + "\U00020bb7田".encode(encoding).ljust(12) + b" " * 12 + b" " * 8 + b" " * 17 + b" " * 10,
        b"000999202611100000000003000999" + name + b"P3          " + b" " * 12 + "有效".encode(encoding).ljust(12)
        + b"20240229" + b"00000000000000005" + b"-000000007",
        b"T0000000300000005-0000000000000001245",
    ]
    content = b"".join(line + b"\r\n" for line in lines)
    assert file.path.read_bytes() == content
    assert (file.rows, file.bytes, file.sha256) == (3, len(content), hashlib.sha256(content).hexdigest())
    report = inspect_file(file.path, standard.tables["DEMO"], standard, "000999", DAYS)
    assert report.problems == []
    assert (report.rows, report.totals, report.first_serial) == (3, {"BF": "-12.45", "FS": "-4"}, "000999202611100000000001")
    lines = load_lines(file.path, standard.tables["DEMO"], standard)
    assert lines["_line"].to_list() == [2, 3, 4]
    assert lines.row(0)[4:] == ("P1", "张三", "有效", "20240229", "-12.50", "3")
    assert lines.row(1)[4:] == ("P2", "\U00020bb7田", None, None, None, None)
    assert lines.row(2)[4:] == ("P3", None, "有效", "20240229", "0.05", "-7")


@pytest.mark.parametrize(("layout", "options", "value", "expected"), [
    (FieldLayout(width=10), {"decimals": "point"}, "-1.50", b"-000001.50"),
    (FieldLayout(width=10), {"decimals": "point", "sign": "trailing"}, "-1.50", b"000001.50-"),
    (FieldLayout(width=10), {"decimals": "point", "sign": "trailing"}, "1.50", b"000001.50 "),
    (FieldLayout(width=10), {"sign": "trailing_always"}, "1.50", b"000000150+"),
    (FieldLayout(width=10), {"sign": "leading_always"}, "1.50", b"+000000150"),
    (FieldLayout(width=10, padding=" "), {"sign": "leading_always"}, "0", b"      +000"),
    (FieldLayout(width=10, padding=" "), {}, "-0.05", b"      -005"),
    (FieldLayout(width=10, padding=" ", align="left"), {"decimals": "point"}, "-1.50", b"-1.50     "),
    (FieldLayout(width=10, padding="*"), {"sign": "none"}, "12.50", b"******1250"),
    (FieldLayout(width=10, decimals="point"), {"sign": "none"}, "0", b"0000000.00"),
    (FieldLayout(width=10, sign="none"), {}, None, b"          "),
    (FieldLayout(width=10, null="NIL"), {}, None, b"       NIL"),
])
def test_a_number_in_its_place(written, make, layout, options, value, expected):
    standard = fixed(make, head=(), trail=(), layouts={"BF": layout}, **options)
    file = written([make.row(bf=value)], standard)
    line = file.path.read_bytes()[:-2]
    start = 24 + 6 + 60 + 12 + 12 + 12 + 8
    assert line[start : start + 10] == expected
    assert inspect_file(file.path, standard.tables["DEMO"], standard).problems == []
    assert load_lines(file.path, standard.tables["DEMO"], standard)["BF"].to_list() == [None if value is None else f"{Decimal(value):.2f}"]


def test_positions_and_reserved_bytes_decide_where_items_lie(written, make):
    order = ["FS", "BF", "SXRQ", "ZT", "XM", "BDH", "BXJGMC", "BXJGDM", "LSH"]
    widths = {"LSH": 24, "BXJGDM": 6, "BXJGMC": 60, "BDH": 12, "XM": 12, "ZT": 12, "SXRQ": 8, "BF": 17, "FS": 10}
    starts = {code: 6 + sum(widths[c] for c in order[: order.index(code)]) for code in order}
    standard = fixed(make, "utf-8", (), (), {code: FieldLayout(position=starts[code]) for code in order})
    table = replace(standard.tables["DEMO"], reserved=(FieldLayout(position=1, width=5), FieldLayout(position=167, width=2)))
    standard = replace(standard, tables={"DEMO": table})
    file = written([make.row()], standard)
    assert file.path.read_bytes() == (
        b"     " + b"0000000003" + b"00000000000001250" + b"20240229" + "有效".encode().ljust(12) + "张三".encode().ljust(12) + b"P1".ljust(12)
        + name_field("utf-8") + b"000999" + b"000999202611100000000001" + b"  \r\n")
    assert inspect_file(file.path, table, standard).problems == []
    file.path.write_bytes(b"x" + file.path.read_bytes()[1:])
    assert found(inspect_file(file.path, table, standard)) == [(1, "", "reserved")]


def test_right_aligned_text_and_other_padding(written, make):
    standard = fixed(make, "utf-8", (), (), {"BDH": FieldLayout(align="right", padding="0"), "XM": FieldLayout(align="right", padding="_")})
    file = written([make.row(bdh="12", xm="张 ")], standard)
    assert file.path.read_bytes()[90:114] == b"000000000012" + b"________" + "张 ".encode()
    assert load_lines(file.path, standard.tables["DEMO"], standard).row(0)[4:6] == ("12", "张 ")


@pytest.mark.parametrize(("rows", "layouts", "error", "named"), [
    ([{"xm": "张张张张张"}], {}, ValueTooWide, {"item": "XM", "rows": 1, "width": 12}),
    ([{"xm": "\U00020bb7" * 4}, {"xm": "\U00020bb7" * 3}, {"xm": "a" * 13}], {}, ValueTooWide, {"item": "XM", "rows": 2, "width": 12}),
    ([{"bf": "123.45"}], {"BF": FieldLayout(width=4)}, ValueTooWide, {"item": "BF", "rows": 1, "width": 4}),
    ([{"fs": 1000}, {"fs": -100}, {"fs": 999}], {"FS": FieldLayout(width=3)}, ValueTooWide, {"item": "FS", "rows": 2, "width": 3}),
    ([{"bf": "-0.01"}], {"BF": FieldLayout(sign="none")}, ValueNegative, {"item": "BF", "rows": 1}),
    ([{"bdh": "P1 "}], {}, ValueHoldsPadding, {"item": "BDH", "rows": 1, "padding": " "}),
    ([{"bdh": "012"}], {"BDH": FieldLayout(align="right", padding="0")}, ValueHoldsPadding, {"item": "BDH", "rows": 1, "padding": "0"}),
    ([{"xm": "NIL"}, {"xm": "NILS"}], {"XM": FieldLayout(null="NIL")}, ValueReadsAsNull, {"item": "XM", "rows": 1}),
    ([{"fs": 0}], {"FS": FieldLayout(null="0000000000")}, ValueReadsAsNull, {"item": "FS", "rows": 1}),
    ([{"xm": ""}], {"XM": FieldLayout(null="NIL")}, ValueReadsAsNull, {"item": "XM", "rows": 1}),
    ([{"xm": "a\nb"}, {"xm": "a\rb"}, {"xm": "\x00b"}], {}, ValueBreaksLine, {"item": "XM", "rows": 3}),
])
def test_what_does_not_fit_is_refused_and_leaves_no_file(written, make, tmp_path, rows, layouts, error, named):
    standard = fixed(make, "utf-8", head=(), trail=(), layouts=layouts)
    with pytest.raises(error) as caught:
        written([make.row(**row) for row in rows], standard)
    assert {key: caught.value.values[key] for key in named} == named
    assert not list((tmp_path / "out").glob("*"))


def test_all_faults_are_told_together(written, make):
    standard = fixed(make, "gbk", (), ())
    with pytest.raises(Problems) as caught:
        written([make.row(xm="\U00020bb7"), make.row(bdh="P" * 13), make.row(bdh="P ")], standard)
    assert {(type(e), e.values["item"], e.values["rows"]) for e in caught.value.errors} == {
        (ValueTooWide, "BDH", 1), (ValueHoldsPadding, "BDH", 1), (ValueNotEncodable, "XM", 1)}


def test_a_total_that_does_not_fit_is_refused(written, make):
    trail = (EnvelopeField("sum", items={"DEMO": "BF"}, layout=FieldLayout(width=4)),)
    assert written([make.row(bf="99.99")], fixed(make, head=(), trail=trail)).path.read_bytes().endswith(b"\r\n9999\r\n")
    with pytest.raises(ValueTooWide):
        written([make.row(bf="99.99"), make.row(bf="0.01")], fixed(make, head=(), trail=trail))


def test_no_rows_leave_header_and_trailer(written, make, inspect):
    standard = fixed(make)
    file = written([], standard)
    assert file.path.read_bytes() == b"HDEMO  00099920261020261110\r\nT000000000000000200000000000000000000\r\n"
    assert inspect_file(file.path, standard.tables["DEMO"], standard, "000999", DAYS).problems == []
    assert found(inspect(b"", standard)) == [(1, "", "header"), (1, "", "trailer")]
    assert inspect(b"", fixed(make, head=(), trail=())).problems == []


@pytest.fixture
def good(written, make):
    """A standard in GB18030 and its file of three records between header and trailer, as lines without line ends."""
    standard = fixed(make)
    content = written([make.row(bdh=f"P{n}", fs=n) for n in (1, 2, 3)], standard).path.read_bytes()
    return standard, content.split(b"\r\n")[:-1]


def joined(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\r\n" for line in lines)


BDH, XM, SXRQ, BF = 90, 102, 126, 134


def put(line: bytes, at: int, new: bytes) -> bytes:
    return line[:at] + new + line[at + len(new) :]


@pytest.mark.parametrize(("at", "new", "item", "kind"), [
    (BDH, b" " * 12, "BDH", "required"),
    (XM, b"\xff", "XM", "encoding"),
    (XM + 11, b"\xd5", "XM", "encoding"),
    (SXRQ, b"20240230", "SXRQ", "type"),
    (SXRQ, b"2024022 ", "SXRQ", "type"),
    (BF, b"        000001250", "BF", "field"),
    (BF, b"0000000000012.50 ", "BF", "field"),
    (BF, b"00000000000-01250", "BF", "field"),
    (BF, b"+0000000000001250", "BF", "field"),
    (BF, b"10000000000001250", "BF", "type"),
    (XM, b"\x00", "", "control"),
    (XM, b"\n", "", "control"),
    (114, "中止".encode("gb18030"), "ZT", "code"),
    (0, b"000999202611110000000002", "LSH", "serial"),
    (0, b" " * 24, "LSH", "required"),
    (24, b"000888", "BXJGDM", "company"),
])
def test_a_damaged_byte_is_told_by_line_and_item(good, inspect, at, new, item, kind):
    standard, lines = good
    lines[2] = put(lines[2], at, new)
    report = inspect(joined(lines), standard, "000999", DAYS)
    faults = [f for f in found(report) if f[2] != "control_total"]
    assert (3, item, kind) in faults and {f[0] for f in faults} == {3}
    assert report.rows == 3
    # A premium that cannot be read is missing in the sum, too, and the trailer says so.
    assert [f for f in found(report) if f[2] == "control_total"] == ([(5, "BF", "control_total")] if item == "BF" else [])


def test_a_cut_character_is_told_once_and_as_what_it_is(written, make, inspect):
    standard = fixed(make, "utf-8", (), ())
    table = standard.tables["DEMO"]
    standard = replace(standard, tables={"DEMO": replace(table, items=tuple(replace(i, required=True) if i.code == "XM" else i for i in table.items))})
    line = written([make.row()], standard).path.read_bytes()
    # The first byte of the name is lost and a blank follows it: the item is there, but not as text.
    report = inspect(line[:XM] + line[XM + 1 : XM + 12] + b" " + line[XM + 12 :], standard)
    assert found(report) == [(1, "XM", "encoding")]
    # Cut where the name's second character ends one byte too late: both items are hurt.
    moved = line[:XM] + b" " * 10 + "张".encode() + line[XM + 13 :]
    assert found(inspect(moved, standard)) == [(1, "XM", "encoding"), (1, "ZT", "encoding")]


@pytest.mark.parametrize("change", [lambda line: line[:-1], lambda line: line + b" ", lambda line: b"", lambda line: line[:50] + b"\r\n" + line[50:]])
def test_a_line_of_another_length_is_told(good, inspect, change):
    standard, lines = good
    lines[2] = change(lines[2])
    report = inspect(joined(lines), standard)
    assert (3, "", "record_length") in found(report)
    # A line broken in two moves those that follow away from their serial numbers.
    assert all(kind in ("record_length", "control_total", "serial_gap") for _, _, kind in found(report))
    assert (len(joined(lines).split(b"\r\n")) - 1, "BF", "control_total") in found(report)


@pytest.mark.parametrize(("at", "new", "item", "kind", "says"), [
    (1, b"00000004", "", "control_total", "rows should be 3"),
    (1, b"0000000x", "", "control_total", "rows should be 3"),
    (9, b"00000003", "", "control_total", "records should be 5"),
    (17, b"00000000000000003751", "BF", "control_total", "sum(BF) should be 37.50"),
    (17, b"-0000000000000003750", "BF", "control_total", "sum(BF) should be 37.50"),
    (0, b"X", "", "trailer", "the trailer record"),
])
def test_a_wrong_trailer_is_told(good, inspect, at, new, item, kind, says):
    standard, lines = good
    lines[4] = put(lines[4], at, new)
    report = inspect(joined(lines), standard, "000999", DAYS)
    assert found(report) == [(5, item, kind)] and says in report.problems[0].en and report.rows == 3


@pytest.mark.parametrize(("at", "new", "company", "days", "kind"), [
    (0, b"X", None, None, "header"),
    (1, b"DEMOX ", None, None, "header"),
    (7, b"000888", "000999", None, "header"),
    (7, b"000888", None, None, "header"),
    (13, b"202609", None, DAYS, "header"),
    (13, b"202613", None, None, "header"),
    (19, b"20261111", None, DAYS, "header"),
])
def test_a_wrong_header_is_told(good, inspect, at, new, company, days, kind):
    standard, lines = good
    assert inspect(joined(lines), standard, company, days).problems == []
    lines[0] = put(lines[0], at, new)
    assert found(inspect(joined(lines), standard, company, days)) == [(1, "", kind)]


def test_header_and_trailer_that_are_missing_are_told(good, inspect):
    standard, lines = good
    without_trailer = inspect(joined(lines[:-1]), standard)
    assert (found(without_trailer), without_trailer.rows) == ([(4, "", "trailer")], 3)
    without_header = inspect(joined(lines[1:]), standard)
    # The trailer's own count of records disagrees as well, for it counted the header.
    assert (found(without_header), without_header.rows) == ([(1, "", "header")], 3)
    cut = inspect(joined(lines)[:-30], standard)
    assert [(line, kind) for line, _, kind in found(cut)] == [(5, "line_end"), (5, "trailer")]


def test_header_and_trailer_that_disagree_are_told(written, make, inspect):
    standard = fixed(make, trail=(EnvelopeField(text="T"), EnvelopeField("report_date")))
    lines = written([make.row()], standard).path.read_bytes().split(b"\r\n")[:-1]
    assert inspect(joined(lines), standard).problems == []
    lines[-1] = b"T20261111"
    assert found(inspect(joined(lines), standard)) == [(3, "", "trailer")]


@pytest.mark.parametrize("piece", [1, 7, 100, 250, 5_000])
def test_the_size_of_a_piece_changes_nothing(good, inspect, monkeypatch, piece):
    standard, lines = good
    damaged = [lines[0], put(lines[1], BF, b"x"), lines[2][:-1], lines[3], lines[4]]
    for content in (joined(lines), joined(damaged), joined(lines)[:-2], joined(lines[:-1]), joined(lines[1:]), b""):
        whole = inspect(content, standard, "000999", DAYS)
        monkeypatch.setattr("etl.submission.reader.PIECE", piece)
        assert inspect(content, standard, "000999", DAYS) == whole
        monkeypatch.undo()


def test_no_problem_tells_a_value(good, inspect):
    standard, lines = good
    lines[2] = put(put(lines[2], BF, b"SECRET"), XM, b"SECRET-NAME!"[:12])
    lines[2] = put(lines[2], SXRQ, b"SECRETXX")
    assert not any(re.search("SECRET", p.en + p.zh) for p in inspect(joined(lines), standard).problems)


TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00\r\n"), min_size=1, max_size=12)
CHINESE = st.text(st.sampled_from("张李王东岸㐀\U00020000\U0003134a é€ａ１0*"), min_size=1, max_size=12)
ROWS = st.lists(st.tuples(
    st.from_regex(r"\A[A-Z1-9]{1,12}\Z"), st.none() | TEXTS | CHINESE, st.sampled_from([None, "有效", "终止", "未记录"]),
    st.none() | st.dates(date(1, 1, 1), date(9999, 12, 31)), st.none() | st.decimals(Decimal("-99999999999999.99"), Decimal("99999999999999.99"), places=2),
    st.none() | st.integers(-999_999_999, 999_999_999)), max_size=20)
FORMATS = st.fixed_dictionaries({
    "encoding": st.sampled_from(["utf-8", "gb18030"]), "line_end": st.sampled_from(["\n", "\r\n", "\x1e"]), "null": st.sampled_from(["", "\\N"]),
    "date": st.sampled_from(["%Y-%m-%d", "%Y%m%d", "%Y年%m月%d日"]), "decimals": st.sampled_from(["point", "implied"]),
    "sign": st.sampled_from(["leading", "trailing", "leading_always", "trailing_always"]), "length_unit": st.just("characters")})
NUMBERS = st.sampled_from([("right", "0"), ("right", " "), ("right", "*"), ("left", " "), ("left", "#")])
PLACES = st.sampled_from([("left", " "), ("right", " "), ("left", "0"), ("right", "*")])


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, fmt=FORMATS, number=NUMBERS, place=PLACES, ends=st.booleans(), first=st.integers(1, 9_999_999_000))
def test_everything_comes_back(make, rows, fmt, number, place, ends, first):
    fmt = dict(fmt)
    standard = fixed(make, fmt.pop("encoding"), HEAD if ends else (), TRAIL if ends else (), {"XM": FieldLayout(width=48, align=place[0], padding=place[1])},
                     align={"text": "left", "number": number[0]}, padding={"text": " ", "number": number[1]}, **fmt)
    if ends:
        trail = (*TRAIL[:-1], replace(TRAIL[-1], layout=FieldLayout(width=30)))
        standard = replace(standard, format=replace(standard.format, trail=trail))
    table = standard.tables["DEMO"]

    def fits(text: str | None) -> bool:
        if text is None:
            return True
        rim = text[-1] if place[0] == "left" else text[0]
        return rim != place[1] and text != standard.format.null and not set(text) & set(standard.format.line_end)

    rows = [row for row in rows if fits(row[1])]
    with tempfile.TemporaryDirectory() as folder:
        source = make.rows(Path(folder) / "s.parquet", rows)
        file = write_table(source, table, standard, company=make.company, period=make.period, report_date=make.report_date, first_sequence=first, folder=Path(folder))
        report = inspect_file(file.path, table, standard, "000999", DAYS)
        lines = load_lines(file.path, table, standard)
        size = len(file.path.read_bytes())
    assert report.problems == []
    assert (report.rows, report.bytes, report.sha256, report.totals) == (file.rows, file.bytes, file.sha256, file.totals)
    assert (report.first_serial, report.last_serial, report.bytes) == (file.first_serial, file.last_serial, size)
    assert lines["BDH"].to_list() == [r[0] for r in rows]
    assert lines["XM"].to_list() == [r[1] for r in rows]
    assert lines["ZT"].to_list() == [r[2] for r in rows]
    assert lines["SXRQ"].to_list() == [None if r[3] is None else r[3].strftime(standard.format.date).zfill(len(date(2000, 1, 1).strftime(standard.format.date))) for r in rows]
    assert lines["BF"].to_list() == [None if r[4] is None else f"{r[4]:.2f}".replace("-0.00", "0.00") for r in rows]
    assert lines["FS"].to_list() == [None if r[5] is None else str(r[5]) for r in rows]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_one_changed_byte_never_goes_unseen(make, data):
    encoding = data.draw(st.sampled_from(["utf-8", "gb18030"]))
    standard = fixed(make, encoding)
    table = standard.tables["DEMO"]
    with tempfile.TemporaryDirectory() as folder:
        source = make.rows(Path(folder) / "s.parquet", [make.row(bdh=f"P{n}", xm="\U00020bb7张"[:n], bf=f"{n}0.25", fs=-n) for n in (1, 2, 3)])
        file = write_table(source, table, standard, company=make.company, period=make.period, report_date=make.report_date, first_sequence=1, folder=Path(folder))
        content, before = file.path.read_bytes(), load_lines(file.path, table, standard)
        at = data.draw(st.integers(0, len(content) - 1))
        octet = data.draw(st.integers(0, 255).filter(lambda o: o != content[at]))
        file.path.write_bytes(content[:at] + bytes([octet]) + content[at + 1 :])
        report = inspect_file(file.path, table, standard, "000999", DAYS)
        after = load_lines(file.path, table, standard)
    line = content.count(b"\r\n", 0, at) + 1
    assert report.problems or not after.equals(before)
    # Nothing is blamed on the lines before, and what they hold reads as it did.
    assert all(problem.line >= line for problem in report.problems)
    assert after.filter(after["_line"] < line).equals(before.filter(before["_line"] < line))
