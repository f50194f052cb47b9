"""The first load of EAST: years of history, month by month, through `east_monthly`."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Param, dag, get_current_context, task

from eastbound_dags import history
from eastbound_dags.notify import failure_notice
from eastbound_dags.settings import EAST, TIMEZONE, defaults

DOC = """
### EAST 首次全量报送 / The first load of EAST

**中文** 手工触发，填写起止月份。`months` 列出尚未批准的月份，逐月依次触发 `east_monthly`（封包后不等待审批），报送期与日期均为当月；重复触发只补做缺的月份。
某月失败时停在该月，更正后清除 `month` 中该月的任务即可继续。进度：`eastbound runs coverage`。审批：`eastbound approvals`，或在各月的运行中进行。
也可直接使用 Airflow 的补数功能：`airflow backfill create --dag-id east_monthly ...`。

**English** Triggered by hand with the first and the last month. `months` lists those that are not approved yet; each goes through `east_monthly`, one
after the other, with its own period and dates, and is left sealed for approval. Triggered again, only what is missing is done. A month that fails
stops the load there: mend it and clear its task in `month`. Progress: `eastbound runs coverage`. Airflow's own backfill of `east_monthly` does the same
months: `airflow backfill create --dag-id east_monthly ...`.
"""
MONTH = "^[0-9]{4}-(0[1-9]|1[0-2])$"


@dag(dag_id="east_first_load", schedule=None, start_date=pendulum.datetime(2017, 1, 1, tz=TIMEZONE), catchup=False, max_active_runs=1,
     default_args=defaults(), tags=["eastbound", "EAST"], doc_md=DOC, on_failure_callback=failure_notice, render_template_as_native_obj=True,
     params={"first": Param("2024-01", type="string", pattern=MONTH, description="first month / 起始月"),
             "last": Param("2026-10", type="string", pattern=MONTH, description="last month / 截止月"),
             "report_date": Param(None, type=["null", "string"], format="date", description="date inside the serial numbers / 流水号中的日期"),
             "tables_per_task": Param(8, type="integer", minimum=1)})
def east_first_load() -> None:
    @task
    def months() -> list[dict[str, Any]]:
        return history.months(get_current_context(), EAST)

    TriggerDagRunOperator.partial(
        task_id="month", trigger_dag_id="east_monthly", wait_for_completion=True, deferrable=True, poke_interval=20, reset_dag_run=True,
        max_active_tis_per_dagrun=1, map_index_template="{{ task.trigger_run_id }}").expand_kwargs(months())


east_first_load()
