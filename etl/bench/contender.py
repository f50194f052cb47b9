"""The process of one contender: `python -m etl.bench.contender NAME DATA FEW OUT REPORT [MEMORY]`.

Checks the file FEW first, then, timed, DATA. Writes its findings to OUT and what it took to REPORT (JSON: seconds, user_seconds, system_seconds, peak_bytes; or
`failed` with the reason, and exit code 1).
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from pathlib import Path


def peak_bytes() -> int:
    """The most memory this process ever held."""
    # ru_maxrss takes over the peak of the process that started this one; the status file does not.
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.is_file() else None
    if found:
        return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(name: str, data: Path, few: Path, out: Path, memory: str | None) -> dict[str, float]:
    """Run one contender; what it took from opening the data to having written its findings."""
    from etl.bench.contenders import CONTENDERS

    check = CONTENDERS[name].prepare(memory)
    # So that nobody's clock counts what libraries import when they are first used.
    check(few, out)
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    check(data, out)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    return {"seconds": seconds, "user_seconds": after.ru_utime - before.ru_utime, "system_seconds": after.ru_stime - before.ru_stime, "peak_bytes": peak_bytes()}


def main(arguments: list[str]) -> int:
    name, data, few, out, report = arguments[:5]
    try:
        told: dict = measure(name, Path(data), Path(few), Path(out), arguments[5] if len(arguments) > 5 else None)
    except Exception as error:  # noqa: BLE001 - whatever it was, the race goes on and says so
        told = {"failed": f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"}
    Path(report).write_text(json.dumps(told), encoding="utf-8")
    return 1 if "failed" in told else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
