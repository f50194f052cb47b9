from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from etl.sources.connections import Retry
from etl.sources.definition import SourceColumn, SourceTable
from etl.sources.errors import SourceReadFailed
from etl.sources.extract import extract_system
from tests.sources.conftest import CONT, execute, make_system, rows, run_postgres

INSERTS = (
    "INSERT INTO \"LCCont\" VALUES ('C10', ' 张三　', '2024-02-29', 1234.50, 20, '2024-03-01 08:09:10.5')",
    "INSERT INTO \"LCCont\" VALUES ('C9', '', NULL, NULL, NULL, NULL)",
    "INSERT INTO \"LCCont\" VALUES ('a1', 'O''Neill\t', '9999-12-31', -0.10, -3, '2024-03-01 00:00:00')",
    "INSERT INTO \"LJAPay\" VALUES ('C9', 2, 100), ('C9', 10, 99.99), ('C10', 1, 0), ('C10', 1, -5), ('C10', 1, NULL)",
)
CONT_ROWS = [
    ("C10", "张三", date(2024, 2, 29), Decimal("1234.50"), 20, datetime(2024, 3, 1, 8, 9, 10, 500000), "life_admin", "LCCont", "C10", "b1", 1),
    ("C9", None, None, None, None, None, "life_admin", "LCCont", "C9", "b1", 2),
    ("a1", "O'Neill\t", date(9999, 12, 31), Decimal("-0.10"), -3, datetime(2024, 3, 1), "life_admin", "LCCont", "a1", "b1", 3),
]
# Same key three times: NULL first, then by the remaining columns; 2 before 10, as numbers.
PAY_ROWS = [("C10", 1, None, "C10|1", 1), ("C10", 1, Decimal("-5.00"), "C10|1", 2), ("C10", 1, Decimal("0.00"), "C10|1", 3),
            ("C9", 2, Decimal("100.00"), "C9|2", 4), ("C9", 10, Decimal("99.99"), "C9|10", 5)]


def test_every_road_out_of_every_database_gives_the_same_typed_rows(database, system, tmp_path):
    url, road, run = database
    run(*INSERTS)
    seen = []
    cont, pay = extract_system(system, url, tmp_path / "out", batch_id="b1", road=road, progress=lambda *step: seen.append(step))
    assert (cont.rows_in, cont.rows_out, cont.rows_aside) == (3, 3, 0)
    assert (pay.system, pay.table, pay.rows_in, pay.rows_out, pay.rows_aside) == ("life_admin", "LJAPay", 5, 5, 0)
    assert cont.path == tmp_path / "out" / "life_admin" / "LCCont.parquet"
    assert [tuple(row.values()) for row in rows(cont.path)] == CONT_ROWS
    assert [(r["ContNo"], r["PayNo"], r["Money"], r["_src_key"], r["_src_row"]) for r in rows(pay.path)] == PAY_ROWS
    assert [str(field.type) for field in pq.read_schema(cont.path)] == [
        "string", "string", "date32[day]", "decimal128(16, 2)", "int64", "timestamp[us]", "string", "string", "string", "string", "int64"]
    assert rows(cont.aside_path) == []
    assert [path.name for path in sorted((tmp_path / "out" / "life_admin").iterdir())] == [
        "LCCont.aside.parquet", "LCCont.parquet", "LJAPay.aside.parquet", "LJAPay.parquet"]
    assert seen[-1] == ("life_admin", "LJAPay", 5, 5)


def test_sqlite_and_postgresql_give_the_same_bytes_in_whatever_order_they_hold_the_rows(sqlite_path, postgres_url, system, tmp_path):
    from tests.sources.conftest import CREATE

    many = [f"INSERT INTO \"LCCont\" VALUES ('K{n * 7919 % 5000:04d}', '客户{n % 97}', '2024-01-{n % 28 + 1:02d}', {n}.{n % 100:02d}, {n}, NULL)"
            for n in range(5000)]
    execute(sqlite_path, *INSERTS, *many)
    run_postgres(postgres_url, *CREATE, *INSERTS, *reversed(many))
    digests = []
    for place, out in ((str(sqlite_path), "a"), (postgres_url, "b"), (str(sqlite_path), "c")):
        extracted = extract_system(system, place, tmp_path / out, batch_id="b1")
        assert [one.rows_out for one in extracted] == [5003, 5]
        digests.append([hashlib.sha256(one.path.read_bytes()).hexdigest() for one in extracted])
    assert digests[0] == digests[1] == digests[2]


def test_only_needed_tables_and_columns_are_read_and_the_key_comes_along(database, system, tmp_path):
    url, road, run = database
    run(*INSERTS)
    [pay] = extract_system(system, url, tmp_path, batch_id="b", tables={"LJAPay"}, needed={"LJAPay": {"Money"}}, road=road)
    assert pq.read_schema(pay.path).names[:4] == ["ContNo", "PayNo", "Money", "_src_system"]
    [cont] = extract_system(system, url, tmp_path, batch_id="b", tables={"LCCont"}, needed={"LCCont": {"Prem"}}, road=road)
    assert pq.read_schema(cont.path).names[:3] == ["ContNo", "Prem", "_src_system"]
    with pytest.raises(ValueError, match="LCCont has no column Premium"):
        extract_system(system, url, tmp_path, batch_id="b", needed={"LCCont": {"Premium"}}, road=road)
    with pytest.raises(ValueError, match="life_admin has no table Nope"):
        extract_system(system, url, tmp_path, batch_id="b", tables={"Nope"}, road=road)


def test_a_long_run_of_nulls_before_the_first_value_is_read_right(database, tmp_path):
    url, road, run = database
    run("INSERT INTO \"LCCont\" (\"ContNo\") WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000) "
        "SELECT CAST(i AS VARCHAR(20)) FROM n",
        "INSERT INTO \"LCCont\" VALUES ('x', '末', '2024-01-01', 7.25, 1, NULL)")
    [cont] = extract_system(make_system(CONT), url, tmp_path, batch_id="b", road=road)
    assert (cont.rows_in, cont.rows_out) == (150_001, 150_001)
    table = pq.read_table(cont.path)
    assert table.column("Prem").null_count == 150_000
    assert (table.column("AppntName")[150_000].as_py(), table.column("Prem")[150_000].as_py()) == ("末", Decimal("7.25"))
    assert table.column("_src_row").to_pylist() == list(range(1, 150_002))


WRITER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=1)
try:
    for table in ("LCCont", "LJAPay"):
        db.execute(f'INSERT INTO "{table}" ("ContNo"' + (', "PayNo") VALUES (?, 99)' if table == "LJAPay" else ") VALUES (?)"), ("late",))
    db.commit()
    print("committed")
except sqlite3.OperationalError as error:
    print(error)
"""


@pytest.mark.parametrize("road", ["adbc", "sqlalchemy"])
@pytest.mark.parametrize(("mode", "outcome"), [("wal", "committed"), ("delete", "database is locked")])
def test_sqlite_a_writer_between_two_tables_is_not_seen(sqlite_path, system, tmp_path, road, mode, outcome):
    execute(sqlite_path, f"PRAGMA journal_mode={mode}", *INSERTS)
    told = []

    def write_between(_system, table, *_):
        if table == "LCCont":
            told.append(subprocess.run([sys.executable, "-c", WRITER, str(sqlite_path)], capture_output=True, text=True, check=True).stdout.strip())

    extracted = extract_system(system, str(sqlite_path), tmp_path / "out", batch_id="b", progress=write_between, road=road)
    assert told == [outcome]
    assert [one.rows_in for one in extracted] == [3, 5]
    again = extract_system(system, str(sqlite_path), tmp_path / "out", batch_id="b", road=road)
    assert [one.rows_in for one in again] == ([4, 6] if outcome == "committed" else [3, 5])


@pytest.mark.parametrize("road", ["adbc", "sqlalchemy"])
def test_postgresql_a_writer_between_two_tables_is_not_seen(postgres_url, system, tmp_path, road):
    from tests.sources.conftest import CREATE

    run_postgres(postgres_url, *CREATE, *INSERTS)

    def write_between(_system, table, *_):
        if table == "LCCont":
            run_postgres(postgres_url, "INSERT INTO \"LCCont\" (\"ContNo\") VALUES ('late')", "INSERT INTO \"LJAPay\" VALUES ('late', 99, 1)")

    extracted = extract_system(system, postgres_url, tmp_path, batch_id="b", progress=write_between, road=road)
    assert [one.rows_in for one in extracted] == [3, 5]
    again = extract_system(system, postgres_url, tmp_path, batch_id="b", road=road)
    assert [one.rows_in for one in again] == [4, 6]


def test_the_source_is_never_changed(sqlite_path, system, tmp_path):
    execute(sqlite_path, *INSERTS)
    before = hashlib.sha256(sqlite_path.read_bytes()).hexdigest()
    extract_system(system, str(sqlite_path), tmp_path / "out", batch_id="b")
    assert hashlib.sha256(sqlite_path.read_bytes()).hexdigest() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("core")] == ["core.db"]


def test_names_that_a_database_folded_to_lower_case_are_found(postgres_url, tmp_path):
    run_postgres(postgres_url, "CREATE TABLE LCCont (ContNo VARCHAR(20), Prem NUMERIC(16,2))", "INSERT INTO lccont VALUES ('1', 2)")
    table = SourceTable("LCCont", {}, ("ContNo",), (SourceColumn("ContNo", "text"), SourceColumn("Prem", "decimal", precision=16, scale=2)))
    [cont] = extract_system(make_system(table), postgres_url, tmp_path, batch_id="b")
    assert pq.read_schema(cont.path).names[:2] == ["ContNo", "Prem"]
    assert rows(cont.path)[0]["Prem"] == Decimal("2.00")


def test_views_and_schemas_can_be_extracted(postgres_url, tmp_path):
    from dataclasses import replace

    run_postgres(postgres_url, "CREATE SCHEMA core", "CREATE VIEW core.\"V\" AS SELECT 'k'::varchar AS \"K\"")
    system = replace(make_system(SourceTable("V", {}, ("K",), (SourceColumn("K", "text"),))), schema="core")
    for road in ("adbc", "sqlalchemy"):
        [view] = extract_system(system, postgres_url, tmp_path, batch_id="b", road=road)
        assert [row["K"] for row in rows(view.path)] == ["k"]


def test_a_killed_extraction_leaves_leftovers_that_the_next_one_clears(sqlite_path, system, tmp_path):
    execute(sqlite_path, *INSERTS)
    script = (
        "import os, sys; from pathlib import Path; from tests.sources.conftest import make_system\n"
        "from etl.sources.extract import extract_system\n"
        "extract_system(make_system(), sys.argv[1], Path(sys.argv[2]), batch_id='b', progress=lambda *_: os._exit(9))"
    )
    out = tmp_path / "out"
    assert subprocess.run([sys.executable, "-c", script, str(sqlite_path), str(out)], check=False).returncode == 9
    assert [path.name for path in (out / "life_admin").iterdir()] == [".raw"]
    extract_system(system, str(sqlite_path), out, batch_id="b")
    assert sorted(path.name for path in (out / "life_admin").iterdir())[0] == "LCCont.aside.parquet"


@pytest.mark.parametrize("road", ["adbc", "sqlalchemy"])
def test_a_connection_that_breaks_off_is_named_and_leaves_nothing(postgres_url, system, tmp_path, road):
    from tests.sources.conftest import CREATE

    run_postgres(postgres_url, *CREATE, *INSERTS)

    def cut(_system, table, *_):
        run_postgres(postgres_url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()")

    with pytest.raises(SourceReadFailed, match="source system life_admin broke off: .*terminating connection") as caught:
        extract_system(system, postgres_url, tmp_path, batch_id="b", progress=cut, retry=Retry(1), road=road)
    assert "LJAPay" in str(caught.value) or "LCCont" in str(caught.value)
    assert [path for path in Path(tmp_path / "life_admin").rglob("*") if path.is_file()] == []
