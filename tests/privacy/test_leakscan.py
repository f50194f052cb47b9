import gzip
import json
import random
import sqlite3
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook

from etl.privacy.leakscan import Leak, scan_for_values

NUMBER, NAME = "110101199001011237", "欧阳修文"
VALUES = [NUMBER, NAME, "13812345678"]


def found(path, values=VALUES, **more):
    return [(leak.part, leak.count) for leak in scan_for_values([path], values, **more)]


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_text_in_any_encoding(tmp_path, encoding):
    path = tmp_path / "x.log"
    path.write_bytes(f"客户 {NAME} 证件 {NUMBER}，再次 {NUMBER}\n".encode(encoding))
    assert found(path) == [("", 3)]
    path.write_bytes("客户 张** 证件 110***37\n".encode(encoding))
    assert found(path) == []


def test_json_with_escapes_and_urls(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"a": NAME, "b": [NUMBER]}))
    assert found(path) == [("", 2)]
    path.write_text("GET /find?name=%E6%AC%A7%E9%98%B3%E4%BF%AE%E6%96%87")
    assert found(path) == [("", 1)]


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"\x00\xff\xfe\x81" + NUMBER.encode() + b"\xff\x00" + NAME.encode() + b"\x80\xff")
    assert found(path) == [("", 2)]


def test_parquet_by_columns(tmp_path):
    path = tmp_path / "x.parquet"
    table = pa.table(
        {
            "clear": [NUMBER, None, "x"],
            "sources": [[{"key": NAME}], [], None],
            "raw": [b"1", NAME.encode(), None],
            "kind": pa.array([NAME, "b", NAME]).dictionary_encode(),
            "amount": [13812345678, 1, 2],
            "share": [0.5, 0.1, 0.2],
        }
    )
    pq.write_table(table, path, compression="zstd")
    assert sorted(found(path)) == [("amount", 1), ("clear", 1), ("kind", 2), ("raw", 1), ("sources", 1)]


def test_sqlite_by_tables_and_free_pages(tmp_path):
    path = tmp_path / "ledger.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute("CREATE TABLE run (id INTEGER, note TEXT, data BLOB)")
    connection.execute("INSERT INTO run VALUES (1, ?, ?)", ("x" * 9_000 + NUMBER, NAME.encode()))
    connection.commit()
    assert dict(found(path))["run"] == 2
    connection.execute("DELETE FROM run")
    connection.commit()
    connection.close()
    assert {part for part, _ in found(path)} == {"(pages)"}


def test_workbooks_zips_and_gzips(tmp_path):
    book = Workbook()
    book.active.append(["客户", NAME])
    book.save(tmp_path / "x.xlsx")
    ((part, count),) = found(tmp_path / "x.xlsx")
    assert part.startswith("xl/") and part.endswith(".xml") and count == 1
    (tmp_path / "x.gz").write_bytes(gzip.compress(NUMBER.encode()))
    assert found(tmp_path / "x.gz") == [("", 1)]
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(tmp_path / "x.xlsx", "in/x.xlsx")
        archive.writestr(f"{NAME}.txt", "nothing")
    assert {inner for inner, _ in found(tmp_path / "outer.zip")} == {"", f"in/x.xlsx/{part}"}
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04" + NUMBER.encode())
    assert found(tmp_path / "bad.zip") == [("", 1)]


def test_file_names_count(tmp_path):
    (tmp_path / f"{NUMBER}.txt").write_text("")
    assert found(tmp_path) == [("(file name)", 1)]


def test_folders_are_walked_apart_from_the_vault(tmp_path):
    for place in ("logs/run.log", "vault/r1/x.txt", "packages/p/x.txt"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(NUMBER)
    leaks = scan_for_values([tmp_path], VALUES, exclude=[tmp_path / "vault"])
    assert leaks == [Leak(str(tmp_path / "logs/run.log"), 1), Leak(str(tmp_path / "packages/p/x.txt"), 1)]


def test_reports_never_hold_the_value(tmp_path):
    (tmp_path / "x.txt").write_text(f"{NUMBER} {NAME}")
    assert not any(value in repr(scan_for_values([tmp_path], VALUES)) for value in VALUES)


def test_values_across_pieces_are_not_missed(tmp_path, monkeypatch):
    monkeypatch.setattr("etl.privacy.leakscan.PIECE", 4096)
    for position in (4080, 4090, 4095, 8190):
        path = tmp_path / "x.txt"
        path.write_text("一" * (position // 3) + "a" * (position % 3) + NUMBER + "b" * 5000, encoding="utf-8")
        assert found(path) and found(path)[0][1] in (1, 2)
        path.write_text("a" * (position - 1000) + "\n" + "c" * 999 + NUMBER + "\n" + "b\n" * 5000, encoding="utf-8")
        assert found(path) == [("", 1)]


def test_ten_thousand_values_are_found_exactly(tmp_path):
    chance = random.Random(1)
    values = [f"{chance.randrange(10**17, 10**18)}" for _ in range(10_000)]
    hidden = chance.sample(values, 50)
    lines = [f"{chance.randrange(10**17, 10**18)}\x01行{n}" for n in range(20_000)]
    for index, value in enumerate(hidden):
        lines[index * 300] = f"x\x01{value}"
    (tmp_path / "x.txt").write_text("\n".join(lines), encoding="utf-8")
    assert found(tmp_path, values) == [("", 50)]


def test_no_values_no_leaks_and_short_ones_are_refused(tmp_path):
    (tmp_path / "x.txt").write_text("abc")
    assert found(tmp_path, []) == []
    with pytest.raises(ValueError, match="1 character"):
        scan_for_values([tmp_path], ["张"])
