"""Which earlier run a capture compares with: the last of the company whose submission was accepted and that read the table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

from etl.capture.image import image_files
from etl.ledger.definition import SEALED
from etl.privacy.vault import Vault

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.ledger.definition import Run

ACCEPTED = "accepted"


class Bases:
    """The runs that may be compared with, the latest first. `policy`: `accepted`, or `sealed` where that is enough."""

    def __init__(self, vault: Vault, ledger: Ledger, company: str, run: str, policy: str = ACCEPTED) -> None:
        self._vault, self._ledger, self._company, self._run, self._policy = vault, ledger, company, run, policy

    def of(self, system: str, table: str) -> Run | None:
        """The run to compare a table with; None where there is none."""
        return next((run for run in self._runs if image_files(self._vault, run.id, system, table)), None)

    @cached_property
    def _runs(self) -> list[Run]:
        return list(accepted_runs(self._ledger, self._company, self._policy, but=self._run))


def accepted_runs(ledger: Ledger, company: str, policy: str = ACCEPTED, but: str | None = None) -> Iterator[Run]:
    """Sealed runs of a company whose submission was accepted, the latest first.

    Accepted is a package that was approved and, of the policy registry, a day whose zip the platform has judged without errors
    or whose figures both sides agree on. With `policy` sealed, every sealed run counts.
    """
    from etl.approvals import approval_of

    days, packages = _registry(ledger, company)
    for run in ledger.runs():
        if run.company != company or run.id == but or run.status != SEALED:
            continue
        if policy != ACCEPTED or run.period in days or (run.package is not None and any(path.startswith(f"{run.package}/") for path in packages)) or approval_of(ledger, run) is not None:
            yield run


def _registry(ledger: Ledger, company: str) -> tuple[set[str], list[str]]:
    """Days of the registry that are settled, and the paths of zips that it has taken."""
    from etl.ledger.registry import RegistryLedger
    from etl.submission.registry.definition import State

    books = RegistryLedger(ledger, company)
    settled, taken = (State.RECONCILED, State.DETAIL, State.DONE), (State.NOTIFIED, State.RECONCILED, State.DETAIL, State.DONE)
    days: set[str] = set()
    paths: list[str] = []
    for day in books.days():
        if day.state in settled:
            days.add(date.isoformat(day.day))
        paths += [batch.path for batch in books.batches(day.day) if batch.state in taken]
    return days, paths
