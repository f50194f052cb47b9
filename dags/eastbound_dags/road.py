"""The road as tasks of a DAG: a task per core system, then per table, a group per stage; the package, and its approval.

    with dag: approve = road("east_life_2020", "monthly")

Wiring only. Every task may be tried again: it asks the ledger what is left to do.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, Param, get_current_context, task, task_group

from eastbound_dags import steps
from eastbound_dags.approval import PackageApproval
from eastbound_dags.settings import core_systems, pool_of

ASK, LATER = "ask", "later"


def parameters(period: str, example: str) -> dict[str, Param]:
    """The parameters of a run. `period`: pattern of its reporting period, `example` one that fits."""
    return {
        "period": Param(None, type=["null", "string"], pattern=period, description=f"{example}; default: the period of the data interval / 默认为数据区间所在报送期"),
        "report_date": Param(None, type=["null", "string"], format="date", description="date inside the serial numbers; default: today / 流水号中的日期，默认当天"),
        "approval": Param(ASK, enum=[ASK, LATER], description="wait for the approval, or end with the sealed package / 等待审批，或封包后即结束"),
        "resubmit": Param(False, type="boolean", description="run a period again that is approved already / 已批准的报送期再次报送"),
        "capture": Param(None, type=["null", "string"], enum=[None, "full", "incremental", "change"], description="how the core systems are read / 取数方式"),
        "tables_per_task": Param(1, type="integer", minimum=1, description="1 repeats least when a task fails / 取 1 时失败重做最少"),
    }


def road(standard: str, frequency: str, approved: str | None = None) -> Any:
    """All tasks from the core systems to the approved package; returns the last one. `approved`: the asset that an approval renews."""

    @task
    def begin() -> str:
        return steps.begin(get_current_context(), standard, frequency)

    @task(multiple_outputs=False)
    def plan(run: str) -> dict[str, Any]:
        return steps.units(run, int(get_current_context()["params"]["tables_per_task"]))

    @task_group
    def extract(run: str, planned: Any) -> None:
        for system in core_systems():
            @task(task_id=system, pool=pool_of(system))
            def read(run: str, planned: dict[str, Any], system: str) -> None:
                steps.extract(get_current_context(), run, planned["extract"], system)

            read(run, planned, system)

    def mapped(stage: str, run: Any, planned: Any, **options: Any) -> Any:
        """A task per table, or per few tables, of a stage."""
        @task(task_id="list", **options)
        def listed(planned: dict[str, Any]) -> list[list[str]]:
            return planned[stage]

        @task(task_id="tables", map_index_template="{{ unit }}")
        def tables(run: str, names: list[str]) -> None:
            steps.do(get_current_context(), run, stage, names)

        return tables.partial(run=run).expand(names=listed(planned))

    @task_group
    def standardise(run: str, planned: Any) -> None:
        # A core system that the standard does not read is skipped; where all are, so is the rest.
        mapped("standardise", run, planned, trigger_rule="none_failed_min_one_success")

    @task_group
    def check(run: str, planned: Any) -> None:
        @task
        def conclude(run: str) -> None:
            steps.conclude(get_current_context(), run)

        mapped("check", run, planned) >> conclude(run)

    @task_group
    def mask(run: str, planned: Any) -> None:
        mapped("mask", run, planned)

    @task_group
    def write(run: str, planned: Any) -> None:
        mapped("write", run, planned)

    @task
    def seal(run: str) -> None:
        steps.seal(get_current_context(), run)

    @task.short_circuit
    def ask() -> bool:
        return get_current_context()["params"]["approval"] == ASK

    @task
    def lay_down(run: str) -> None:
        steps.lay_down(run)

    run = begin()
    planned = plan(run)
    extracted, standardised = extract(run, planned), standardise(run, planned)
    checked, masked, written = check(run, planned), mask(run, planned), write(run, planned)
    approve = PackageApproval(task_id="approve", run=run, outlets=[Asset(approved)] if approved else [])
    extracted >> standardised >> checked >> masked >> written >> seal(run) >> ask() >> approve
    approve >> lay_down(run).as_teardown(setups=run)
    return approve
