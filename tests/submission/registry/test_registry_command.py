"""`eastbound registry` with the demo insurer's real days: the road makes the zips, the stand-in takes them."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import click
import pytest

from etl.commands.registry import registry
from etl.demo.platform.store import STORE_FILE, summary
from etl.demo.platform.tables import read_tables
from etl.packs.roots import PackRoots
from etl.standard.loader import load_standard

# Thirty days take some minutes; three show the same.
DAYS = int(os.environ.get("EASTBOUND_TEST_REGISTRY_DAYS", "3"))
FIRST = date(2026, 10, 1)


def call(capsys, *arguments: str):
    """Exit code and what was printed."""
    capsys.readouterr()
    code = registry.main(list(arguments), standalone_mode=False)
    return code, capsys.readouterr().out


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    from etl.commands.demo import SYSTEMS, create

    root = tmp_path_factory.mktemp("real")
    create(root, policies=200, seed=20261031, faults=0.0, urls={name: f"sqlite:///demo/{name}.db" for name in SYSTEMS}, as_of=date(2026, 10, 31))
    return root


@pytest.fixture(scope="module")
def stand_in(workspace):
    code = "import sys; from etl.commands.registry import registry; registry.main(sys.argv[1:], standalone_mode=False)"
    process = subprocess.Popen([sys.executable, "-c", code, "platform", "serve", "-w", str(workspace)], stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert "127.0.0.1" not in line and "SFTP" in line
    yield process
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


@pytest.mark.slow
def test_real_days_go_over_and_both_sides_hold_the_same(workspace, stand_in, capsys):
    tables = load_standard("registry_life_2", PackRoots.of()).tables
    (workspace / "registry-platform" / "control.json").write_text(json.dumps({"faults": [
        {"kind": "reject", "day": (FIRST + timedelta(days=offset)).isoformat(), "transactions": 3} for offset in (1, 5, 11, 17, 23)] + [
        {"kind": "alter", "day": (FIRST + timedelta(days=offset)).isoformat(), "table": "LCPolTransaction"} for offset in (0, 14)] + [
        {"kind": "drop", "after_bytes": 500}, {"kind": "lose_answer"}]}))
    last = FIRST + timedelta(days=DAYS)
    code, out = call(capsys, "day", "-q", "-w", str(workspace), "--from", (FIRST + timedelta(days=1)).isoformat(), "--today", last.isoformat(), "--format", "json")
    rows = json.loads(out)
    assert (code, [r["problem"] for r in rows if r["problem"]]) == (0, [])
    assert [r["state"] for r in rows] == ["7"] * (DAYS - 1) + ["4"]
    assert [[b["kind"] for b in r["batches"]] for r in rows[:2]] == [["INC", "DET"], ["INC", "FAI"]]
    assert [len(c["differing"]) for c in rows[0]["checks"]] == [1, 0] and rows[0]["checks"][0]["differing"][0]["field"] == "TransAmnt"

    folder = next(t.path for t in tables.values() if t.path).parent
    held = summary(workspace / "registry-platform" / STORE_FILE, read_tables(folder))
    assert held["sent_twice"] == 0 and held["transactions"] == {"accepted": sum(r["accepted"] for r in rows), "rejected": 0}
    # What the platform holds is what the sealed text files of each day say, read here by hand.
    for row in rows:
        package = next((workspace / "packages" / "registry_life_2" / row["day"] / "001").iterdir())
        expected = {}
        for path in package.glob("*.txt"):
            lines = [line.split("\x01") for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
            items = tables[path.stem].items
            money = [(place, item.code) for place, item in enumerate(items) if item.type == "decimal" and item.scale == 2]
            if lines:
                expected[path.stem] = {"rows": len(lines), "sums": {code: sum((Decimal(line[place] or 0) for line in lines), Decimal("0.00")) for place, code in money}}
        assert held["days"][row["day"]] == expected
        assert row["accepted"] == expected["LCPolTransaction"]["rows"]
    with sqlite3.connect(workspace / "registry-platform" / STORE_FILE) as db:
        assert db.execute("SELECT count(*) FROM (SELECT 1 FROM rows WHERE name = 'LCPolTransaction' GROUP BY number HAVING count(*) > 1)").fetchone() == (0,)

    code, out = call(capsys, "day", "-q", "-w", str(workspace), "--today", last.isoformat(), "--format", "json")
    assert code == 0 and [r["state"] for r in json.loads(out)] == ["4"]
    code, out = call(capsys, "status", "-w", str(workspace), "--format", "json")
    assert code == 0 and [r["state"] for r in json.loads(out)] == [r["state"] for r in rows]
    code, out = call(capsys, "status", "-w", str(workspace))
    assert code == 0 and "INC:" in out and "FAI:3" in out


@pytest.mark.slow
def test_clear_data_is_for_its_owner_alone_and_no_message_text_is_in_the_ledger(workspace, stand_in):
    for folder in (workspace / "vault" / "registry", workspace / "registry-platform", workspace / "packages" / "registry_life_2"):
        assert folder.stat().st_mode & 0o077 == 0, folder
    for path in (workspace / "vault" / "registry").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert b"injected" not in (workspace / "ledger.db").read_bytes()


def test_settings_are_asked_for_before_anything_runs(tmp_path):
    from etl.submission.registry.errors import SettingsMissing
    from etl.workspace import Workspace

    Workspace(tmp_path, "000999", {}).save()
    with pytest.raises(SettingsMissing, match="platform serve"):
        registry.main(["day", "-w", str(tmp_path)], standalone_mode=False)
    assert not Path(tmp_path / "ledger.db").exists()


def test_the_documentation_names_real_commands_options_and_settings(tmp_path):
    from etl.submission.registry.settings import load_settings

    text = (Path(__file__).parents[3] / "docs" / "registry.md").read_text(encoding="utf-8")
    lines = re.findall(r"eastbound registry ([^\n`#]+)", text)
    assert len(lines) >= 4
    for line in lines:
        words, found = shlex.split(line), registry
        while isinstance(found, click.Group) and words:
            found = found.get_command(click.Context(found), words.pop(0))
            assert found is not None, line
        known = {option for parameter in getattr(found, "params", []) for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known, line
    (tmp_path / "registry.yaml").write_text(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1], encoding="utf-8")
    assert load_settings(tmp_path).polling.limit == 1800
    assert json.loads(re.search(r"```json\n(.*?)```", text, re.DOTALL)[1])["faults"][0]["kind"] == "reject"
