"""A summary in Excel: cells read exactly, faults by sheet and cell, formulas by their stored results."""

from __future__ import annotations

from decimal import Decimal as D

import openpyxl
import pytest

from etl.errors import EastboundError
from etl.figures.reconciliation import SheetMap
from etl.figures.workbook import read_workbook
from etl.standard.workbook.cells import NotAWorkbook

WHOLE = SheetMap("业务统计", D(10000), {"C4": "premium_income", "C5": "claims_paid"})
TABLE = SheetMap("分机构", D(10000), {}, 3, 4, "机构代码", "branch", {"保费收入": "premium_income", "赔付支出": "claims_paid"}, ("合计",))


def book(path, whole=(), lines=(), head=("机构代码", "机构", "保费收入", "赔付支出")):
    made = openpyxl.Workbook()
    first = made.active
    first.title = "业务统计"
    for cell, value in whole:
        first[cell] = value
    second = made.create_sheet("分机构")
    for row, values in enumerate([head, *lines], 3):
        for column, value in enumerate(values, 1):
            second.cell(row, column, value)
    made.save(path)
    return path


def values(path, *sheets):
    return [(given.figure, given.member, given.place, given.value) for given in read_workbook(path, sheets)[0]]


def test_cells_and_tables_come_in_the_unit_of_the_figure(tmp_path):
    path = book(tmp_path / "a.xlsx", [("C4", 106.57), ("C5", "1,978.36")], [(8611, "北京", 10.1, "2"), ("8631", "上海", 96.47, 0), ("合计", "", 106.57, 2), (None,) * 4, ("below", "", "x", "x")])
    assert values(path, WHOLE, TABLE) == [
        ("premium_income", "", "业务统计!C4", D("1065700")), ("claims_paid", "", "业务统计!C5", D("19783600")),
        ("premium_income", "8611", "分机构!C4", D("101000")), ("claims_paid", "8611", "分机构!D4", D("20000")),
        ("premium_income", "8631", "分机构!C5", D("964700")), ("claims_paid", "8631", "分机构!D5", D("0"))]


def test_what_a_float_cannot_hold_is_read_as_it_was_typed(tmp_path):
    path = book(tmp_path / "a.xlsx", [("C4", 0.1 + 0.2), ("C5", "12345678901234567890.12")])
    assert [given[3] for given in values(path, WHOLE)] == [D("3000"), D("123456789012345678901200.00")]


def faults(path, *sheets) -> str:
    with pytest.raises(EastboundError) as caught:
        read_workbook(path, sheets)
    return caught.value.sentence("en")


@pytest.mark.parametrize(("value", "problem"), [
    (None, "is blank where a number is wanted"), ("12万", "holds no number"), ("1,23", "holds no number"), (True, "holds no number"), ("=1/0", "holds a formula without a stored result"),
    (1234567890123456789, "has more than 15 digits"), ("NaN", "holds no number"), ("1e5", "holds no number"),
])
def test_what_is_no_number_is_a_fault_with_sheet_and_cell(tmp_path, value, problem):
    sentence = faults(book(tmp_path / "a.xlsx", [("C4", 1), ("C5", value)]), WHOLE)
    assert "a.xlsx sheet '业务统计' C5: " in sentence and problem in sentence and "C4" not in sentence


def test_all_faults_are_told_together(tmp_path):
    sentence = faults(book(tmp_path / "a.xlsx", [("C4", "x")], [("8611", "", "y", 1), ("8611", "", 1, 1), (None, "", 1, 1)]), WHOLE, TABLE)
    for problem in ("'业务统计' C4: holds no number", "'业务统计' C5: is blank", "'分机构' C4: holds no number", "'分机构' A5: 8611 stands in row 4 already", "'分机构' A6: has no 机构代码"):
        assert problem in sentence
    assert "row 3 has no header '赔付支出'" in faults(book(tmp_path / "b.xlsx", head=("机构代码", "", "保费收入", "")), TABLE)
    assert "there is no such sheet; there are 业务统计, 分机构" in faults(book(tmp_path / "c.xlsx"), SheetMap("统计", cells={"A1": "x"}))


def test_a_formula_counts_with_its_stored_result_and_is_noted(tmp_path):
    import xlsxwriter

    path = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(str(path)) as made:
        sheet = made.add_worksheet("业务统计")
        sheet.write_formula("C4", "=SUM(A1:A9)", None, 12.5)
        sheet.write_number("C5", 1)
    given, reading = read_workbook(path, (WHOLE,))
    assert given[0].value == D("125000")
    assert [note.sentence("en") for note in reading.notes] == ["业务统计!C4: holds a formula; its stored result is taken"]


def test_what_is_no_workbook_is_refused(tmp_path):
    path = tmp_path / "a.xlsx"
    path.write_text("no workbook", encoding="utf-8")
    with pytest.raises(NotAWorkbook):
        read_workbook(path, (WHOLE,))
