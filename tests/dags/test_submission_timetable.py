"""The timetable as Airflow's scheduler uses it. Which days are right is tested in tests/deadlines/test_schedule.py; here: that Airflow gets them."""

from __future__ import annotations

import logging
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from tests.dags.airflow_env import DAGS, command, environment, in_process, migrate
from tests.deadlines.calendars import write_days
from tests.deadlines.test_schedule import BEGINS_2026

in_process()

import pendulum  # noqa: E402 - after Airflow's settings
from airflow.sdk import DAG  # noqa: E402
from airflow.sdk.exceptions import AirflowTimetableInvalid  # noqa: E402
from airflow.serialization.decoders import decode_timetable  # noqa: E402
from airflow.serialization.encoders import encode_timetable  # noqa: E402
from airflow.serialization.serialized_objects import DagSerialization  # noqa: E402
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction  # noqa: E402

import eastbound_timetable  # noqa: E402 - after Airflow's settings
from eastbound_timetable import SubmissionTimetable  # noqa: E402

SHANGHAI = pendulum.timezone("Asia/Shanghai")
EVER = TimeRestriction(None, None, True)


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    """A folder for the company's calendar; nothing is remembered from test to test."""
    monkeypatch.setenv("EASTBOUND_WORKSPACE", str(tmp_path))
    monkeypatch.setattr(eastbound_timetable, "_read", {})
    monkeypatch.setattr(eastbound_timetable, "_told", set())
    return tmp_path


def now_is(monkeypatch, text: str) -> None:
    monkeypatch.setattr(eastbound_timetable, "_now", lambda: datetime.fromisoformat(text).replace(tzinfo=SHANGHAI))


def month(text: str) -> DataInterval:
    start = pendulum.datetime(*map(int, text.split("-")), 1, tz=SHANGHAI)
    return DataInterval(start, start.add(months=1))


def wall(moment) -> str:
    return moment.in_timezone(SHANGHAI).format("YYYY-MM-DD HH:mm")


def test_all_of_2026_one_after_the_other():
    timetable, last, found = SubmissionTimetable("east_life_2020"), month("2025-11"), {}
    for _ in BEGINS_2026:
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=EVER)
        last = info.data_interval
        assert info.run_after.tzinfo is not None and info.run_after >= last.end
        found[wall(last.start)[:7]] = (wall(last.start), wall(last.end), wall(info.run_after))
    after = [*list(BEGINS_2026)[1:], "2026-12"]
    assert found == {period: (f"{period}-01 00:00", f"{following}-01 00:00", f"{begins} 02:00")
                     for (period, begins), following in zip(BEGINS_2026.items(), after, strict=True)}
    # 1 October 2026 in Shanghai is 30 September in UTC, at 16:00.
    assert month("2026-10").start == datetime(2026, 9, 30, 16, tzinfo=UTC)


def test_a_backfill_of_three_years_has_each_month_once():
    with DAG("history", schedule=SubmissionTimetable("east_life_2020"), start_date=pendulum.datetime(2021, 1, 1, tz=SHANGHAI), catchup=False) as dag:
        pass
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    infos = list(stored.iter_dagrun_infos_between(pendulum.datetime(2023, 11, 1), pendulum.datetime(2026, 10, 31)))
    assert [wall(info.logical_date) for info in infos] == [
        f"{year}-{number:02}-01 00:00" for year in range(2023, 2027) for number in range(1, 13) if (2023, 11) <= (year, number) <= (2026, 10)]
    assert all(one.data_interval.end == two.data_interval.start for one, two in zip(infos, infos[1:], strict=False))
    assert len(infos) == 36


@pytest.mark.parametrize(("now", "period"), [
    ("2026-11-02T01:59:59", "2026-09"),     # October's run has not begun yet, and September's deadline is past: October is next
    ("2026-11-02T02:00:00", "2026-10"),
    ("2026-11-16T23:59:59", "2026-10"),
    ("2026-11-17T00:00:00", "2026-11"),
])
def test_without_catchup_a_new_dag_begins_with_the_period_at_hand(monkeypatch, now, period):
    now_is(monkeypatch, now)
    restriction = TimeRestriction(pendulum.datetime(2021, 1, 1, tz=SHANGHAI), None, False)
    info = SubmissionTimetable("east_life_2020").next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
    assert wall(info.logical_date)[:7] == ("2026-10" if period == "2026-09" else period)
    with_catchup = SubmissionTimetable("east_life_2020").next_dagrun_info(last_automated_data_interval=None, restriction=restriction._replace(catchup=True))
    assert wall(with_catchup.logical_date) == "2021-01-01 00:00"


def test_nothing_after_the_end_date():
    timetable, restriction = SubmissionTimetable("east_life_2020"), TimeRestriction(None, pendulum.datetime(2026, 10, 1, tz=SHANGHAI), True)
    assert wall(timetable.next_dagrun_info(last_automated_data_interval=month("2026-09"), restriction=restriction).logical_date) == "2026-10-01 00:00"
    assert timetable.next_dagrun_info(last_automated_data_interval=month("2026-10"), restriction=restriction) is None


@pytest.mark.parametrize(("standard", "moment", "start", "end"), [
    ("east_life_2020", "2026-10-31T15:59:59+00:00", "2026-09-01 00:00", "2026-10-01 00:00"),    # 23:59:59 in Shanghai
    ("east_life_2020", "2026-10-31T16:00:00+00:00", "2026-10-01 00:00", "2026-11-01 00:00"),    # midnight in Shanghai
    ("east_life_2020", "2028-03-01T08:00:00+08:00", "2028-02-01 00:00", "2028-03-01 00:00"),    # a leap year without a calendar
    ("registry_life_2", "2026-10-31T15:59:59+00:00", "2026-10-30 00:00", "2026-10-31 00:00"),
    ("registry_life_2", "2026-10-31T16:00:00+00:00", "2026-10-31 00:00", "2026-11-01 00:00"),
    ("audit_life", "2026-09-30T23:59:59+08:00", "2026-04-01 00:00", "2026-07-01 00:00"),
    ("audit_life", "2026-10-01T00:00:00+08:00", "2026-07-01 00:00", "2026-10-01 00:00"),
])
def test_a_run_started_by_hand_is_of_the_last_period_that_is_over(standard, moment, start, end):
    interval = SubmissionTimetable(standard).infer_manual_data_interval(run_after=pendulum.parse(moment))
    assert (wall(interval.start), wall(interval.end)) == (start, end)


def test_days_one_after_the_other_at_their_hour():
    timetable = SubmissionTimetable("registry_life_2", at="01:30")
    last = DataInterval(pendulum.datetime(2026, 12, 30, tz=SHANGHAI), pendulum.datetime(2026, 12, 31, tz=SHANGHAI))
    info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=EVER)
    assert (wall(info.data_interval.start), wall(info.run_after)) == ("2026-12-31 00:00", "2027-01-01 01:30")


def test_it_comes_back_from_the_database_as_it_was():
    timetable = SubmissionTimetable("east_life_2024", lead_working_days=5, at="06:30", offset_days=1, frequency="monthly")
    stored = encode_timetable(timetable)
    assert stored["__type"] == "eastbound_timetable.SubmissionTimetable"
    again = decode_timetable(stored)
    assert again.serialize() == timetable.serialize()
    assert again.next_dagrun_info(last_automated_data_interval=month("2026-09"), restriction=EVER) == timetable.next_dagrun_info(
        last_automated_data_interval=month("2026-09"), restriction=EVER)
    assert SubmissionTimetable.deserialize({"standard": "audit_life", "of a later release": 1}).standard == "audit_life"


def test_the_pages_say_what_is_due(monkeypatch):
    now_is(monkeypatch, "2026-02-16T12:00:00")
    timetable = SubmissionTimetable("east_life_2020")
    assert timetable.description == ("2026-01 应于 2026-02-24 报送（由 2026-02-15 顺延）；2026-02-02 02:00 开始 | "
                                     "2026-01 is due 2026-02-24 (postponed from 2026-02-15); begins 2026-02-02 02:00")
    assert timetable.summary == "east_life_2020 monthly 02:00"


def test_the_companys_calendar_is_read(workspace):
    write_days(workspace, "2026-11-02,company_holiday,司庆,Company day,test")
    info = SubmissionTimetable("east_life_2020").next_dagrun_info(last_automated_data_interval=month("2026-09"), restriction=EVER)
    assert wall(info.run_after) == "2026-11-03 02:00"


def test_a_year_without_a_calendar_is_planned_by_weekdays_and_said_so(monkeypatch):
    now_is(monkeypatch, "2028-06-20T12:00:00")
    timetable = SubmissionTimetable("east_life_2020")
    info = timetable.next_dagrun_info(last_automated_data_interval=month("2028-05"), restriction=EVER)
    assert wall(info.run_after) == "2028-07-03 02:00"       # 1 July 2028 is a Saturday
    assert "no calendar of 2028" in timetable.description and "没有 2028 年" in timetable.description


@pytest.mark.parametrize("options", [{"standard": "no_such_standard"}, {"standard": ""}, {"at": "soon"}, {"at": None}, {"offset_days": 10**9},
                                     {"frequency": "hourly"}, {"lead_working_days": 10**5}])
@pytest.mark.parametrize("last", [None, month("2026-10"), DataInterval(pendulum.datetime(1, 1, 1), pendulum.datetime(1, 1, 2)),
                                  DataInterval(pendulum.datetime(9999, 12, 1), pendulum.datetime(9999, 12, 31))])
def test_it_never_raises(workspace, options, last):
    write_days(workspace, "not a line of days")
    timetable = SubmissionTimetable(**options)
    for restriction in (EVER, TimeRestriction(pendulum.datetime(2026, 1, 1), None, False), TimeRestriction(None, pendulum.datetime(1, 1, 1), False)):
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        assert info is None or (isinstance(info, DagRunInfo) and info.run_after >= info.data_interval.end)
    assert timetable.infer_manual_data_interval(run_after=pendulum.datetime(2026, 11, 3)).start < pendulum.datetime(2026, 11, 4)
    assert isinstance(timetable.description, str) and isinstance(timetable.summary, str)


def test_what_is_wrong_is_logged_once(workspace, caplog):
    write_days(workspace, "2026-13-01,holiday,,,")
    with caplog.at_level(logging.WARNING, logger="eastbound_timetable"):
        for _ in range(3):
            eastbound_timetable._read.clear()
            SubmissionTimetable("east_life_2020").infer_manual_data_interval(run_after=pendulum.datetime(2026, 11, 3))
    assert [record.message.count("calendar.csv") > 0 for record in caplog.records] == [True]


@pytest.mark.parametrize(("options", "named"), [({"at": "25:00"}, "at="), ({"lead_working_days": -1}, "lead_working_days="), ({"offset_days": "1"}, "offset_days="),
                                                ({"frequency": "hourly"}, "frequency=")])
def test_mistakes_in_a_dag_file_are_told_when_it_is_parsed(options, named):
    with pytest.raises(AirflowTimetableInvalid, match=named):
        SubmissionTimetable("east_life_2020", **options).validate()
    SubmissionTimetable("east_life_2020", lead_working_days=0).validate()


def test_every_process_loads_the_plugin_and_pays_nothing_for_it(tmp_path):
    env = environment(tmp_path / "airflow", tmp_path)
    asked = ("import sys, airflow.plugins_manager as p; before = set(sys.modules); plugins, errors = p._get_plugins();"
             "own = next(x for x in plugins if x.name == 'eastbound'); added = set(sys.modules) - before;"
             "print(sorted(errors), sorted(name for name in added if name.split('.')[0] in ('etl', 'fastapi', 'duckdb', 'jinja2', 'sqlglot', 'chinese_calendar')));"
             "print([x['url_prefix'] for x in own.fastapi_apps], [x.name for x in own.global_operator_extra_links])")
    done = subprocess.run([sys.executable, "-c", asked], env=env, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-2:] == ["[] []", "['/eastbound'] ['Findings of this run / 运行的检核结果']"], done.stdout + done.stderr


@pytest.mark.slow
def test_the_command_line_of_airflow_plans_with_it(tmp_path, workspace):
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "monthly.py").write_text(
        "import pendulum\nfrom airflow.sdk import DAG\nfrom eastbound_timetable import SubmissionTimetable\n"
        "dag = DAG('monthly', schedule=SubmissionTimetable('east_life_2020'), start_date=pendulum.datetime(2026, 1, 1, tz='Asia/Shanghai'), catchup=True)\n", encoding="utf-8")
    env = environment(tmp_path / "airflow", workspace, dags=dags, plugins=DAGS / "plugins")
    migrate(env)
    command(env, "dags", "reserialize")
    told = command(env, "dags", "next-execution", "monthly", "--num-executions", "3", "--field", "run_after").stdout.split("\n")
    # The first working days after January, February and March, 02:00 in Shanghai.
    assert [line for line in told if line.endswith("+00:00")] == ["2026-02-01T18:00:00+00:00", "2026-03-01T18:00:00+00:00", "2026-03-31T18:00:00+00:00"]
