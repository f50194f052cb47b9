"""Waiting for the approval of a package: what a deferred `PackageApproval` watches, in Airflow's triggerer.

It lies among the plugins because a triggerer finds classes by name and has no DAG folder on its path, the plugins folder it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

APPROVE, REJECT = "Approve", "Reject"
# The states of a sealed package in which somebody still has to decide; any other ends the wait.
OPEN = ("waiting", "withdrawn")


class ApprovalTrigger(BaseTrigger):
    """Ends when somebody has answered in Airflow, or when the ledger holds a decision: whichever comes first.

    Its event is the answer as Airflow keeps it, or `{"ledger": state}`. `workspace`: folder; `ti_id`: the task instance that asks;
    `settle_seconds`: how long it does not end at first.
    """

    def __init__(self, *, workspace: str, run_id: str, ti_id: str, poll_seconds: float = 3.0, settle_seconds: float = 10.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.workspace, self.run_id, self.ti_id, self.poll_seconds, self.settle_seconds = workspace, run_id, ti_id, poll_seconds, settle_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """All that a triggerer needs to take up the wait where another one left it."""
        names = ("workspace", "run_id", "ti_id", "poll_seconds", "settle_seconds")
        return f"{__name__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Ask both every few seconds. A ledger or an Airflow that cannot be reached is asked again, however long that takes."""
        complained: set[str] = set()
        # The process that deferred the task may outlive that by seconds. Were the task to go on before the scheduler has heard of
        # that process's end, it would take the news for the end of the task, and fail it.
        await asyncio.sleep(self.settle_seconds)
        while True:
            # An answer usually resumes the task by itself; one that came before the task was deferred does not.
            answer = await self._unless_down(sync_to_async(self._answer)(), "Airflow", complained)
            if answer:
                yield TriggerEvent(answer)
                return
            # Its own thread: the one that `sync_to_async` uses serves every trigger of the process.
            found = await self._unless_down(asyncio.to_thread(self._standing), "ledger", complained)
            if found and found[0] not in OPEN:
                state, told = found
                await self._unless_down(sync_to_async(self._close)(state, told), "Airflow", set())
                yield TriggerEvent({"ledger": state})
                return
            await asyncio.sleep(self.poll_seconds)

    async def _unless_down(self, asked: Any, what: str, complained: set[str]) -> Any:
        """The answer; None where there is none to be had now, with one line in the log for each spell of that."""
        try:
            found = await asked
        except Exception as error:  # noqa: BLE001 - a wait of days must outlive whatever is down for an hour
            if what not in complained:
                complained.add(what)
                # The kind only: messages of database drivers quote addresses.
                self.log.warning("%s does not answer (%s), asking on every %s s", what, type(error).__name__, self.poll_seconds)
            return None
        complained.discard(what)
        return found

    def _answer(self) -> dict[str, Any] | None:
        """What was answered in Airflow, None while nothing was."""
        from uuid import UUID

        from airflow.sdk.execution_time.hitl import get_hitl_detail_content_detail

        found = get_hitl_detail_content_detail(ti_id=UUID(self.ti_id))
        if not found.response_received or not found.chosen_options:
            return None
        who = found.responded_by_user
        return {"chosen_options": list(found.chosen_options), "params_input": found.params_input or {},
                "responded_by_user": {"id": who.id, "name": who.name} if who else None}

    def _standing(self) -> tuple[str, str]:
        """The state of the package in the ledger, and who decided last."""
        from etl.approvals.summary import state_of
        from etl.ledger import open_ledger
        from etl.ledger.approvals import ApprovalBook
        from etl.workspace import Workspace

        with open_ledger(Workspace.open(self.workspace).ledger_place) as ledger:
            book = ApprovalBook(ledger)
            last = book.last(self.run_id)
            return state_of(book, ledger.run(self.run_id)), f"{last.decision}: {last.checker}" if last else ""

    def _close(self, state: str, told: str) -> None:
        """Answer the question in Airflow as the ledger has it, so that it is not shown as open any more."""
        from uuid import UUID

        from airflow.sdk.execution_time.hitl import update_hitl_detail_response

        update_hitl_detail_response(ti_id=UUID(self.ti_id), chosen_options=[APPROVE if state in ("approved", "delivered") else REJECT],
                                    params_input={"reason": f"eastbound approvals {self.run_id} ({told or state})"})
