"""Fixed-width formats in packs: where fields lie, and every fault with file and line."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pack_fuzz import spoilt
from small_standard import FILES, NAME, edit, line_of, load, write_pack

from etl.errors import EastboundError, Problems
from etl.standard.definition import FieldLayout, FixedFormat
from etl.standard.layout import ENVELOPE_NAMES, SIGNS, envelope_layout, needed_width, record_layout, widest_character
from etl.standard.layout_loader import FIXED_KEYS, LAYOUT_KEYS

PLAIN = "format: {kind: delimited, encoding: utf-8, length_unit: bytes}\n"
FIXED = """\
format:
  kind: fixed
  encoding: gb18030
  line_end: "\\r\\n"
  date: "%Y%m%d"
  decimals: implied
  sign: none
  padding: {text: " ", number: "0"}
  align: {number: right}
  header:
    - {text: HEAD}
    - {field: table, width: 8}
    - {field: period_end, date: "%Y-%m"}
  trailer:
    - {text: T, width: 3}
    - {field: rows, width: 6}
    - {field: sum, item: {BD: BF, SF: JE}, width: 18, sign: leading}
"""
# SF: 20 + 6 + 10 + 8 + 16 bytes.
PLACED = """\
table: SF
number: 3
name: {zh: 收付表, en: Payments}
level: 3
reserved:
  - {position: 61, width: 4}
items:
  - {code: JE, name: {zh: 金额}, type: decimal, length: 16, scale: 2, position: 1}
  - {code: BDH, name: {zh: 保单号}, type: text, length: 20, key: true, position: 17, align: right, padding: "0"}
  - {code: RQ, name: {zh: 日期}, type: date, position: 53, "null": "00000000"}
  - {code: XH, name: {zh: 序号}, type: integer, length: 6, key: true, position: 37, width: 6}
  - {code: JGDM, name: {zh: 机构代码}, type: text, length: 10, position: 43}
"""
SF = f"mappings/standards/{NAME}/tables/SF.yaml"


@pytest.fixture
def root(tmp_path) -> Path:
    write_pack(tmp_path, {SF: PLACED})
    edit(tmp_path, "standard.yaml", PLAIN, FIXED)
    return tmp_path


def faults(root: Path) -> list[EastboundError]:
    with pytest.raises(EastboundError) as caught:
        load(root)
    return caught.value.errors if isinstance(caught.value, Problems) else [caught.value]


def test_what_is_written_is_what_is_loaded(root):
    standard = load(root)
    fmt = standard.format
    assert isinstance(fmt, FixedFormat)
    assert (fmt.kind, fmt.encoding, fmt.line_end, fmt.date, fmt.sign, fmt.decimals, fmt.null) == ("fixed", "gb18030", "\r\n", "%Y%m%d", "none", "implied", "")
    assert (fmt.align, fmt.padding) == ({"text": "left", "number": "right"}, {"text": " ", "number": "0"})
    assert [(f.name, f.text, f.layout.width) for f in fmt.head] == [("", "HEAD", None), ("table", "", 8), ("period_end", "", None)]
    assert fmt.trail[2].items == {"BD": "BF", "SF": "JE"} and fmt.trail[2].layout.sign == "leading"
    assert standard.tables["SF"].by_code["BDH"].layout == FieldLayout(position=17, align="right", padding="0")


def test_items_follow_one_another_by_their_longest_values(root):
    standard = load(root)
    layout = record_layout(standard.tables["BD"], standard)
    # A serial number has 16 characters, a date 8, a premium 12 digits without point and sign, a count 4.
    assert [(f.code, f.start, f.width) for f in layout.fields] == [
        ("LSH", 0, 16), ("BXJG", 16, 6), ("BDH", 22, 20), ("JGDM", 42, 10), ("KHMC", 52, 12), ("BDZT", 64, 12), ("SXRQ", 76, 8), ("ZZRQ", 84, 8),
        ("BF", 92, 12), ("JFCS", 104, 4)]
    assert layout.length == 108


def test_positions_say_where_items_lie(root):
    standard = load(root)
    layout = record_layout(standard.tables["SF"], standard)
    assert [(f.code, f.start, f.end) for f in layout.fields] == [("JE", 0, 16), ("BDH", 16, 36), ("RQ", 52, 60), ("XH", 36, 42), ("JGDM", 42, 52)]
    assert (layout.length, layout.blanks) == (64, ((60, 64),))
    by_code = {f.code: f for f in layout.fields}
    assert (by_code["RQ"].null, by_code["JE"].null) == (b"00000000", b" " * 16)
    assert (by_code["BDH"].align, by_code["BDH"].padding, by_code["JE"].align, by_code["JE"].padding) == ("right", "0", "right", "0")


def test_header_and_trailer_lie_as_given(root):
    standard = load(root)
    head, trail = (envelope_layout(named, standard.tables["JG"], standard) for named in (standard.format.head, standard.format.trail))
    assert [(f.code, f.start, f.width) for f in head.fields] == [("", 0, 4), ("table", 4, 8), ("period_end", 12, 7)]
    assert [(f.code, f.width, f.sign, f.item) for f in trail.fields] == [("", 3, "none", ""), ("rows", 6, "none", ""), ("sum", 18, "leading", "")]


@pytest.mark.parametrize(("encoding", "unit", "width"), [("utf-8", "bytes", 12), ("utf-8", "characters", 48), ("gbk", "characters", 24), ("gb18030", "characters", 48)])
def test_lengths_in_characters_take_the_widest_character(root, encoding, unit, width):
    (root / SF).write_text(FILES[SF], encoding="utf-8")
    edit(root, "standard.yaml", "encoding: gb18030", f"encoding: {encoding}\n  length_unit: {unit}")
    standard = load(root)
    assert needed_width(standard.tables["BD"].by_code["KHMC"], standard) == width
    assert width == 12 * (widest_character(encoding) if unit == "characters" else 1)


@pytest.mark.parametrize(("name", "old", "new", "where", "zh", "en"), [
    ("standard.yaml", "sign: none", "sgin: none", "sgin:", "未知键 sgin，是否指 sign？", "unknown key sgin; did you mean sign?"),
    ("standard.yaml", "sign: none", "separator: '|'", "separator:", "未知键 separator", "unknown key separator"),
    ("standard.yaml", "sign: none", "sign: front", "sign: front", "sign 的值 'front' 无效", "'front' is not one of leading, trailing"),
    ("standard.yaml", "decimals: implied", "decimals: comma", "decimals:", "'comma' 无效", "'comma' is not one of point, implied"),
    ("standard.yaml", 'text: " ", number: "0"', 'txt: " ", number: "0"', "padding:", "未知键 txt，是否指 text？", "unknown key txt; did you mean text?"),
    ("standard.yaml", 'text: " "', 'text: "　"', "padding:", "填充应为一个可见的 ASCII 字符或空格", "padding should be one printable ASCII character"),
    ("standard.yaml", 'text: " "', 'text: "  "', "padding:", "填充应为一个", "padding should be one"),
    ("standard.yaml", "number: right", "number: middle", "align:", "'middle' 无效", "'middle' is not one of left, right"),
    ("standard.yaml", "number: right", "number: left", "{code: BF", "BF：左对齐的数值不能用 0 填充", "BF: zeros after a number on the left would change it"),
    ("standard.yaml", 'number: "0"', 'number: "9"', "{code: BF", "BF：数值不能用 '9' 填充", "BF: a number cannot be padded with '9'"),
    ("standard.yaml", "encoding: gb18030", "encoding: gb80000", "encoding:", "未知编码 gb80000", "unknown encoding gb80000"),
    ("standard.yaml", "encoding: gb18030", "encoding: utf-16", "encoding:", "编码 utf-16 不是 ASCII 的超集", "encoding utf-16 does not extend ASCII"),
    ("standard.yaml", '"\\r\\n"', '""', "line_end:", "line_end 应由控制字符组成", "line_end must consist of control characters"),
    ("standard.yaml", '"%Y%m%d"', '"%Y%B%d"', "date:", "不定长或无法编码", "has no constant width or cannot be encoded"),
    ("standard.yaml", "{text: HEAD}", "{text: HEAD, field: table}", "{text: HEAD", "每一段须有 text 或 field 之一", "each part has either text or field"),
    ("standard.yaml", "{text: HEAD}", "HEAD", "- HEAD", "应是键值对", "should hold keys and values"),
    ("standard.yaml", "{field: rows", "{field: row", "{field: row", "'row' 无效", "did you mean rows?"),
    ("standard.yaml", "field: table, width: 8", "field: table", "{field: table", "table 缺少 width", "table needs a width"),
    ("standard.yaml", "field: table, width: 8", "field: table, width: 1", "{field: table", "table 宽 1 字节，装不下 2 字节", "table is 1 byte(s) wide, but 2 are needed"),
    ("standard.yaml", "width: 18", "width: 16", "{field: sum", "sum 宽 16 字节，装不下 17 字节", "sum is 16 byte(s) wide, but 17 are needed"),
    ("standard.yaml", "{text: T, width: 3}", "{text: TRAILER, width: 3}", "{text: TRAILER", "text 宽 3 字节，装不下 7 字节", "text is 3 byte(s) wide, but 7"),
    ("standard.yaml", "BD: BF", "BD: BFF", "{field: sum", "表 BD 没有数值项 BFF，是否指 BF？", "table BD has no number BFF; did you mean BF?"),
    ("standard.yaml", "item: {BD: BF, SF: JE}, ", "", "{field: sum", "field: sum 须有 item", "field: sum needs item"),
    ("standard.yaml", 'date: "%Y-%m"', 'date: "%A"', "{field: period_end", "不定长", "no constant width"),
    ("standard.yaml", 'date: "%Y-%m"', 'dates: "%Y-%m"', "{field: period_end", "未知键 dates，是否指 date？", "unknown key dates; did you mean date?"),
    (SF, "position: 37, width: 6", "position: 37, width: 5", "{code: XH", "XH 宽 5 字节，装不下允许的最长值（6 字节）", "XH is 5 byte(s) wide, but the longest value allowed takes 6"),
    (SF, "position: 37, width: 6", "position: 36, width: 6", "{code: XH", "XH 从第 36 字节起，与 BDH 重叠（至第 36 字节）", "XH starts at byte 36 and overlaps BDH, which ends at 36"),
    (SF, "position: 43", "position: 44", "{code: JGDM", "JGDM 前的第 43 至 43 字节不属于任何数据项", "bytes 43 to 43 before JGDM belong to no item"),
    (SF, "position: 43", "position: 0", "{code: JGDM", "position 应在 1 到 1000000 之间", "position should be from 1 to 1000000"),
    (SF, "position: 43", "width: 10", "{code: JGDM", "JGDM 缺少 position", "JGDM has no position"),
    (SF, "position: 61, width: 4", "position: 62, width: 4", "position: 62", "reserved 前的第 61 至 61 字节", "bytes 61 to 61 before reserved"),
    (SF, "position: 61, width: 4", "position: 60, width: 4", "position: 60", "reserved 从第 60 字节起，与 RQ 重叠", "reserved starts at byte 60 and overlaps RQ"),
    (SF, "position: 61, width: 4", "position: 61", "position: 61", "reserved 的每一段须有 position 和 width", "each stretch of reserved needs position and width"),
    (SF, '"null": "00000000"', '"null": "000000000"', "{code: RQ", "RQ 宽 8 字节，装不下空值的写法", "RQ is 8 byte(s) wide, too narrow for the text of null"),
    (SF, '"null": "00000000"', '"null": "\\n"', "{code: RQ", "RQ：null 的写法含控制字符", "RQ: the text of null holds control characters"),
    (SF, "align: right, padding", "align: rigth, padding", "{code: BDH", "'rigth' 无效", "did you mean right?"),
    (SF, "width: 6", "widht: 6", "{code: XH", "未知键 widht，是否指 width？", "unknown key widht; did you mean width?"),
    (f"mappings/standards/{NAME}/tables/JG.yaml", "length: 12}", "length: 12, width: 11}", "{code: JGMC", "JGMC 宽 11 字节，装不下", "JGMC is 11 byte(s) wide"),
])
def test_a_fault_names_file_and_line(root, name, old, new, where, zh, en):
    path = edit(root, name, old, new)
    found = [e for e in faults(root) if zh in e.sentence("zh")]
    assert found, [e.sentence("zh") for e in faults(root)]
    assert en in found[0].sentence("en")
    told = Path(found[0].values["path"])
    place = path if where in path.read_text(encoding="utf-8") else told
    assert (told, found[0].values["line"]) == (place, line_of(place, where))


def test_places_are_only_for_fixed_width_formats(tmp_path):
    write_pack(tmp_path, {SF: PLACED.replace("reserved:\n  - {position: 61, width: 4}\n", "")})
    found = faults(tmp_path)
    assert {e.values["line"] for e in found} == {line_of(tmp_path / SF, f"code: {code},") for code in ("JE", "BDH", "RQ", "XH", "JGDM")}
    assert all("whose format has kind fixed" in e.sentence("en") and "kind 为 fixed" in e.sentence("zh") for e in found)


def test_an_item_may_take_the_place_of_one_that_has_ended(root):
    ended = "position: 43, effective: {to: 2025-12-31}"
    follower = '  - {code: JGBM, name: {zh: 机构编码}, type: text, length: 10, position: 43, effective: {from: 2026-01-01}}\n'
    path = edit(root, SF, "position: 43", ended)
    # Without a follower there is a gap from 2026 on.
    assert [e.sentence("en") for e in faults(root) if "bytes 43 to 52 before RQ belong to no item" in e.sentence("en")]
    path.write_text(path.read_text(encoding="utf-8") + follower, encoding="utf-8")
    standard = load(root)
    assert [i.code for i in standard.tables["SF"].items if i.in_force(date(2026, 1, 1))][-1] == "JGBM"
    assert needed_width(standard.tables["SF"].by_code["JGBM"], standard) == 10


STANDARD = f"mappings/standards/{NAME}/standard.yaml"
DOCUMENTS = {STANDARD: FILES[STANDARD].replace(PLAIN, FIXED), SF: PLACED}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(DOCUMENTS)).flatmap(lambda name: st.tuples(st.just(name), spoilt(yaml.safe_load(DOCUMENTS[name])))))
def test_no_shape_of_a_file_brings_the_loader_down(tmp_path, change):
    name, document = change
    root = write_pack(tmp_path, {**DOCUMENTS, name: yaml.safe_dump(document, allow_unicode=True)})
    try:
        standard = load(root)
    except EastboundError as error:
        assert error.sentence("zh") and error.sentence("en")
        return
    if standard.format.kind == "fixed":
        for table in standard.submitted_tables:
            layout = record_layout(table, standard)
            assert layout.length == sum(f.width for f in layout.fields) + sum(end - start for start, end in layout.blanks)
            assert all(len(f.null) == f.width for f in layout.fields)
            assert all(f.width > 0 for named in (standard.format.head, standard.format.trail) for f in envelope_layout(named, table, standard).fields)


def test_the_documented_format_loads(root):
    text = (Path(__file__).parents[2] / "docs/formats.md").read_text(encoding="utf-8")
    edit(root, "standard.yaml", FIXED, text.split("```yaml\n")[1].split("```")[0])
    # A sign takes one byte of every number: the places of SF leave no room for it.
    assert {e.values["path"] for e in faults(root)} == {str(root / SF)}
    (root / SF).write_text(FILES[SF], encoding="utf-8")
    standard = load(root)
    assert record_layout(standard.tables["SF"], standard).length == 20 + 7 + 10 + 8 + 17
    documented = set(re.findall(r"`\"?([a-z_]+)\"?`", text))
    assert FIXED_KEYS | LAYOUT_KEYS | set(ENVELOPE_NAMES) | set(SIGNS) | {"separator", "field", "text", "reserved"} <= documented | {"none"}
