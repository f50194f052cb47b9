"""What each mode catches: the image is always that of a full read, the counts say what had changed."""

from __future__ import annotations

import pytest

from etl.capture import increment
from tests.capture.cores import core, numbers

NEW = "2026-11-01 10:00:00"


@pytest.fixture(params=["sqlite", "postgresql"])
def insurer(request, tmp_path, monkeypatch):
    """A core system that was captured in full and sealed. So small a table may well be fetched by key."""
    monkeypatch.setattr(increment, "SAMPLE", 5)
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    with core(tmp_path, url) as made:
        made.capture("full")
        yield made


def test_without_an_earlier_run_everything_is_read_and_said_so(tmp_path):
    with core(tmp_path) as made:
        counts = made.capture("incremental")
        assert {(c.mode, c.reason, c.base_run) for c in counts.values()} == {("full", "no_base", None)}
        assert numbers(counts["LCCont"]) == (None, None, None, None) and counts["LCCont"].rows_read == 40
        made.check()


def test_nothing_changed(insurer):
    counts = insurer.capture("incremental")
    assert (counts["LCCont"].mode, counts["LCCont"].reason, counts["LCCont"].base_run) == ("incremental", "", insurer.runs[0])
    assert numbers(counts["LCCont"]) == (0, 0, 0, 40) and numbers(counts["LCPol"]) == (0, 0, 0, 80)
    # One row is as new as the watermark, five are the sample.
    assert counts["LCCont"].rows_read == 6 and counts["LCCont"].watermark == "2026-10-31 17:30:00"
    # The table without watermark is read and compared as a whole.
    assert (counts["LDCom"].mode, counts["LDCom"].reason, numbers(counts["LDCom"])) == ("change", "no_watermark", (0, 0, 0, 2))
    insurer.check()


@pytest.mark.parametrize("mode", ["incremental", "change"])
def test_inserts_updates_and_deletes_are_counted_and_come_out_right(insurer, mode):
    insurer.do(f"UPDATE \"LCCont\" SET \"Prem\" = 99, \"ModifyTime\" = '{NEW}' WHERE \"ContNo\" = 'P0050'",
               f"INSERT INTO \"LCCont\" VALUES ('P0055', '新客户', 1, '{NEW}'), ('P0056', '新客户', 1, '{NEW}'), ('A', '最前', 1, '{NEW}'), ('Z', '最后', 1, '{NEW}')",
               "DELETE FROM \"LCCont\" WHERE \"ContNo\" IN ('P0010', 'P0200')",
               f"UPDATE \"LCPol\" SET \"Amnt\" = 7, \"ModifyTime\" = '{NEW}' WHERE \"ContNo\" = 'P0050' AND \"Seq\" = 2",
               "DELETE FROM \"LCPol\" WHERE \"ContNo\" = 'P0200'",
               "UPDATE \"LDCom\" SET \"Name\" = '北京分公司' WHERE \"ComCode\" = '8611'")
    counts = insurer.capture(mode)
    assert numbers(counts["LCCont"]) == (4, 1, 2, 37)
    assert numbers(counts["LCPol"]) == (0, 1, 2, 77)
    assert numbers(counts["LDCom"]) == (0, 1, 0, 1)
    assert counts["LCCont"].mode == mode
    insurer.check()


def test_changed_twice_in_a_day_the_last_state_wins(insurer):
    insurer.do(f"UPDATE \"LCCont\" SET \"Prem\" = 1, \"ModifyTime\" = '{NEW}' WHERE \"ContNo\" = 'P0050'",
               f"UPDATE \"LCCont\" SET \"Prem\" = 2, \"ModifyTime\" = '{NEW}' WHERE \"ContNo\" = 'P0050'")
    counts = insurer.capture("incremental")
    assert numbers(counts["LCCont"]) == (0, 1, 0, 39)
    assert [str(row["Prem"]) for row in insurer.image("LCCont") if row["ContNo"] == "P0050"] == ["2.00"]
    insurer.check()


def test_changed_again_within_the_tick_of_the_last_watermark(insurer):
    insurer.do("UPDATE \"LCCont\" SET \"Prem\" = 3 WHERE \"ContNo\" = 'P0400'")
    assert numbers(insurer.capture("incremental")["LCCont"]) == (0, 1, 0, 39)
    insurer.check()


def test_deleted_and_created_again_is_one_update_or_nothing(insurer):
    insurer.do("DELETE FROM \"LCCont\" WHERE \"ContNo\" IN ('P0050', 'P0060')",
               f"INSERT INTO \"LCCont\" VALUES ('P0050', '客户5', 5.75, '{NEW}'), ('P0060', '客户6', 6.50, '2026-10-01 09:00:00')")
    assert numbers(insurer.capture("incremental")["LCCont"]) == (0, 1, 0, 39)
    insurer.check()


def test_deleted_in_one_run_and_back_in_the_next(insurer):
    insurer.do("DELETE FROM \"LCCont\" WHERE \"ContNo\" = 'P0050'")
    assert numbers(insurer.capture("incremental")["LCCont"]) == (0, 0, 1, 39)
    insurer.check()
    insurer.do(f"INSERT INTO \"LCCont\" VALUES ('P0050', '客户5', 5.50, '{NEW}'), ('P0045', '邻', 1, '{NEW}')")
    assert numbers(insurer.capture("incremental")["LCCont"]) == (2, 0, 0, 39)
    insurer.check()


def test_back_dated_rows_are_caught_whichever_way_the_watermark_went(insurer):
    insurer.do("INSERT INTO \"LCCont\" VALUES ('P0333', '补录', 1, '2020-01-01 00:00:00')",
               "UPDATE \"LCCont\" SET \"Prem\" = 8, \"ModifyTime\" = '2020-01-01 00:00:00' WHERE \"ContNo\" = 'P0050'",
               "UPDATE \"LCCont\" SET \"Prem\" = 9, \"ModifyTime\" = NULL WHERE \"ContNo\" = 'P0060'")
    assert numbers(insurer.capture("incremental")["LCCont"]) == (1, 2, 0, 38)
    insurer.check()


def test_a_change_that_moved_no_watermark_is_caught_by_change(insurer):
    insurer.do("UPDATE \"LCCont\" SET \"Prem\" = 77 WHERE \"ContNo\" = 'P0050'")
    counts = insurer.capture("change")
    assert (counts["LCCont"].mode, counts["LCCont"].reason, numbers(counts["LCCont"])) == ("change", "", (0, 1, 0, 39))
    insurer.check()


def test_a_watermark_that_stands_still_is_not_relied_on(insurer):
    # The whole book changes and no watermark moves: the sample sees it.
    insurer.do("UPDATE \"LCCont\" SET \"Prem\" = \"Prem\" + 1")
    counts = insurer.capture("incremental")
    assert (counts["LCCont"].mode, counts["LCCont"].reason, numbers(counts["LCCont"])) == ("change", "watermark_stands_still", (0, 40, 0, 0))
    insurer.check()


def test_many_runs_one_after_the_other(insurer):
    for turn in range(1, 6):
        insurer.do(f"UPDATE \"LCCont\" SET \"Prem\" = {turn}, \"ModifyTime\" = '2026-11-0{turn} 10:00:00' WHERE \"ContNo\" IN ('P0050', 'P01{turn}0')",
                   f"INSERT INTO \"LCCont\" VALUES ('P005{turn}', '新', 1, '2026-11-0{turn} 10:00:00')",
                   f"DELETE FROM \"LCPol\" WHERE \"ContNo\" = 'P03{turn}0'")
        counts = insurer.capture("incremental")
        assert numbers(counts["LCCont"]) == (1, 2, 0, 37 + turn)
        assert numbers(counts["LCPol"]) == (0, 0, 2, 80 - 2 * turn)
        assert counts["LCCont"].base_run == insurer.runs[-2]
        insurer.check()


def test_the_slow_road_fetches_the_same_rows(insurer):
    insurer.do(f"UPDATE \"LCPol\" SET \"Amnt\" = 7, \"ModifyTime\" = '{NEW}' WHERE \"ContNo\" = 'P0050' AND \"Seq\" = 2", "DELETE FROM \"LCPol\" WHERE \"ContNo\" = 'P0200'")
    counts = insurer.capture("incremental", road="sqlalchemy")
    assert (counts["LCPol"].mode, numbers(counts["LCPol"])) == ("incremental", (0, 1, 2, 77))
    insurer.check()
