"""The audit system's files of a quarter, for every province."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import dag, get_current_context, task

from eastbound_dags import provinces
from eastbound_dags.notify import failure_notice
from eastbound_dags.road import parameters, road
from eastbound_dags.settings import AUDIT, TIMEZONE, defaults
from eastbound_timetable import SubmissionTimetable

DOC = """
### 稽核系统季度报送 / The audit system, quarter by quarter

**中文** 总公司每季度生成一次：流程同 EAST 月报；审批通过后按省拆分，每省一个报送包（`provinces.part`），由分公司递交；`provinces.union` 证明各省之和等于全量。
一省失败不影响其他省，更正后清除该省的任务即可。

**English** Once per quarter at the head office: the road is that of EAST; after the approval a package per province is made (`provinces.part`),
which the branch hands over, and `provinces.union` proves that the parts make up the whole. A province that fails does not hold up the others:
mend it and clear its task.
"""


@dag(dag_id="audit_quarterly", schedule=SubmissionTimetable(AUDIT), start_date=pendulum.datetime(2021, 1, 1, tz=TIMEZONE), catchup=False, max_active_runs=3,
     default_args=defaults(), tags=["eastbound", "audit"], doc_md=DOC, on_failure_callback=failure_notice,
     params=parameters("^[0-9]{4}Q[1-4]$", "2026Q3"))
def audit_quarterly() -> None:
    approved = road(AUDIT, "quarterly")

    @task
    def national() -> list[str]:
        """The run that was approved just now."""
        return [str(get_current_context()["ti"].xcom_pull(task_ids="begin"))]

    runs: Any = national()
    approved >> runs
    provinces.split(runs)


audit_quarterly()
