"""Approval of a sealed package, asked through Airflow's human-in-the-loop; the decision itself is in the ledger, and nowhere else.

    approve = PackageApproval(task_id="approve", run=sealed_run, outlets=[Asset(APPROVED)])

The answer of a person in Airflow is written to the ledger by `etl.approvals.decide`, with all that stands against it: the maker
cannot be the checker, the package must be what was sealed. What the ledger refuses was not decided, and the task asks again. While
it waits, `eastbound approve RUN` ends it just as well. The result is `{"run": ..., "approval": number}`.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import conf
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Asset, Param
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.hitl import upsert_hitl_detail

from eastbound_approval_trigger import APPROVE, OPEN, REJECT, ApprovalTrigger
from eastbound_dags.links import prefix
from eastbound_dags.question import question
from eastbound_dags.settings import open_workspace
from eastbound_dags.steps import told

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.ledger.definition import Run
    from etl.workspace import Workspace

log = logging.getLogger("eastbound")
REASON = "reason"


class PackageApproval(HITLOperator):
    """Ask for the approval of the package of `run` (an id; templated), and wait for it without holding a worker.

    Done at once where the ledger holds the approval already. Fails for good where the package is rejected, superseded or not
    sealed; once that is mended (`eastbound approve RUN --note TEXT` for a rejected one), clear the task. It waits for ever, unless
    `response_timeout` is given. `poll_seconds`: how often the ledger is looked at meanwhile.
    """

    template_fields: Collection[str] = ("run", "subject", "body")

    def __init__(self, *, run: Any, poll_seconds: float = 3.0, **kwargs: Any) -> None:
        reason = Param("", type=["null", "string"], maxLength=1000, title="reason / 理由",
                       description="Needed to reject / 退回时必填。No personal data / 不要写个人信息。")
        # What Airflow puts in here are the parameters of the DAG, which are no part of the form; it merges them again below.
        super().__init__(subject="批准报送包 / Approve the package", options=[APPROVE, REJECT], **{**kwargs, "params": {REASON: reason}})
        self.run, self.poll_seconds = run, poll_seconds

    def execute(self, context: Any) -> dict[str, Any]:
        """Look into the ledger, then ask."""
        return self._settle(context, first=True)

    def execute_complete(self, context: Any, event: dict[str, Any], after: int | None = None) -> dict[str, Any]:
        """Somebody answered, or the ledger holds a decision. `after`: number of the last decision when the question was put."""
        who = event.get("responded_by_user")
        if who:
            self._note(event, str(who["name"]), after)
        return self._settle(context)

    def _note(self, event: dict[str, Any], name: str, after: int | None) -> None:
        """Write an answer to the ledger. What the ledger refuses is told in the log, and changes nothing."""
        from etl.approvals import decide
        from etl.errors import EastboundError
        from etl.language import say
        from etl.ledger import open_ledger
        from etl.ledger.approvals import APPROVED, REJECTED

        decision = {APPROVE: APPROVED, REJECT: REJECTED}[event["chosen_options"][0]]
        reason = str((event.get("params_input") or {}).get(REASON) or "")
        self.hitl_summary_extra.update(chosen_options=event["chosen_options"], responded_by_user=event["responded_by_user"])
        with told():
            workspace = open_workspace()
            with open_ledger(workspace.ledger_place) as ledger:
                try:
                    noted = decide(workspace, ledger, self.run, decision, checker=name, login=name, reason=reason, after=after)
                except EastboundError as error:
                    if error.may_pass:
                        raise
                    log.error(say("台账未接受 %s 的答复（%s）：%s", "the ledger did not accept the answer of %s (%s): %s"), name, decision, error)
                else:
                    log.info(say("已记入台账：%s，决定人 %s，第 %d 项决定", "noted in the ledger: %s by %s, decision %d"), decision, noted.checker, noted.number)

    def _settle(self, context: Any, first: bool = False) -> dict[str, Any]:
        """What the ledger says now: the result where the package is approved, a failure where it is lost, else the question (again)."""
        from etl.approvals import require_approval
        from etl.approvals.summary import state_of
        from etl.ledger import open_ledger
        from etl.ledger.approvals import ApprovalBook

        with told():
            workspace = open_workspace()
            with open_ledger(workspace.ledger_place) as ledger:
                run = ledger.run(self.run)
                state = state_of(ApprovalBook(ledger), run)
                if state in OPEN:
                    after = self._ask(context, workspace, ledger, run, first)
                elif state == "rejected":
                    _rejected(ledger, run)
                else:
                    # Not only that it was approved: by whom the audit chain says, and of these very bytes.
                    approval = require_approval(workspace, ledger, run.id)
                    emits(context, run)
                    log.info("run %s: approved by %s, package %s", run.id, approval.checker, approval.package_sha256)
                    return {"run": run.id, "approval": approval.number}
            # This process is gone at its next heartbeat at the latest, and the scheduler knows a few seconds later.
            trigger = ApprovalTrigger(workspace=str(workspace.root), run_id=run.id, ti_id=str(context["ti"].id), poll_seconds=self.poll_seconds,
                                      settle_seconds=conf.getint("workers", "min_heartbeat_interval", fallback=5) + 5)
            self.defer(trigger=trigger, method_name="execute_complete", kwargs={"after": after}, timeout=self.response_timeout)

    def _ask(self, context: Any, workspace: Workspace, ledger: Ledger, run: Run, first: bool) -> int:
        """Put the question under *Required actions*, or open it again; returns the number of the last decision."""
        from etl.approvals.decision import who_may
        from etl.approvals.summary import summary
        from etl.language import say

        about = summary(workspace, ledger, run)
        self.subject, self.body = question(about, who_may(workspace, tuple(about["makers"])), f"{prefix()}/runs/{run.id}")
        # A question that was answered is opened anew by the same call; its text stays the first one.
        upsert_hitl_detail(ti_id=context["ti"].id, options=self.options, subject=self.subject, body=self.body, defaults=None, multiple=False,
                           params=self.serialized_params, assigned_users=self.assigned_users)
        log.info(say("等待批准：运行 %s（%s %s），可由%s批准，或执行 eastbound approve %s", "waiting for approval: run %s (%s %s), by %s, or with: eastbound approve %s"),
                 run.id, run.standard, run.period, say(*who_may(workspace, tuple(about["makers"]))), run.id)
        for notifier in self.notifiers if first else ():
            notifier(context)
        return about["after"]


def emits(context: Any, run: Run) -> None:
    """Say with every asset that the task has as outlet which package was approved: `{"run": ..., "period": ..., "standard": ...}`.

    `PackageApproval` calls it. A DAG that is scheduled by the asset reads it back from the events that triggered it::

        @dag(schedule=Asset("eastbound://east/approved"))
        def east_provincial():
            @task
            def which(triggering_asset_events=None) -> list[dict]:
                return [event.extra for events in triggering_asset_events.values() for event in events]
    """
    for outlet in context["task"].outlets:
        if isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra = {"run": run.id, "period": run.period, "standard": run.standard}


def _rejected(ledger: Ledger, run: Run) -> NoReturn:
    from etl.language import say
    from etl.ledger.approvals import ApprovalBook

    last = ApprovalBook(ledger).last(run.id)
    who, why = (last.checker, last.reason) if last else ("?", "?")
    raise AirflowFailException(say(
        f"运行 {run.id} 的报送包已由 {who} 退回：{why}。请更正后重新运行；若理由已消除，先执行 eastbound approve {run.id} --note 理由，再清除（Clear）本任务",
        f"the package of run {run.id} was rejected by {who}: {why}. Mend it and run again; where the reason is gone, use "
        f"eastbound approve {run.id} --note TEXT, then clear this task"))
