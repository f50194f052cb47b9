"""The registry's work on a day in steps for a scheduler, each short enough for a process of its own.

No step waits: what the platform owes is asked for once, and the day says that it is waiting. All that a step knows of those before
it is in the ledger, so each may be repeated, by another process, after a crash at any point: no transaction goes out twice.

    days = open_days(work, today)
    make_day -> send_day -> ask_day (again while waiting) -> correct_day -> send_day ... -> reconcile_day (again while waiting)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from etl.ledger.registry import RegistryLedger
from etl.pipeline.context import Progress, silent
from etl.submission.registry.cycle import MAX_CORRECTIONS, Cycle
from etl.submission.registry.definition import State
from etl.submission.registry.errors import StillWorking
from etl.submission.registry.settings import Polling, RegistrySettings, Retries, load_settings

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.workspace import Workspace

STANDARD = "registry_life_2"
_WAITING = (State.WAITING, State.CHECKING, State.DETAIL_WAITING)


@dataclass(frozen=True)
class RegistryWork:
    """Whose days are worked on, and how: `by` is named in the audit chain (default: this account), `capture` is how runs read."""

    workspace: Workspace
    standard: str = STANDARD
    packs: tuple[str, ...] = ()
    by: str | None = None
    capture: str | None = None
    progress: Progress = silent
    observe: Callable[[str], None] | None = None


@dataclass(frozen=True)
class DayStand:
    """Where a day stands. `zips`: kind, number, transactions, rejected of each; `counts`: transactions by state.

    `run` is the run that this step walked, if it did, and `stages` what that run counted: stage, rows in, out, set aside.
    """

    day: date
    state: str
    zips: tuple[tuple[str, str, int, int], ...] = ()
    counts: tuple[tuple[str, int], ...] = ()
    run: str | None = None
    stages: tuple[tuple[str, int, int, int], ...] = ()

    @property
    def waiting(self) -> bool:
        """Only the platform's answer is missing."""
        return self.state in _WAITING

    @property
    def rejected(self) -> bool:
        """Error rows came back, or the zip is unfit."""
        return self.state == State.ERROR


@contextmanager
def open_cycle(work: RegistryWork, *, patient: bool = False) -> Iterator[Cycle]:
    """The daily cycle of a workspace, which it holds for itself. `patient` waits for the platform as long as the settings say.

    Raises PeriodLocked while another program works on the registry's days, SettingsMissing, SettingsUnfit.
    """
    with _cycle(work, None if patient else Polling(limit=0), {}) as (cycle, _):
        yield cycle


def work_day(moment: datetime) -> date:
    """The day of the work that is due at a moment: the date in Shanghai, whatever the clock's own zone is. Its work is the day before's rows."""
    from etl.pipeline.road import SHANGHAI

    return moment.astimezone(SHANGHAI).date()


# -- the steps


def open_days(work: RegistryWork, today: date) -> list[date]:
    """The days to work on, in order: up to yesterday, begun and not done or missed. Reads the ledger and changes nothing."""
    with _asking(work) as cycle:
        return cycle.open_days(today)


def make_day(work: RegistryWork, day: date) -> DayStand:
    """Walk the road for a day and take up its zip; a walk cut off is gone on with, and a zip taken up is not made again. Raises DayNotSealed."""
    return _step(work, day, lambda cycle: cycle.make(day))


def send_day(work: RegistryWork, day: date) -> DayStand:
    """Upload the day's zip that may go out and notify the platform. Raises PlatformUnreachable, LoginRefused."""
    return _step(work, day, lambda cycle: cycle.send(day))


def ask_day(work: RegistryWork, day: date) -> DayStand:
    """Ask once how the zip that was sent was judged; what came back is in the ledger then, and the error file in the vault."""
    return _step(work, day, lambda cycle: cycle.ask(day))


def correct_day(work: RegistryWork, day: date, since: datetime | None = None) -> DayStand:
    """Walk the road again for what came back and take up the correction; send_day sends it.

    The day stays rejected where nothing is corrected yet, or where MAX_CORRECTIONS were made after `since` and came back again:
    that is for people to look at, or for another day.
    """
    def correct(cycle: Cycle) -> None:
        if sum(1 for zip in cycle.books.batches(day) if zip.kind == "FAI" and (since is None or zip.updated_at >= since)) < MAX_CORRECTIONS:
            cycle.correct(day)

    return _step(work, day, correct)


def reconcile_day(work: RegistryWork, day: date) -> DayStand:
    """Compare counts and sums as far as it goes without waiting, and send the detail where they differ. Raises NotReconciled."""
    return _step(work, day, lambda cycle: cycle.reconcile(day))


def is_answered(work: RegistryWork, day: date) -> bool:
    """Whether the platform has what the day waits for: asks once, notes nothing, and needs no lock. For those who wait.

    Raises PlatformUnreachable at the first failure: whoever asks again and again needs no attempts in between.
    """
    with _asking(work) as cycle:
        return cycle.answered(day)


def left_over(work: RegistryWork, today: date) -> list[DayStand]:
    """The days that the work of `today` should have brought further: sent and settled up to yesterday, reconciled before that."""
    with _asking(work) as cycle:
        days = [day for day in cycle.open_days(today) if day < today - timedelta(days=1) or not cycle.settled(day)]
        return [_stand(cycle.books, day) for day in days]


# -- how


def _step(work: RegistryWork, day: date, do: Callable[[Cycle], object]) -> DayStand:
    walked: dict[date, str] = {}
    with _cycle(work, Polling(limit=0), walked) as (cycle, ledger):
        try:
            do(cycle)
        except StillWorking:
            pass
        return _stand(cycle.books, day, walked.get(day), ledger)


def _stand(books: RegistryLedger, day: date, run: str | None = None, ledger: Ledger | None = None) -> DayStand:
    found = books.day(day)
    zips = tuple((zip.kind, zip.batch_no, zip.transactions, zip.rejected) for zip in books.batches(day))
    sums: dict[str, list[int]] = {}
    for count in ledger.stages(run) if run and ledger else ():
        numbers = sums.setdefault(count.stage, [0, 0, 0])
        for place, rows in enumerate((count.rows_in, count.rows_out, count.rows_aside)):
            numbers[place] += rows
    stages = tuple((stage, *numbers) for stage, numbers in sums.items())
    return DayStand(day, found.state if found else "", zips, tuple(sorted(books.counts(day).items())), run, stages)


@contextmanager
def _asking(work: RegistryWork) -> Iterator[Cycle]:
    """A cycle for questions only: no lock, one attempt."""
    with _cycle(work, Polling(limit=0), {}, locked=False) as (cycle, _):
        yield cycle


@contextmanager
def _cycle(work: RegistryWork, polling: Polling | None, walked: dict[date, str], locked: bool = True) -> Iterator[tuple[Cycle, Ledger]]:
    from etl.ledger import open_ledger, period_lock
    from etl.packs.roots import PackRoots
    from etl.pipeline.registry import RunSource
    from etl.pipeline.road import actor
    from etl.standard.loader import load_standard
    from etl.submission.registry.contents import layouts_of
    from etl.submission.registry.transport import Channel

    workspace, by = work.workspace, work.by or actor()
    settings: RegistrySettings = load_settings(workspace.root)
    if not locked:
        settings = replace(settings, retries=Retries(1, 0, 0))
    vault = workspace.vault_folder / "registry"
    for folder in (vault, vault / "zips", vault / "errors"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    layouts = layouts_of(load_standard(work.standard, PackRoots.of(*workspace.packs, *work.packs)))
    with ExitStack() as held:
        ledger = held.enter_context(open_ledger(workspace.ledger_place))
        if locked:
            held.enter_context(period_lock(workspace.root, "registry", workspace.company))
        books = RegistryLedger(ledger, workspace.company)
        source = RunSource(workspace, work.standard, ledger, books, vault / "zips", packs=work.packs, capture=work.capture, progress=work.progress,
                           told=walked.__setitem__)
        cycle = Cycle(books, held.enter_context(Channel(settings)), source, layouts, vault / "errors", root=workspace.root,
                      polling=polling or settings.polling, observe=work.observe,
                      note=lambda action, subject, detail: ledger.append_event(by, action, subject, detail))
        yield cycle, ledger
