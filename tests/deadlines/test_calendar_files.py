"""Files of days and deadlines: what wins over what, what completes a year, what is wrong with a line."""

from __future__ import annotations

from datetime import date

import pytest

from etl.deadlines.definition import CalendarYearMissing, DeadlineRule
from etl.deadlines.due import due_day
from etl.deadlines.loader import load_calendar, load_head, local_deadlines
from etl.deadlines.workdays import company_view, is_working_day, working_days_between
from etl.errors import EastboundError, Problems
from etl.packs.roots import PackRoots
from etl.standard.loader import StandardUnknown, load_standard_folder
from tests.deadlines.calendars import write_days, year_2098

FIFTEENTH = DeadlineRule(15)


def packs(folder, *lines: str, place: str = "cn") -> PackRoots:
    write_days(folder / "mappings/calendars" / place, *lines, name="days.csv")
    return PackRoots.of(folder)


def test_a_line_of_the_workspace_wins_over_the_library_and_over_packs(tmp_path):
    october = date(2026, 9, 30)
    roots = packs(tmp_path / "packs", "2026-10-15,holiday,加放,Extra,notice", "2026-10-16,holiday,加放,Extra,notice")
    assert due_day(FIFTEENTH, october, load_calendar()) == date(2026, 10, 15)
    assert due_day(FIFTEENTH, october, load_calendar(roots)) == date(2026, 10, 19)          # Thursday and Friday off, then a weekend
    write_days(tmp_path / "ws", "2026-10-16,workday,,,notice changed")
    assert due_day(FIFTEENTH, october, load_calendar(roots, tmp_path / "ws")) == date(2026, 10, 16)
    # A public holiday that is taken back, and a Saturday that is worked.
    write_days(tmp_path / "ws", "2026-02-16,workday", "2026-08-15,workday")
    (tmp_path / "ws/calendar.csv").write_text("date,kind\n2026-02-16,workday\n2026-08-15,workday\n", encoding="utf-8")
    calendar = load_calendar(None, tmp_path / "ws")
    assert due_day(FIFTEENTH, date(2026, 1, 31), calendar) == date(2026, 2, 16)
    assert due_day(FIFTEENTH, date(2026, 7, 31), calendar) == date(2026, 8, 15)


def test_company_days_never_move_a_deadline(tmp_path):
    write_days(tmp_path, "2026-10-15,company_holiday,司庆,Founding day,board", "2026-10-17,company_workday,,,board")
    calendar = load_calendar(None, tmp_path)
    assert due_day(FIFTEENTH, date(2026, 9, 30), calendar) == date(2026, 10, 15)
    assert is_working_day(calendar, date(2026, 10, 15)) and not is_working_day(company_view(calendar), date(2026, 10, 15))
    # 12 to 20 October: seven public working days; the company leaves out the 15th and works on Saturday the 17th.
    assert working_days_between(calendar, date(2026, 10, 11), date(2026, 10, 20)) == 7
    assert working_days_between(company_view(calendar), date(2026, 10, 11), date(2026, 10, 15)) == 3
    assert working_days_between(company_view(calendar), date(2026, 10, 15), date(2026, 10, 19)) == 3
    # A company's day off and a public line for the same day live side by side.
    write_days(tmp_path, "2026-10-15,company_holiday,,,", "2026-10-15,workday,,,")
    assert load_calendar(None, tmp_path).company[date(2026, 10, 15)].working is False


def test_days_of_one_jurisdiction_hold_there_only(tmp_path):
    roots = packs(tmp_path, "2026-04-20,holiday,三月三,Sanyuesan,local government", place="450000")
    assert due_day(DeadlineRule(20), date(2026, 3, 31), load_calendar(roots)) == date(2026, 4, 20)
    assert due_day(DeadlineRule(20), date(2026, 3, 31), load_calendar(roots, jurisdiction="450000")) == date(2026, 4, 21)


def test_a_whole_year_may_come_from_a_file(tmp_path):
    write_days(tmp_path, *year_2098(), "2098-02-08,workday,调休上班,Make-up day,test")
    calendar = load_calendar(None, tmp_path)
    assert calendar.knows(2098) and not calendar.knows(2099)
    assert not is_working_day(calendar, date(2098, 1, 30)) and is_working_day(calendar, date(2098, 1, 29))
    assert is_working_day(calendar, date(2098, 2, 8))           # a Saturday
    assert not is_working_day(calendar, date(2098, 2, 9))


@pytest.mark.parametrize(("without", "told"), [(("05-02", "10-03"), "2098-05-02, 2098-10-03"), (("06-04",), "holiday × 1")])
def test_a_part_of_a_year_does_not_make_it_known(tmp_path, without, told):
    write_days(tmp_path, *year_2098(without=without))
    calendar = load_calendar(None, tmp_path)
    assert not calendar.knows(2098)
    with pytest.raises(CalendarYearMissing) as caught:
        is_working_day(calendar, date(2098, 3, 3))
    assert f"missing are: {told}" in caught.value.sentence("en") and told.split(", ")[0] in caught.value.sentence("zh")
    assert str(tmp_path / "calendar.csv") in caught.value.sentence("zh")


def test_company_days_do_not_make_a_year_known(tmp_path):
    write_days(tmp_path, *(line.replace(",holiday,", ",company_holiday,") for line in year_2098()))
    assert not load_calendar(None, tmp_path).knows(2098)


def test_bad_lines_are_told_with_file_and_line(tmp_path):
    path = write_days(tmp_path, "2026-13-01,holiday,,,", "2026-02-30,holiday,,,", "2026-1-5,holiday,,,", "2026-01-05,free,,,", "2026-01-06,holiday,,,", "2026-01-06,workday,,,", "2026-01-07")
    with pytest.raises(Problems) as caught:
        load_calendar(None, tmp_path)
    told = caught.value.sentence("en")
    assert [f"{path} line {n}" in told for n in (2, 3, 4, 5, 6, 7, 8)] == [True, True, True, True, False, True, True]
    assert "'free' is not one of holiday, workday, company_holiday, company_workday" in told and "already on line 6" in told
    assert "第 2 行" in caught.value.sentence("zh") and "不是日期" in caught.value.sentence("zh")


@pytest.mark.parametrize("content", [b"day,kind\n", b"", b"date,kind\n2026-01-05,\xff\xfe\n", b'date,kind\n"2026-01-05,holiday\n'])
def test_broken_files_are_refused(tmp_path, content):
    (tmp_path / "calendar.csv").write_bytes(content)
    with pytest.raises(EastboundError) as caught:
        load_calendar(None, tmp_path)
    assert "calendar.csv" in str(caught.value) and caught.value.exit_code == 2


def test_a_file_saved_by_a_spreadsheet_is_read(tmp_path):
    (tmp_path / "calendar.csv").write_bytes(b"\xef\xbb\xbfdate,kind,name_zh\r\n2026-10-15,holiday,\xe5\x81\x87\r\n\r\n")
    assert load_calendar(None, tmp_path).days[date(2026, 10, 15)].name == {"zh": "假"}


def test_deadlines_of_a_jurisdiction(tmp_path):
    folder = tmp_path / "mappings/calendars"
    folder.mkdir(parents=True)
    (folder / "deadlines.csv").write_text("jurisdiction,standard,day,days_after,postpone,basis\n440300,east_life_2020,12,,,local letter\n"
                                          "310000,east_life_2020,15,,false,\n", encoding="utf-8")
    assert local_deadlines(PackRoots.of(tmp_path)) == {
        ("east_life_2020", "440300"): DeadlineRule(12, None, True, "local letter"), ("east_life_2020", "310000"): DeadlineRule(15, None, False)}
    assert local_deadlines() == {}


@pytest.mark.parametrize("line", ["4403,east_life_2020,12,,,", "440300,,12,,,", "440300,s,0,,,", "440300,s,32,,,", "440300,s,,,,", "440300,s,x,,,", "440300,s,12,,maybe,",
                                  "440300,s,12,,,\n440300,s,13,,,"])
def test_bad_deadlines_are_told(tmp_path, line):
    folder = tmp_path / "mappings/calendars"
    folder.mkdir(parents=True)
    (folder / "deadlines.csv").write_text(f"jurisdiction,standard,day,days_after,postpone,basis\n{line}\n", encoding="utf-8")
    with pytest.raises(EastboundError, match=r"deadlines\.csv line [23]"):
        local_deadlines(PackRoots.of(tmp_path))


@pytest.mark.parametrize(("deadline", "told"), [("{day: 0}", "from 1 to 31"), ("{day: 32}", "from 1 to 31"), ("{day: '15'}", "from 1 to 31"), ("{days_after: -1}", "from 0 to 366"),
                                                 ("{day: 15, postpone: 'no'}", "true or false")])
def test_a_deadline_that_cannot_be_is_refused(tmp_path, deadline, told):
    folder = tmp_path / "mappings/standards/some"
    folder.mkdir(parents=True)
    (folder / "standard.yaml").write_text(f"standard: some\nname: Some\nfrequency: monthly\ndeadline: {deadline}\n", encoding="utf-8")
    with pytest.raises(EastboundError, match=told):
        load_head("some", PackRoots.of(tmp_path))


def test_heads_are_what_the_whole_standard_says():
    roots = PackRoots.of()
    for name in ("audit_life", "east_life_2024", "registry_life_2"):
        whole, head = load_standard_folder(roots.standard(name)), load_head(name)
        assert (head.name, head.title, head.frequency, head.effective_from, head.effective_to) == (
            whole.name, whole.title, whole.frequency, whole.effective_from, whole.effective_to)
        assert head.rule == DeadlineRule.of(whole.deadline)
    with pytest.raises(StandardUnknown):
        load_head("nothing")
