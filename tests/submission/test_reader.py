from decimal import Decimal

import pytest

from etl.standard.definition import SerialFormat
from etl.submission.reader import inspect_file, load_lines, read_file

S = "\x01"
HEAD = ["000999", "东岸人寿保险股份有限公司"]


def line(number: int, *values: str, company: list[str] = HEAD) -> str:
    return S.join([f"00099920261110{number:010d}", *company, *values])


GOOD = ("P1", "张三", "有效", "2024-02-29", "12.50", "3")


@pytest.fixture
def inspect(tmp_path, make):
    def run(content, standard=None, expect_company=None):
        path = tmp_path / "000999-DEMO-20261031.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        standard = standard or make.standard()
        return inspect_file(path, standard.tables["DEMO"], standard, expect_company)

    return run


def found(report):
    return [(p.line, p.item, p.kind) for p in report.problems]


def lines_with(changes: dict[int, str]) -> str:
    return "".join(changes.get(n, line(n, *GOOD)) + "\n" for n in range(1, 6))


def test_a_file_in_order(inspect):
    report = inspect(lines_with({}), expect_company="000999")
    assert report.problems == []
    assert (report.rows, report.totals) == (5, {"BF": "62.50", "FS": "15"})
    assert (report.first_serial, report.last_serial) == ("000999202611100000000001", "000999202611100000000005")


def test_an_empty_file_has_no_rows(inspect):
    report = inspect(b"")
    assert (report.rows, report.bytes, report.problems, report.first_serial) == (0, 0, [], None)
    assert report.totals == {"BF": "0.00", "FS": "0"}


@pytest.mark.parametrize(
    "position, value, kind",
    [
        (0, "", "required"),
        (0, "1" * 13, "length"),
        (1, "张张张张a", "length"),
        (2, "中止", "code"),
        (2, "1", "code"),
        (2, " 有效", "code"),
        (3, "2023-02-29", "type"),
        (3, "2024-2-29", "type"),
        (3, "20240229", "type"),
        (3, "2024-02-29 ", "type"),
        (3, "２０２４-02-29", "type"),
        (4, "12.505", "type"),
        (4, "1e3", "type"),
        (4, "+1", "type"),
        (4, "1,000.00", "type"),
        (4, "123456789012345.00", "type"),
        (4, ".5", "type"),
        (4, "NaN", "type"),
        (4, "１２.50", "type"),
        (4, "-", "type"),
        (4, "12.", "type"),
        (5, "1.0", "type"),
        (5, "1234567890", "type"),
        (5, " 1", "type"),
    ],
)
def test_one_bad_value_is_found_where_it_is(inspect, position, value, kind):
    values = list(GOOD)
    values[position] = value
    report = inspect(lines_with({3: line(3, *values)}))
    assert found(report) == [(3, ["BDH", "XM", "ZT", "SXRQ", "BF", "FS"][position], kind)]
    assert report.rows == 5
    if len(value) > 4:
        assert value not in report.problems[0].zh and value not in report.problems[0].en


@pytest.mark.parametrize(
    "values",
    [
        ("P", "", "", "", "", ""),
        ("P" * 12, "张张张张", "未记录", "9999-12-31", "-99999999999999.99", "-999999999"),
        ("P1", "x", "终止", "0001-01-01", "0", "0"),
        ("P1", " ", "终止", "1900-01-01", "0.5", "-0"),
    ],
)
def test_values_at_the_edge_are_in_order(inspect, values):
    assert inspect(lines_with({3: line(3, *values)})).problems == []


def test_lengths_count_in_the_standards_unit(inspect, make):
    four, five = line(3, "P1", "张张张张", *GOOD[2:]), line(3, "P1", "张张张张张", *GOOD[2:])
    assert found(inspect(lines_with({3: four}))) == []
    assert found(inspect(lines_with({3: five}))) == [(3, "XM", "length")]
    characters = make.standard(length_unit="characters")
    assert found(inspect(lines_with({3: line(3, "P1", "张" * 12, *GOOD[2:])}), characters)) == []
    assert found(inspect(lines_with({3: line(3, "P1", "张" * 13, *GOOD[2:])}), characters)) == [(3, "XM", "length")]
    # In GB18030 the same characters take two bytes, so six of them fit in twelve bytes, and four-byte ones take four.
    chinese = make.standard(encoding="gb18030")
    assert found(inspect(lines_with({3: line(3, "P1", "张" * 6, *GOOD[2:])}).encode("gb18030"), chinese)) == []
    assert found(inspect(lines_with({3: line(3, "P1", "张" * 7, *GOOD[2:])}).encode("gb18030"), chinese)) == [
        (3, "XM", "length")
    ]
    assert found(inspect(lines_with({3: line(3, "P1", "\U00020000" * 4, *GOOD[2:])}).encode("gb18030"), chinese)) == [
        (3, "XM", "length")
    ]


def test_separators_are_counted_in_every_line(inspect):
    report = inspect(lines_with({2: line(2, *GOOD) + S, 4: line(4, *GOOD[:-1]), 5: ""}))
    assert found(report) == [(2, "", "separators"), (4, "", "separators"), (5, "", "separators")]
    assert "9" in report.problems[0].en and "8" in report.problems[0].en
    assert report.rows == 5


def test_a_line_broken_in_two_is_found(inspect):
    broken = S.join(["000999202611100000000003", *HEAD, "P1", "张\n三", *GOOD[2:]])
    assert found(inspect(lines_with({3: broken})))[:2] == [(3, "", "separators"), (4, "", "separators")]


def test_the_missing_last_line_end_is_found(inspect):
    report = inspect(lines_with({})[:-1])
    assert found(report) == [(5, "", "line_end")]
    assert report.rows == 5


@pytest.mark.parametrize(
    "encoding, bad",
    [
        ("utf-8", b"\xff"),
        ("utf-8", b"\xe5\xbc"),
        ("utf-8", b"\xed\xa0\x80"),
        ("utf-8", b"\xc0\x80"),
        ("gb18030", b"\xff"),
        ("gb18030", b"\x81"),
    ],
)
def test_undecodable_bytes_are_located_by_line(inspect, make, encoding, bad):
    standard = make.standard(encoding=encoding)
    parts = lines_with({}).encode(encoding).split(b"\n")
    parts[1] = parts[1].replace("张三".encode(encoding), b"A" + bad)
    parts[3] = bad + parts[3]
    report = inspect(b"\n".join(parts), standard)
    assert found(report) == [(2, "", "encoding"), (4, "", "encoding")]
    assert report.rows == 5
    assert "byte 1 " in report.problems[1].en


@pytest.mark.parametrize("octet", ["\x00", "\r"])
def test_control_characters_are_found(inspect, octet):
    assert found(inspect(lines_with({3: line(3, "P1", f"张{octet}", *GOOD[2:])}))) == [(3, "", "control")]


def test_a_lone_line_feed_or_return_in_a_file_of_crlf_is_found(inspect, make):
    standard = make.standard(line_end="\r\n")
    good = lines_with({}).replace("\n", "\r\n")
    assert found(inspect(good, standard)) == []
    assert found(inspect(good.replace("张三", "张\r", 1), standard)) == [(1, "", "control")]
    assert found(inspect(good.replace("张三", "张\n", 1), standard)) == [(1, "", "control")]


@pytest.mark.parametrize(
    "serial",
    [
        "00099920261110000000000",
        "0009992026111000000000031",
        "00099920261110000000000A",
        "000999202613100000000003",
        "000888202611100000000003",
        "000999202611100000000000",
        "00099920261110000000000３",
        "000999 0261110000000003",
    ],
)
def test_a_serial_number_of_another_form_is_found(inspect, serial):
    changed = S.join([serial, *HEAD, *GOOD])
    assert (3, "LSH", "serial") in found(inspect(lines_with({3: changed})))
    assert {p.line for p in inspect(lines_with({3: changed})).problems} == {3}


def test_an_empty_serial_number_is_found(inspect):
    assert found(inspect(lines_with({3: S.join(["", *HEAD, *GOOD])}))) == [(3, "LSH", "required"), (3, "LSH", "serial")]


def test_a_serial_number_of_another_day_is_found(inspect):
    changed = S.join(["000999202611110000000003", *HEAD, *GOOD])
    assert found(inspect(lines_with({3: changed}))) == [(3, "LSH", "serial")]


def test_the_serial_numbers_of_a_part_rise_with_gaps(tmp_path, make):
    def inspected(*numbers: int):
        path = tmp_path / "part.txt"
        path.write_text("".join(line(n, *GOOD) + "\n" for n in numbers), encoding="utf-8")
        standard = make.standard()
        return inspect_file(path, standard.tables["DEMO"], standard, part=True)

    report = inspected(2, 5, 6, 9)
    assert found(report) == [] and (report.first_serial[-2:], report.last_serial[-2:]) == ("02", "09")
    # 5 after 6 falls; the second 6 does not rise and occurs twice.
    assert found(inspected(2, 6, 5)) == [(3, "LSH", "serial_gap")]
    assert found(inspected(2, 6, 6)) == [(3, "LSH", "serial_gap"), (3, "LSH", "serial_duplicate")]


def test_gaps_and_repetitions_of_serial_numbers_are_found(inspect):
    # 1 2 4 5 6: one gap. 1 2 2 3 4: the second 2 does not follow and occurs twice.
    gap = "".join(line(n, *GOOD) + "\n" for n in (1, 2, 4, 5, 6))
    assert found(inspect(gap)) == [(3, "LSH", "serial_gap")]
    again = "".join(line(n, *GOOD) + "\n" for n in (1, 2, 2, 3, 4))
    assert found(inspect(again)) == [(3, "LSH", "serial_gap"), (3, "LSH", "serial_duplicate")]
    swapped = "".join(line(n, *GOOD) + "\n" for n in (1, 3, 2, 4))
    assert found(inspect(swapped)) == [(2, "LSH", "serial_gap"), (3, "LSH", "serial_gap"), (4, "LSH", "serial_gap")]


def test_a_file_may_start_at_any_sequence(inspect):
    report = inspect("".join(line(n, *GOOD) + "\n" for n in (41, 42)))
    assert report.problems == [] and report.first_serial == "000999202611100000000041"


def test_the_company_is_checked(inspect):
    assert found(inspect(lines_with({}), expect_company="000888")) == [(n, "BXJGDM", "company") for n in range(1, 6)]
    other = S.join(["000999202611100000000003", "000999", "西岸人寿保险股份有限公司", *GOOD])
    assert found(inspect(lines_with({3: other}))) == [(3, "BXJGMC", "company_name")]
    ascii_name = S.join(["000999202611100000000003", "000999", "东岸人寿保险股份有限公司A", *GOOD])
    assert found(inspect(lines_with({3: ascii_name}))) == [(3, "BXJGMC", "company_name")] * 2
    unknown = S.join(["000777202611100000000003", "000777", "东岸人寿保险股份有限公司", *GOOD])
    assert found(inspect(lines_with({3: unknown}))) == [(3, "BXJGDM", "company")]


def test_the_header_is_checked(inspect, make):
    standard = make.standard(header=True)
    header = S.join(i.code for i in standard.tables["DEMO"].items)
    good = inspect(header + "\n" + lines_with({}), standard)
    assert (good.rows, good.problems) == (5, [])
    assert inspect(header + "\n", standard).problems == []
    assert found(inspect(b"", standard)) == [(1, "", "header")]
    assert found(inspect(header, standard)) == [(1, "", "line_end")]
    missing = inspect(lines_with({}), standard)
    assert found(missing) == [(1, "", "header")] and missing.rows == 4
    bad = inspect(header + "\n" + lines_with({3: line(3, "", *GOOD[1:])}), standard)
    assert found(bad) == [(4, "BDH", "required")]


def test_problems_are_never_capped(inspect):
    bad = "".join(line(n, "", "张三", "中止", "x", "y", "z") + "\n" for n in range(1, 20_001))
    report = inspect(bad)
    assert len(report.problems) == 20_000 * 5
    assert {p.line for p in report.problems} == set(range(1, 20_001))


@pytest.mark.parametrize("piece", [1, 7, 64, 500, 10_000])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_the_size_of_a_piece_changes_nothing(inspect, make, monkeypatch, piece, line_end):
    standard = make.standard(line_end=line_end)
    content = (lines_with({2: line(2, *GOOD) + S, 3: line(7, "", *GOOD[1:])})[:-1].replace("\n", line_end)).encode()
    content = content.replace("张三".encode(), b"\xe5\xbc", 1)
    whole = inspect(content, standard)
    monkeypatch.setattr("etl.submission.reader.PIECE", piece)
    assert inspect(content, standard) == whole
    # 1: undecodable; 2: separators; 3: number 7 in place of 3 and no BDH; 4: number 4 after 7; 5: no line end.
    assert found(whole) == [
        (1, "", "encoding"),
        (2, "", "separators"),
        (3, "BDH", "required"),
        (4, "LSH", "serial_gap"),
        (5, "", "line_end"),
    ]


def test_sums_stay_exact_beyond_28_digits(inspect, make):
    standard = make.with_item(make.standard(), "BF", length=36)
    large = "9999999999999999999999999999999999.99"
    rows = "".join(line(n, "P1", "张三", "有效", "2024-02-29", large, "3") + "\n" for n in range(1, 4))
    assert inspect(rows, standard).totals["BF"] == str(int("9" * 36) * 3)[:-2] + "." + str(int("9" * 36) * 3)[-2:]
    assert Decimal(inspect(rows, standard).totals["BF"]) > Decimal(large)


def test_lines_are_loaded_as_raw_text(tmp_path, make):
    path = tmp_path / "f.txt"
    path.write_text(lines_with({2: "broken", 3: line(3, "P1", " x ", "", "nonsense", "1", "")}), encoding="utf-8")
    standard = make.standard()
    frame = load_lines(path, standard.tables["DEMO"], standard)
    assert frame["_line"].to_list() == [1, 3, 4, 5]
    assert frame.row(1)[4:] == ("P1", " x ", None, "nonsense", "1", None)
    assert [len(piece) for piece in read_file(path, standard.tables["DEMO"], standard)] == [4]
    path.write_bytes(b"")
    assert load_lines(path, standard.tables["DEMO"], standard).shape == (0, 10)


def test_a_serial_pattern_of_another_standard(inspect, make):
    standard = make.standard(serial=SerialFormat(pattern="{report_date:%y%m%d}-{company}-{sequence:05d}", length=19))
    rows = [S.join([f"261110-000999-{n:05d}", *HEAD, *GOOD]) for n in (1, 2, 3)]
    assert inspect("\n".join(rows) + "\n", standard).problems == []
    rows[1] = rows[1].replace("-00002", "_00002")
    assert found(inspect("\n".join(rows) + "\n", standard)) == [(2, "LSH", "serial")]
