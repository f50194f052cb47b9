"""The policy registry, day by day (T+1): the whole daily cycle with the platform."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import Param, dag, get_current_context, task, task_group

from eastbound_dags import registry
from eastbound_dags.notify import failure_notice
from eastbound_dags.registry import POOL, STANDARD, RegistryCorrection, RegistryReconciliation, RegistryReply
from eastbound_dags.settings import TIMEZONE, defaults
from eastbound_timetable import SubmissionTimetable

DOC = """
### 保单登记平台每日报送 / The policy registry, day by day

**中文** 每日凌晨处理前一日（T+1），并补做漏掉或未办结的日子；每一日一组任务：`make` 跑一遍取数至封包并生成压缩包 → `send` 上传并通知平台 →
`wait_reply` 等待平台审核（延迟任务，不占用执行槽）→ `correct` 有退回时重新取数、只重报被退回的交易（最多五次）→ `reconcile` 对前两日及更早的日子比对
笔数与金额，不一致时补送明细。任何任务都可以清除（Clear）重跑：一笔交易只报一次，除非平台退回。`close` 变红表示有日子需要人处理（平台未答复、交易仍被退回、
数字不一致），其说明逐日列出；不影响次日运行，次日会继续处理。查看：`eastbound registry status`；被扣留的行：`make` 任务的 “Findings” 链接。

**English** Early each day the day before is sent (T+1), and days that were missed or not finished are taken up too; a group of tasks per day:
`make` walks the road and makes the zip, `send` uploads it and notifies the platform, `wait_reply` waits for its judgement (deferred: no worker is held),
`correct` reads the sources again and resends only what came back (five times at most), `reconcile` compares counts and sums of days that are two days old or older
and sends the detail where they differ. Every task may be cleared and run again: a transaction goes out once, unless the platform sent it back.
A red `close` means that people are needed (no answer, transactions that still come back, figures that differ) and names the days; the next day's run is not held up
and goes on with them. See `eastbound registry status`; rows held back: the *Findings* link of `make`.

| parameter | meaning |
|---|---|
| today | day of the work, `2026-10-31`; default: the day after the data interval / 工作日，默认为数据区间的次日 |
| capture | `full`, `incremental` or `change`: how the core systems are read / 取数方式 |
"""


@dag(dag_id="registry_daily", schedule=SubmissionTimetable(STANDARD, at="01:30"), start_date=pendulum.datetime(2021, 1, 1, tz=TIMEZONE), catchup=False, max_active_runs=1,
     default_args={**defaults(), "pool": POOL}, tags=["eastbound", "registry"], doc_md=DOC, on_failure_callback=failure_notice,
     params={"today": Param(None, type=["null", "string"], format="date", description="2026-10-31"),
             "capture": Param(None, type=["null", "string"], enum=[None, "full", "incremental", "change"])})
def registry_daily() -> None:
    @task
    def plan() -> list[str]:
        return registry.plan(get_current_context())

    @task(map_index_template="{{ day }}")
    def make(day: str) -> None:
        registry.make(get_current_context(), day)

    @task(map_index_template="{{ day }}")
    def send(day: str) -> None:
        registry.send(get_current_context(), day)

    @task_group
    def day(day: str) -> None:
        named: dict[str, Any] = {"day": day, "map_index_template": "{{ day }}"}
        (make(day) >> send(day) >> RegistryReply(task_id="wait_reply", **named) >> RegistryCorrection(task_id="correct", **named)
         >> RegistryReconciliation(task_id="reconcile", **named))

    @task(trigger_rule="all_done")
    def close() -> None:
        registry.close(get_current_context())

    day.expand(day=plan()) >> close()


registry_daily()
