"""EAST by jurisdiction: the approved national package, split."""

from __future__ import annotations

import pendulum
from airflow.sdk import Asset, Param, dag, get_current_context, task

from eastbound_dags import provinces
from eastbound_dags.notify import failure_notice
from eastbound_dags.settings import APPROVED, TIMEZONE, defaults

DOC = """
### EAST 分辖区报送 / EAST by jurisdiction

**中文** 全国包一经批准即自动开始（资产 `eastbound://east/approved`）：每个监管辖区一个任务，先按该辖区的本地规则检核，再写成该辖区的文件并封包；
`provinces.union` 用行数、金额合计与流水号证明各辖区之和等于全国包。某辖区有问题只停该辖区。若批准是事后用 `eastbound approve` 给出的
（当时没有任务在等待），请手工触发并填写 `run`。

**English** Begins by itself when a national package is approved (the asset `eastbound://east/approved`): a task per jurisdiction checks the part by
the local rules, writes it as that bureau wants it, and seals it; `provinces.union` proves by rows, sums and serial numbers that the parts make up
the whole. Trouble in one jurisdiction stops that one only. Where the approval was given with `eastbound approve` while no task was waiting for it,
trigger this DAG by hand with `run`.
"""


@dag(dag_id="east_provincial", schedule=[Asset(APPROVED)], start_date=pendulum.datetime(2021, 1, 1, tz=TIMEZONE), catchup=False, max_active_runs=1,
     default_args=defaults(), tags=["eastbound", "EAST"], doc_md=DOC, on_failure_callback=failure_notice,
     params={"run": Param(None, type=["null", "string"], description="approved national run; default: those just approved / 已批准的全国运行")})
def east_provincial() -> None:
    @task
    def national() -> list[str]:
        context = get_current_context()
        named = context["params"].get("run")
        events = context["triggering_asset_events"][Asset(APPROVED)] if not named else []
        return [str(named)] if named else sorted({str(event.extra["run"]) for event in events})

    provinces.split(national())


east_provincial()
