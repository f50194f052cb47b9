"""Loading a standard: every fault names file and line, and says what is wrong in both languages."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pack_fuzz import spoilt
from small_standard import FILES, NAME, edit, line_of, load, write_pack

from etl.errors import EastboundError, Problems
from etl.packs.yamlfile import PackFileBroken
from etl.standard import CodeTable, CodeValue
from etl.standard.crosscheck import CyclicReference, find_cycle


@pytest.fixture
def root(tmp_path) -> Path:
    return write_pack(tmp_path)


def faults(root: Path) -> list[EastboundError]:
    with pytest.raises(EastboundError) as caught:
        load(root)
    return caught.value.errors if isinstance(caught.value, Problems) else [caught.value]


def test_what_is_written_is_what_is_loaded(root):
    standard = load(root)
    assert (standard.name, standard.prefix, standard.version, standard.title["en"]) == (NAME, "SM24", "2024", "A small standard")
    assert [t.code for t in standard.submitted_tables] == ["JG", "BD", "SF"] and [t.code for t in standard.ordered_tables][-1] == "ZZ"
    assert (standard.effective_from, standard.effective_to, standard.open_ended) == (date(2024, 1, 1), None, date(9999, 12, 31))
    assert (standard.format.separator, standard.serial.length, standard.on_error) == ("\x01", 16, "block_package")
    bd = standard.tables["BD"]
    assert [i.code for i in bd.key_items] == ["BDH"] and [i.code for i in bd.items if i.assigned] == ["LSH", "BXJG"]
    assert "LSH" not in [i.code for i in bd.mapped_items] and bd.capture == "full" and standard.tables["SF"].capture == "incremental"
    item = bd.by_code["JGDM"]
    assert item.refs.exceptions == ("0", "无") and item.refs.when == "BDZT <> '作废'"
    assert (bd.by_code["BF"].length, bd.by_code["BF"].scale, bd.by_code["ZZRQ"].default) == (12, 2, date(9999, 12, 31))
    assert (bd.by_code["BDZT"].send, bd.by_code["BDZT"].allow, bd.by_code["BDH"].send) == ("text", ("作废",), "code")
    assert item.line == line_of(root / "mappings/standards" / NAME / "tables/BD.yaml", "{code: JGDM")


def test_codes_have_their_time(root):
    table = load(root).codes["ZT"]
    assert [v.name for v in table.on(date(2020, 12, 31))] == ["有效", "终止", "旧名"]
    assert [v.name for v in table.on(date(2021, 1, 1))] == ["有效", "终止", "新名"]
    assert table.names == {"01": "有效", "02": "终止", "03": "新名"}
    open_ended = CodeTable("X", {}, "", "", (CodeValue("1", "a", valid_to=date(2020, 1, 1)),))
    assert open_ended.on(date(2020, 1, 1)) and not open_ended.on(date(2020, 1, 2))


@pytest.mark.parametrize(("name", "old", "new", "where", "zh", "en"), [
    ("tables/BD.yaml", "length: 20, required", "lenght: 20, required", "{code: BDH", "未知键 lenght，是否指 length？", "unknown key lenght; did you mean length?"),
    ("tables/BD.yaml", "level: 2", "levl: 2", "levl", "未知键 levl，是否指 level？", "unknown key levl; did you mean level?"),
    ("standard.yaml", "frequency: monthly", "frequency: monthly\nfrequncy: x", "frequncy", "未知键 frequncy，是否指 frequency？", "did you mean frequency?"),
    ("standard.yaml", "length_unit: bytes", "length_units: bytes", "length_units", "未知键 length_units", "did you mean length_unit?"),
    ("standard.yaml", "length_unit: bytes", "length_unit: words", "format:", "length_unit 应为 bytes 或 characters", "length_unit must be bytes or characters"),
    ("standard.yaml", "encoding: utf-8", "encoding: utf8000", "format:", "未知编码 utf8000", "unknown encoding utf8000"),
    ("standard.yaml", "kind: delimited", "kind: xml", "format:", "不支持的文件格式 xml", "file format xml is not supported"),
    ("standard.yaml", "length: 16", "length: long", "serial:", "serial.length 应为非负整数", "serial.length should be a whole number"),
    ("standard.yaml", "company_codes: GS", "company_codes: GSS", "company_codes", "代码表 GSS 不存在，是否指 GS？", "code table GSS does not exist; did you mean GS?"),
    ("standard.yaml", "prefix: SM24\n", "", "standard:", "缺少键 prefix", "key prefix is missing"),
    ("standard.yaml", "from: 2024-01-01", "from: '2024'", "effective", "effective.from 应为日期", "effective.from should be a date"),
    ("standard.yaml", "  name: {transform", "  nmae: {transform", "nmae", "未知键 nmae，是否指 name？", "did you mean name?"),
    ("standard.yaml", "standard: small_2024", "standard: small_2023", "standard:", "standard 应与目录名 small_2024 一致", "must be the folder's name, small_2024"),
    ("standard.yaml", "frequency: monthly", "frequency: monthly\non_error: block", "on_error", "on_error 的值 'block' 无效", "on_error 'block' is not one of"),
    ("tables/BD.yaml", "type: decimal", "type: money", "{code: BF", "BF 的类型 'money' 无效，应为 text、integer、decimal、date", "BF: type 'money' is not one of"),
    ("tables/BD.yaml", "type: decimal, length: 12", "type: decimal", "{code: BF", "BF 缺少有效的 length", "BF needs a length of at least 1"),
    ("tables/BD.yaml", "length: 12, scale: 2", "length: 2, scale: 2", "{code: BF", "length 应大于 scale", "the length of a decimal must be above its scale"),
    ("tables/BD.yaml", "length: 12, scale: 2", "length: 40, scale: 2", "{code: BF", "不超过 38", "at most 38"),
    ("tables/BD.yaml", "length: 12, scale: 2", "length: 12, scale: two", "{code: BF", "scale 应为非负整数", "scale should be a whole number"),
    ("tables/BD.yaml", "length: 20, required: true", "length: 20, required: yes", "{code: BDH", "required 应为 true 或 false，不是 'yes'", "required should be true or false, not 'yes'"),
    ("tables/JG.yaml", "key: true", "key: no", "{code: JGDM", "key 应为 true 或 false，不是 'no'", "key should be true or false, not 'no'"),
    ("tables/JG.yaml", ", key: true", "", "items:", "没有任何数据项标记 key: true", "no item has key: true"),
    ("tables/BD.yaml", "privacy: name,", "privacy: nmae,", "{code: KHMC", "privacy 的值 'nmae' 无效", "'nmae' is not one of name, id_number"),
    ("tables/BD.yaml", "role: company_code", "role: company", "{code: BXJG", "role 的值 'company' 无效", "'company' is not one of serial"),
    ("tables/BD.yaml", "send: text", "send: txt", "{code: BDZT", "send 的值 'txt' 无效", "'txt' is not one of text, code; did you mean text?"),
    ("tables/BD.yaml", "codes: ZT", "codes: ZTT", "{code: BDZT", "BDZT 引用的代码表 ZTT 不存在，是否指 ZT？", "BDZT names code table ZTT, which does not exist; did you mean ZT?"),
    ("tables/BD.yaml", "default: 未知", "default: 1", "{code: BDZT", "default：BDZT 为文本：1 应加引号", "default: BDZT is text: put 1 in quotes"),
    ("tables/BD.yaml", "default: 9999-12-31", "default: '9999-12-31'", "{code: ZZRQ", "default：ZZRQ 为日期", "default: ZZRQ is a date"),
    ("tables/BD.yaml", "allow: [作废]", "allow: 作废", "{code: BDZT", "allow 应是列表", "allow should be a list"),
    ("tables/BD.yaml", "privacy_when: BDZT IS NOT NULL", "privacy_when: BDZTT IS NOT NULL", "{code: KHMC", "没有数据项或列 BDZTT，是否指 BDZT？", "did you mean BDZT?"),
    ("tables/BD.yaml", "when: BDZT <> '作废'", "when: BDZT = 1", "{code: JGDM", "不能比较文本", "cannot compare text"),
    ("tables/SF.yaml", "refs: {table: BD, item: BDH}", "refs: {table: BDD, item: BDH}", "{code: BDH", "BDH 引用的 BDD.BDH 不存在，是否指 BD？", "refers to BDD.BDH, which does not exist; did you mean BD?"),
    ("tables/SF.yaml", "refs: {table: BD, item: BDH}", "refs: {table: BD, item: BDHH}", "{code: BDH", "BD.BDHH 不存在，是否指 BDH？", "BD.BDHH, which does not exist; did you mean BDH?"),
    ("tables/SF.yaml", "refs: {table: BD, item: BDH}", "refs: {table: BD, item: SXRQ}", "{code: BDH", "类型不同", "differ in type"),
    ("tables/SF.yaml", "refs: {table: BD, item: BDH}", "refs: BD.BDH", "{code: BDH", "refs 应含 table、item", "refs takes table and item"),
    ("tables/SF.yaml", "refs: {table: BD, item: BDH}", "refs: {table: BD, item: BDH, unless: x}", "{code: BDH", "refs 应含 table、item", "refs takes table and item"),
    ("tables/SF.yaml", "code: XH", "code: BDH", "{code: BDH, name: {zh: 序号}", "数据项 BDH 重复", "item BDH appears twice"),
    ("tables/SF.yaml", "code: XH", "kode: XH", "{kode: XH", "数据项缺少 code", "an item without code"),
    ("tables/SF.yaml", "table: SF", "table: BD", "table: BD", "表 BD 已在", "table BD is already defined in"),
    ("tables/SF.yaml", "name: {zh: 收付表, en: Payments}\n", "", "table: SF", "缺少键 name", "key name is missing"),
    ("codes/index.yaml", "  ZT:", "  ZZTT:", "ZZTT", "缺少文件 ZZTT.csv", "file ZZTT.csv is missing"),
    ("codes/index.yaml", "  ZT: {name: {zh: 保单状态, en: Policy state}, provenance: G, source: by hand}\n", "", "tables:", "代码表文件 ZT.csv 未列入 index.yaml", "ZT.csv is not listed in index.yaml"),
    ("codes/index.yaml", "source: by hand", "sorce: by hand", "ZT:", "未知键 sorce，是否指 source？", "did you mean source?"),
    ("codes/ZT.csv", "code,name,name_en", "code,naam,name_en", "code,", "首行应为 code,name,name_en,valid_from,valid_to,provenance", "the first line should read"),
    ("codes/ZT.csv", ",valid_to", ",valid_until", "code,", "首行应为", "the first line should read"),
    ("codes/ZT.csv", "02,终止,ended,,,G", "02,终止,ended,,G", "02,", "有 5 列，应为 6 列", "it has 5 columns instead of 6"),
    ("codes/ZT.csv", "02,终止,ended,,,G", "02,\u3000,ended,,,G", "02,", "代码或名称为空", "code or name is empty"),
    ("codes/ZT.csv", "2020-12-31", "2020-12-32", "旧名", "日期应为 YYYY-MM-DD", "dates should be YYYY-MM-DD"),
    ("codes/ZT.csv", "2020-12-31", "20201231", "旧名", "日期应为 YYYY-MM-DD", "dates should be YYYY-MM-DD"),
    ("codes/ZT.csv", "02,终止,ended,,", "02,终止,ended,2021-01-02,2021-01-01", "02,", "valid_from 晚于 valid_to", "valid_from is after valid_to"),
    ("codes/ZT.csv", "2020-12-31", "2021-01-01", "新名", "代码 03 的有效期与第 4 行重叠", "code 03 is valid at the same time as on line 4"),
    ("codes/ZT.csv", "02,终止", "01,终止", "01,终止", "代码 01 的有效期与第 2 行重叠", "code 01 is valid at the same time as on line 2"),
])
def test_a_fault_names_file_and_line(root, name, old, new, where, zh, en):
    path = edit(root, name, old, new)
    found = [e for e in faults(root) if zh in e.sentence("zh")]
    assert found, [e.sentence("zh") for e in faults(root)]
    assert en in found[0].sentence("en")
    assert (found[0].values["path"], found[0].values["line"]) == (str(path), line_of(path, where))


def test_a_code_table_in_another_encoding_is_a_fault_and_not_a_crash(root):
    path = root / "mappings/standards" / NAME / "codes/ZT.csv"
    path.write_bytes(path.read_text("utf-8").encode("gb18030"))
    assert [(e.values["path"], "save the file as UTF-8" in e.sentence("en")) for e in faults(root)][0] == (str(path), True)


def test_all_faults_of_a_standard_come_at_once(root):
    edit(root, "tables/BD.yaml", "type: decimal", "type: money")
    edit(root, "tables/SF.yaml", "type: decimal", "type: money")
    edit(root, "codes/ZT.csv", "2020-12-31", "2020-12-32")
    assert {Path(e.values["path"]).name for e in faults(root)} >= {"BD.yaml", "SF.yaml", "ZT.csv"}


def test_references_must_not_form_a_cycle(root):
    edit(root, "tables/JG.yaml", "code: JGMC, name: {zh: 机构名称}, type: text, length: 12", "code: JGMC, name: {zh: 机构名称}, type: text, length: 12, refs: {table: SF, item: BDH}")
    [error] = faults(root)
    assert isinstance(error, CyclicReference)
    assert "BD -> JG -> SF -> BD" in error.sentence("en") and "表间引用成环 BD -> JG -> SF -> BD" in error.sentence("zh")


@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef")), max_size=6))
def test_a_cycle_is_found_exactly_when_there_is_one(edges):
    reachable = {node: set(targets) for node, targets in edges.items()}
    for _ in range(6):
        for node in reachable:
            reachable[node] |= set().union(*(reachable.get(t, set()) for t in reachable[node])) if reachable[node] else set()
    cycle = find_cycle(edges)
    assert (cycle is not None) == any(node in targets for node, targets in reachable.items())
    if cycle:
        assert cycle[0] == cycle[-1] and all(b in edges[a] for a, b in zip(cycle, cycle[1:], strict=False))


YAML_FILES = [name for name in FILES if name.endswith(".yaml")]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(YAML_FILES).flatmap(lambda name: st.tuples(st.just(name), spoilt(yaml.safe_load(FILES[name])))))
def test_no_shape_of_a_file_brings_the_loader_down(tmp_path, change):
    name, document = change
    root = write_pack(tmp_path)
    (root / name).write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    try:
        load(root)
    except EastboundError as error:
        assert error.sentence("zh") and error.sentence("en")


def test_an_index_is_needed_for_code_tables(root):
    (root / "mappings/standards" / NAME / "codes/index.yaml").unlink()
    assert any("代码表 GS 不存在" in e.sentence("zh") for e in faults(root))
    assert all(isinstance(e, PackFileBroken) for e in faults(root))
