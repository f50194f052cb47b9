"""What Eastbound's deferred tasks wait by. In the plugins folder, because the triggerer sees no other folder of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent


class ReplyTrigger(BaseTrigger):
    """Asks the policy registry now and then, with growing pauses, whether it has answered for a day; no worker is held meanwhile.

    It asks and notes nothing: what the answer says is for the task that is woken up. `first` and `most` are seconds, `until` is when
    patience ends. The event: {"answered": bool, "until": as given}.
    """

    def __init__(self, workspace: str, standard: str, day: str, first: float, most: float, until: str) -> None:
        super().__init__()
        self.workspace, self.standard, self.day, self.first, self.most, self.until = workspace, standard, day, first, most, until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return ("eastbound_triggers.ReplyTrigger", {"workspace": self.workspace, "standard": self.standard, "day": self.day,
                                                    "first": self.first, "most": self.most, "until": self.until})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        pause = self.first
        while True:
            # The task asked just before it went to sleep.
            left = (datetime.fromisoformat(self.until) - datetime.now(UTC)).total_seconds()
            await asyncio.sleep(max(0.0, min(pause, left)))
            if await asyncio.to_thread(self._answered):
                yield TriggerEvent({"answered": True, "until": self.until})
                return
            if left <= pause:
                yield TriggerEvent({"answered": False, "until": self.until})
                return
            pause = min(pause * 2, self.most)

    def _answered(self) -> bool:
        from etl.errors import EastboundError
        from etl.pipeline.registry_day import RegistryWork, is_answered
        from etl.workspace import Workspace

        try:
            answered = is_answered(RegistryWork(Workspace.open(self.workspace), self.standard), date.fromisoformat(self.day))
        except EastboundError as error:
            # What cannot pass is for the task to run into and to tell.
            self.log.info("%s: %s", self.day, error)
            return not error.may_pass
        self.log.info("%s: %s", self.day, "the platform has answered" if answered else "the platform is still working")
        return answered
