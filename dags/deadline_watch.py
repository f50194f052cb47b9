"""Telling people what is due, late, blocked or waiting, before it is too late."""

from __future__ import annotations

import pendulum
from airflow.sdk import CronTriggerTimetable, dag, task

from eastbound_dags.notify import failure_notice
from eastbound_dags.settings import TIMEZONE, defaults

DOC = """
### 期限提醒 / What people must know

**中文** 每小时一次：把临近的期限（提前 5、2、1 个工作日，当天按小时）、逾期、被检核阻断的运行、等待审批的报送包、失败的运行和缺少放假数据的年份，
合成一封摘要，发到所有已配置的渠道（邮件、企业微信、钉钉或其他 webhook）。没有新内容就不发；同一级提醒只发一次。
渠道是 Airflow 的 Connection：`eastbound_mail`、`eastbound_webhook`，或环境变量 `EASTBOUND_NOTIFY` 列出的名称。一个渠道失败不影响其他渠道；
全部失败时任务重试，内容不会丢。

**English** Once an hour: deadlines that come near (5, 2, 1 working days ahead, then hours on the day), what is late, runs stopped by findings,
packages waiting for approval, failed runs and years without a calendar, as one digest to every channel that is set up (mail, 企业微信, 钉钉 or
another webhook). Nothing new, no message; a step is told once. Channels are Airflow connections: `eastbound_mail`, `eastbound_webhook`, or those
named in the environment variable `EASTBOUND_NOTIFY`. One that fails does not keep the others from being told; when all fail the task is tried
again and nothing is lost. See the same at any time with `eastbound digest`.
"""


@dag(dag_id="deadline_watch", schedule=CronTriggerTimetable("5 * * * *", timezone=TIMEZONE), start_date=pendulum.datetime(2026, 1, 1, tz=TIMEZONE),
     catchup=False, max_active_runs=1, default_args=defaults() | {"pool": "default_pool"}, tags=["eastbound"], doc_md=DOC, on_failure_callback=failure_notice)
def deadline_watch() -> None:
    @task
    def tell() -> dict[str, str]:
        from eastbound_dags.notify import notify_digest
        from eastbound_dags.steps import told

        with told():
            return notify_digest()

    tell()


deadline_watch()
