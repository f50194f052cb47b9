"""The registry's zips out of the road: a day's run gives the increment, run again it gives the corrections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import EastboundError
from etl.ledger.definition import FAILED, INTERRUPTED, RUNNING, SEALED
from etl.packs.roots import PackRoots
from etl.packs.snapshot import fingerprint, pack_files
from etl.pipeline.context import Progress, RunRequest, silent
from etl.pipeline.road import RunResult, resume_run, start_run
from etl.submission.definition import Period
from etl.submission.registry.contents import assemble
from etl.submission.registry.definition import ErrorRow, State
from etl.submission.zip_package import DayBatch, batch_number, open_batch, read_batch_zip, subset_batch

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.ledger.definition import Run
    from etl.ledger.registry import RegistryLedger
    from etl.workspace import Workspace


# What stopped a run and is over by itself: the run may go on with what it has read already.
_PASSED = ("SourceUnreachable", "SourceReadFailed", "PeriodLocked")


class DayNotSealed(EastboundError):
    zh = "{day} 的运行 {run} 未能封包（{status}）；用 eastbound findings --run {run} 查看，更正后再次执行"
    en = "the run {run} of {day} was not sealed ({status}); see eastbound findings --run {run}, mend the source and run again"
    exit_code = 1


class RunSource:
    """Makes a day's zips by walking the road for it. `folder` (in the vault) takes corrections and details.

    `capture` is how the runs read the core systems (None: as runs do by default); `told` hears of every run that was walked.
    """

    def __init__(self, workspace: Workspace, standard: str, ledger: Ledger, books: RegistryLedger, folder: Path, *, packs: Sequence[str] = (),
                 capture: str | None = None, progress: Progress = silent, told: Callable[[date, str], None] | None = None) -> None:
        self.workspace, self.standard, self.ledger, self.books, self.folder, self.packs = workspace, standard, ledger, books, Path(folder), packs
        self.capture, self.progress, self._told = capture, progress, told or (lambda day, run: None)

    def increment(self, day: date) -> DayBatch | None:
        """Run the day. Raises DayNotSealed. The same day gets the same batch number and, from the same sources, the same bytes.

        A run that was cut off after the day had been taken up is gone on with, and one that came to its end is not walked again.
        """
        begun = self._begun(day)
        if begun is None:
            return self._walked(day)
        if begun.status == SEALED:
            self._told(day, begun.id)
            return self._batch(day, self.workspace.root / begun.package)
        return self._taken(day, resume_run(self.workspace, begun.id, progress=self.progress))

    def _begun(self, day: date) -> Run | None:
        """The run that was walking for the day's increment, or had walked, when its program died or was stopped by something that may pass."""
        found = self.books.day(day)
        last = next(iter(self.ledger.runs(self.standard, Period(day, day).label)), None)
        if found is None or found.state != State.EXTRACTED or last is None or last.started_at < found.updated_at:
            return None
        passed = last.status == FAILED and (last.message or {}).get("code") in _PASSED
        if last.status not in (SEALED, RUNNING, INTERRUPTED) and not passed:
            return None
        # Packs that were mended in between are the reason to begin anew.
        packs = pack_files(PackRoots.of(*self.workspace.packs, *self.packs), self.standard)
        return last if last.pack_fingerprint == fingerprint(packs) else None

    def _walked(self, day: date) -> DayBatch | None:
        options = {"capture": self.capture} if self.capture is not None else {}
        request = RunRequest(self.standard, Period(day, day), day + timedelta(days=1), **options)
        return self._taken(day, start_run(self.workspace, request, packs=self.packs, progress=self.progress))

    def _taken(self, day: date, result: RunResult) -> DayBatch | None:
        self._told(day, result.run)
        if result.package is None:
            raise DayNotSealed(day=day.isoformat(), run=result.run, status=result.status)
        return self._batch(day, result.package)

    def _batch(self, day: date, package: Path) -> DayBatch | None:
        from etl.submission.package import read_manifest

        entry = read_manifest(package).get("batch")
        return open_batch(package / entry["file"], day) if entry else None

    def correct(self, day: date, rows: Sequence[ErrorRow]) -> DayBatch | None:
        """The day run again, and of it the transactions that came back, as they now are; those still held back here stay out."""
        batch = self._walked(day)
        if batch is None:
            return None
        present = {line[0] for lines in read_batch_zip(batch.zip_path).values() for line in lines}
        wanted = sorted({row.transaction_no for row in rows} & present)
        return subset_batch(batch, wanted, batch_no=self._number(day, "FAI"), target=self.folder) if wanted else None

    def late(self, day: date, known: set[str]) -> DayBatch | None:
        batch = self._walked(day)
        present = {line[0] for lines in read_batch_zip(batch.zip_path).values() for line in lines} if batch else set()
        new = sorted(present - known)
        # A first increment has number 1 even where nothing of it was in order and nothing was sent.
        part = max(1, sum(1 for b in self.books.batches(day) if b.kind == "INC")) + 1
        return subset_batch(batch, new, batch_no=self._number(day, "INC", part), target=self.folder, kind="INC") if batch and new else None

    def detail(self, day: date, zips: Sequence[tuple[Path, set[str]]]) -> DayBatch:
        return assemble(zips, self.workspace.company, day, self._number(day, "DET"), self.folder)

    def _number(self, day: date, kind: str, part: int | None = None) -> str:
        # By its place among the day's zips: asked again after a crash, a zip that was not taken up keeps its number.
        part = part or sum(1 for batch in self.books.batches(day) if batch.kind == kind) + 1
        sequence = self.ledger.allocate_batch(self.workspace.company, kind, self.standard, Period(day, day).label, part)
        return batch_number(self.workspace.company, kind, sequence)  # type: ignore[arg-type]
