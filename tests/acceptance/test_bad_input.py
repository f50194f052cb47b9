"""Core systems that misbehave: each gets a plain message that says what, where and how to mend, and nothing is sent."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from etl.errors import EastboundError
from etl.pipeline import start_run
from etl.workspace import Workspace
from tests.acceptance.conftest import REQUEST


@pytest.fixture
def workspace(clean_month, tmp_path) -> Workspace:
    """A copy of the clean insurer that a test may spoil."""
    folder = tmp_path / "ws"
    shutil.copytree(clean_month.workspace.root / "demo", folder / "demo")
    shutil.copy(clean_month.workspace.root / "workspace.yaml", folder)
    return Workspace.open(folder)


def spoil(workspace: Workspace, system: str, *statements: str) -> None:
    with sqlite3.connect(workspace.url(system).removeprefix("sqlite:///")) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def refused(workspace: Workspace) -> EastboundError:
    with pytest.raises(EastboundError) as caught:
        start_run(workspace, REQUEST)
    assert not (workspace.root / "packages").exists()
    return caught.value


def test_table_without_rows(workspace):
    spoil(workspace, "life_admin", "DELETE FROM LCCont")
    error = refused(workspace)
    assert "LCCont" in error.sentence("en") and "no rows" in error.sentence("en").lower()
    assert "LCCont" in error.sentence("zh")


def test_column_gone_and_column_of_another_type_are_told_at_once(workspace):
    spoil(workspace, "life_admin", "ALTER TABLE LCCont DROP COLUMN PolForm", "ALTER TABLE LDCom RENAME COLUMN Name TO ComName",
          "ALTER TABLE LCPol DROP COLUMN Prem", "ALTER TABLE LCPol ADD COLUMN Prem BLOB")
    text = refused(workspace).sentence("en")
    assert all(word in text for word in ("LCCont", "PolForm", "LDCom", "ComName", "LCPol", "Prem"))
    assert "source.yaml" in text


def test_database_that_cannot_be_reached(workspace):
    Path(workspace.url("claims").removeprefix("sqlite:///")).unlink()
    error = refused(workspace)
    assert "claims" in error.sentence("en") and "claims" in error.sentence("zh")


def test_server_that_does_not_answer_is_tried_again_and_the_password_kept(workspace):
    moved = Workspace(workspace.root, workspace.company, {**workspace.systems, "claims": "postgresql://reader:hush@127.0.0.1:1/claims"})
    text = refused(moved).sentence("en")
    assert "claims" in text and "hush" not in text and "3" in text


def test_bytes_that_are_no_text_set_the_row_aside_and_block(workspace):
    with sqlite3.connect(workspace.url("life_admin").removeprefix("sqlite:///")) as connection:
        key = connection.execute("SELECT CustomerNo FROM LDPerson ORDER BY CustomerNo LIMIT 1").fetchone()[0]
        connection.execute("UPDATE LDPerson SET Name = CAST(x'eda080' AS TEXT) WHERE CustomerNo = ?", (key,))
    result = start_run(workspace, REQUEST)
    assert result.status == "blocked"
    from etl.engines import open_engine
    from etl.rules.findings import FindingFilter, query_findings, register_findings

    with open_engine() as engine:
        register_findings(engine, sorted((workspace.run_folder(result.run) / "findings").glob("*.parquet")), {})
        found = list(query_findings(engine, FindingFilter(rule="EL20-SRC-%")))
    assert [(f["source_table"], f["source_key"], f["item"], f["value"]) for f in found] == [("LDPerson", key, "Name", "(in the vault)")]


def test_nul_inside_a_value_is_found_and_blocks(workspace):
    with sqlite3.connect(workspace.url("life_admin").removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE LDCom SET Address = 'a' || char(0) || 'b' WHERE ComCode = (SELECT max(ComCode) FROM LDCom)")
    result = start_run(workspace, REQUEST)
    assert result.status == "blocked" and result.findings["error"] >= 1
