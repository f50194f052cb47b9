"""Sending the OpenLineage events of a run to where `openlineage` in workspace.yaml says: a file, or a server.

Whoever walks the road calls `emit_start`, `emit_stage` and `emit_end`. None of them ever raises or holds a run up for long: what cannot
be sent is told once per run and left. `eastbound lineage RUN --emit` sends it later; the events are then the same ones.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from etl.errors import EastboundError

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.mapping.definition import MappingSet
    from etl.standard.definition import Standard
    from etl.workspace import Workspace

TIMEOUT, LONGEST_TIMEOUT = 3.0, 10.0
# Seconds that one process spends at most on sending the events of one run.
PATIENCE = 15.0
LOG = logging.getLogger("eastbound.lineage")
_given_up: set[str] = set()
_spent: dict[str, float] = {}


class LineageLibraryMissing(EastboundError):
    zh = "没有安装 openlineage-python，无法生成血缘事件；请安装：pip install 'eastbound[lineage]'"
    en = "openlineage-python is not installed, so there are no lineage events; install it: pip install 'eastbound[lineage]'"


class LineageNotConfigured(EastboundError):
    zh = "{path} 中没有 openlineage，不知道把血缘事件发往何处；例如：openlineage: {{transport: {{type: file, log_file_path: lineage/events.jsonl, append: true}}}}"
    en = ("{path} has no openlineage, so there is nowhere to send events; for example: "
          "openlineage: {{transport: {{type: file, log_file_path: lineage/events.jsonl, append: true}}}}")


class LineageNotSent(EastboundError):
    zh = "运行 {run} 的血缘事件没有发出（{reason}）；运行不受影响，可稍后补发：eastbound lineage {run} --emit"
    en = "lineage events of run {run} were not sent ({reason}); the run goes on, send them later: eastbound lineage {run} --emit"
    exit_code = 3


class LineageTooSlow(EastboundError):
    zh = "接收方在 {seconds} 秒内没有应答"
    en = "the receiver did not answer within {seconds} s"


class Emitting(Protocol):
    """What the events are made from: `etl.pipeline.context.RunContext` has it all."""

    workspace: Workspace
    ledger: Ledger
    run: str
    request: Any

    @property
    def standard(self) -> Standard: ...

    @property
    def mappings(self) -> MappingSet: ...

    @property
    def systems(self) -> dict[str, Any]: ...


def emit_start(context: Emitting, *, resumed: bool = False) -> None:
    """Tell that the run begins, or (`resumed`) is taken up again now."""
    _emit(context, lambda events: [events.start(datetime.now(UTC) if resumed else None)])


def emit_stage(context: Emitting, stage: str) -> None:
    """Tell what a finished stage read and made. Call it when all units of the stage are done, for `check` after it is concluded."""
    _emit(context, lambda events: events.stage(stage))


def emit_end(context: Emitting) -> None:
    """Tell how the run ended, as the ledger has it: sealed, blocked, failed or interrupted; nothing while it is running."""
    def ending(events: Any) -> list[Any]:
        end = events.end()
        return [end] if end else []

    _emit(context, ending)
    _spent.pop(context.run, None)


def run_events(context: Emitting) -> list[dict[str, Any]]:
    """All events of a run as they are sent. Raises LineageLibraryMissing."""
    events, as_json = _library()
    return [as_json(event) for event in events(context).all()]


def emit_again(context: Emitting) -> int:
    """Send all events of a run; returns their number. Raises LineageNotConfigured, LineageLibraryMissing, LineageNotSent."""
    if context.workspace.openlineage is None:
        raise LineageNotConfigured(path=str(context.workspace.root / "workspace.yaml"))
    events, _ = _library()
    found = events(context).all()
    try:
        _send(context.workspace, found, 60.0)
    except Exception as error:  # noqa: BLE001 - whatever a transport raises; its words may hold the address and its secrets
        raise LineageNotSent(run=context.run, reason=_reason(error)) from None
    return len(found)


def _emit(context: Emitting, make: Callable[[Any], Iterable[Any]]) -> None:
    if context.workspace.openlineage is None or context.run in _given_up:
        return
    started = time.monotonic()
    try:
        events, _ = _library()
        _send(context.workspace, list(make(events(context))), PATIENCE - _spent.get(context.run, 0.0))
        _spent[context.run] = _spent.get(context.run, 0.0) + time.monotonic() - started
    except Exception as error:  # noqa: BLE001 - a run never fails because somebody could not be told of it
        _given_up.add(context.run)
        _tell(context, error)


def _tell(context: Emitting, error: Exception) -> None:
    """One warning, for the console or the task's log, and for the audit."""
    reason = _reason(error)
    LOG.warning("%s", LineageNotSent(run=context.run, reason=reason))
    try:
        context.ledger.append_event("eastbound", "lineage.failed", context.run, {"reason": type(error).__name__})
    except Exception:  # noqa: BLE001 - the ledger's own trouble will show where it matters
        LOG.debug("the audit chain did not take the warning")


def _reason(error: Exception) -> str:
    """Why sending failed, without addresses and secrets, which the words of libraries may hold."""
    if isinstance(error, EastboundError):
        return str(error)
    status = getattr(getattr(error, "response", None), "status_code", None)
    return f"HTTP {status}" if status else type(error).__name__


def _library() -> tuple[Any, Any]:
    try:
        from etl.lineage.datasets import as_json
        from etl.lineage.openlineage import RunEvents
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "openlineage":
            raise
        raise LineageLibraryMissing() from None
    return RunEvents, as_json


def _send(workspace: Workspace, events: list[Any], patience: float) -> None:
    """Send events in order. In a thread of its own: a name server that does not answer knows no timeout."""
    if not events:
        return
    settings = transport_settings(workspace)
    failed: list[Exception] = []
    stop = threading.Event()

    def work() -> None:
        try:
            _deliver(settings, events, stop)
        except Exception as error:  # noqa: BLE001 - carried over to the caller's thread
            failed.append(error)

    sender = threading.Thread(target=work, name="openlineage", daemon=True)
    sender.start()
    sender.join(max(patience, 0.1))
    if sender.is_alive():
        stop.set()
        raise LineageTooSlow(seconds=f"{max(patience, 0.1):.0f}")
    if failed:
        raise failed[0]


def _deliver(settings: dict[str, Any], events: list[Any], stop: threading.Event) -> None:
    from openlineage.client import OpenLineageClient
    from openlineage.client.transport import get_default_factory

    client = OpenLineageClient(transport=get_default_factory().create(settings), config={"transport": settings})
    try:
        if settings["type"] == "file":
            from filelock import FileLock

            path = Path(settings["log_file_path"])
            path.parent.mkdir(parents=True, exist_ok=True)
            # Two runs at work must not write into each other's lines.
            with FileLock(f"{path}.lock", timeout=5):
                for event in events:
                    client.emit(event)
            return
        for event in events:
            if stop.is_set():
                return
            client.emit(event)
    finally:
        client.close(0)


def transport_settings(workspace: Workspace) -> dict[str, Any]:
    """The transport of the library as the workspace wants it: paths from the workspace, a short timeout, nothing tried twice."""
    settings = workspace.lineage_transport()
    if settings["type"] == "http":
        settings["timeout"] = min(float(settings.get("timeout", TIMEOUT)), LONGEST_TIMEOUT)
        settings["retry"] = {"total": 0, "read": 0, "connect": 0, "status_forcelist": []}
    return settings
