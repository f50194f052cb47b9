"""The timetable of submissions: a data interval is a reporting period, and its run begins in time for the deadline.

    schedule=SubmissionTimetable("east_life_2020")                          # the first working day after the month, 02:00
    schedule=SubmissionTimetable("east_life_2020", lead_working_days=5)     # five working days before the deadline
    schedule=SubmissionTimetable("registry_life_2", at="01:30")             # T+1

Which period a run is of:

- a scheduled or backfilled run: its data interval, the first moment of the period in Shanghai to the first moment of the next one;
- a run started by hand: the last period that was over at its logical date (in the UI: now). So `logical_date` 2026-11-03 gives October;
  name another one with the parameter `period`, or give `data_interval_start` and `data_interval_end`;
- dates of a backfill without a time (`--from-date 2023-11-01`) are days in Shanghai.

A scheduler that meets an exception in a timetable stops planning, so none is let out: what is wrong is logged, and told in the description.
A DAG's `start_date` should name the zone Asia/Shanghai, because Airflow holds back tasks whose interval begins before it.
"""

from __future__ import annotations

import logging
import os
import time as clock
from contextvars import copy_context
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, Timetable

if TYPE_CHECKING:
    from datetime import date

    from airflow.timetables.base import TimeRestriction

    from etl.deadlines.schedule import Schedule

log = logging.getLogger(__name__)
# How long the files of packs and calendars are taken as read, in seconds: a scheduler lives for weeks, and they change meanwhile.
TRUST = 60.0
_read: dict[tuple[Any, ...], tuple[float, Schedule]] = {}
_told: set[str] = set()


class SubmissionTimetable(Timetable):
    """Runs of a standard, one per reporting period.

    `lead_working_days`: begin so many working days before the deadline instead of right after the period. `at`: hh:mm in Shanghai.
    `offset_days`: days later (or earlier, but never inside the period). `frequency`: daily, monthly, quarterly or yearly where it is not
    to be the standard's own. A jurisdiction's own deadline is not looked at: national packages come first.
    """

    def __init__(self, standard: str = "east_life_2020", lead_working_days: int | None = None, at: str = "02:00", offset_days: int = 0,
                 frequency: str | None = None) -> None:
        self.standard = standard
        self.lead_working_days = lead_working_days
        self.at = at
        self.offset_days = offset_days
        self.frequency = frequency

    def serialize(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("standard", "lead_working_days", "at", "offset_days", "frequency")}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> SubmissionTimetable:
        """From `serialize`; what another release wrote beside it is passed over."""
        return cls(**{name: data[name] for name in ("standard", "lead_working_days", "at", "offset_days", "frequency") if name in data})

    def validate(self) -> None:
        """Mistakes in a DAG file, told while it is parsed."""
        from airflow.sdk.exceptions import AirflowTimetableInvalid

        if _time(self.at) is None:
            raise AirflowTimetableInvalid(f"at={self.at!r} is not a time; write it as 02:00")
        for name, least in (("lead_working_days", 0), ("offset_days", -366)):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not least <= value <= 366):
                raise AirflowTimetableInvalid(f"{name}={value!r} is not a number of days")
        if self.frequency not in (None, "daily", "monthly", "quarterly", "yearly"):
            raise AirflowTimetableInvalid(f"frequency={self.frequency!r}: use daily, monthly, quarterly or yearly")

    @property
    def summary(self) -> str:
        """For the list of DAGs: whose runs, how often."""
        schedule = self._schedule()
        return f"{self.standard} {schedule.frequency} {self.at}" if schedule else self.standard

    @property
    def description(self) -> str:
        """For the DAG's page: what is due next, and when its run begins; in Chinese and English."""
        try:
            schedule = self._schedule()
            if schedule is None:
                return "etl cannot be imported"
            # Each language in a context of its own: the process keeps the one it has.
            told = [copy_context().run(_about, schedule, language) for language in ("zh", "en")]
            return " | ".join(told + [schedule.problem] * bool(schedule.problem))[:1000]
        except Exception:  # noqa: BLE001 - see the module
            log.exception("the timetable of %s cannot describe itself", self.standard)
            return self.standard

    @description.setter
    def description(self, value: str) -> None:
        """The base class declares an attribute; ours is always worked out."""

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """The last period that was over at `run_after`."""
        try:
            schedule = self._schedule()
            if schedule is not None:
                return _interval(schedule, schedule.complete_at(run_after))
        except Exception:  # noqa: BLE001 - see the module
            log.exception("the timetable of %s has no period for %s", self.standard, run_after)
        return DataInterval.exact(run_after)

    def next_dagrun_info(self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction) -> DagRunInfo | None:
        """The next period and the moment at which its run begins; None where there is none inside the restriction."""
        try:
            schedule = self._schedule()
            if schedule is None:
                return None
            last = (last_automated_data_interval.start, last_automated_data_interval.end) if last_automated_data_interval else None
            start = schedule.next_period(last, earliest=restriction.earliest, latest=restriction.latest, catchup=restriction.catchup, now=_now())
            return None if start is None else DagRunInfo(run_after=_utc(schedule.begins(start)), data_interval=_interval(schedule, start))
        except Exception:  # noqa: BLE001 - see the module
            log.exception("the timetable of %s cannot say what comes next", self.standard)
            return None

    def _schedule(self) -> Schedule | None:
        """What the packs and calendars say, read again from time to time; None where even `etl` is missing."""
        workspace, packs = os.environ.get("EASTBOUND_WORKSPACE", ""), os.environ.get("EASTBOUND_PACKS", "")
        key = (*self.serialize().values(), workspace, packs)
        at, known = _read.get(key, (float("-inf"), None))
        if known is not None and clock.monotonic() - at < TRUST:
            return known
        try:
            # Not while DAG files are parsed: the packs take their time.
            from eastbound_dags.settings import workspace_folder
            from etl.deadlines.schedule import schedule_of

            known = schedule_of(self.standard, workspace=Path(workspace_folder()), packs=[part for part in packs.split(os.pathsep) if part],
                                frequency=self.frequency, at=_time(self.at) or time(2), lead_working_days=self.lead_working_days, offset_days=self.offset_days)
        except Exception:  # noqa: BLE001 - see the module
            log.exception("the schedule of %s cannot be read", self.standard)
            return known
        if known.problem and known.problem not in _told:
            _told.add(known.problem)
            log.warning("the schedule of %s is not certain: %s", self.standard, known.problem)
        _read[key] = (clock.monotonic(), known)
        return known


def _about(schedule: Schedule, language: str) -> str:
    from etl.language import set_language

    set_language(language)
    return schedule.about(_now())


def _interval(schedule: Schedule, start: date) -> DataInterval:
    from etl.deadlines.schedule import midnight

    return DataInterval(_utc(midnight(start)), _utc(midnight(schedule.after(start))))


def _utc(moment: datetime) -> pendulum.DateTime:
    return pendulum.instance(moment.astimezone(UTC))


def _now() -> datetime:
    return datetime.now(UTC)


def _time(text: str) -> time | None:
    try:
        hours, minutes = text.split(":")
        return time(int(hours), int(minutes))
    except (ValueError, AttributeError, TypeError):
        return None
