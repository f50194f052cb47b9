"""One run at a time for a standard and period."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from etl.ledger.errors import PeriodLocked
from etl.ledger.process import host_name


class PeriodLock:
    """A held lock. `name_run` tells those who are turned away which run is at work."""

    def __init__(self, note: Path, standard: str, period: str) -> None:
        self._note = note
        self._facts = {"standard": standard, "period": period, "run": None, "pid": os.getpid(), "host": host_name(),
                       "since": datetime.now(UTC).isoformat(timespec="seconds")}
        self._write()

    def name_run(self, run: str) -> None:
        self._facts["run"] = run
        self._write()

    def _write(self) -> None:
        temporary = self._note.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(self._facts), encoding="utf-8")
        temporary.replace(self._note)


@contextmanager
def period_lock(workspace: str | os.PathLike[str], standard: str, period: str, run: str | None = None) -> Iterator[PeriodLock]:
    """Hold the period for the `with` block; the system lets go of it should the process die.

    Raises PeriodLocked at once, naming run, process and since when, while another run holds it.
    """
    folder = Path(workspace) / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    # Distinct names must give distinct files, whatever characters they hold.
    stem = "@".join(re.sub(r"[^0-9A-Za-z_.-]", lambda found: f"%{ord(found[0]):x}%", part) for part in (standard, period))
    lock, note = FileLock(folder / f"{stem}.lock", is_singleton=False), folder / f"{stem}.json"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        facts = _read(note)
        raise PeriodLocked(
            standard=standard, period=period, run=facts.get("run") or "?", pid=facts.get("pid") or "?",
            host=facts.get("host") or "?", since=facts.get("since") or "?",
        ) from None
    try:
        held = PeriodLock(note, standard, period)
        if run is not None:
            held.name_run(run)
        yield held
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def _read(note: Path) -> dict:
    try:
        facts = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
