"""The stand-in by itself: it shares no code with what sends, and judges zips by its own."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from synthetic import COMPANY, rows_of, write_tables

import etl.demo.platform
from etl.demo.platform import envelope
from etl.demo.platform.tables import read_tables
from etl.demo.platform.validate import Unacceptable, open_zip

FOLDER = Path(etl.demo.platform.__file__).parent
NUMBER = "000999LINC0000000001"
NAME = f"I_{NUMBER}_001.zip"
GOOD = [f"{COMPANY}202610010000000001", COMPANY, "P1", "1.10", "2026-10-01"]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return read_tables(write_tables(tmp_path_factory.mktemp("tables")))


def zipped(files: dict[str, bytes]) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as box:
        for name, data in files.items():
            box.writestr(name, data)
    return memory.getvalue()


def text(*rows: list[str]) -> bytes:
    return "".join("\x01".join(row) + "\n" for row in rows).encode()


def judged(tables, data: bytes, name: str = NAME, table: str = "LCPolTransaction"):
    return open_zip(name, zipped({f"{COMPANY}/{table}.txt": data}), COMPANY, NUMBER, tables)


def test_it_imports_nothing_of_the_house_but_itself():
    found = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found |= {name for name in names if name.split(".")[0] == "etl"}
    assert found and all(name.startswith("etl.demo.platform") for name in found)


def test_serving_loads_no_code_of_the_sending_side():
    script = "import sys, etl.demo.platform.server as s; print([m for m in sys.modules if m.startswith(('etl.submission', 'etl.standard', 'etl.rules', 'etl.ledger'))])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_good_rows_have_no_fault(tables):
    for table, rows in rows_of(__import__("datetime").date(2026, 10, 1)).items():
        found = judged(tables, text(*rows), table=table)
        assert found.faults == [] and len(found.rows[table]) == len(rows)


@pytest.mark.parametrize(("place", "value", "code"), [
    (1, "000998", "E102"), (2, "", "E104"), (2, "P" * 51, "E105"), (3, "1.101", "E106"), (3, "abc", "E106"), (3, "1" * 15, "E105"), (3, "NaN", "E106"),
    (4, "2026-02-30", "E107"), (4, "", "E104"),
])
def test_faults_of_a_value_are_found(tables, place, value, code):
    row = [*GOOD]
    row[place] = value
    assert [(fault[0], fault[1], fault[2]) for fault in judged(tables, text(row)).faults] == [("LCPolTransaction", GOOD[0], code)]


def test_faults_of_a_row_are_found(tables):
    assert [f[2] for f in judged(tables, text([*GOOD, "more"])).faults] == ["E101"]
    assert [f[2] for f in judged(tables, text(GOOD, GOOD)).faults] == ["E108"]


@pytest.mark.parametrize(("data", "code"), [
    (b"", "STANDIN-TEXT"), (text(GOOD)[:-1], "STANDIN-TEXT"), (b"\xef\xbb\xbf" + text(GOOD), "STANDIN-TEXT"), (text(GOOD).replace(b"\n", b"\r\n"), "STANDIN-TEXT"),
    (text(GOOD).replace(b"P1", b"\xff\xfe"), "STANDIN-TEXT"), (text(["9", *GOOD[1:]]), "STANDIN-TRANSACTION"),
])
def test_texts_that_are_no_texts_are_unacceptable(tables, data, code):
    with pytest.raises(Unacceptable, match=code):
        judged(tables, data)


@pytest.mark.parametrize(("name", "files", "code"), [
    (NAME.replace("_001", "_002"), {f"{COMPANY}/LJAPay.txt": b"x\n"}, "STANDIN-FILES"),
    (NAME, {"LJAPay.txt": b"x\n"}, "STANDIN-FILES"), (NAME, {"000998/LJAPay.txt": b"x\n"}, "STANDIN-FILES"), (NAME, {f"{COMPANY}/Other.txt": b"x\n"}, "STANDIN-FILES"),
    (NAME.replace("I_", "H_"), {f"{COMPANY}/LJAPay.txt": b"x\n"}, "STANDIN-NAME"), ("x.zip", {}, "STANDIN-NAME"),
])
def test_zips_of_another_shape_are_unacceptable(tables, name, files, code):
    with pytest.raises(Unacceptable, match=code):
        open_zip(name, zipped(files), COMPANY, NUMBER, tables)


def test_a_damaged_zip_is_unacceptable(tables):
    data = bytearray(zipped({f"{COMPANY}/LCPolTransaction.txt": text(GOOD) * 1}))
    data[60] ^= 0xFF
    for damaged in (bytes(data), b"", bytes(data[:80])):
        with pytest.raises(Unacceptable, match="STANDIN-ZIP"):
            open_zip(NAME, damaged, COMPANY, NUMBER, tables)


def test_requests_with_a_document_type_are_not_read():
    for data in (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", b"<a>", b"<a/>"):
        with pytest.raises(envelope.Unreadable):
            envelope.take_apart(data)
