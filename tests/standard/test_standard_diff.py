"""What differs between two editions, worked out by hand on the small standard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_standard import NAME, edit, load, write_pack

from etl.cli import main
from etl.language import set_language
from etl.packs.roots import PackRoots
from etl.rules.compare import rule_texts
from etl.rules.loader import load_rules
from etl.standard.diff import Difference, diff_standards
from etl.standard.differences import diff_page, line, summary

RULE = """\
table: BD
rules:
  - id: SM24-BD-BF-VR-01
    family: value_range
    expect: BF >= %s
    severity: error
    message: {zh: 保费不得为负, en: No negative premium}
    examples: {pass: [{BF: 9}], fail: [{BF: -9}]}
"""


@pytest.fixture
def roots(tmp_path) -> tuple[Path, Path]:
    return write_pack(tmp_path / "a"), write_pack(tmp_path / "b")


def test_equal_standards_have_no_difference(roots):
    a, b = map(load, roots)
    assert diff_standards(a, b) == [] and summary([], "en") == []


@pytest.mark.parametrize(("name", "old", "new", "wanted"), [
    ("tables/BD.yaml", "code: BF, name: {zh: 保费}, type: decimal, length: 12", "code: BF, name: {zh: 保费}, type: decimal, length: 18",
     [Difference("item", "changed", "BD.BF", "保费", "length", "12", "18")]),
    ("tables/BD.yaml", "code: BF, name: {zh: 保费}, type: decimal, length: 12, scale: 2", "code: BF, name: {zh: 应收保费}, type: integer, length: 12",
     [Difference("item", "changed", "BD.BF", "应收保费", field, before, after) for field, before, after in (("name", "保费", "应收保费"), ("type", "decimal", "integer"), ("scale", "2", "0"))]),
    ("tables/BD.yaml", "length: 20, required: true", "length: 20", [Difference("item", "changed", "BD.BDH", "保单号", "required", "true", "false")]),
    ("tables/BD.yaml", "privacy: name, ", "", [Difference("item", "changed", "BD.KHMC", "客户名称", "privacy", "name", "")]),
    ("tables/BD.yaml", 'except: ["0", 无]', 'except: ["0"]',
     [Difference("item", "changed", "BD.JGDM", "机构代码", "refs", "JG.JGDM except 0, 无 when BDZT <> '作废'", "JG.JGDM except 0 when BDZT <> '作废'")]),
    ("tables/BD.yaml", "  - {code: SXRQ, name: {zh: 生效日期}, type: date}\n", "", [Difference("item", "removed", "BD.SXRQ", "生效日期", "", "date(10)", "")]),
    ("tables/BD.yaml", "  - {code: SXRQ,", "  - {code: QDRQ, name: {zh: 签单日期}, type: date}\n  - {code: SXRQ,", [Difference("item", "added", "BD.QDRQ", "签单日期", "", "", "date(10)")]),
    ("tables/SF.yaml", "capture: incremental", "capture: full", [Difference("table", "changed", "SF", "收付表", "capture", "incremental", "full")]),
    ("tables/SF.yaml", "code: JGDM, name: {zh: 机构代码}", "code: JGDM, name: {zh: 机构代码}, note: new, provenance: E", []),
    ("codes/ZT.csv", "02,终止,ended,,,G", "02,终止,ended,,2023-12-31,G", [Difference("code", "dates_changed", "ZT:02", "终止", "effective", "", "..2023-12-31")]),
    ("codes/ZT.csv", "02,终止,ended,,,G", "02,失效,ended,,,G", [Difference("code", "renamed", "ZT:02", "失效", "name", "终止", "失效")]),
    ("codes/ZT.csv", "02,终止,ended,,,G\n", "", [Difference("code", "removed", "ZT:02", "终止", "", "终止", "")]),
    ("codes/ZT.csv", "02,终止,ended,,,G\n", "02,终止,ended,,,G\n04,中止,,2025-01-01,,G\n", [Difference("code", "added", "ZT:04", "中止", "", "", "中止 2025-01-01..")]),
    ("codes/ZT.csv", "03,新名,new,2021-01-01,,G\n", "03,新名,new,2021-01-01,2024-12-31,G\n03,又名,,2025-01-01,,G\n",
     [Difference("code", "dates_changed", "ZT:03", "新名", "effective", "2021-01-01..", "2021-01-01..2024-12-31"), Difference("code", "added", "ZT:03", "又名", "", "", "又名 2025-01-01..")]),
    ("standard.yaml", "from: 2024-01-01, to: null", "from: 2024-01-01, to: 2024-12-31", [Difference("standard", "changed", "", "", "effective", "2024-01-01..", "2024-01-01..2024-12-31")]),
])
def test_one_change_is_one_difference(roots, name, old, new, wanted):
    edit(roots[1], name, old, new)
    assert diff_standards(*map(load, roots)) == wanted


def test_moved_items_are_told_and_only_those(roots):
    bd = roots[1] / "mappings/standards" / NAME / "tables/BD.yaml"
    lines = bd.read_text(encoding="utf-8").splitlines(keepends=True)
    assert "KHMC" in lines[9] and "BDZT" in lines[10]
    lines[9], lines[10] = lines[10], lines[9]
    bd.write_text("".join(lines), encoding="utf-8")
    assert [(d.place, d.before, d.after) for d in diff_standards(*map(load, roots))] == [("BD.KHMC", "5", "6"), ("BD.BDZT", "6", "5")]


def test_tables_code_tables_and_rules(roots):
    a, b = roots
    (b / "mappings/standards" / NAME / "tables/SF.yaml").unlink()
    write_pack(b, {f"mappings/standards/{NAME}/tables/SF.yaml": "table: TF\nname: {zh: 退费表}\nitems:\n  - {code: BDH, type: text, length: 20, key: true}\n",
                   f"validation_rules/{NAME}/BD.yaml": RULE % "1"})
    write_pack(a, {f"validation_rules/{NAME}/BD.yaml": RULE % "0"})
    edit(b, "codes/index.yaml", "ZT: {name: {zh: 保单状态", "QD: {name: {zh: 渠道}}\n  ZT: {name: {zh: 状态")
    (b / "mappings/standards" / NAME / "codes/QD.csv").write_text("code,name\n1,个险\n", encoding="utf-8")
    first, second = load(a), load(b)
    found = diff_standards(first, second, *(rule_texts(s, load_rules(s, PackRoots((root,)))) for s, root in ((first, a), (second, b))))
    assert found == [
        Difference("table", "removed", "SF", "收付表", "items", "5", ""), Difference("table", "added", "TF", "退费表", "items", "", "1"),
        Difference("code_table", "renamed", "ZT", "状态", "name", "保单状态", "状态"), Difference("code_table", "added", "QD", "渠道", "values", "", "1"),
        Difference("rule", "changed", "BD-BF-VR-01", "保费不得为负", "expect", "BF >= 0", "BF >= 1"),
    ]
    assert summary(found, "en") == ["table added 1", "table removed 1", "code table added 1", "code table renamed 1", "rule changed 1"]
    assert summary(found, "zh")[0] == "表 新增 1"
    assert line(found[0], "en") == "- table SF 收付表  items: 5"
    assert line(found[-1], "en") == "~ rule BD-BF-VR-01 保费不得为负  expect: BF >= 0 → BF >= 1" and line(found[-1], "zh").startswith("~ 检核规则 BD-BF-VR-01")
    page = diff_page("a", "b", found, "en")
    assert "<del>BF &gt;= 0</del>" in page and "<ins>BF &gt;= 1</ins>" in page and "http" not in page
    assert "没有差异" in diff_page("a", "b", [], "zh")
    assert [d.kind for d in diff_standards(first, second, layout_only=True)] == ["table", "table", "code_table"]


def call(capsys, *arguments) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main([str(a) for a in arguments])
    set_language(None)
    told = capsys.readouterr()
    return left.value.code, told.out, told.err


def test_the_command_says_equal_or_different_by_its_exit_code(capsys, tmp_path):
    root = write_pack(tmp_path / "packs")
    other = root / "mappings/standards/small_2025"
    (root / "mappings/standards" / NAME).rename(other)
    (other / "standard.yaml").write_text((other / "standard.yaml").read_text(encoding="utf-8").replace(NAME, "small_2025"), encoding="utf-8")
    write_pack(root)
    asked = ["--lang", "en", "standard", "diff", NAME, "small_2025", "--packs", root]
    assert call(capsys, *asked) == (0, "no difference between small_2024 and small_2025\n", "")
    path = other / "tables/BD.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("length: 12, scale: 2", "length: 14, scale: 2"), encoding="utf-8")
    code, out, _ = call(capsys, *asked)
    assert (code, out) == (1, "~ item BD.BF 保费  length: 12 → 14\nitem changed 1\n")
    code, out, _ = call(capsys, *asked, "--format", "json")
    assert code == 1 and json.loads(out) == {"a": NAME, "b": "small_2025", "equal": False, "differences": [
        {"kind": "item", "change": "changed", "place": "BD.BF", "name": "保费", "field": "length", "before": "12", "after": "14"}]}
    code, out, _ = call(capsys, *asked, "--format", "html")
    assert code == 1 and out.startswith("<!doctype html>") and out.rstrip().endswith("</html>")
    assert call(capsys, "standard", "diff", NAME, "nowhere", "--packs", root)[0] == 2


def test_import_export_and_catalogue_commands(capsys, tmp_path):
    root = write_pack(tmp_path / "root", {f"validation_rules/{NAME}/BD.yaml": RULE % "0"})
    code, out, _ = call(capsys, "--lang", "en", "standard", "export", NAME, "-o", tmp_path / "s.xlsx", "--packs", root)
    assert code == 0 and out.endswith("s.xlsx: 3 data sheets\n")
    asked = ["--lang", "en", "standard", "import", tmp_path / "s.xlsx", "--as", "small_2025", "--into", tmp_path / "packs", "--like", NAME, "--packs", root]
    code, out, _ = call(capsys, *asked)
    assert code == 0 and "small_2025: 3 tables, 19 items, 2 code table(s), 1 rule(s) carried over" in out
    assert "the auxiliary table ZZ is taken from small_2024" in out
    code, out, _ = call(capsys, "--lang", "en", "standard", "diff", NAME, "small_2025", "--packs", root, "--packs", tmp_path / "packs")
    assert (code, out) == (0, "no difference between small_2024 and small_2025\n")
    code, _, err = call(capsys, *asked)
    assert code == 2 and "exists; choose another name with --as, or overwrite it with --replace" in err
    code, out, _ = call(capsys, *asked, "--replace", "--format", "json")
    about = json.loads(out)
    assert code == 0 and (about["tables"], about["items"], about["rules"]) == (3, 19, 0) and about["notes"][-1]["en"] == "small_2025 has check rules already; they were left as they are"
    code, out, _ = call(capsys, "standard", "catalogue", NAME, "-o", tmp_path / "pages", "--packs", root)
    assert code == 0 and (tmp_path / "pages" / f"{NAME}.html").is_file()
