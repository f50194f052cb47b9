"""Write deploy/pools.json: an Airflow pool per core system, so that no more tasks read it at once than it can bear, and those of the work.

    python tools/build_pools.py            writes the file
    python tools/build_pools.py --check    exit code 1 where the file is not what would be written
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
SOURCES, TARGET = ROOT / "mappings" / "sources", ROOT / "deploy" / "pools.json"
# One reader at a time: a core system is read in one transaction at one consistent moment, and two at once double its load for nothing.
SLOTS_OF_A_SYSTEM = 1
# Stages other than extraction: each is a process with all threads of the machine, so more at once only fight over memory.
WORK = {"eastbound_work": {"slots": 4, "description": "stages at once: standardise, check, mask, write, seal / 同时进行的处理任务数", "include_deferred": False}}
# The registry's own order of a day's messages does not bear a second sender.
REGISTRY = {"eastbound_registry": {"slots": 1, "description": "policy registry: one exchange at a time / 保单登记平台：同一时间只有一个会话", "include_deferred": False}}


def pools(sources: Path = SOURCES) -> dict[str, dict[str, Any]]:
    """Pool name -> slots, description, include_deferred, as `airflow pools import` reads them."""
    found = {}
    for path in sorted(sources.glob("*/source.yaml")):
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        found[f"core_{data['system']}"] = {
            "slots": SLOTS_OF_A_SYSTEM, "description": f"core system {data['system']}: readers at once / 核心系统{data['name']['zh']}：同时读取数", "include_deferred": False}
    return {**found, **WORK, **REGISTRY}


def text() -> str:
    return json.dumps(pools(), ensure_ascii=False, indent=2) + "\n"


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        return 0 if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text() else 1
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
