"""The button on a task in Airflow's pages that leads to the findings of its run.

Airflow asks for the address in its api-server when somebody looks at a task, also while the task runs and after it failed. So one link serves
tasks of any operator, and of any DAG that began a run: it is registered for all tasks, and shown where it leads somewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey

RUN = "eastbound_run"
BEGIN = "begin"


class FindingsLink(BaseOperatorLink):
    """To the page of the run that a task worked on: the XCom `eastbound_run` of the task, or else of its DAG run."""

    name = "Findings of this run / 运行的检核结果"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """The address, '' where no run is known (Airflow then shows no button)."""
        runs = runs_of(ti_key.dag_id, ti_key.run_id, ti_key.task_id, ti_key.map_index)
        return f"{prefix()}/runs/{quote(runs[0], safe='')}" if runs else ""


def prefix() -> str:
    """Path of our pages, behind whatever path Airflow is served under."""
    from airflow.configuration import conf

    return urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/") + "/eastbound"


def runs_of(dag_id: str, dag_run_id: str, task_id: str = "", map_index: int = -1) -> list[str]:
    """Runs in our ledger that a DAG run named, those of the task itself first. For the api-server: it reads Airflow's database."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import and_, or_, select

    wanted = or_(XComModel.key == RUN, and_(XComModel.task_id == BEGIN, XComModel.key == "return_value"))
    with create_session(scoped=False) as session:
        rows = session.execute(select(XComModel.task_id, XComModel.map_index, XComModel.key, XComModel.value)
                               .where(XComModel.dag_id == dag_id, XComModel.run_id == dag_run_id, wanted)).all()
    # Its own word first, then what any task of the DAG run said.
    rows = sorted(rows, key=lambda row: ((row.task_id, row.map_index) != (task_id, map_index), row.task_id != task_id, row.key != RUN, row.task_id, row.map_index))
    values = [XComModel.deserialize_value(row) for row in rows]
    return list(dict.fromkeys(value for value in values if isinstance(value, str) and value))
