from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest
import sqlalchemy as sa

from etl.sources.connections import make_engine, source_url
from etl.sources.contracts import NullWatch, compare_shape
from etl.sources.definition import SourceColumn, SourceTable
from etl.sources.errors import ContractBroken
from etl.sources.extract import extract_system
from tests.sources.conftest import CONT, CREATE, PAY, make_system, run_postgres


def problems(url, *tables):
    engine = make_engine(source_url(url))
    system = make_system(*tables)
    return compare_shape(system, engine, list(system.tables.values()))[1]


def test_all_problems_are_listed_at_once_and_nothing_is_read(database, system, tmp_path):
    url, road, run = database
    run('ALTER TABLE "LCCont" RENAME COLUMN "AppntName" TO "ApplntName"', 'ALTER TABLE "LCCont" DROP COLUMN "Years"',
        'ALTER TABLE "LCCont" DROP COLUMN "CValiDate"', 'ALTER TABLE "LCCont" ADD COLUMN "CValiDate" VARCHAR(10)',
        'ALTER TABLE "LJAPay" RENAME TO "LJAPays"')
    with pytest.raises(ContractBroken) as caught:
        extract_system(system, url, tmp_path / "out", batch_id="b", road=road, progress=lambda *_: pytest.fail("read a row"))
    assert [(p.kind, p.table, p.column, p.suggestion) for p in caught.value.problems] == [
        ("column_renamed", "LCCont", "AppntName", "ApplntName"), ("type_changed", "LCCont", "CValiDate", None),
        ("column_gone", "LCCont", "Years", None), ("table_gone", "LJAPay", None, "LJAPays")]
    english, chinese = caught.value.sentence("en"), caught.value.sentence("zh")
    assert "4 problem(s)" in english
    assert "LCCont.AppntName: the column is gone; was it renamed to ApplntName?" in english
    assert "LCCont.CValiDate: the contract says date, the system has VARCHAR(10)" in english
    assert "LJAPay: the table is gone; was it renamed to LJAPays?" in english
    assert "共 4 处" in chinese and "LCCont.AppntName：列不存在；是否已改名为 ApplntName？" in chinese
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_an_empty_table_is_an_error_only_where_rows_are_required(database, tmp_path):
    url, road, _ = database
    with pytest.raises(ContractBroken, match="LJAPay: no rows, though the contract requires some"):
        extract_system(make_system(CONT, replace(PAY, required_rows=True)), url, tmp_path, batch_id="b", road=road)
    empty = extract_system(make_system(CONT, PAY), url, tmp_path, batch_id="b", road=road)
    assert [(one.rows_in, one.rows_out, one.rows_aside) for one in empty] == [(0, 0, 0), (0, 0, 0)]
    assert all(one.path.is_file() and one.aside_path.is_file() for one in empty)


def test_nulls_where_there_must_be_none_are_counted_over_all_tables_and_no_value_is_told(database, tmp_path):
    url, road, run = database
    run("INSERT INTO \"LCCont\" (\"ContNo\", \"AppntName\") VALUES ('1', '王小明'), ('2', NULL), ('3', ''), ('4', NULL)",
        "INSERT INTO \"LJAPay\" VALUES ('1', 1, NULL)")
    strict = [replace(t, columns=tuple(replace(c, nullable=c.name not in ("AppntName", "Money", "ContNo")) for c in t.columns)) for t in (CONT, PAY)]
    with pytest.raises(ContractBroken) as caught:
        extract_system(make_system(*strict), url, tmp_path / "out", batch_id="b", road=road)
    assert [(p.kind, p.table, p.column, p.count) for p in caught.value.problems] == [("nulls", "LCCont", "AppntName", 2), ("nulls", "LJAPay", "Money", 1)]
    assert "LCCont.AppntName: NULL in 2 row(s), though the contract says not nullable" in str(caught.value)
    assert "王小明" not in caught.value.sentence("zh") + caught.value.sentence("en") + repr(caught.value.__dict__)
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_null_watch_adds_up_over_batches():
    table = SourceTable("T", {}, ("K",), (SourceColumn("K", "text", nullable=False), SourceColumn("V", "text")))
    watch = NullWatch(table, table.columns)
    for keys in (["a", None], ["b", "c"], [None, None], []):
        watch.see(pa.RecordBatch.from_pydict({"K": pa.array(keys, pa.string()), "V": pa.array([None] * len(keys), pa.string())}))
    assert [(p.column, p.count) for p in watch.problems()] == [("K", 3)]


@pytest.mark.parametrize(("kind", "declared", "fits"), [
    ("text", "VARCHAR(5)", True), ("text", "CHAR(5)", True), ("text", "TEXT", True), ("text", "INTEGER", False), ("text", "UUID", True),
    ("integer", "SMALLINT", True), ("integer", "BIGINT", True), ("integer", "NUMERIC(10)", True), ("integer", "NUMERIC(10,2)", False),
    ("integer", "TEXT", False), ("integer", "BOOLEAN", False),
    ("decimal", "NUMERIC(10,2)", True), ("decimal", "DOUBLE PRECISION", True), ("decimal", "INTEGER", True), ("decimal", "TEXT", False),
    ("date", "DATE", True), ("date", "TIMESTAMP", False), ("date", "TEXT", False),
    ("timestamp", "TIMESTAMP", True), ("timestamp", "TIMESTAMP WITH TIME ZONE", False), ("timestamp", "DATE", False),
])
def test_type_families(postgres_url, kind, declared, fits):
    run_postgres(postgres_url, f'CREATE TABLE "T" ("K" VARCHAR(5), "V" {declared})')
    table = SourceTable("T", {}, ("K",), (SourceColumn("K", "text"), SourceColumn("V", kind, precision=10, scale=2)))
    assert [p.kind for p in problems(postgres_url, table)] == ([] if fits else ["type_changed"])


def test_names_that_differ_only_in_case_are_not_guessed_between(postgres_url):
    run_postgres(postgres_url, 'CREATE TABLE "T" ("k" VARCHAR(5), "K" VARCHAR(5), "v" VARCHAR(5), "V_" VARCHAR(5))')
    table = SourceTable("t", {}, ("K",), (SourceColumn("K", "text"), SourceColumn("V", "text")))
    assert problems(postgres_url, table) == []
    run_postgres(postgres_url, 'CREATE TABLE t ("K" VARCHAR(5))', 'DROP TABLE "T"', 'CREATE TABLE "T" (x int)')
    assert [p.kind for p in problems(postgres_url, replace(table, name="t"))] == ["column_gone"]
    assert sa.inspect(make_engine(source_url(postgres_url))).has_table("t")


def test_the_postgres_fixture_gives_an_empty_database(postgres_url):
    run_postgres(postgres_url, *CREATE)
    assert problems(postgres_url) == []
