"""The profiles of earlier periods: those of the runs whose packages were sealed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import EastboundError
from etl.profiles.definition import ExpectationSet, Range
from etl.profiles.judge import find_range
from etl.profiles.profile import FILE, FOLDER, read_profiles
from etl.submission.definition import Period

if TYPE_CHECKING:
    from etl.ledger.definition import Run
    from etl.workspace import Workspace


class ProfilesMissing(EastboundError):
    zh = "运行 {run} 没有数据画像：画像在检核阶段生成，请用 eastbound resume {run} 做到检核，或重新执行 eastbound run"
    en = "run {run} has no profiles: they are made when its tables are checked; go on with eastbound resume {run}, or start a new eastbound run"


@dataclass(frozen=True)
class EarlierPeriod:
    """A sealed earlier period: its label, its last day, the run that was sealed last for it, and whether that run left profiles."""

    period: str
    end: date
    run: str
    folder: Path

    @property
    def profiled(self) -> bool:
        return (self.folder / FOLDER / FILE).is_file()


def earlier_periods(runs: Iterable[Run], current: Run, workspace: Workspace) -> list[EarlierPeriod]:
    """Sealed periods of the same standard, company and length that end before `current` begins, the latest first.

    A period that was submitted again counts once, with its last sealed run.
    """
    mine = Period.parse(current.period)
    latest: dict[str, tuple[Run, Period]] = {}
    for run in sorted(runs, key=lambda r: (r.finished_at or r.started_at, r.id)):
        if run.status != "sealed" or run.standard != current.standard or run.company != current.company:
            continue
        period = Period.parse(run.period)
        if period.end < mine.start and _length(period) == _length(mine):
            latest[run.period] = (run, period)
    found = [EarlierPeriod(label, period.end, run.id, workspace.run_folder(run.id)) for label, (run, period) in latest.items()]
    return sorted(found, key=lambda one: one.end, reverse=True)


def _length(period: Period) -> int:
    """1 for a day, about 30 for a month, about 90 for a quarter."""
    days = (period.end - period.start).days + 1
    return days if days < 28 else round(days / 30) * 30


def find_ranges(expectations: ExpectationSet, run: Run, folder: Path, earlier: Iterable[EarlierPeriod]) -> list[Range]:
    """What every expectation comes to in a run, in their order, given the earlier periods (the latest first). Raises ProfilesMissing."""
    now = read_profiles(folder)
    if not now:
        raise ProfilesMissing(run=run.id)
    end = Period.parse(run.period).end
    most = max((e.history for e in expectations.expectations), default=0)
    before = [(read_profiles(one.folder), one.end) for one in [one for one in earlier if one.profiled][:most]]
    return [find_range(wanted, now.get(wanted.table), end, [(profiles[wanted.table], day) for profiles, day in before if wanted.table in profiles])
            for wanted in expectations.expectations]
