"""One message of everything that needs people: what is in it at a given moment, and that no step is ever told twice.

The period 2026-10 of east_life_2020 is due on Monday 2026-11-16 (the 15th is a Sunday). Working days before it: 13 (one left), 12 (two), 11, 10,
9 November (five). On the day itself the office closes at 18:00: 8 hours before is 10:00.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, date, datetime

import pytest

from etl.deadlines.definition import SHANGHAI
from etl.deadlines.digest import Digest, digest, mark_sent, steps_told
from etl.deadlines.notices import Notice
from etl.language import set_language
from etl.ledger import open_ledger
from etl.ledger.approvals import APPROVED, REJECTED, ApprovalBook
from etl.ledger.definition import RuleOutcome
from etl.pipeline.road import RunRequest, start_run
from etl.submission.definition import Period
from etl.workspace import Workspace
from tests.command import call_english
from tests.deadlines.calendars import write_days, year_2098
from tests.pipeline.small_insurer import POLICIES, make_workspace

EAST, REGISTRY = "east_life_2020", "registry_life_2"


@pytest.fixture(autouse=True)
def _language():
    yield
    set_language(None)


@pytest.fixture
def workspace(tmp_path):
    opened = Workspace(tmp_path, "000999")
    opened.save()
    return opened


@pytest.fixture
def ledger(workspace):
    with open_ledger(workspace.ledger_place) as opened:
        yield opened


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def begun(ledger, standard: str, period: str, **options):
    """A run of this very process that is at work."""
    run = ledger.start_run(standard, period, date(2026, 11, 15), company="000999", pack_fingerprint="f", options=options)
    ledger.append_event("zhang", "run.start", run.id, {})
    return run


def ended(workspace, ledger, run, status: str, moment: str, **more):
    """The run ends at a moment in Shanghai."""
    ledger.finish_run(run.id, status, **more)
    utc = at(moment).astimezone(UTC)
    with sqlite3.connect(workspace.ledger_place) as connection:
        connection.execute("UPDATE runs SET finished_at = ? WHERE id = ?", (f"{utc:%Y-%m-%d %H:%M:%S}.000000", run.id))
    return ledger.run(run.id)


def told(workspace, ledger, moment: str, *kinds: str, mark: bool = True) -> list[str]:
    """Keys of the new notices of these kinds at a moment; everything is marked as told."""
    found = digest(workspace, ledger, at(moment))
    if mark:
        mark_sent(ledger, found)
    return [one.key for one in found.notices if one.kind in kinds]


def test_every_step_of_the_ladder_is_told_once(workspace, ledger):
    begun(ledger, EAST, "2026-10")
    steps = [("2026-11-09 08:59", []), ("2026-11-09 09:00", ["5d"]), ("2026-11-10 12:00", []), ("2026-11-12 09:30", ["2d"]), ("2026-11-13 09:00", ["1d"]),
             ("2026-11-15 12:00", []), ("2026-11-16 09:59", []), ("2026-11-16 10:00", ["8h"]), ("2026-11-16 14:00", ["4h"]), ("2026-11-16 17:30", ["1h"])]
    for moment, wanted in steps:
        assert told(workspace, ledger, moment, "deadline") == [f"deadline {EAST} 2026-10 {step}" for step in wanted], moment


def test_a_watch_that_slept_tells_the_last_step_only(workspace, ledger):
    begun(ledger, EAST, "2026-10")
    assert told(workspace, ledger, "2026-11-13 15:00", "deadline") == [f"deadline {EAST} 2026-10 1d"]
    assert told(workspace, ledger, "2026-11-13 16:00", "deadline") == []


def test_what_was_told_is_remembered_over_a_restart_and_only_when_it_was_sent(workspace, ledger):
    begun(ledger, EAST, "2026-10")
    now = "2026-11-12 10:00"
    for _ in range(2):
        assert told(workspace, ledger, now, "deadline", mark=False) == [f"deadline {EAST} 2026-10 2d"], "not sent is not told"
    told(workspace, ledger, now, "deadline")
    with open_ledger(workspace.ledger_place) as another:
        found = digest(workspace, another, at(now))
        assert found.empty and found.told_before >= 1 and f"deadline {EAST} 2026-10 2d" in steps_told(another)
        [event] = [one for one in another.events() if one.action == "alert.sent"]
        assert event.subject == "digest" and another.verify_chain().ok
        mark_sent(another, found)
        assert len([one for one in another.events() if one.action == "alert.sent"]) == 1, "nothing new, nothing noted"


def test_late_is_told_at_once_and_then_every_working_morning(workspace, ledger):
    run = begun(ledger, EAST, "2026-10")
    steps = [("2026-11-16 23:59", []), ("2026-11-17 00:01", ["2026-11-17"]), ("2026-11-17 10:00", []), ("2026-11-18 08:59", []), ("2026-11-18 09:00", ["2026-11-18"]),
             ("2026-11-20 09:00", ["2026-11-20"]), ("2026-11-21 12:00", []), ("2026-11-22 12:00", []), ("2026-11-23 09:00", ["2026-11-23"])]
    for moment, wanted in steps:
        assert told(workspace, ledger, moment, "late") == [f"late {EAST} 2026-10 {step}" for step in wanted], moment
    ended(workspace, ledger, run, "sealed", "2026-11-23 10:00")
    assert told(workspace, ledger, "2026-11-24 09:00", "late", "deadline") == []


def test_days_of_a_daily_standard_share_a_line_and_today_is_a_matter_of_hours(workspace, ledger):
    begun(ledger, REGISTRY, "2026-11-01")
    found = digest(workspace, ledger, at("2026-11-05 12:00"))
    [late] = [one for one in found.notices if one.kind == "late"]
    assert late.en == f"{REGISTRY} 2026-11-01..2026-11-03: 3 days, was due 2026-11-02, 3 day(s) late, not run yet"
    assert late.zh == f"{REGISTRY} 2026-11-01..2026-11-03：共 3 日，期限 2026-11-02，已迟 3 日，尚未运行"
    [due] = [one for one in found.notices if one.kind == "deadline"]
    assert due.key == f"deadline {REGISTRY} 2026-11-04 8h" and due.en.endswith("less than 8 h before 18:00, not run yet")
    assert [one.kind for one in digest(workspace, ledger, at("2026-11-02 09:00")).notices if one.kind in ("late", "deadline")] == []


def test_a_blocked_run_is_one_notice_with_the_rules_that_count_most(workspace, ledger):
    run = begun(ledger, EAST, "2026-10")
    counts = {"EL20-A-X-VR-01": 7, "EL20-A-X-VR-02": 120, "EL20-A-X-VR-03": 3, "EL20-A-X-VR-04": 9, "EL20-A-X-VR-05": 3, "EL20-A-X-VR-06": 2}
    outcomes = [RuleOutcome(rule, "value_range", "error", "A", "failed", 500, failed) for rule, failed in counts.items()]
    outcomes += [RuleOutcome("EL20-A-X-VR-07", "value_range", "error", "A", "errored", 0, 0, "broken"), RuleOutcome("EL20-A-Y-VR-01", "value_range", "warning", "A", "failed", 500, 44),
                 RuleOutcome("EL20-A-Z-VR-01", "value_range", "error", "A", "passed", 500, 0), RuleOutcome("EL20-A-Z-VR-02", "value_range", "error", "A", "skipped", 0, 0)]
    ledger.record_findings(run.id, outcomes)
    run = ended(workspace, ledger, run, "blocked", "2026-11-03 10:00", message={"code": "findings", "error": 145, "warning": 44})
    [one] = [one for one in digest(workspace, ledger, at("2026-11-03 11:00")).notices if one.kind == "blocked"]
    assert one.en == f"{EAST} 2026-10: run {run.id} has 145 error(s) of 7 rule(s) and 44 warning(s), nothing is sealed"
    assert [line for _, line in one.more[:5]] == ["EL20-A-X-VR-02: 120", "EL20-A-X-VR-04: 9", "EL20-A-X-VR-01: 7", "EL20-A-X-VR-03: 3", "EL20-A-X-VR-05: 3"]
    assert len(one.more) == 6 and "2 more rules" in one.more[5][1] and one.facts["top_rules"][0] == {"rule": "EL20-A-X-VR-02", "findings": 120}
    assert told(workspace, ledger, "2026-11-03 11:00", "blocked") and told(workspace, ledger, "2026-11-09 11:00", "blocked") == []
    again = ended(workspace, ledger, begun(ledger, EAST, "2026-10"), "blocked", "2026-11-09 12:00")
    assert told(workspace, ledger, "2026-11-09 13:00", "blocked") == [f"blocked {again.id} blocked"], "of the latest run of the period only"


def test_failed_and_interrupted_runs_until_they_are_taken_up(workspace, ledger):
    run = ended(workspace, ledger, begun(ledger, EAST, "2026-10"), "failed", "2026-11-03 10:00", message={"code": "SourceUnreachable"})
    [one] = [one for one in digest(workspace, ledger, at("2026-11-03 11:00")).notices if one.kind == "failed"]
    assert one.en == f"{EAST} 2026-10: run {run.id} failed (SourceUnreachable); go on with: eastbound resume {run.id}"
    assert told(workspace, ledger, "2026-11-03 11:00", "failed") == [f"failed {run.id} 2026-11-03T02:00:00+00:00"]
    assert told(workspace, ledger, "2026-11-03 12:00", "failed") == []
    ledger.resume_run(run.id)
    assert told(workspace, ledger, "2026-11-03 13:00", "failed") == []
    ended(workspace, ledger, run, "interrupted", "2026-11-03 14:00", message={"code": "process_gone"})
    assert told(workspace, ledger, "2026-11-03 15:00", "failed") == [f"failed {run.id} 2026-11-03T06:00:00+00:00"]
    stopped = ended(workspace, ledger, begun(ledger, EAST, "2026-10"), "interrupted", "2026-11-03 16:00", message={"code": "stopped", "after": "check"})
    assert stopped.id not in str(told(workspace, ledger, "2026-11-03 17:00", "failed")), "somebody wanted it to stop there"


def test_a_failed_run_of_a_scheduler_is_taken_up_there(workspace, ledger):
    ended(workspace, ledger, begun(ledger, EAST, "2026-10", owner="airflow:east_monthly/manual__1"), "failed", "2026-11-03 10:00", message={"code": "task_failed"})
    [one] = [one for one in digest(workspace, ledger, at("2026-11-03 11:00")).notices if one.kind == "failed"]
    assert "try it again in the scheduler (airflow:east_monthly/manual__1), or eastbound resume" in one.en and "在调度中重试 airflow:east_monthly/manual__1" in one.zh


def test_packages_that_wait_for_approval_and_since_when(workspace, ledger):
    run = ended(workspace, ledger, begun(ledger, EAST, "2026-10"), "sealed", "2026-11-10 09:00", package="packages/x", package_sha256="ab")
    steps = [("2026-11-10 10:00", "0d"), ("2026-11-11 10:00", None), ("2026-11-12 08:00", "2d"), ("2026-11-16 10:00", None), ("2026-11-17 10:00", "5d"), ("2026-11-30 10:00", None)]
    for moment, step in steps:
        assert told(workspace, ledger, moment, "waiting") == ([f"waiting {run.id} waiting {step}"] if step else []), moment
    book = ApprovalBook(ledger)
    book.decide(run.id, REJECTED, checker="li", login="li", package_sha256="ab", after=0, reason="x")
    found = [one for one in digest(workspace, ledger, datetime.now(UTC)).notices if one.kind == "waiting"]
    assert [one.key for one in found] == [f"waiting {run.id} rejected1 0d"] and "was rejected" in found[0].en and "li" not in found[0].en.split()
    book.decide(run.id, APPROVED, checker="li", login="li", package_sha256="ab", after=1, reason="y")
    assert [one for one in digest(workspace, ledger, datetime.now(UTC)).notices if one.kind == "waiting"] == []


def test_a_year_without_a_calendar_is_a_notice_and_stops_no_other(workspace, ledger):
    run = ended(workspace, ledger, begun(ledger, EAST, "2026-10"), "failed", "2026-11-03 10:00", message={"code": "X"})
    found = digest(workspace, ledger, at("2099-06-01 10:00"))
    assert [one.kind for one in found.notices] == ["failed", "calendar"] and found.notices[0].subject == run.id
    assert found.notices[1].key == "calendar 2099 2099-06" and "calendar.csv" in found.notices[1].en and "2099-01-01,holiday" in str(found.notices[1].more)
    mark_sent(ledger, found)
    assert digest(workspace, ledger, at("2099-06-30 10:00")).empty and not digest(workspace, ledger, at("2099-07-01 10:00")).empty


def test_next_year_is_missed_in_time_and_a_broken_line_is_told(workspace, ledger):
    write_days(workspace.root, *year_2098())
    assert [one.key for one in digest(workspace, ledger, at("2098-10-20 10:00")).notices] == []
    assert [one.key for one in digest(workspace, ledger, at("2098-11-20 10:00")).notices] == ["calendar 2099 2098-11"]
    write_days(workspace.root, "2098-13-01,holiday,x,x,x")
    [one] = digest(workspace, ledger, at("2098-10-20 10:00")).notices
    assert one.kind == "calendar" and one.subject == "PackFileBroken" and "calendar.csv" in one.en


def message(**counts: int) -> Digest:
    notices = [Notice(kind, f"s{number}", "1", f"第 {number} <项>", f"no. {number} <b>", (("细", "a & b"),) if number == 0 else ())
               for kind, count in counts.items() for number in range(count)]
    return Digest("000999", at("2026-11-16 10:00"), tuple(notices), 2)


def test_one_message_in_four_forms_and_two_languages():
    found = message(late=1, blocked=2)
    assert found.subject("zh") == "Eastbound 000999：逾期 1，因检核发现未封包 2" and found.subject("en") == "Eastbound 000999: late 1, blocked by findings 2"
    assert found.text("en").splitlines() == [
        "Eastbound 000999: late 1, blocked by findings 2", "", "late", "- no. 0 <b>", "    a & b", "", "blocked by findings", "- no. 0 <b>", "    a & b", "- no. 1 <b>", "",
        "2026-11-16 10:00 in Shanghai; 2 told before still stand"]
    assert found.markdown("zh").startswith("### Eastbound 000999：逾期 1，因检核发现未封包 2\n\n**逾期**\n\n- 第 0 <项>\n  - 细\n\n**因检核发现未封包**")
    assert found.html("en").startswith("<h3>Eastbound 000999: late 1, blocked by findings 2</h3><p><b>late</b></p><ul><li>no. 0 &lt;b&gt;<ul><li>a &amp; b</li></ul></li></ul>")
    assert not found.empty and message().empty and message().subject("en") == "Eastbound 000999: nothing new"


def test_a_long_list_is_counted_not_sent():
    text = message(waiting=36).text("en")
    assert text.count("- no.") == 10 and "- and 26 more: eastbound approvals" in text and "waiting for approval 36" in text
    assert len(message(waiting=36).as_record("en")["notices"]) == 36


def test_the_command_tells_marks_and_is_silent_then(workspace, ledger, capsys):
    run = ended(workspace, ledger, begun(ledger, EAST, "2026-10"), "failed", "2026-11-03 10:00", message={"code": "DiskFull"})
    code, out, _ = call_english(capsys, "digest", "-w", workspace.root, "--now", "2026-11-03T11:00", "--format", "json")
    record = json.loads(out)
    assert code == 0 and record["at"] == "2026-11-03T11:00:00+08:00" and [one["code"] for one in record["notices"] if one["kind"] == "failed"] == ["DiskFull"]
    assert f"run {run.id} failed (DiskFull)" in call_english(capsys, "digest", "-w", workspace.root, "--now", "2026-11-03T11:00", "--mark")[1]
    _, out, _ = call_english(capsys, "digest", "-w", workspace.root, "--now", "2026-11-03T11:00", "--format", "markdown")
    assert out.startswith("### Eastbound 000999: nothing new") and "told before still stand" in out
    assert call_english(capsys, "digest", "-w", workspace.root, "--format", "html")[0] == 0


def test_no_value_of_a_row_is_in_a_message(tmp_path):
    workspace = make_workspace(tmp_path, policies=[*POLICIES, ("P004", "王五", "4", "2026-01-01", None, "50.00", None)])
    assert start_run(workspace, RunRequest("tiny", Period.parse("2026-10"), date(2026, 11, 15))).status == "blocked"
    with open_ledger(workspace.ledger_place) as ledger:
        found = digest(workspace, ledger)
        text = found.text("zh") + found.markdown("en") + found.html("zh") + json.dumps(found.as_record(), ensure_ascii=False)
        mark_sent(ledger, found)
        text += json.dumps([dict(event.detail) for event in ledger.events()], ensure_ascii=False)
    assert "TN-BD-ZZRQ-CR-01" in text and [value for value in ("P004", "王五", "张三", "50.00") if value in text] == []
