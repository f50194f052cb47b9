"""Splitting approved packages: a task per jurisdiction, side by side, then the proof that the parts make up the whole."""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import get_current_context, task, task_group

from eastbound_dags.settings import open_workspace
from eastbound_dags.steps import RUN, told

log = logging.getLogger("eastbound")


def split(runs: Any) -> None:
    """Tasks that split every run of `runs` (ids of approved runs) and prove the union of each."""

    @task_group(group_id="provinces")
    def parts(runs: Any) -> None:
        @task
        def jurisdictions(runs: list[str]) -> list[dict[str, str]]:
            return parts_of(runs)

        @task(map_index_template="{{ unit }}")
        def part(run: str, jurisdiction: str) -> None:
            make_part(get_current_context(), run, jurisdiction)

        @task(map_index_template="{{ unit }}")
        def union(run: str) -> None:
            prove(get_current_context(), run)

        part.expand_kwargs(jurisdictions(runs)) >> union.expand(run=runs)

    parts(runs)


def parts_of(runs: list[str]) -> list[dict[str, str]]:
    """What is to be made: [{run, jurisdiction}, ...]."""
    from etl.pipeline.provinces import jurisdictions_of

    with told():
        workspace = open_workspace()
        return [{"run": run, "jurisdiction": place} for run in runs for place in jurisdictions_of(workspace, run)]


def make_part(context: Any, run: str, jurisdiction: str) -> None:
    """Check and seal the part of one jurisdiction. Findings of its own rules fail this part alone."""
    from airflow.sdk.exceptions import AirflowFailException

    from etl.pipeline.provinces import split_one

    context["unit"] = f"{jurisdiction} {run}"
    context["ti"].xcom_push(RUN, run)
    with told():
        made = split_one(open_workspace(), run, jurisdiction)
        log.info("%s: %s, %d rows, %d error(s), %d warning(s), %s", jurisdiction, made.status, made.rows, made.findings["error"],
                 made.findings["warning"], made.package.name if made.package else "no package")
        if made.status != "sealed":
            raise AirflowFailException(f"{jurisdiction}: {made.findings['error']} finding(s) of its local rules; nothing is sealed for it. "
                                       f"Mend them, submit the period anew, or clear this task once the rules are mended")


def prove(context: Any, run: str) -> None:
    """Rows, sums and serial numbers of the parts against the whole."""
    from airflow.sdk.exceptions import AirflowFailException

    from etl.pipeline.provinces import prove_union

    context["unit"] = run
    with told():
        report = prove_union(open_workspace(), run)
        for table in report.tables:
            log.info("%s: %d rows, %d in the parts", table.table, table.rows_whole, table.rows_parts)
        if not report.equal:
            raise AirflowFailException(f"the parts of run {run} do not make up the whole; see eastbound split {run}")
