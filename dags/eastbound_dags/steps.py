"""The tasks of a run: each calls the road for some units of a stage, and says in its log what became of the rows.

XCom carries names only: the run, the units. What a task did is in the ledger, so a task that is run again finds out what is left.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from eastbound_dags.settings import open_workspace

log = logging.getLogger("eastbound")
RUN = "eastbound_run"


@contextmanager
def told() -> Iterator[None]:
    """Errors of the house become Airflow's: what may pass is tried again, anything else fails at once, with a sentence and no values.

    What nobody foresaw is named by its kind only, since its text may quote data.
    """
    from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, TaskDeferred

    from etl.errors import EastboundError

    try:
        yield
    except EastboundError as error:
        kind = AirflowException if error.may_pass else AirflowFailException
        raise kind(str(error)) from None
    except (AirflowException, AirflowSkipException, TaskDeferred):
        raise
    except Exception as error:  # noqa: BLE001 - see above
        raise AirflowException(f"{type(error).__name__} at {_place(error)}; set EASTBOUND_DEBUG=1 and use eastbound resume to see it") from None


def _place(error: BaseException) -> str:
    trace, place = error.__traceback__, "?"
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def progress(stage: str, unit: str, event: str, numbers: dict[str, Any]) -> None:
    """Lines of the task's log while a long unit is under way."""
    if event != "rows" or numbers.get("rows") == numbers.get("total"):
        log.info("%s %s: %s %s", stage, unit, event, " ".join(f"{name}={value}" for name, value in numbers.items()))


def asked_period(context: Any, frequency: str) -> Any:
    """The reporting period of a DAG run: `period` of its parameters, else the one that its data interval covers."""
    from etl.submission.definition import Period

    named = (context["params"] or {}).get("period")
    if named:
        return Period.parse(str(named))
    start = context.get("data_interval_start") or context["dag_run"].run_after
    return Period.ending(_shanghai(start), frequency)


def _shanghai(moment: Any) -> date:
    from zoneinfo import ZoneInfo

    return moment.astimezone(ZoneInfo("Asia/Shanghai")).date()


def asked_by(context: Any) -> str:
    """The person who triggered the DAG run; `airflow` for the schedule itself."""
    return getattr(context["dag_run"], "triggering_user_name", None) or "airflow"


def begin(context: Any, standard: str, frequency: str = "monthly") -> str:
    """Begin the run of this DAG run, or find the one that it has begun; returns its id. A period that is approved already is skipped."""
    from airflow.sdk.exceptions import AirflowSkipException

    from etl.pipeline.context import RunRequest
    from etl.pipeline.held import PeriodAccepted, open_run
    from etl.pipeline.road import today

    with told():
        params, period = context["params"] or {}, asked_period(context, frequency)
        report_date = date.fromisoformat(str(params["report_date"])) if params.get("report_date") else today()
        more = {"capture": params["capture"]} if params.get("capture") else {}
        request = RunRequest(standard, period, report_date, **more)
        try:
            run = open_run(open_workspace(), request, owner=owner_of(context), by=asked_by(context), resubmit=bool(params.get("resubmit")))
        except PeriodAccepted as error:
            raise AirflowSkipException(str(error)) from None
        log.info("run %s of %s %s", run, standard, period.label)
        return run


def owner_of(context: Any) -> str:
    """The name under which a DAG run holds its run in the ledger."""
    return f"airflow:{context['dag_run'].dag_id}/{context['dag_run'].run_id}"


def units(run: str, tables_per_task: int = 1) -> dict[str, Any]:
    """What the stages of a run are made of: {stage: [[unit, ...], ...]}, a list per task; `extract`: the core systems."""
    from etl.pipeline.held import plan

    with told():
        found = plan(open_workspace(), run)
    return {stage: names if stage == "extract" else [names[at:at + tables_per_task] for at in range(0, len(names), tables_per_task)]
            for stage, names in found.items()}


def do(context: Any, run: str, stage: str, names: Sequence[str]) -> None:
    """Do units of a stage; the log says rows in, out and set aside."""
    from etl.pipeline.held import do_units

    context["unit"] = ", ".join(names) if len(names) <= 3 else f"{names[0]} … {names[-1]} ({len(names)})"
    with told():
        for report in do_units(open_workspace(), run, stage, list(names), by=asked_by(context), progress=progress):
            log.info("%s %s: rows in %d, out %d, set aside %d%s", report.stage, report.unit, report.rows_in, report.rows_out, report.rows_aside,
                     " (done before, not done again)" if report.done_before else f" in {report.seconds:.1f} s")


def extract(context: Any, run: str, wanted: Sequence[str], system: str) -> None:
    """Read a core system, where the standard reads anything of it."""
    from airflow.sdk.exceptions import AirflowSkipException

    if system not in wanted:
        raise AirflowSkipException(f"nothing of {system} is read for this standard")
    do(context, run, "extract", [system])


def conclude(context: Any, run: str) -> None:
    """Bring the checks together. Error findings fail the task: the road ends here until the sources are mended."""
    from etl.pipeline import held

    context["ti"].xcom_push(RUN, run)
    with told():
        totals = held.conclude(open_workspace(), run, by=asked_by(context))
        log.info("findings of run %s: %d error(s), %d warning(s)", run, totals["error"], totals["warning"])


def seal(context: Any, run: str) -> None:
    """Seal the package."""
    from etl.pipeline.units import PACKAGE

    context["ti"].xcom_push(RUN, run)
    do(context, run, "seal", [PACKAGE])


def lay_down(run: str | None) -> None:
    """However the DAG run ends: no clear file stays behind, and the ledger knows of a run that will not go on by itself."""
    from etl.pipeline import held

    if run:
        with told():
            log.info("run %s is %s", run, held.lay_down(open_workspace(), run))
