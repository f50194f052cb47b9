"""Profiles on the road: every run leaves them, a broken profiles.yaml stops a run before it begins."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from etl.ledger import open_ledger
from etl.packs.yamlfile import PackFileBroken
from etl.pipeline import RunRequest, start_run
from etl.profiles.definition import WHOLE
from etl.profiles.profile import read_profiles
from etl.submission.definition import Period
from tests.pipeline.small_insurer import PAYMENTS, POLICIES, make_workspace

REQUEST = RunRequest("tiny", Period.parse("2026-10"), date(2026, 11, 15))
EXPECTATIONS = """\
standard: tiny
expectations:
  - {id: TN-JF-PF-01, table: JF, measure: drift, item: BDH, at_most: 0.25, severity: warning, message: {zh: 说明, en: Text}}
"""


def test_a_run_leaves_the_profile_of_every_table(tmp_path):
    workspace = make_workspace(tmp_path, payments=[*PAYMENTS, ("P003", 2, "1.00", "not a day")])
    rules = tmp_path / "packs/validation_rules/tiny"
    (rules / "profiles.yaml").write_text(EXPECTATIONS, encoding="utf-8")
    result = start_run(workspace, REQUEST)
    folder = workspace.run_folder(result.run)
    found = read_profiles(folder)
    assert set(found) == {"BD", "JF"} and {profile.period for profile in found.values()} == {"2026-10"}
    policies, payments = found["BD"].items, found["JF"].items
    # 1000.00 + 250.50 + 99.90; two of the three are 有效; one payment has a day that is none.
    assert (policies["BF"].total, policies["ZT"].codes, policies[WHOLE].rows) == (Decimal("1350.40"), {"有效": 2, "终止": 1}, 3)
    assert (payments[WHOLE].rows, payments[WHOLE].aside, payments["JE"].total) == (4, 1, Decimal("1600.90"))
    assert (payments["RQ"].first_day, payments["RQ"].last_day) == (date(2025, 3, 1), date(2026, 10, 1))
    # The policy number has no code table; it is watched, so its rows are counted by the policies that there are.
    assert payments["BDH"].codes == {"P001": 1, "P002": 2, "P003": 1}
    everything = b"".join(path.read_bytes() for path in (folder / "profiles").iterdir())
    assert not any(name.encode() in everything for _, name, *_ in POLICIES)
    # The thresholds are kept with the run.
    assert (folder / "packs/validation_rules/tiny/profiles.yaml").read_text(encoding="utf-8") == EXPECTATIONS


def test_a_broken_file_stops_a_run_before_it_is_noted(tmp_path):
    workspace = make_workspace(tmp_path)
    path: Path = tmp_path / "packs/validation_rules/tiny/profiles.yaml"
    path.write_text(EXPECTATIONS.replace("measure: drift", "measure: drifting"), encoding="utf-8")
    with pytest.raises(PackFileBroken, match="profiles.yaml line 3: TN-JF-PF-01: measure drifting is not one of"):
        start_run(workspace, REQUEST)
    with open_ledger(workspace.ledger_place) as ledger:
        assert ledger.runs() == []
