"""Reading YAML: lines that errors can name, and scalars that are what they look like."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.packs.csvfile import read_csv
from etl.packs.yamlfile import PackFileBroken, PackFileMissing, read_yaml


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("yaml") / "pack.yaml"


@pytest.mark.parametrize(("text", "line", "zh", "en"), [
    ("a: 1\nb: [1, 2\nc: 3\n", 3, "YAML 语法错误", "YAML syntax error"),
    ("a: 1\n\tb: 2\n", 2, "YAML 语法错误", "YAML syntax error"),
    ("a: 1\nb: c: d\n", 2, "YAML 语法错误", "YAML syntax error"),
    ("a: 'x\n", 2, "YAML 语法错误", "YAML syntax error"),
    ("a: 1\n---\na: 2\n", 2, "YAML 语法错误", "YAML syntax error"),
    ("a: *b\n", 1, "YAML 语法错误", "YAML syntax error"),
    ("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", 5, "键 'c' 重复，删除其中一个", "key 'c' appears twice; remove one of them"),
    ("- a: 1\n- b: 1\n  b: 2\n", 3, "键 'b' 重复", "key 'b' appears twice"),
    ("a: 1\nb: 2024-02-30\nc: 3\nd: 4\n", 2, "无效的值：2024-02-30", "not a valid value: 2024-02-30"),
    ("a: [2024-01-31,\n 2023-13-01]\n", 2, "无效的值：2023-13-01", "not a valid value: 2023-13-01"),
    ("a: 2024-01-31 25:00:00\n", 1, "无效的值", "not a valid value"),
    ("a: !!int x\n", 1, "无效的值：x", "not a valid value: x"),
    ("a: 1\nb: !!timestamp x\n", 2, "无效的值：x", "not a valid value: x"),
    ("a: 1\nb: !!bool x\n", 2, "无效的值：x", "not a valid value: x"),
    ("a: !!python/object:os.system {}\n", 1, "YAML 语法错误", "YAML syntax error"),
    ("a: 1\n? [x]\n: y\n", 2, "键应是单个值", "a key should be a single value"),
    ("a: &x\n  b: *x\n", 1, "锚点引用了自身", "an anchor refers to itself"),
    ("a: \x01\n", 1, "YAML 错误", "YAML error"),
])
def test_a_broken_file_names_the_line(path, text, line, zh, en):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PackFileBroken) as caught:
        read_yaml(path)
    assert caught.value.sentence("zh").startswith(f"{path} 第 {line} 行：") and zh in caught.value.sentence("zh")
    assert caught.value.sentence("en").startswith(f"{path} line {line}: ") and en in caught.value.sentence("en")


@pytest.mark.parametrize(("scalar", "value"), [
    ("on", "on"), ("off", "off"), ("yes", "yes"), ("no", "no"), ("y", "y"), ("N", "N"), ("Yes", "Yes"), ("true", True), ("False", False), ("tRUE", "tRUE"),
    ("0", 0), ("7", 7), ("-7", -7), ("000000", "000000"), ("007", "007"), ("08", "08"), ("1_000", "1_000"), ("0x1F", "0x1F"), ("0o17", "0o17"), ("12:30", "12:30"),
    ("1.50", 1.5), ("0.00", 0.0), ("1e3", 1000.0), ("00.5", "00.5"), (".5", ".5"), ("1.", "1."), (".inf", ".inf"), (".nan", ".nan"), ("1.2.3", "1.2.3"),
    ("2024-01-31", date(2024, 1, 31)), ("'2024-01-31'", "2024-01-31"), ("2024-1-31", "2024-1-31"), ("9999-12-31", date(9999, 12, 31)),
    ("2024-01-31 10:00:00", datetime(2024, 1, 31, 10)), ("null", None), ("~", None), ("", None), ("=", "="), ("有效", "有效"), ("'1'", "1"),
])
def test_scalars_are_what_they_look_like(path, scalar, value):
    path.write_text(f"a: {scalar}\n", encoding="utf-8")
    read = read_yaml(path).data["a"]
    assert read == value and type(read) is type(value)


def test_every_key_has_its_line(path):
    path.write_text("# head\na: 1\nb:\n  - {c: 1, d: 2}\n  -\n    c: 3\n    d: >-\n      long\n      text\ne: x\n", encoding="utf-8")
    document = read_yaml(path)
    assert [document.line(*keys) for keys in ((), ("a",), ("b",), ("b", 0, "d"), ("b", 1), ("b", 1, "d"), ("e",))] == [2, 2, 3, 4, 6, 7, 10]
    assert document.line("b", 1, "nothing") == document.line("b", 1)
    assert document.line("nothing") == 2
    assert document.broken("b", 1, "d", zh="坏", en="bad").sentence("en") == f"{path} line 7: bad"


def test_an_empty_file_and_a_byte_order_mark(path):
    path.write_text("", encoding="utf-8")
    assert read_yaml(path).data is None
    path.write_text("\ufeffa: 1\n", encoding="utf-8")
    assert read_yaml(path).data == {"a": 1}


def test_text_that_is_not_utf8_and_a_missing_file(path):
    path.write_bytes("a: 有效\n".encode("gb18030"))
    with pytest.raises(PackFileBroken, match="save the file as UTF-8"):
        read_yaml(path)
    with pytest.raises(PackFileMissing) as caught:
        read_yaml(path.with_name("none.yaml"))
    assert "找不到文件" in caught.value.sentence("zh") and "none.yaml" in caught.value.sentence("en")


@given(st.text(alphabet="ab:-[]{}&*!|>'\"#?, \n\t012%@`~", max_size=40))
def test_any_text_is_read_or_refused_with_its_line(path, text):
    path.write_text(text, encoding="utf-8")
    try:
        document = read_yaml(path)
    except PackFileBroken as error:
        assert 1 <= error.values["line"] <= text.count("\n") + 2
    else:
        assert document.line() >= 1


COLUMNS = ("source", "target", "note")


@pytest.mark.parametrize(("content", "line", "en"), [
    (b"", 1, "the first line should read source,target,note"),
    (b"source\n1\n", 1, "the first line should read"),
    (b"target,source\n1,2\n", 1, "the first line should read"),
    (b"source,target,remark\n", 1, "the first line should read"),
    (b"source,target,target\n", 1, "the first line should read"),
    (b"source,target\n1,2\n3\n", 3, "it has 1 columns instead of 2"),
    (b"source,target\n1,2,3\n", 2, "it has 3 columns instead of 2"),
    ("source,target\n1,有效\n".encode("gb18030"), 1, "save the file as UTF-8"),
    (b'source,target\n1,"a\n', 2, "not valid CSV"),
])
def test_a_broken_csv_names_the_line(tmp_path, content, line, en):
    path = tmp_path / "map.csv"
    path.write_bytes(content)
    errors: list = []
    read_csv(path, COLUMNS, 2, errors)
    assert [(e.values["path"], e.values["line"]) for e in errors] == [(str(path), line)]
    assert en in errors[0].sentence("en") and errors[0].sentence("zh") != errors[0].sentence("en")


def test_csv_cells_are_read_as_the_house_reads_text(tmp_path):
    path = tmp_path / "map.csv"
    path.write_text("\ufeffsource,target\n 01 ,有效\u3000\n\n\"a,b\",\"x\ny\"\n", encoding="utf-8")
    errors: list = []
    assert read_csv(path, COLUMNS, 2, errors) == [
        (2, {"source": "01", "target": "有效", "note": ""}), (5, {"source": "a,b", "target": "x\ny", "note": ""})]
    assert errors == []
