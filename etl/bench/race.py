"""The race: each contender in a process of its own, their findings compared pair by pair, medians of all rounds."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from etl.bench.contenders import CONTENDERS
from etl.bench.definition import load_course
from etl.engines.local import Engine, literal, open_engine
from etl.errors import EastboundError

REFERENCE = "naive"
_POLL = 0.05
_FEW = 200
# (contender, round from 1, what happened)
Progress = Callable[[str, int, str], None]


class FindingsDiffer(EastboundError):
    zh = "各参赛者的发现不一致：{about}"
    en = "the contenders do not find the same: {about}"
    exit_code = 3


@dataclass(frozen=True)
class Lap:
    """One contender, one round. `outcome`: finished, time (cut off by --timeout), memory (by --memory-cap), failed."""

    outcome: str
    seconds: float
    user_seconds: float = 0.0
    peak_bytes: int = 0
    reason: str = ""


@dataclass
class Result:
    """One contender over all rounds: medians of its finished laps, and how it compares with the reference."""

    name: str
    laps: list[Lap] = field(default_factory=list)
    findings: int | None = None
    missing: int | None = None
    extra: int | None = None

    @property
    def outcome(self) -> str:
        return next((lap.outcome for lap in self.laps if lap.outcome != "finished"), "finished")

    @property
    def seconds(self) -> float:
        """Median of the finished laps; of a contender that was cut off, how long it was let run."""
        chosen = [lap.seconds for lap in self.laps if lap.outcome == self.outcome]
        return statistics.median(chosen)

    @property
    def user_seconds(self) -> float:
        return statistics.median(lap.user_seconds for lap in self.laps)

    @property
    def peak_bytes(self) -> int:
        return max(lap.peak_bytes for lap in self.laps)


@dataclass(frozen=True)
class Race:
    """What was raced over, and every contender's result, in the order they were asked for."""

    rows: int
    rules: int
    dirty: float
    dirty_rows: int | None
    data_bytes: int
    make_seconds: float
    rounds: int
    results: list[Result]

    def report(self) -> dict[str, Any]:
        """The whole as JSON: `ratio` is to the naive statement, None where either was cut off."""
        reference = next((r for r in self.results if r.name == REFERENCE and r.outcome == "finished"), None)
        contenders = []
        for result in self.results:
            done = result.outcome == "finished"
            contenders.append({
                "name": result.name, "outcome": result.outcome, "seconds": round(result.seconds, 3),
                "ratio": round(result.seconds / reference.seconds, 3) if done and reference else None,
                "user_seconds": round(result.user_seconds, 3), "rows_rules_per_second": round(self.rows * self.rules / result.seconds) if done else None,
                "peak_mb": round(result.peak_bytes / 1e6), "findings": result.findings, "missing": result.missing, "extra": result.extra,
                "laps": [asdict(lap) for lap in result.laps],
            })
        compared = [r for r in self.results if r.missing is not None]
        return {"rows": self.rows, "rules": self.rules, "dirty": self.dirty, "dirty_rows": self.dirty_rows, "data_mb": round(self.data_bytes / 1e6, 1),
                "make_seconds": round(self.make_seconds, 1), "rounds": self.rounds, "equal": not any(r.missing or r.extra for r in compared),
                "machine": machine(), "contenders": contenders}


def machine() -> dict[str, Any]:
    """What the numbers depend on: processors that this process may use, and releases of the libraries that race."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpus": cpus, **{name: version(name) for name in ("duckdb", "polars", "pandas", "pandera")}}


def run_race(folder: Path, *, rows: int, dirty: float, names: Sequence[str] = tuple(CONTENDERS), rounds: int = 1, timeout: float | None = None,
             memory: str | None = None, memory_cap: int | None = None, progress: Progress = lambda *_: None) -> Race:
    """Make the data in `folder` (or take what is there) and race `names` over it, `rounds` times in turn.

    timeout: seconds that one lap may take; memory: the engine's own limit (such as 1GB) for the contenders that have
    one; memory_cap: bytes of resident memory at which any contender is stopped (default: 9/10 of what is free).
    """
    folder.mkdir(parents=True, exist_ok=True)
    data, make_seconds = _data(folder, rows, dirty, progress)
    cap = memory_cap or _free_memory() * 9 // 10
    results = {name: Result(name) for name in names}
    with tempfile.TemporaryDirectory(prefix="race-", dir=folder) as scratch:
        few = Path(scratch) / "few-rows.parquet"
        with open_engine(Path(scratch) / "spill") as engine:
            engine.write_parquet(f"SELECT * FROM read_parquet({literal(str(data))}) LIMIT {_FEW}", few)
        for lap in range(1, rounds + 1):
            for name, result in results.items():
                progress(name, lap, "start")
                result.laps.append(_lap(name, (data, few), Path(scratch), timeout, memory, cap))
                progress(name, lap, result.laps[-1].outcome)
        dirty_rows = _compare(Path(scratch), list(results.values()))
    return Race(rows, len(load_course().rules), dirty, dirty_rows, data.stat().st_size, make_seconds, rounds, list(results.values()))


def assert_equal(race: Race) -> None:
    """Raise FindingsDiffer unless all who finished found the same, row by row and rule by rule."""
    differing = [f"{r.name} -{r.missing} +{r.extra}" for r in race.results if r.missing or r.extra]
    if differing:
        raise FindingsDiffer(about=", ".join(differing))


def _data(folder: Path, rows: int, dirty: float, progress: Progress) -> tuple[Path, float]:
    """The file of the race. One that is there is taken again: its name says all that it was made from."""
    from etl.bench.policies import SEED, fingerprint, make_policies

    course = load_course()
    path = folder / f"policies-{rows}-{dirty:g}-{SEED}-{fingerprint(course)}.parquet"
    started = time.perf_counter()
    if not path.is_file():
        progress("data", 1, "start")
        with tempfile.TemporaryDirectory(prefix="make-", dir=folder) as spill, open_engine(Path(spill)) as engine:
            make_policies(engine, course, path, rows, dirty)
        progress("data", 1, "finished")
    return path, time.perf_counter() - started


def _lap(name: str, files: tuple[Path, Path], scratch: Path, timeout: float | None, memory: str | None, cap: int) -> Lap:
    """Run one contender to its end, or to the end of its time or memory."""
    report, out = scratch / f"{name}.json", scratch / f"{name}.parquet"
    for path in (report, out):
        path.unlink(missing_ok=True)
    command = [sys.executable, "-m", "etl.bench.contender", name, *map(str, files), str(out), str(report), *([memory] if memory else [])]
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
    started, peak, stopped = time.perf_counter(), 0, ""
    with _process(command, environment) as process:
        while process.poll() is None and not stopped:
            time.sleep(_POLL)
            held = _resident(process.pid)
            peak = max(peak, held)
            stopped = "memory" if held > cap else "time" if timeout and time.perf_counter() - started > timeout else ""
    seconds = time.perf_counter() - started
    if stopped:
        out.unlink(missing_ok=True)
        return Lap(stopped, seconds, peak_bytes=peak)
    took = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {}
    if process.returncode or not took:
        out.unlink(missing_ok=True)
        return Lap("failed", seconds, peak_bytes=peak, reason=took.get("failed") or f"exit code {process.returncode}")
    return Lap("finished", took["seconds"], took["user_seconds"], took["peak_bytes"])


@contextmanager
def _process(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen]:
    """A child process that does not outlive the block. What libraries print is not of interest."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _resident(pid: int) -> int:
    """Resident bytes of a process; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def _free_memory() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return 1 << 62


def _compare(scratch: Path, results: list[Result]) -> int | None:
    """Fill in findings, and what each lacks or has beyond the reference (the naive statement, else the first that finished)."""
    done = [r for r in results if r.outcome == "finished"]
    if not done:
        return None
    reference = next((r for r in done if r.name == REFERENCE), done[0])
    with open_engine(scratch / "compare") as engine:
        for result in done:
            result.findings = int(engine.one(f"SELECT count(*) FROM {_found(scratch, result)}"))
            if result is not reference:
                result.missing = _without(engine, scratch, reference, result)
                result.extra = _without(engine, scratch, result, reference)
        return int(engine.one(f"SELECT count(DISTINCT \"row\") FROM {_found(scratch, reference)}"))


def _found(scratch: Path, result: Result) -> str:
    return f"read_parquet({literal(str(scratch / f'{result.name}.parquet'))})"


def _without(engine: Engine, scratch: Path, left: Result, right: Result) -> int:
    """Findings of `left` that `right` has not; the same finding twice counts as two."""
    columns = "SELECT rule, \"row\" FROM"
    return int(engine.one(f"SELECT count(*) FROM ({columns} {_found(scratch, left)} EXCEPT ALL {columns} {_found(scratch, right)})"))
