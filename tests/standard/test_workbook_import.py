"""Workbooks of tables in: what is sound is taken, what is odd is put right and noted, what is wrong is told with sheet and cell."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import date, datetime, time

import openpyxl
import pytest
from openpyxl.styles import Font
from workbooks import BD, bring, faults, make

from etl.errors import EastboundError
from etl.standard import load_standard
from etl.standard.loader import load_standard_folder
from etl.standard.workbook.cells import CellFault, NotAWorkbook, SheetFault
from etl.standard.workbook.columnmap import builtin_map, load_map
from etl.standard.workbook.importing import ImportOptions, NameUnfit, PackThere, import_tables
from etl.standard.workbook.oracle import ItemShape, parse_type


def notes(imported) -> list[str]:
    return [note.sentence("en") for note in imported.notes]


def test_a_sound_workbook_becomes_a_pack_that_loads(tmp_path):
    result = bring(tmp_path, prefix="SM25", version="2025", effective_from=date(2025, 1, 1))
    standard = load_standard_folder(tmp_path / "packs/mappings/standards/small_2025")
    assert standard == result.standard and (standard.name, standard.prefix, standard.version) == ("small_2025", "SM25", "2025")
    assert standard.effective_from == date(2025, 1, 1)
    bd = standard.tables["BD"]
    assert (bd.name["zh"], bd.number, bd.provenance, bd.note) == ("保单表", 1, "E", "imported from spec.xlsx, sheet 保单表")
    assert [(i.code, i.type, i.length, i.scale, i.required, i.key, i.codes) for i in bd.items] == [
        ("LSH", "text", 28, 0, True, False, None), ("BXJGDM", "text", 6, 0, True, False, None), ("BDH", "text", 50, 0, True, True, None),
        ("BDZT", "text", 30, 0, True, False, "ZT"), ("BF", "decimal", 18, 2, False, False, None), ("CS", "integer", 18, 0, False, False, None),
        ("SXRQ", "date", 10, 0, False, False, None)]
    assert [i.role for i in bd.items[:3]] == ["serial", "company_code", None]
    assert (bd.by_code["BF"].note, bd.by_code["BF"].name["zh"], bd.by_code["BF"].provenance, bd.by_code["BF"].length_provenance) == ("人民币元", "保费", "E", "E")
    assert [i.code for i in standard.tables["SF"].key_items] == ["BDH", "XH"] and standard.tables["SF"].number == 2
    assert [(v.code, v.name, v.valid_to, v.provenance) for v in standard.codes["ZT"].values] == [("01", "有效", None, "E"), ("02", "终止", date(2023, 12, 31), "E")]
    assert (standard.codes["ZT"].name["zh"], standard.codes["ZT"].source) == ("保单状态", "imported from spec.xlsx")
    assert notes(result) == ["without --like no item has a privacy class, so nothing would be masked; add privacy, refs, default and send in tables/*.yaml"]


@pytest.mark.parametrize(("text", "shape"), [
    ("VARCHAR2(28)", ItemShape("text", 28)), ("varchar2(28 byte)", ItemShape("text", 28)), ("NVARCHAR2(5)", ItemShape("text", 5)), ("CHAR", ItemShape("text", 1)),
    ("CHAR(1)", ItemShape("text", 1)), ("NUMBER(18,2)", ItemShape("decimal", 18, 2)), ("NUMBER(16,0)", ItemShape("decimal", 16)), ("NUMBER(4)", ItemShape("integer", 4)),
    ("NUMBER(38)", ItemShape("decimal", 38)), ("INTEGER", ItemShape("integer", 18)), ("DATE", ItemShape("date", 10)),
])
def test_types(text, shape):
    assert parse_type(text) == shape


@pytest.mark.parametrize(("text", "zh", "en"), [
    ("MONEY", "未知类型 'MONEY'", "unknown type 'MONEY'"), ("CLOB", "未知类型", "unknown type"), ("VARCHAR2", "缺少长度", "has no length"),
    ("VARCHAR2(0)", "长度为 0", "a length of 0"), ("VARCHAR2(5,2)", "写法有误", "cannot be read"), ("VARCHAR2(28", "写法有误", "cannot be read"), ("NUMBER", "缺少精度", "has no precision"),
    ("NUMBER(2,2)", "精度应为 1 至 38", "the precision should be 1 to 38"), ("NUMBER(39)", "精度应为", "the precision should be"), ("NUMBER(5,-2)", "精度应为", "should be"), ("DATE(7)", "未知类型", "unknown type"),
])
def test_types_that_are_none(text, zh, en):
    wrong = parse_type(text)
    assert isinstance(wrong, tuple) and zh in wrong[0] and en in wrong[1]


def put(sheet, cell, value):
    def damage(book):
        book[sheet][cell] = value
    return damage


def merge(sheet, cells):
    return lambda book: book[sheet].merge_cells(cells)


def drop_row(sheet, row):
    return lambda book: book[sheet].delete_rows(row)


@pytest.mark.parametrize(("damage", "sheet", "cell", "zh", "en"), [
    (merge("保单表", "A5:A6"), "保单表", "A5:A6", "是合并单元格，请取消合并并逐格填写", "is a merged cell; unmerge it and fill in each cell"),
    (merge("保单表", "B2:C2"), "保单表", "B2:C2", "是合并单元格", "is a merged cell"),
    (put("保单表", "F7", "MONEY"), "保单表", "F7", "未知类型 'MONEY'，已知：VARCHAR2(n)", "unknown type 'MONEY'; known are VARCHAR2(n)"),
    (put("保单表", "F7", None), "保单表", "F7", "缺少类型", "the type is missing"),
    (put("保单表", "B7", "BDH"), "保单表", "B7", "数据项 BDH 与 B5 重复", "item BDH is in B5 already"),
    (put("保单表", "B7", "ＢＤＨ"), "保单表", "B7", "数据项 BDH 与 B5 重复", "item BDH is in B5 already"),
    (put("保单表", "B7", "bdh"), "保单表", "B7", "数据项 bdh 与 B5 重复", "item bdh is in B5 already"),
    (put("保单表", "B7", "B F"), "保单表", "B7", "'B F' 只能由字母、数字和下划线组成", "'B F' may hold letters, digits and underscores only"),
    (put("保单表", "B7", None), "保单表", "B7", "缺少数据项英文名", "the item's pinyin name is missing"),
    (put("保单表", "C7", "  "), "保单表", "C7", "缺少数据项中文名", "the item's Chinese name is missing"),
    (put("保单表", "D7", "YES"), "保单表", "D7", "标记 'YES' 无效，应为 Y、N 或空", "mark 'YES' is not one of Y, N or blank"),
    (put("保单表", "E7", "非空"), "保单表", "E7", "标记 '非空' 无效，应为 N、Y 或空", "mark '非空' is not one of N, Y or blank"),
    (put("保单表", "A1", None), "保单表", "A1", "缺少标题“表中文名（表英文名）”", "the title is missing; write for example 个人保单表（GRBDB）"),
    (put("保单表", "A1", "保单表"), "保单表", "A1", "应为标题“表中文名（表英文名）”，现为 '保单表'", "should be a title such as 个人保单表（GRBDB）, not '保单表'"),
    (put("收付表", "A1", "收付表（BD）"), "收付表", "A1", "表 BD 已在工作表“保单表”中", "table BD is on sheet '保单表' already"),
    (put("保单表", "C7", '="保"&"费"'), "保单表", "C7", "是公式，请选择性粘贴为数值", "holds a formula; paste it as a value"),
    (put("保单表", "F7", "=F3"), "保单表", "F7", "是公式", "holds a formula"),
    (put("保单表", "C7", "#REF!"), "保单表", "C7", "是错误值 #REF!", "holds the error value #REF!"),
    (put("保单表", "C7", True), "保单表", "C7", "是逻辑值 TRUE，应为文本", "holds the logical value TRUE where text is wanted"),
    (put("保单表", "B7", datetime(2024, 1, 1)), "保单表", "B7", "是日期，应为文本", "holds a date where text is wanted"),
    (put("保单表", "B7", 1.5), "保单表", "B7", "数值 1.5 不是整数，应为文本", "holds the number 1.5 where text is wanted"),
    (drop_row("保单表", 2), "保单表", "B2", "第 2 行应为表头，却像是数据项", "row 2 should be the header but looks like an item"),
    (put("业务代码表", "F3", "2023-02-30"), "业务代码表", "F3", "'2023-02-30' 不是日期，应写作 2024-01-31", "'2023-02-30' is not a date; write it as 2024-01-31"),
    (put("业务代码表", "C3", "01"), "业务代码表", "C3", "代码表 ZT 的代码 01 与 业务代码表!C2 重复", "code 01 of ZT is in 业务代码表!C2 already"),
    (put("业务代码表", "D3", None), "业务代码表", "D3", "缺少名称", "the name is missing"),
    (put("业务代码表", "C3", None), "业务代码表", "C3", "缺少代码", "the code is missing"),
    (put("业务代码表", "A3", None), "业务代码表", "A3", "缺少代码表", "the code table is missing"),
    (put("业务代码表", "C3", 0.1), "业务代码表", "C3", "数值 0.1 不是整数", "holds the number 0.1"),
])
def test_a_damage_is_told_with_sheet_and_cell(tmp_path, damage, sheet, cell, zh, en):
    found = faults(bring, tmp_path, damage)
    assert [(e.values["workbook"], e.values["sheet"], e.values["cell"]) for e in found] == [("spec.xlsx", sheet, cell)]
    assert zh in found[0].sentence("zh") and found[0].sentence("zh").startswith(f"spec.xlsx 工作表“{sheet}” {cell}：")
    assert en in found[0].sentence("en") and found[0].sentence("en").startswith(f"spec.xlsx sheet '{sheet}' {cell}: ")
    assert not (tmp_path / "packs").exists()


def empty(sheet):
    return lambda book: book[sheet].delete_rows(1, 20)


@pytest.mark.parametrize(("damage", "zh", "en"), [
    (lambda book: book.create_sheet("Sheet9"), "工作表“Sheet9”：是空表，请填写或删除", "sheet 'Sheet9': is empty; fill it in or delete it"),
    (empty("收付表"), "工作表“收付表”：是空表", "sheet '收付表': is empty"),
    (lambda book: book["收付表"].delete_rows(3, 20), "工作表“收付表”：没有任何数据项", "sheet '收付表': has no items"),
    (lambda book: book["收付表"].delete_rows(2, 20), "工作表“收付表” A2：缺少表头行", "sheet '收付表' A2: the header row is missing"),
    (lambda book: [book.remove(book[name]) for name in ("说明", "保单表", "收付表")], "数据工作表应从第 4 个开始，但只有 2 个", "data sheets should begin with the 4th, but there are 2"),
    (lambda book: book.move_sheet("保单表", -2), "工作表“保单表” A1：像是数据工作表，却在第 4 个之前", "sheet '保单表' A1: looks like the title of a data sheet, but stands before the 4th sheet"),
    (lambda book: [book["收付表"].cell(row, 4, None) for row in (3, 4)] and [book["收付表"].__setitem__(c, None) for c in ("D3", "D4")], "表 SF 没有业务主键", "table SF has no business key"),
])
def test_a_damaged_sheet_is_told(tmp_path, damage, zh, en):
    found = faults(bring, tmp_path, damage)
    assert zh in found[0].sentence("zh") and en in found[0].sentence("en")


def test_all_faults_are_told_at_once_and_nothing_is_written(tmp_path):
    def damage(book):
        for cell, value in (("A1", "保单表"), ("B4", "BDH"), ("F6", "BLOB"), ("F7", "=1"), ("D9", "X")):
            book["保单表"][cell] = value
        book["收付表"].merge_cells("B3:B4")
        book["收付表"]["F4"] = "NUMBER"

    found = faults(bring, tmp_path, damage)
    assert [(e.values["sheet"], e.values["cell"]) for e in found] == [
        ("保单表", "A1"), ("保单表", "B5"), ("保单表", "F6"), ("保单表", "F7"), ("保单表", "D9"), ("收付表", "B3:B4"), ("收付表", "B4"), ("收付表", "F4")]
    assert not (tmp_path / "packs").exists()


def test_oddities_are_put_right_and_noted(tmp_path):
    def damage(book):
        bd = book["保单表"]
        bd["A1"] = "　保单表 （ ＢＤ ） "
        bd["B5"] = " BDH\u00a0"
        bd["B6"] = "ＢＤＺＴ"
        bd["C5"] = "保单\n号"
        bd["F5"] = "ＶＡＲＣＨＡＲ２（５０）"
        bd["F7"] = "NUMBER （18，2）"
        bd["D5"] = "ｙ"
        bd["A5"], bd["A6"] = 3.0, 4.0
        bd.insert_rows(8)
        bd.append(["注：金额单位为元"])
        bd.merge_cells("A1:H1")
        book["业务代码表"]["C2"] = 1.0
        book["业务代码表"]["C3"] = 2
        book["业务代码表"]["C3"].number_format = "00"
        book["业务代码表"]["F3"] = datetime(2023, 12, 31)
        book["收付表"].sheet_state = "hidden"
        book["收付表"]["A4"] = 3

    result = bring(tmp_path, damage)
    bd = result.standard.tables["BD"]
    assert (bd.name["zh"], [i.code for i in bd.items]) == ("保单表", [row[1] for row in BD])
    assert (bd.by_code["BDH"].name["zh"], bd.by_code["BDH"].length, bd.by_code["BDH"].key) == ("保单号", 50, True)
    assert (bd.by_code["BF"].type, bd.by_code["BF"].length, bd.by_code["BF"].scale) == ("decimal", 18, 2)
    assert [(v.code, v.valid_to) for v in result.standard.codes["ZT"].values] == [("1", None), ("02", date(2023, 12, 31))]
    told = notes(result)
    for expected in ("保单表!A1: dropped blanks at the ends", "保单表!A1: the table's code is read as BD", "保单表!B5: dropped blanks at the ends", "保单表!B6: full-width characters, read as BDZT",
                     "保单表!C5: dropped a line break inside the cell", "保单表!F5: full-width characters, read as VARCHAR2(50)", "保单表!D5: full-width characters, read as y",
                     "保单表!B8: a blank row, passed over", "保单表!A11: taken as a footnote and passed over", "收付表: is a hidden sheet, read all the same",
                     "收付表!A4: the numbers jump from 1 to 3; is a row missing?", "业务代码表!C2: stored as a number, read as '1'; if it has leading zeros, format the cell as text"):
        assert expected in told, (expected, told)
    assert "保单表!B8: 空行，已跳过" in [note.sentence("zh") for note in result.notes]


def test_formatted_but_empty_rows_are_no_items(tmp_path):
    def damage(book):
        for row in range(10, 60):
            book["保单表"].cell(row, 2).font = Font(bold=True)
            book["保单表"].cell(row, 3, "   " if row == 40 else None)

    assert len(bring(tmp_path, damage).standard.tables["BD"].items) == 7


def test_what_is_no_workbook(tmp_path):
    (tmp_path / "old.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)
    (tmp_path / "old.xlsx").write_bytes((tmp_path / "old.xls").read_bytes())
    (tmp_path / "cut.xlsx").write_bytes(make(tmp_path / "spec.xlsx").read_bytes()[:3000])
    for name in ("old.xls", "old.xlsx", "cut.xlsx"):
        with pytest.raises(NotAWorkbook) as caught:
            import_tables(tmp_path / name, builtin_map(), ImportOptions("small_2025", tmp_path / "packs"))
        assert "is not an .xlsx workbook" in caught.value.sentence("en") and "不是 .xlsx 工作簿" in caught.value.sentence("zh")


def test_names_and_packs_that_exist(tmp_path):
    bring(tmp_path)
    before = (tmp_path / "packs/mappings/standards/small_2025/tables/BD.yaml").read_bytes()
    with pytest.raises(PackThere):
        bring(tmp_path)
    # A fault leaves the pack that is there as it was.
    assert faults(bring, tmp_path, put("保单表", "F7", "X"), replace=True)
    assert (tmp_path / "packs/mappings/standards/small_2025/tables/BD.yaml").read_bytes() == before
    assert bring(tmp_path, put("保单表", "F7", "NUMBER(20,4)"), replace=True).standard.tables["BD"].by_code["BF"].scale == 4
    assert sorted(p.name for p in (tmp_path / "packs/mappings/standards").iterdir()) == ["small_2025"]
    with pytest.raises(NameUnfit):
        import_tables(tmp_path / "spec.xlsx", builtin_map(), ImportOptions("../Up", tmp_path / "packs"))


def test_a_code_table_without_values_is_said_to_be_missing(tmp_path):
    result = bring(tmp_path, put("保单表", "H7", None), replace=True)
    assert result.standard.tables["BD"].by_code["BDZT"].codes == "ZT"
    result = bring(tmp_path, put("保单表", "H5", "BDHLX"), replace=True)
    assert result.standard.codes["BDHLX"].values == () and result.standard.tables["BD"].by_code["BDH"].codes == "BDHLX"
    assert "code table(s) BDHLX have no values yet; import them with a column map of kind: codes" in notes(result)
    result = bring(tmp_path, put("保单表", "H5", "保单状态"), replace=True)
    assert result.standard.tables["BD"].by_code["BDH"].codes == "ZT"
    result = bring(tmp_path, put("保单表", "H7", "ZT"), replace=True)
    assert result.standard.tables["BD"].by_code["BF"].codes is None and "保单表!B7: BF is not a text; its code table ZT was left out" in notes(result)


def test_another_layout_by_a_column_map(tmp_path):
    (tmp_path / "map.yaml").write_text("""\
kind: tables
sheets: [保单]
title_row: 2
header_row: 4
first_row: 5
columns: {code: 字段, name: B, type: 格式, key: 4}
marks: {key: {"yes": [是], "no": [否]}}
keys: {BD: [BDH]}
roles: {XH: serial}
""", encoding="utf-8")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "保单"
    for row in (["第一版"], ["保单表(BD)"], [], ["字段", "名称", "格式", "主键"], ["XH", "序号", "NUMBER(10)", "是"], ["BDH", "保单号", "VARCHAR2(20)", "否"]):
        sheet.append(row)
    book.save(tmp_path / "other.xlsx")
    chosen = load_map(tmp_path / "map.yaml")
    result = import_tables(tmp_path / "other.xlsx", chosen, ImportOptions("other_1", tmp_path / "packs"))
    table = result.standard.tables["BD"]
    assert [(i.code, i.type, i.key, i.role) for i in table.items] == [("XH", "integer", False, "serial"), ("BDH", "text", True, None)]
    assert "保单: the business key is taken to be BDH" in notes(result)
    sheet["C4"] = "类型"
    book.save(tmp_path / "other.xlsx")
    found = faults(import_tables, tmp_path / "other.xlsx", chosen, ImportOptions("other_1", tmp_path / "packs", replace=True))
    assert found[0].sentence("en") == "other.xlsx sheet '保单': row 4 has no header '格式'" and found[0].sentence("zh") == "other.xlsx 工作表“保单”：第 4 行没有表头“格式”"
    sheet.title = "别的"
    book.save(tmp_path / "other.xlsx")
    found = faults(import_tables, tmp_path / "other.xlsx", chosen, ImportOptions("other_1", tmp_path / "packs", replace=True))
    assert "there is no such sheet; there are 别的" in found[0].sentence("en")


@pytest.mark.parametrize(("text", "line", "en"), [
    ("kind: tabels\n", 1, "did you mean tables?"), ("columns: {}\n", 1, "key kind is missing"), ("kind: codes\ncolumns: {code: 1}\n", 2, "column name is missing"),
    ("kind: codes\ncolumns: {code: 1, name: 2}\n", 1, "where is the code table's name"), ("kind: tables\ncolumns: {code: 0, name: 2, type: 3}\n", 2, "should be a number from 1 on"),
    ("kind: tables\ncolums: {}\ncolumns: {code: 1, name: 2, type: 3}\n", 2, "unknown key colums"),
])
def test_a_broken_column_map_is_told_by_line(tmp_path, text, line, en):
    (tmp_path / "map.yaml").write_text(text, encoding="utf-8")
    found = faults(load_map, tmp_path / "map.yaml")
    assert any(error.values["line"] == line and en in error.sentence("en") for error in found), [e.sentence("en") for e in found]


def test_what_the_layout_does_not_carry_comes_from_the_like_standard(tmp_path):
    like = load_standard("east_life_2020")
    book = openpyxl.Workbook()
    for name in ("说明", "目录"):
        book.create_sheet(name)
    sheet = book.create_sheet("被保险人表")
    for row in (["被保险人表（BBXRB）"], ["序号", "英文名", "中文名", "主键", "空值", "类型", "说明", "代码表"],
                [1, "LSH", "流水号", "Y", "N", "VARCHAR2(28)", None, None], [2, "GRBDH", "个人保单号", None, "N", "VARCHAR2(60)", None, None],
                [3, "BBRKHBH", "被保人客户编号", None, "N", "VARCHAR2(60)", None, None], [4, "YTBRGX", "与投保人关系", None, "N", "VARCHAR2(60)", None, "RYGX"],
                [5, "YDDH", "移动电话", None, None, "VARCHAR2(20)", None, None], [6, "ZY", "职业", None, None, "NUMBER(3)", None, None]):
        sheet.append(row)
    book.save(tmp_path / "new.xlsx")
    result = import_tables(tmp_path / "new.xlsx", builtin_map(), ImportOptions("east_life_2024", tmp_path / "packs", like=like, prefix="EL24"))
    table = result.standard.tables["BBXRB"]
    assert (result.standard.prefix, result.standard.masking, table.level, table.number) == ("EL24", like.masking, like.tables["BBXRB"].level, 20)
    # Only the serial number is marked as key: the business key is that of the like standard.
    assert [i.code for i in table.key_items] == ["GRBDH", "BBRKHBH"] and table.by_code["LSH"].role == "serial"
    assert (table.by_code["YTBRGX"].send, table.by_code["YTBRGX"].name["en"]) == ("text", "Relation to the policyholder")
    assert table.by_code["YDDH"].privacy == "phone"
    assert table.by_code["GRBDH"].refs is None and table.by_code["ZY"].default is None
    assert list(result.standard.tables) == ["BBXRB"] and result.standard.codes["RYGX"].values == like.codes["RYGX"].values
    told = "\n".join(notes(result))
    assert result.standard.jurisdictions is None and "so its jurisdictions were left out" in told
    assert "the auxiliary table CWHJ refers to a table that is gone and was left out" in told
    assert "GRBDH refers to GRBDB.GRBDH, which is gone" in told and "the default no longer fits and is left out: ZY is a number, not '未记录'" in told
    assert "items that east_life_2020 does not have: BBXRB.YDDH" in told and "the business key is taken to be BBRKHBH+GRBDH" in told


ODD = [None, "", " ", "=1+1", "#N/A", True, 0, -1, 1.5, 1e300, 10**30, datetime(2024, 1, 1), time(1, 2), "（", "（）", "A" * 5000, "VARCHAR2(99999999999999999999)", "NUMBER(１８，２)",
       "Ｙ", "bdh", "a\nb", "'", "{", "&<>", "😀", "²", "١", "ZT", "保单状态", "null", "~", "- a", "y: z", "1e5", "0x1F", "2024-01-01"]


@pytest.mark.parametrize("seed", range(40))
def test_any_damage_ends_in_a_pack_that_loads_or_in_faults_with_a_place(tmp_path, seed):
    chance = random.Random(seed)

    def damage(book):
        for _ in range(chance.randint(1, 4)):
            sheet, kind = chance.choice(book.worksheets), chance.randint(0, 9)
            if kind < 7:
                with suppress(AttributeError):  # a cell inside a merged one
                    sheet.cell(chance.randint(1, 10), chance.randint(1, 9)).value = chance.choice(ODD)
            elif kind == 7:
                row, column = chance.randint(1, 5), chance.randint(1, 5)
                sheet.merge_cells(start_row=row, start_column=column, end_row=row + chance.randint(0, 2), end_column=column + chance.randint(0, 2))
            elif kind == 8:
                sheet.delete_rows(chance.randint(1, 5), chance.randint(1, 5))
            else:
                sheet.insert_cols(chance.randint(1, 5))

    try:
        result = bring(tmp_path, damage)
    except EastboundError as error:
        for fault in getattr(error, "errors", [error]):
            assert isinstance(fault, (CellFault, SheetFault)) and fault.values["workbook"] == "spec.xlsx" and fault.sentence("zh") != fault.sentence("en")
        assert not (tmp_path / "packs").exists()
    else:
        assert load_standard_folder(result.folder) == result.standard
