"""What Eastbound adds to Airflow: the timetable, the pages of runs and findings, the link from a task to them.

Airflow loads plugins in every process, also in each that runs a task, so nothing is imported here before it is asked for.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from airflow.plugins_manager import AirflowPlugin

# The api-server does not put the DAGs' folder on the path.
_DAGS = str(Path(__file__).resolve().parents[1])
if _DAGS not in sys.path:
    sys.path.append(_DAGS)

from eastbound_timetable import SubmissionTimetable  # noqa: E402 - after the path

URL = "/eastbound"


class EastboundPlugin(AirflowPlugin):
    """`fastapi_apps` and `global_operator_extra_links` are made when the api-server asks, which alone needs them."""

    name = "eastbound"
    timetables = [SubmissionTimetable]
    external_views = [
        {"name": "Eastbound 报送", "href": f"{URL}/runs", "destination": "nav", "category": "browse", "url_route": "eastbound"},
        {"name": "Findings 检核结果", "href": f"{URL}/dags/{{DAG_ID}}/runs/{{RUN_ID}}", "destination": "dag_run", "url_route": "eastbound-findings"},
    ]

    def __init__(self) -> None:
        self._app: Any = None
        self._link: Any = None

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        if self._app is None:
            from eastbound_dags.pages import create_app

            self._app = create_app()
        return [{"app": self._app, "url_prefix": URL, "name": "Eastbound"}]

    @property
    def global_operator_extra_links(self) -> list[Any]:  # type: ignore[override]
        if self._link is None:
            from eastbound_dags.links import FindingsLink

            self._link = FindingsLink()
        return [self._link]
