"""Tracing across runs: which run holds a serial number, its files out of the vault, and who looked at clear values."""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engines import Engine, open_engine
from etl.engines.local import literal
from etl.errors import EastboundError
from etl.lineage.trace import SerialUnknown, Trace, find_serial, trace_row
from etl.pipeline.road import actor, open_context
from etl.workspace import Workspace

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.pipeline.context import RunContext
    from etl.privacy.keys import Keyring
    from etl.standard.definition import DataItem


class RevealRefused(EastboundError):
    zh = "密钥不对，不能显示明文；请用 --key-file 给出本工作区的保险库密钥（指纹 {wanted}）"
    en = "that is not the key, so nothing is revealed; give this workspace's vault key with --key-file (fingerprint {wanted})"


class RevealKeyMissing(EastboundError):
    zh = "显示明文需要保险库密钥：--key-file 文件，或环境变量 EASTBOUND_REVEAL_KEY"
    en = "clear values need the vault key: --key-file FILE, or EASTBOUND_REVEAL_KEY"


class Tracer:
    """Traces serial numbers of a workspace; packs, vault files and views of a run are fetched once."""

    def __init__(self, workspace: Workspace, ledger: Ledger, engine: Engine, stack: ExitStack) -> None:
        self.workspace, self.ledger, self.engine, self._stack = workspace, ledger, engine, stack
        self._contexts: dict[str, RunContext] = {}
        self._clear: dict[tuple[str, str], Path] = {}

    def trace(self, serial: str, *, run_id: str | None = None, reveal: bool = False, key_file: Path | None = None) -> Trace:
        """Trace `serial` in `run_id`, or in the latest sealed run that holds it. Raises SerialUnknown, RevealRefused.

        Two runs of the same period and report date hold the same numbers; the later one counts.
        """
        from etl.privacy.display import display_value
        from etl.privacy.transforms import kept_clear

        def masked(privacy: str, text: str, item: DataItem | None) -> str:
            return display_value(privacy, text, kept_clear(item) if item else ()) or ""

        runs = [self.ledger.run(run_id)] if run_id else sorted(self.ledger.runs(), key=lambda run: (run.status != "sealed", -run.started_at.timestamp()))
        for run in runs:
            serials = {path.stem: path for path in sorted((self.workspace.run_folder(run.id) / "serials").glob("*.parquet"))}
            place = find_serial(self.engine, serial, serials)
            if place is None:
                continue
            table_code, row = place
            context = self._context(run.id)
            if reveal:
                _allow(context.keyring, key_file)
                self.ledger.append_event(actor(), "trace.reveal", serial, {"run": run.id, "table": table_code})
            return trace_row(
                self.engine, context.standard.tables[table_code], context.mappings, row, serial=serial, run=run.id,
                standardised=self._file(context, f"standard/{table_code}.parquet"),
                extracted=lambda system, name, context=context: self._image(context, system, name),
                show=None if reveal else masked, company=(context.company.code, context.company.name))
        raise SerialUnknown(serial=serial, where=run_id or self.workspace.root.name)

    def lines_of(self, transaction: str, *, run_id: str | None = None) -> tuple[str, list[tuple[str, str]]]:
        """(run, [(table, line)]) of a transaction number, in the run asked for or the latest sealed one that sent it.

        For a standard without serial numbers; each line can be traced by its name. Raises SerialUnknown.
        """
        runs = [self.ledger.run(run_id)] if run_id else sorted(self.ledger.runs(), key=lambda run: (run.status != "sealed", -run.started_at.timestamp()))
        for run in runs:
            lines = []
            for path in sorted((self.workspace.run_folder(run.id) / "serials").glob("*.parquet")):
                found = self.engine.rows(f"SELECT serial FROM read_parquet({literal(str(path))}) WHERE starts_with(serial, ?) ORDER BY \"row\"", [transaction + ":"])
                lines += [(path.stem, serial) for (serial,) in found]
            if lines:
                return run.id, lines
        raise SerialUnknown(serial=transaction, where=run_id or self.workspace.root.name)

    def _context(self, run_id: str) -> RunContext:
        if run_id not in self._contexts:
            self._contexts[run_id] = open_context(self.workspace, run_id, self.ledger)
        return self._contexts[run_id]

    def _image(self, context: RunContext, system: str, table: str) -> Path:
        from etl.capture import open_image

        place = (context.run, f"{system}.{table}")
        if place not in self._clear:
            self._clear[place] = open_image(context.vault, context.run, system, table, self._stack)
        return self._clear[place]

    def _file(self, context: RunContext, relative: str) -> Path:
        place = (context.run, relative)
        if place not in self._clear:
            self._clear[place] = self._stack.enter_context(context.vault.read(context.run, relative))
        return self._clear[place]


@contextmanager
def open_tracer(workspace: Workspace) -> Iterator[Tracer]:
    """A tracer for the `with` block; what it took out of the vault is gone afterwards."""
    from etl.ledger import open_ledger

    with open_ledger(workspace.ledger_place) as ledger, open_engine() as engine, ExitStack() as stack:
        yield Tracer(workspace, ledger, engine, stack)


def trace_serial(workspace: Workspace, serial: str, *, run_id: str | None = None, reveal: bool = False, key_file: Path | None = None) -> Trace:
    """Trace one serial number (see `Tracer.trace`)."""
    with open_tracer(workspace) as tracer:
        return tracer.trace(serial, run_id=run_id, reveal=reveal, key_file=key_file)


def trace_transaction(workspace: Workspace, transaction: str, *, run_id: str | None = None) -> tuple[str, list[tuple[str, str]]]:
    """The lines of a transaction number (see `Tracer.lines_of`)."""
    with open_tracer(workspace) as tracer:
        return tracer.lines_of(transaction, run_id=run_id)


def _allow(keyring: Keyring, key_file: Path | None) -> None:
    """The key given must be the vault's own."""
    from etl.privacy.keys import decode_key

    text = key_file.read_text(encoding="ascii", errors="replace") if key_file else os.environ.get("EASTBOUND_REVEAL_KEY")
    if not text:
        raise RevealKeyMissing()
    try:
        given = decode_key(text, str(key_file or "EASTBOUND_REVEAL_KEY"))
    except EastboundError:
        given = b""
    if not hmac.compare_digest(given, keyring.vault):
        raise RevealRefused(wanted=keyring.fingerprint("vault"))
