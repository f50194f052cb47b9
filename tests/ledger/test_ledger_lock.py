from __future__ import annotations

import os
import subprocess
import sys

import pytest

from etl.ledger import period_lock
from etl.ledger.errors import PeriodLocked

HOLDER = """
import sys, time
from etl.ledger.lock import period_lock
with period_lock(sys.argv[1], "east_life_2020", "2026-10") as lock:
    lock.name_run("20261031-abc123")
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_turned_away_with_the_facts_and_let_in_when_the_first_dies(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline().strip() == "held"
        with pytest.raises(PeriodLocked) as caught, period_lock(tmp_path, "east_life_2020", "2026-10"):
            pass
        english, chinese = caught.value.sentence("en"), caught.value.sentence("zh")
        for part in ("20261031-abc123", str(holder.pid), "since 20", "eastbound resume"):
            assert part in english
        assert "20261031-abc123" in chinese and "请等它结束" in chinese
        with period_lock(tmp_path, "east_life_2020", "2026-09") as other:
            assert other is not None
    finally:
        holder.kill()
        holder.wait()
    with period_lock(tmp_path, "east_life_2020", "2026-10", run="20261031-def456"), \
            pytest.raises(PeriodLocked, match=f"run 20261031-def456 .process {os.getpid()} "), \
            period_lock(tmp_path, "east_life_2020", "2026-10"):
        pass


def test_names_with_odd_characters_do_not_leave_the_folder_or_collide(tmp_path):
    with period_lock(tmp_path, "../a", "b"), period_lock(tmp_path, "a", "../b"), period_lock(tmp_path, "甲", "乙"):
        assert len(list((tmp_path / "locks").glob("*.lock"))) == 3
    assert list((tmp_path / "locks").glob("*.json")) == []
    assert [p.name for p in tmp_path.iterdir()] == ["locks"]
