"""A table of which no core system keeps anything: mapped as absent, it gives no rows and says why."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from small_standard import NAME, load, write_pack

from etl.engines import open_engine
from etl.errors import EastboundError
from etl.mapping.loader import load_mappings
from etl.mapping.run import standardise_table
from etl.packs.roots import PackRoots

SF = f"mappings/sources/core/{NAME}/SF.yaml"
ABSENT = "standard: small_2024\ntable: SF\nabsent: {zh: 没有收付系统, en: there is no payments system}\n"


def mappings(root):
    return load_mappings(load(root), {}, PackRoots((root,)))


def test_an_absent_table_has_its_columns_and_no_rows(tmp_path):
    root = write_pack(tmp_path / "packs", {SF: ABSENT})
    loaded = mappings(root)
    assert loaded.tables["SF"].absent["en"] == "there is no payments system"
    assert loaded.sources == set()
    with open_engine() as engine:
        result = standardise_table(engine, load(root), load(root).tables["SF"], loaded, tmp_path / "SF.parquet", tmp_path / "SF.aside.parquet")
    assert (result.rows_in, result.rows_out, result.rows_aside) == (0, 0, 0)
    schema = pq.read_schema(tmp_path / "SF.parquet")
    assert [str(schema.field(name).type) for name in ("BDH", "XH", "RQ", "JE")] == ["string", "int64", "date32[day]", "decimal128(16, 2)"]
    assert {"_row", "_src_system", "_src_key", "_branch", "_unmapped", "_missing_codes", "_ambiguous"} <= set(schema.names)
    assert "_bad" in pq.read_schema(tmp_path / "SF.aside.parquet").names


@pytest.mark.parametrize("text", ["standard: small_2024\ntable: SF\n", ABSENT + "branches:\n  - {from: core.Pay p, items: {}}\n"])
def test_a_mapping_has_branches_or_says_why_not(tmp_path, text):
    root = write_pack(tmp_path, {SF: text})
    with pytest.raises(EastboundError, match="give branches; or absent"):
        mappings(root)
