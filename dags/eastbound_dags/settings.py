"""Where the DAGs find their workspace, and the few things that a team may set. Read while DAGs are parsed: nothing heavy here.

Environment variables: `EASTBOUND_WORKSPACE` (the workspace), `EASTBOUND_EAST_STANDARD` (the edition that `east_monthly` reports by),
`EASTBOUND_RETRY_SECONDS` (first pause before a task is tried again), `EASTBOUND_RETRIES`, `EASTBOUND_LANG` (zh or en).
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etl.workspace import Workspace

REPOSITORY = Path(__file__).resolve().parents[2]
TIMEZONE = "Asia/Shanghai"
EAST = os.environ.get("EASTBOUND_EAST_STANDARD", "east_life_2020")
AUDIT = "audit_life"
APPROVED = "eastbound://east/approved"
WORK_POOL = "eastbound_work"


def workspace_folder() -> Path:
    """The folder of the workspace that the DAGs work on."""
    return Path(os.environ.get("EASTBOUND_WORKSPACE") or REPOSITORY / "var" / "airflow").absolute()


def open_workspace() -> Workspace:
    """The workspace itself; for use in tasks only. Raises WorkspaceMissing."""
    from etl.language import set_language
    from etl.workspace import Workspace

    language = os.environ.get("EASTBOUND_LANG")
    if language:
        set_language(language)
    return Workspace.open(workspace_folder())


def core_systems() -> list[str]:
    """The core systems of the packs: a task and a pool each. Folder names only, since this is asked at every parse."""
    from etl.packs.roots import PackRoots

    extra = [part for part in os.environ.get("EASTBOUND_PACKS", "").split(os.pathsep) if part]
    return sorted(PackRoots.of(*extra).sources())


def pool_of(system: str) -> str:
    """The pool that limits how many tasks read a core system at a time."""
    return f"core_{system}"


def retries() -> dict[str, Any]:
    """How a task is tried again when what stopped it may pass; what cannot pass fails at once (see `steps.told`)."""
    return {"retries": int(os.environ.get("EASTBOUND_RETRIES", "4")), "retry_delay": timedelta(seconds=float(os.environ.get("EASTBOUND_RETRY_SECONDS", "60"))),
            "retry_exponential_backoff": True, "max_retry_delay": timedelta(minutes=30)}


def defaults() -> dict[str, Any]:
    """What all tasks of all DAGs have in common."""
    return {"owner": "eastbound", "pool": WORK_POOL, **retries()}
