"""What is due, late and done, with runs whose moments are given."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from etl.deadlines.definition import CalendarDay, CalendarYearMissing, Obligation, WorkCalendar
from etl.deadlines.loader import load_calendar
from etl.deadlines.status import Window, judge, survey
from etl.ledger.definition import Run
from etl.packs.roots import PackRoots
from tests.deadlines.calendars import write_days, year_2098

CALENDAR, ROOTS = load_calendar(), PackRoots.of()
OCTOBER = Obligation("east_life_2020", None, "2026-10", date(2026, 10, 31), date(2026, 11, 15), date(2026, 11, 16))


def run(sealed: str | None = None, *, standard="east_life_2020", period="2026-10", status="sealed", place=None, number=1) -> Run:
    """A run sealed at a moment given in UTC."""
    at = datetime.fromisoformat(sealed).replace(tzinfo=UTC) if sealed else None
    return Run(f"r{number}", standard, period, date(2026, 11, 15), status, datetime(2026, 11, 1, number, tzinfo=UTC), at, "000999", "", {"jurisdiction": place}, None, None, None, "h", 1)


@pytest.mark.parametrize(("sealed", "state", "days_late"), [
    ("2026-11-10 08:00", "done", 0),
    ("2026-11-16 15:59:59", "done", 0),     # the last second of 16 November in Shanghai
    ("2026-11-16 16:00", "late", 1),        # midnight there
    ("2026-11-20 02:00", "late", 4),
])
def test_the_deadline_ends_with_the_day_in_shanghai(sealed, state, days_late):
    judged = judge(OCTOBER, [run(sealed)], CALENDAR, date(2026, 11, 22))
    assert (judged.state, judged.days_late, judged.run) == (state, days_late, "r1")
    assert judged.sealed_at == datetime.fromisoformat(sealed).replace(tzinfo=UTC)


@pytest.mark.parametrize(("today", "state", "left", "days_late"), [
    ("2026-11-09", "due", 5, 0),    # Monday: 10, 11, 12, 13 and 16 November
    ("2026-11-13", "due", 1, 0),
    ("2026-11-15", "due", 1, 0),
    ("2026-11-16", "due", 0, 0),
    ("2026-11-17", "late", None, 1),
    ("2026-11-22", "late", None, 6),
])
def test_not_sealed_yet(today, state, left, days_late):
    for runs in ([], [run(status="blocked")], [run(status="failed")]):
        judged = judge(OCTOBER, runs, CALENDAR, date.fromisoformat(today))
        assert (judged.state, judged.working_days_left, judged.days_late, judged.sealed_at) == (state, left, days_late, None)
        assert judged.run_status == (runs[0].status if runs else None)


def test_a_later_correction_does_not_make_a_period_late():
    judged = judge(OCTOBER, [run("2026-11-25 01:00", number=3), run("2026-11-12 01:00", number=2), run(status="blocked", number=4)], CALENDAR, date(2026, 11, 26))
    assert (judged.state, judged.run) == ("done", "r2")


@pytest.mark.parametrize("other", [run("2026-11-10 08:00", period="2026-09"), run("2026-11-10 08:00", standard="east_life_2024"), run("2026-11-10 08:00", place="440300")])
def test_other_runs_do_not_count(other):
    assert judge(OCTOBER, [other], CALENDAR, date(2026, 11, 17)).state == "late"


def test_days_left_are_the_companys():
    friday = date(2026, 11, 13)
    calendar = WorkCalendar(CALENDAR.days, CALENDAR.years, {friday: CalendarDay(friday, False)})
    assert judge(OCTOBER, [], calendar, date(2026, 11, 9)).working_days_left == 4


def told(found) -> list[tuple[str, str, str]]:
    return [(one.obligation.period, one.obligation.due.isoformat(), one.state) for one in found.judged]


def test_a_year_of_a_standard():
    runs = [run("2026-10-14 01:00", period="2026-09"), run("2026-11-18 01:00", period="2026-10")]
    found = survey(ROOTS, runs, date(2026, 11, 22), window=Window(date(2026, 9, 1), date(2026, 12, 31)))
    assert told(found) == [("2026-08", "2026-09-15", "late"), ("2026-09", "2026-10-15", "done"), ("2026-10", "2026-11-16", "late"), ("2026-11", "2026-12-15", "due")]
    assert found.judged[-1].working_days_left == 17     # 23 to 27 November, 30 November to 4 December, 7 to 11, 14 and 15 December
    assert found.quiet_overlays == (("east_life_2020", "310000"), ("east_life_2020", "440300"))


def test_without_a_window_it_begins_with_the_first_period_that_has_a_run():
    found = survey(ROOTS, [run("2026-10-14 01:00", period="2026-09")], date(2026, 11, 22))
    assert told(found)[:3] == [("2026-09", "2026-10-15", "done"), ("2026-10", "2026-11-16", "late"), ("2026-11", "2026-12-15", "due")]
    assert told(survey(ROOTS, [], date(2026, 11, 22))) == []
    daily = survey(ROOTS, [run("2026-11-20 01:00", standard="registry_life_2", period="2026-11-19")], date(2026, 11, 22))
    assert told(daily)[:4] == [("2026-11-19", "2026-11-20", "done"), ("2026-11-20", "2026-11-21", "late"), ("2026-11-21", "2026-11-22", "due"), ("2026-11-22", "2026-11-23", "due")]
    assert [one.working_days_left for one in daily.judged[2:4]] == [0, 1]       # Sunday, Monday
    named = survey(ROOTS, [], date(2026, 11, 10), standards=["east_life_2024", "audit_life"])
    assert told(named)[:2] == [("2026-10", "2026-11-20", "due"), ("2026-11", "2026-12-21", "due")]
    assert named.without_deadline == ("audit_life",)


def test_the_name_of_a_family_stands_for_its_editions():
    found = survey(ROOTS, [], date(2026, 11, 10), standards=["east_life"], window=Window(date(2026, 11, 1), date(2026, 11, 30)))
    assert {one.obligation.standard for one in found.judged} == {"east_life_2020"}


def test_jurisdictions_with_runs_and_those_that_are_asked_for():
    window = Window(date(2026, 11, 1), date(2026, 11, 30))
    runs = [run("2026-11-10 01:00"), run("2026-11-17 01:00", place="440300", number=2)]
    found = survey(ROOTS, runs, date(2026, 11, 22), window=window)
    assert [(one.obligation.jurisdiction, one.state) for one in found.judged] == [(None, "done"), ("440300", "late")]
    assert found.quiet_overlays == (("east_life_2020", "310000"),)
    everywhere = survey(ROOTS, runs, date(2026, 11, 22), window=window, jurisdictions=["all"])
    assert [(one.obligation.jurisdiction, one.state) for one in everywhere.judged] == [(None, "done"), ("310000", "late"), ("440300", "late")]
    assert everywhere.quiet_overlays == ()


def test_a_jurisdiction_with_a_deadline_of_its_own(tmp_path):
    folder = tmp_path / "mappings/calendars"
    folder.mkdir(parents=True)
    (folder / "deadlines.csv").write_text("jurisdiction,standard,day\n440300,east_life_2020,12\n", encoding="utf-8")
    found = survey(PackRoots.of(tmp_path), [run("2026-11-13 01:00", place="440300")], date(2026, 11, 22), window=Window(date(2026, 11, 1), date(2026, 11, 30)))
    assert [(one.obligation.jurisdiction, one.obligation.due, one.state) for one in found.judged] == [
        ("440300", date(2026, 11, 12), "late"), (None, date(2026, 11, 16), "late")]


def test_runs_of_a_standard_without_a_pack_are_told():
    found = survey(ROOTS, [run("2026-11-10 01:00", standard="of_others")], date(2026, 11, 22))
    assert found.unknown_standards == ("of_others",) and found.judged == ()


def test_a_year_that_is_asked_for_must_be_known(tmp_path):
    for window in (Window(date(2099, 1, 1), date(2099, 12, 31)), Window(None, date(2099, 1, 1)), Window(date(2026, 1, 1), date(2099, 12, 31))):
        with pytest.raises(CalendarYearMissing):
            survey(ROOTS, [run("2026-11-10 01:00")], date(2026, 11, 22), window=window)
    with pytest.raises(CalendarYearMissing):
        survey(ROOTS, [run("2026-11-10 01:00")], date(2099, 1, 5))


def test_looking_ahead_stops_where_the_calendar_ends(tmp_path):
    write_days(tmp_path, *year_2098())
    found = survey(ROOTS, [], date(2098, 12, 10), workspace=tmp_path, standards=["east_life_2020"])
    assert told(found) == [("2098-11", "2098-12-15", "due")]       # a Monday
    assert [error.values["year"] for error in found.unknown_years] == [2099]
    early = survey(ROOTS, [], date(2098, 10, 1), workspace=tmp_path, standards=["east_life_2020"])
    assert early.unknown_years == ()
