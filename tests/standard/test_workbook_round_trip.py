"""A pack written as a workbook and read back is the same pack; and codes and rules come in by column maps."""

from __future__ import annotations

from datetime import date

import openpyxl
import pytest
from small_standard import NAME, edit, load, write_pack
from workbooks import bring, faults

from etl.packs.roots import PackRoots
from etl.rules.compare import rule_texts
from etl.rules.loader import load_rule_folder, load_rules
from etl.rules.workbook import carry_rules, import_rules
from etl.standard import load_standard
from etl.standard.diff import diff_standards
from etl.standard.loader import load_standard_folder
from etl.standard.workbook.columnmap import builtin_map, load_map
from etl.standard.workbook.exporting import export_workbook
from etl.standard.workbook.importing import ImportOptions, PackMissing, import_codes, import_tables


def test_the_whole_life_standard_comes_back_as_it_was(tmp_path):
    standard = load_standard("east_life_2020")
    assert export_workbook(standard, tmp_path / "life.xlsx") == len(standard.submitted_tables) >= 12
    book = openpyxl.load_workbook(tmp_path / "life.xlsx")
    assert book.sheetnames[:3] == ["说明", "表清单", "业务代码表"] and len(book.sheetnames) == 3 + len(standard.submitted_tables)
    sheet = book["个人保单表"]
    assert (sheet["A1"].value, sheet["B3"].value, sheet["C3"].value, sheet["E3"].value, sheet["F3"].value) == ("个人保单表（GRBDB）", "LSH", "流水号", "N", "VARCHAR2(28)")
    result = import_tables(tmp_path / "life.xlsx", builtin_map(), ImportOptions("life_again", tmp_path / "packs", like=standard))
    rules = carry_rules(standard, PackRoots.of().rules(standard.name), result.standard, tmp_path / "packs/validation_rules/life_again")
    again = load_standard("life_again", PackRoots.of(tmp_path / "packs"))
    texts = [rule_texts(s, load_rules(s, PackRoots.of(tmp_path / "packs"))) for s in (standard, again)]
    assert rules.live == len(texts[0]) > 400
    assert diff_standards(standard, again, *texts) == [] and diff_standards(again, standard, *reversed(texts)) == []
    # Notes and provenance are carried as well: nothing that was rebuilt comes back as published.
    for table in standard.submitted_tables:
        assert [(i.code, i.provenance, i.length_provenance) for i in again.tables[table.code].items] == [(i.code, i.provenance, i.length_provenance) for i in table.items]
    assert [v.provenance for v in again.codes["BDZT"].values] == [v.provenance for v in standard.codes["BDZT"].values]


def test_without_a_like_standard_just_the_layout_comes_back(tmp_path):
    standard = load_standard("east_life_2020")
    export_workbook(standard, tmp_path / "life.xlsx")
    again = import_tables(tmp_path / "life.xlsx", builtin_map(), ImportOptions("life_again", tmp_path / "packs")).standard
    assert diff_standards(standard, again, layout_only=True) == []
    found = diff_standards(standard, again)
    assert {one.field for one in found if one.kind == "item"} == {"send", "allow", "default", "privacy", "privacy_when", "refs"}
    assert {(one.field, one.change) for one in found if one.kind == "table"} == {("level", "changed"), ("items", "removed")}


def test_the_same_standard_gives_the_same_workbook(tmp_path):
    import zipfile

    standard = load(write_pack(tmp_path))
    for name in ("a.xlsx", "b.xlsx"):
        export_workbook(standard, tmp_path / name)
    contents = []
    for name in ("a.xlsx", "b.xlsx"):
        with zipfile.ZipFile(tmp_path / name) as archive:
            contents.append({inner: archive.read(inner) for inner in archive.namelist() if inner != "docProps/core.xml"})
    assert contents[0] == contents[1] and len(contents[0]) > 8


def test_texts_that_look_like_something_else_survive(tmp_path):
    root = write_pack(tmp_path / "root")
    edit(root, "tables/BD.yaml", "{code: BF, name: {zh: 保费}", "{code: BF, note: \"=SUM(A1) 1e5\", name: {zh: \"1e5\"}")
    edit(root, "codes/ZT.csv", "01,有效", "1e5,=1+1")
    standard = load(root)
    export_workbook(standard, tmp_path / "s.xlsx")
    again = import_tables(tmp_path / "s.xlsx", builtin_map(), ImportOptions("again", tmp_path / "packs", like=standard)).standard
    assert diff_standards(standard, again) == []
    assert (again.tables["BD"].by_code["BF"].name["zh"], again.tables["BD"].by_code["BF"].note) == ("1e5", "=SUM(A1) 1e5")
    assert [(v.code, v.name) for v in again.codes["ZT"].values][:2] == [("1e5", "=1+1"), ("02", "终止")]


CODES_MAP = """\
kind: codes
sheets: [代码]
header_row: 2
first_row: 3
columns: {table: A, table_name: B, code: 代码, name: 含义, valid_from: 起}
optional: [valid_from]
fill_down: [table, table_name]
"""


def codes_book(path, damage=None):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "代码"
    for row in (["业务代码表"], ["表", "表名", "代码", "含义", "起"], ["ZT", "保单状态", "01", "有效", None], [None, None, "03", "中止", "20240101"], ["QD", "渠道", "0101", "个险", "2024/1/1"]):
        sheet.append(row)
    sheet.merge_cells("A3:A4")
    sheet.merge_cells("B3:B4")
    if damage:
        damage(sheet)
    book.save(path)
    return path


def test_code_tables_by_a_column_map(tmp_path):
    (tmp_path / "codes.yaml").write_text(CODES_MAP, encoding="utf-8")
    chosen, options = load_map(tmp_path / "codes.yaml"), ImportOptions("small_2025", tmp_path / "packs")
    path = codes_book(tmp_path / "codes.xlsx")
    with pytest.raises(PackMissing):
        import_codes(path, chosen, options)
    bring(tmp_path)
    result = import_codes(path, chosen, options)
    assert [(v.code, v.name, v.valid_from, v.provenance) for v in result.standard.codes["ZT"].values] == [("01", "有效", None, "E"), ("03", "中止", date(2024, 1, 1), "E")]
    assert [(v.code, v.name) for v in result.standard.codes["QD"].values] == [("0101", "个险")] and result.standard.codes["QD"].source == "imported from codes.xlsx"
    assert [n.sentence("en") for n in result.notes] == ["no item uses code table QD"]
    assert load_standard_folder(options.folder) == result.standard

    def damage(sheet):
        sheet["C4"], sheet["D5"], sheet["E5"] = "01", None, "soon"
        sheet.merge_cells("C3:D3")

    found = faults(import_codes, codes_book(tmp_path / "bad.xlsx", damage), chosen, options)
    assert [(e.values["cell"], e.sentence("en").split(": ", 1)[1]) for e in found] == [
        ("C3:D3", "is a merged cell; unmerge it and fill in each cell"), ("D3", "the name is missing"), ("E5", "'soon' is not a date; write it as 2024-01-31")]


@pytest.mark.parametrize(("table", "title", "wanted"), [("sheet", "ZT", "ZT"), ("title", "代码", "ZT"), ("QD", "代码", "QD")])
def test_a_code_table_of_its_own_sheet(tmp_path, table, title, wanted):
    bring(tmp_path)
    (tmp_path / "codes.yaml").write_text(f"kind: codes\ntable: {table}\nheader_row: 2\ntitle_row: 1\ncolumns: {{code: 1, name: 2}}\n", encoding="utf-8")
    book = openpyxl.Workbook()
    book.active.title = title
    for row in (["保单状态（ZT）"], ["代码", "名称"], ["9", "其他"]):
        book.active.append(row)
    book.save(tmp_path / "codes.xlsx")
    result = import_codes(tmp_path / "codes.xlsx", load_map(tmp_path / "codes.yaml"), ImportOptions("small_2025", tmp_path / "packs"))
    assert [(v.code, v.name) for v in result.standard.codes[wanted].values] == [("9", "其他")]


RULES_MAP = """\
kind: rules
sheets: [规则]
columns: {official_id: 编号, table: 表, item: 数据项, severity: 程度, when: 前提, expect: 要求, message_zh: 说明, pass: 通过, fail: 不通过}
values: {severity: {强制: error, 提示: warning}}
constants: {family: cross_item, message_en: see the Chinese text}
"""
RULE_ROWS = [
    ["编号", "表", "数据项", "程度", "前提", "要求", "说明", "通过", "不通过"],
    ["A-1", "保单表", "保费", "强制", "BDZT = '有效'", "BF > 0", "有效保单保费应大于零", "{BDZT: 有效, BF: 1}", "[{BDZT: 有效, BF: 0}, {BDZT: 有效, BF: -1}]"],
    ["A-2", "BD", "BDH", "提示", None, "length(BDH) > 3", "保单号过短", "{BDH: '00001'}", "{BDH: '01'}"],
    ["A-3", "BD", "SXRQ", "强制", None, None, "生效日期应合理", None, None],
]


def rules_book(path, damage=None):
    book = openpyxl.Workbook()
    book.active.title = "规则"
    for row in RULE_ROWS:
        book.active.append(row)
    if damage:
        damage(book.active)
    book.save(path)
    return path


def test_rules_by_a_column_map(tmp_path):
    standard = bring(tmp_path, prefix="SM25").standard
    (tmp_path / "rules.yaml").write_text(RULES_MAP, encoding="utf-8")
    chosen, folder = load_map(tmp_path / "rules.yaml"), tmp_path / "packs/validation_rules/small_2025"
    made = import_rules(rules_book(tmp_path / "r.xlsx"), chosen, standard, folder)
    assert (made.live, made.drafts) == (2, 1)
    rules = {rule.id: rule for rule in load_rule_folder(folder, standard)}
    first, second = rules["SM25-BD-BF-CI-01"], rules["SM25-BD-BDH-CI-01"]
    assert (first.official_id, first.severity, first.when.text, first.expect.text, first.message) == ("A-1", "error", "BDZT = '有效'", "BF > 0", {"zh": "有效保单保费应大于零", "en": "see the Chinese text"})
    assert first.examples_fail == ({"BDZT": "有效", "BF": 0}, {"BDZT": "有效", "BF": -1}) and first.basis == "r.xlsx, 规则 row 2 (E)"
    assert second.examples_pass == ({"BDH": "00001"},) and second.severity == "warning"
    draft = (folder / "drafts/BD.yaml").read_text(encoding="utf-8")
    assert "生效日期应合理" in draft and "SM25-BD-SXRQ-CI-01" in draft and len(rules) == 2
    # A second workbook adds to what is there, with numbers that go on.
    assert import_rules(rules_book(tmp_path / "r2.xlsx"), chosen, standard, folder).live == 2
    assert sorted(rule.id for rule in load_rule_folder(folder, standard)) == ["SM25-BD-BDH-CI-01", "SM25-BD-BDH-CI-02", "SM25-BD-BF-CI-01", "SM25-BD-BF-CI-02"]


@pytest.mark.parametrize(("cell", "value", "place", "zh", "en"), [
    ("B2", "保费表", "B2", "没有表 '保费表'", "has no table '保费表'"), ("C2", "保单浩", "C2", "表 BD 没有数据项 '保单浩'，是否指 保单号？", "table BD has no item '保单浩'; did you mean 保单号?"),
    ("D2", "严重", "D2", "不在列映射 values.severity 中：强制、提示", "is not in values.severity of the column map: 强制, 提示"),
    ("F2", "BF > '0'", "F2", "", "SM25-BD-BF-CI-01:"), ("F2", "BFX > 0", "F2", "", "SM25-BD-BF-CI-01:"), ("G2", None, "G2", "缺少规则说明", "the rule's message is missing"),
    ("H2", "BF = 1", "H2", "样例应写作 {数据项: 值, ...}", "an example should read {ITEM: value, ...}"), ("A3", "A-1", "A3", "规则编号 A-1 与 规则!A2 重复", "rule number A-1 is in 规则!A2 already"),
    ("F2", "=1", "F2", "是公式", "holds a formula"), ("A2", None, None, "", ""),
])
def test_a_broken_rule_is_told_by_cell(tmp_path, cell, value, place, zh, en):
    standard = bring(tmp_path, prefix="SM25").standard
    (tmp_path / "rules.yaml").write_text(RULES_MAP, encoding="utf-8")
    path = rules_book(tmp_path / "r.xlsx", lambda sheet: sheet.__setitem__(cell, value))
    chosen, folder = load_map(tmp_path / "rules.yaml"), tmp_path / "packs/validation_rules/small_2025"
    if place is None:
        assert import_rules(path, chosen, standard, folder).live == 2
        return
    found = faults(import_rules, path, chosen, standard, folder)
    assert [e.values["cell"] for e in found] == [place] and zh in found[0].sentence("zh") and en in found[0].sentence("en")
    assert not folder.exists()


def test_rules_that_do_not_fit_a_new_edition_are_left_out_and_named(tmp_path):
    root = write_pack(tmp_path, {f"validation_rules/{NAME}/BD.yaml": """\
# kept
table: BD
rules:
  # about BF
  - id: SM24-BD-BF-VR-01
    family: value_range
    expect: BF >= 0
    severity: error
    message: {zh: a, en: a}
    examples: {pass: [{BF: 0}], fail: [{BF: -1}]}
  - id: SM24-BD-JFCS-VR-01
    family: value_range
    expect: JFCS >= 0
    severity: error
    message: {zh: b, en: b}
    examples: {pass: [{JFCS: 0}], fail: [{JFCS: -1}]}
  - id: SM24-BD-BDH-UQ-01
    family: uniqueness
    unique: {items: [BDH]}
    severity: error
    message: {zh: c, en: c}
    examples: {pass: [{BD: [{BDH: a}]}], fail: [{BD: [{BDH: a}, {BDH: a}]}]}
"""})
    like = load(root)
    assert len(load_rules(like, PackRoots((root,)))) == 3
    target = bring(tmp_path / "new", prefix="SM25").standard if (tmp_path / "new").mkdir() is None else None
    folder = tmp_path / "new/packs/validation_rules/small_2025"
    made = carry_rules(like, PackRoots((root,)).rules(NAME), target, folder)
    assert [n.sentence("en") for n in made.notes] == ["rule SM25-BD-JFCS-VR-01 does not fit the new tables and was left out"]
    assert [rule.id for rule in load_rule_folder(folder, target)] == ["SM25-BD-BF-VR-01", "SM25-BD-BDH-UQ-01"] and made.live == 2
    assert (folder / "BD.yaml").read_text(encoding="utf-8").startswith("# kept\n")
    assert "were left as they are" in carry_rules(like, PackRoots((root,)).rules(NAME), target, folder).notes[0].en
