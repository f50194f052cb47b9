"""Which months of a first load are still to be done."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from eastbound_dags.road import LATER
from eastbound_dags.settings import open_workspace
from eastbound_dags.steps import told

log = logging.getLogger("eastbound")


def months(context: Any, standard: str) -> list[dict[str, Any]]:
    """What to trigger, month by month: those of the parameters' range without an approved package."""
    from etl.approvals import approval_of
    from etl.ledger import open_ledger
    from etl.submission.definition import Period

    params = context["params"]
    with told():
        wanted, period = [], Period.parse(params["first"])
        while period.start <= Period.parse(params["last"]).start:
            wanted.append(period.label)
            period = Period.ending(period.end + timedelta(days=1), "monthly")
        with open_ledger(open_workspace().ledger_place) as ledger:
            done = {run.period for run in ledger.runs(standard) if run.status == "sealed" and approval_of(ledger, run) is not None}
        left = [label for label in wanted if label not in done]
    log.info("%d month(s) asked for, %d approved already, %d to do", len(wanted), len(wanted) - len(left), len(left))
    more = {"report_date": params["report_date"], "tables_per_task": params["tables_per_task"], "approval": LATER}
    return [{"trigger_run_id": f"first_load__{label}", "conf": {"period": label, **more}} for label in left]
