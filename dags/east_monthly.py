"""EAST of a month: from the core systems to an approved package."""

from __future__ import annotations

import pendulum
from airflow.sdk import dag

from eastbound_dags.notify import failure_notice
from eastbound_dags.road import parameters, road
from eastbound_dags.settings import APPROVED, EAST, TIMEZONE, defaults
from eastbound_timetable import SubmissionTimetable

DOC = """
### EAST 月度报送 / EAST of a month

**中文** 每个报送期一次：取数（每个核心系统一个任务）→ 标准化 → 检核 → 脱敏 → 写文件 → 封包 → 审批。检核有错误时停在 `check.conclude`，不会封包：
打开该任务的 “Findings” 链接查看问题，更正来源后连同下游清除（Clear）`extract` 组，重新取数。审批由经办人以外的人在 “Required Actions” 中给出，
或执行 `eastbound approve RUN`，二者是同一份记录。任务重试不会重做已完成的系统和表。

**English** Once per reporting period: extract (a task per core system), standardise, check, mask, write, seal, approve. Error findings stop the
road at `check.conclude` and nothing is sealed: follow its *Findings* link, have the sources mended, then clear the group `extract` with what is
downstream. The approval is given by someone other than the maker, under *Required Actions* or with `eastbound approve RUN`: both are one record
in the ledger. A task that is tried again does not repeat the systems and tables that are done.

A history of months: `airflow backfill create --dag-id east_monthly --from-date 2024-01-01 --to-date 2026-10-31`, or the DAG `east_first_load`.
Months that are approved already are skipped. 历史月份可用上述命令补报；已批准的月份自动跳过。
"""


# More than one at a time, or a month that waits for its approval would hold up the next; one period has one run, the ledger sees to that.
@dag(dag_id="east_monthly", schedule=SubmissionTimetable(EAST), start_date=pendulum.datetime(2017, 1, 1, tz=TIMEZONE), catchup=False, max_active_runs=3,
     default_args=defaults(), tags=["eastbound", "EAST"], doc_md=DOC, on_failure_callback=failure_notice,
     params=parameters("^[0-9]{4}-(0[1-9]|1[0-2])$", "2026-10"))
def east_monthly() -> None:
    road(EAST, "monthly", approved=APPROVED)


east_monthly()
