"""The tasks of the registry's day: each calls one step of `etl.pipeline.registry_day`, and says in its log what was sent and answered.

XCom carries days and run numbers only. Where a day stands is in the ledger, so a task that is run again finds out what is left to do.
"""

from __future__ import annotations

import logging
import os
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from eastbound_dags.settings import open_workspace, workspace_folder
from eastbound_dags.steps import RUN, asked_by, progress, told

if TYPE_CHECKING:
    from etl.pipeline.registry_day import DayStand, RegistryWork

log = logging.getLogger("eastbound")
STANDARD = "registry_life_2"
POOL = "eastbound_registry"
# How long an answer is waited for before people are told; the day is asked about again by the next run.
PATIENCE = timedelta(hours=float(os.environ.get("EASTBOUND_REGISTRY_PATIENCE_HOURS", "6")))


def work_day(context: Any) -> date:
    """The day of the work: the parameter `today`, else the day in Shanghai at which the data interval ends, or at which the run was due."""
    from etl.pipeline import registry_day

    named = (context["params"] or {}).get("today")
    # Never the clock: a task that is tried again after midnight is still about the same day.
    return date.fromisoformat(str(named)) if named else registry_day.work_day(context.get("data_interval_end") or context["dag_run"].run_after)


def work_of(context: Any) -> RegistryWork:
    from etl.pipeline.registry_day import RegistryWork

    return RegistryWork(open_workspace(), STANDARD, by=asked_by(context), capture=(context["params"] or {}).get("capture"), progress=progress)


def plan(context: Any) -> list[str]:
    """The days to work on: yesterday, and every one before it that was missed or is not done."""
    from etl.pipeline.registry_day import open_days

    with told():
        days = open_days(work_of(context), work_day(context))
    log.info("work of %s: %s", work_day(context), ", ".join(day.isoformat() for day in days) or "nothing is open")
    return [day.isoformat() for day in days]


def make(context: Any, day: str) -> None:
    """Walk the road for the day, unless its zip is there."""
    from etl.pipeline.registry_day import make_day

    context["day"] = day
    with told():
        stand = make_day(work_of(context), date.fromisoformat(day))
    _tell(context, stand)


def send(context: Any, day: str) -> None:
    """Upload the day's zip and notify the platform."""
    from etl.pipeline.registry_day import send_day

    context["day"] = day
    with told():
        stand = send_day(work_of(context), date.fromisoformat(day))
    _tell(context, stand)


def close(context: Any) -> None:
    """Fail where a day is not where the work of today should have brought it, naming each: that is for people."""
    from airflow.sdk.exceptions import AirflowFailException

    from etl.language import say
    from etl.pipeline.registry_day import left_over

    with told():
        left = left_over(work_of(context), work_day(context))
        lines = [f"{stand.day} {stand.state or '-'} {_reason(stand)}" for stand in left]
        if lines:
            raise AirflowFailException(say(f"{len(lines)} 日尚未办结，下次运行会继续：", f"{len(lines)} day(s) are not finished; the next run goes on with them: ") + "; ".join(lines))
    log.info("every day is where it should be on %s", work_day(context))


class RegistryReply(BaseOperator):
    """Works on a day until the platform is asked for nothing more: `step` is what is done at each answer. Waits deferred."""

    template_fields = ("day",)

    def __init__(self, *, day: str, patience: timedelta = PATIENCE, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.day, self.patience = day, patience

    def step(self, context: Any, work: RegistryWork, day: date) -> DayStand:
        """Ask how the zip that was sent was judged."""
        from etl.pipeline.registry_day import ask_day

        return ask_day(work, day)

    def execute(self, context: Any, event: dict[str, Any] | None = None) -> None:
        context["day"] = self.day
        with told():
            stand = self.step(context, work_of(context), date.fromisoformat(self.day))
        _tell(context, stand)
        if stand.waiting:
            self._wait(event)

    def _wait(self, event: dict[str, Any] | None) -> None:
        from airflow.sdk.exceptions import AirflowFailException

        from eastbound_triggers import ReplyTrigger
        from etl.submission.registry.errors import StillWorking
        from etl.submission.registry.settings import load_settings

        if event and not event["answered"]:
            # Not tried again: that would hold up the next run, which asks anyway.
            raise AirflowFailException(str(StillWorking(subject=self.day, seconds=round(self.patience.total_seconds()))))
        with told():
            polling = load_settings(workspace_folder()).polling
        until = event["until"] if event else (datetime.now(UTC) + self.patience).isoformat()
        self.defer(trigger=ReplyTrigger(str(workspace_folder()), STANDARD, self.day, polling.first, polling.most, until), method_name="execute")


class RegistryCorrection(RegistryReply):
    """Has what came back corrected and sends it again, until nothing comes back or nothing more can be done about it today."""

    def step(self, context: Any, work: RegistryWork, day: date) -> DayStand:
        from etl.pipeline.registry_day import ask_day, correct_day, send_day

        while True:
            send_day(work, day)
            stand = ask_day(work, day)
            if not stand.rejected:
                return stand
            stand = correct_day(work, day, context["dag_run"].start_date)
            _tell(context, stand)
            if stand.rejected:
                log.warning("%s is left at %s: %s", day, stand.state, _reason(stand))
                return stand


class RegistryReconciliation(RegistryReply):
    """Compares the figures of a day that is two days old or older, and sends the detail where they differ."""

    def step(self, context: Any, work: RegistryWork, day: date) -> DayStand:
        from airflow.sdk.exceptions import AirflowSkipException

        from etl.pipeline.registry_day import reconcile_day

        if day >= work_day(context) - timedelta(days=1):
            raise AirflowSkipException(f"{day} is compared by the next run")
        return reconcile_day(work, day)


def _tell(context: Any, stand: DayStand) -> None:
    """What happened, into the log; the run that was walked, into XCom for the link to its findings."""
    for stage, rows_in, rows_out, rows_aside in stand.stages:
        log.info("%s: rows in %d, out %d, set aside %d", stage, rows_in, rows_out, rows_aside)
    if stand.run:
        context["ti"].xcom_push(RUN, stand.run)
    for kind, number, transactions, rejected in stand.zips:
        log.info("zip %s %s: %d transaction(s), %d rejected", kind, number, transactions, rejected)
    log.info("%s is at %s%s (%s)", stand.day, stand.state or "-", ", waiting for the platform" if stand.waiting else "",
             ", ".join(f"{state} {count}" for state, count in stand.counts) or "no transactions")


def _reason(stand: DayStand) -> str:
    from etl.language import say

    if stand.waiting:
        return say("等待平台答复", "waits for the platform")
    if stand.rejected:
        return say(f"{dict(stand.counts).get('rejected', 0)} 笔交易被退回，尚未更正", f"{dict(stand.counts).get('rejected', 0)} transaction(s) came back and are not corrected")
    if stand.state.startswith("5"):
        return say("与平台数字不一致", "the figures differ from the platform's")
    return say("未完成报送或对账", "is not sent or not compared yet")


