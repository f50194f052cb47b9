"""The ledger's API: small verbs in, frozen dataclasses out."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import IntegrityError

from etl.ledger import chain
from etl.ledger.database import connect_ledger, ledger_url, migrate, writing
from etl.ledger.definition import (
    FINAL_STATUSES,
    INTERRUPTED,
    OUTCOMES,
    RUNNING,
    SEALED,
    SEVERITIES,
    Artefact,
    AuditEvent,
    ChainReport,
    MappingCount,
    RuleOutcome,
    Run,
    StageCount,
)
from etl.ledger.errors import RowsLost, RunStateWrong, RunUnknown
from etl.ledger.models import (
    ArtefactRow,
    AuditEventRow,
    FindingsSummaryRow,
    MappingCountRow,
    RunRow,
    StageCountRow,
)
from etl.ledger.process import host_name, is_alive, process_token
from etl.ledger.serials import allocate, allocate_batch, number_events


def open_ledger(place: str | os.PathLike[str]) -> Ledger:
    """Open the ledger at a path (SQLite) or URL, creating or migrating its tables first.

    Raises LedgerTooNew when a newer program wrote it, LedgerBroken when it cannot be read.
    """
    engine = connect_ledger(ledger_url(place))
    try:
        migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    return Ledger(engine)


class Ledger:
    """An open ledger. Safe for several threads and processes; close it, or use it in a `with`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._engine.dispose()

    # -- runs

    def start_run(self, standard: str, period: str, report_date: date, *, company: str, pack_fingerprint: str,
                  options: Mapping[str, Any] | None = None) -> Run:
        """Open a run of this process. Its id is the report date and six random digits."""
        while True:
            run_id = f"{report_date:%Y%m%d}-{secrets.token_hex(3)}"
            values = {
                "id": run_id, "standard": standard, "period": period, "report_date": report_date, "status": RUNNING,
                "started_at": _now(), "company": company, "pack_fingerprint": pack_fingerprint, "options": dict(options or {}),
                **_this_process(),
            }
            try:
                with writing(self._engine) as connection:
                    connection.execute(sa.insert(RunRow), values)
                return self.run(run_id)
            except IntegrityError:
                continue

    def resume_run(self, run_id: str) -> Run:
        """Take an unsealed run up again in this process."""
        with writing(self._engine) as connection:
            run = self._get_run(connection, run_id)
            if run.status == SEALED:
                raise RunStateWrong(run=run_id, status=run.status, wanted=RUNNING)
            self._update_run(connection, run_id, status=RUNNING, finished_at=None, message=None, **_this_process())
        return self.run(run_id)

    def finish_run(self, run_id: str, status: str, *, message: Mapping[str, Any] | None = None, package: str | None = None,
                   package_sha256: str | None = None) -> Run:
        """Close a running run as blocked, sealed, failed or interrupted.

        `message` holds codes, places and counts only: no sentence, no personal value.
        """
        if status not in FINAL_STATUSES:
            raise ValueError(f"{status!r} is not one of {', '.join(FINAL_STATUSES)}")
        with writing(self._engine) as connection:
            run = self._get_run(connection, run_id)
            if run.status != RUNNING:
                raise RunStateWrong(run=run_id, status=run.status, wanted=status)
            self._update_run(connection, run_id, status=status, finished_at=_now(), message=None if message is None else dict(message),
                             package=package, package_sha256=package_sha256)
        return self.run(run_id)

    def run(self, run_id: str) -> Run:
        """The run with this id. Raises RunUnknown."""
        with self._engine.connect() as connection:
            return self._get_run(connection, run_id)

    def runs(self, standard: str | None = None, period: str | None = None, *, parts: bool = False) -> list[Run]:
        """Runs from the latest to the first, optionally of one standard and period; `parts`: with the parts that packages were split into."""
        query = select(RunRow.__table__).order_by(RunRow.started_at.desc(), RunRow.id.desc())
        if standard is not None:
            query = query.where(RunRow.standard == standard)
        if period is not None:
            query = query.where(RunRow.period == period)
        with self._engine.connect() as connection:
            found = [_as_run(row) for row in connection.execute(query).mappings()]
        return found if parts else [run for run in found if not run.part_of]

    def mark_interrupted(self, *, locked: tuple[str, str] | None = None) -> list[str]:
        """Close running runs whose process died on this machine; returns their ids.

        `locked`: (standard, period) whose period lock the caller holds. No other run of it can be alive then, so its
        running runs are closed even when another machine, or a container that is gone, started them.
        """
        closed = []
        with writing(self._engine) as connection:
            rows = connection.execute(select(RunRow.__table__).where(RunRow.status == RUNNING).order_by(RunRow.started_at)).mappings()
            for row in rows.all():
                if row["options"].get("owner"):
                    continue  # between two tasks of a scheduler's run no process is alive; its owner or `release` ends it
                own = row["host"] == host_name()
                this_process = own and row["pid"] == os.getpid() and is_alive(row["pid"], row["process_token"])
                # Parts are made under locks of their own.
                held = locked == (row["standard"], row["period"]) and not this_process and not row["options"].get("part_of")
                if held or (own and not is_alive(row["pid"], row["process_token"])):
                    self._update_run(connection, row["id"], status=INTERRUPTED, finished_at=_now(), message={"code": "process_gone"})
                    closed.append(row["id"])
        return closed

    # -- what the stages did

    def record_stage(self, run_id: str, stage: str, table: str, *, rows_in: int, rows_out: int, rows_aside: int,
                     seconds: float = 0.0) -> None:
        """Note the three numbers of a table in a stage; again replaces. Raises RowsLost when they do not balance."""
        if rows_in != rows_out + rows_aside:
            raise RowsLost(stage=stage, table=table, rows_in=rows_in, rows_out=rows_out, rows_aside=rows_aside)
        with writing(self._engine) as connection:
            self._get_run(connection, run_id)
            _put(connection, StageCountRow, [{"run": run_id, "stage": stage, "table": table, "rows_in": rows_in, "rows_out": rows_out,
                                              "rows_aside": rows_aside, "seconds": seconds, "finished_at": _now()}])

    def forget_stages(self, run_id: str) -> None:
        """Drop what the stages of an unsealed run noted: it is to be walked anew, from the sources on."""
        with writing(self._engine) as connection:
            run = self._get_run(connection, run_id)
            if run.status == SEALED:
                raise RunStateWrong(run=run_id, status=run.status, wanted=RUNNING)
            connection.execute(sa.delete(StageCountRow).where(StageCountRow.run == run_id))

    def stages(self, run_id: str) -> list[StageCount]:
        """Counts of a run in the order in which they were noted."""
        return [StageCount(**row) for row in self._rows_of(run_id, StageCountRow, "finished_at", "stage", "table")]

    def record_artefact(self, run_id: str, stage: str, table: str, path: str, *, sha256: str, bytes: int, rows: int) -> None:
        """Note a file that a stage wrote, by its path relative to the workspace; again replaces."""
        relative = path.replace(os.sep, "/")
        if relative.startswith("/") or ".." in relative.split("/"):
            raise ValueError("the path of an artefact is relative to the workspace and stays inside it")
        with writing(self._engine) as connection:
            self._get_run(connection, run_id)
            _put(connection, ArtefactRow, [{"run": run_id, "stage": stage, "table": table, "path": relative, "sha256": sha256,
                                            "bytes": bytes, "rows": rows}])

    def artefacts(self, run_id: str, stage: str | None = None) -> list[Artefact]:
        rows = self._rows_of(run_id, ArtefactRow, "stage", "table", "path")
        return [Artefact(**row) for row in rows if stage is None or row["stage"] == stage]

    def record_findings(self, run_id: str, outcomes: Iterable[RuleOutcome]) -> None:
        """Note what each rule did, replacing all that was noted for the run before."""
        rows = [{"run": run_id, **asdict(outcome)} for outcome in outcomes]
        for row in rows:
            if row["outcome"] not in OUTCOMES or row["severity"] not in SEVERITIES:
                raise ValueError(f"rule {row['rule']}: outcome {row['outcome']!r} or severity {row['severity']!r} is unknown")
        self._replace(run_id, FindingsSummaryRow, rows)

    def findings(self, run_id: str) -> list[RuleOutcome]:
        """Outcome of every rule of a run, by rule id."""
        return [RuleOutcome(**_without_run(row)) for row in self._rows_of(run_id, FindingsSummaryRow, "rule")]

    def rule_history(self, rule: str, standard: str | None = None) -> list[tuple[Run, RuleOutcome]]:
        """What a rule did in every run that knew it, the latest run first."""
        found, runs = FindingsSummaryRow.__table__, RunRow.__table__
        query = select(found).join(runs, runs.c.id == found.c.run).where(found.c.rule == rule).order_by(runs.c.started_at.desc(), runs.c.id.desc())
        if standard is not None:
            query = query.where(runs.c.standard == standard)
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
            return [(self._get_run(connection, row["run"]), RuleOutcome(**_without_run(dict(row)))) for row in rows]

    def record_mapping(self, run_id: str, counts: Iterable[MappingCount], *, table: str | None = None) -> None:
        """Note how each item's values came about, replacing all that was noted before for the run, or for its `table`."""
        rows = [{"run": run_id, **asdict(count)} for count in counts]
        self._replace(run_id, MappingCountRow, rows, *([] if table is None else [MappingCountRow.table == table]))

    def mapping(self, run_id: str) -> list[MappingCount]:
        return [MappingCount(**_without_run(row)) for row in self._rows_of(run_id, MappingCountRow, "table", "item")]

    def allocate_serials(self, company: str, report_date: date, standard: str, period: str, count: int) -> int:
        """First of `count` serial numbers (from 1) of `company` on `report_date`; see `etl.ledger.serials`."""
        with writing(self._engine) as connection:
            return allocate(connection, company, report_date, standard, period, count)

    def allocate_batch(self, company: str, kind: str, standard: str, period: str, part: int = 1) -> int:
        """Sequence of the batch that is `part` of `kind` for the period; the same question gets the same answer."""
        with writing(self._engine) as connection:
            return allocate_batch(connection, company, kind, standard, period, part)

    def number_events(self, company: str, day: date, standard: str, period: str, events: Sequence[str]) -> dict[str, int]:
        """A sequence number per event of the day; an event keeps its number for ever, new ones are numbered in the order given."""
        with writing(self._engine) as connection:
            return number_events(connection, company, day, standard, period, events)

    # -- audit chain

    def append_event(self, actor: str, action: str, subject: str, detail: Mapping[str, Any] | None = None) -> AuditEvent:
        """Add a link to the audit chain. `detail`: JSON, without personal values. Returns it with its number and hash."""
        with writing(self._engine) as connection:
            seq = append_link(connection, actor, action, subject, detail)
        return self.events(from_seq=seq, limit=1)[0]

    def events(self, *, subject: str | None = None, from_seq: int = 1, limit: int | None = None) -> list[AuditEvent]:
        """Events in order, optionally those about one subject."""
        query = select(AuditEventRow.__table__).where(AuditEventRow.seq >= from_seq).order_by(AuditEventRow.seq).limit(limit)
        if subject is not None:
            query = query.where(AuditEventRow.subject == subject)
        with self._engine.connect() as connection:
            return [_as_event(row) for row in connection.execute(query).mappings()]

    def chain_head(self) -> AuditEvent | None:
        """The last event: kept elsewhere, it lets `verify_chain` see a chain that was cut off or rewritten."""
        with self._engine.connect() as connection:
            row = connection.execute(select(AuditEventRow.__table__).order_by(AuditEventRow.seq.desc()).limit(1)).mappings().first()
        return None if row is None else _as_event(row)

    def verify_chain(self, noted: AuditEvent | None = None) -> ChainReport:
        """Check every link; the report names the first broken one. `noted`: an event remembered outside the ledger."""
        a = AuditEventRow
        query = select(a.seq, a.at, a.actor, a.action, a.subject, a.detail, a.prev_hash, a.hash).order_by(a.seq)
        with self._engine.connect().execution_options(yield_per=10_000) as connection:
            return chain.check_links((tuple(row) for row in connection.execute(query)), noted)

    # -- shared steps

    def _get_run(self, connection: Connection, run_id: str) -> Run:
        row = connection.execute(select(RunRow.__table__).where(RunRow.id == run_id)).mappings().first()
        if row is None:
            raise RunUnknown(run=run_id)
        return _as_run(row)

    def _update_run(self, connection: Connection, run_id: str, **values: Any) -> None:
        connection.execute(sa.update(RunRow).where(RunRow.id == run_id).values(**values))

    def _rows_of(self, run_id: str, model: Any, *order: str) -> list[dict[str, Any]]:
        table = model.__table__
        with self._engine.connect() as connection:
            self._get_run(connection, run_id)
            rows = connection.execute(select(table).where(table.c.run == run_id).order_by(*(table.c[name] for name in order)))
            return [dict(row) for row in rows.mappings()]

    def _replace(self, run_id: str, model: Any, rows: list[dict[str, Any]], *only: Any) -> None:
        with writing(self._engine) as connection:
            self._get_run(connection, run_id)
            connection.execute(sa.delete(model).where(model.run == run_id, *only))
            if rows:
                connection.execute(sa.insert(model), rows)


def append_link(connection: Connection, actor: str, action: str, subject: str, detail: Mapping[str, Any] | None = None) -> int:
    """Add a link to the audit chain inside a write transaction, so that it stands or falls with what it tells of. Returns its number."""
    last = connection.execute(select(AuditEventRow.seq, AuditEventRow.hash).order_by(AuditEventRow.seq.desc()).limit(1)).first()
    seq, prev_hash = (last.seq + 1, last.hash) if last else (1, chain.GENESIS)
    at, text = chain.moment_text(_now()), chain.detail_text(detail or {})
    values = {"seq": seq, "at": at, "actor": actor, "action": action, "subject": subject, "detail": text, "prev_hash": prev_hash}
    connection.execute(sa.insert(AuditEventRow), {**values, "hash": chain.link_hash(**values)})
    return int(seq)


def _put(connection: Connection, model: Any, rows: list[dict[str, Any]]) -> None:
    """Insert rows, or replace those with the same primary key."""
    keys = [column.name for column in model.__table__.primary_key]
    for row in rows:
        connection.execute(sa.delete(model).where(*(getattr(model, key) == row[key] for key in keys)))
    connection.execute(sa.insert(model), rows)


def _as_run(row: Mapping[str, Any]) -> Run:
    return Run(**{name: row[name] for name in Run.__dataclass_fields__})


def _as_event(row: Mapping[str, Any]) -> AuditEvent:
    at = datetime.strptime(row["at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    return AuditEvent(**{**row, "at": at, "detail": json.loads(row["detail"])})


def _without_run(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "run"}


def _this_process() -> dict[str, Any]:
    return {"host": host_name(), "pid": os.getpid(), "process_token": process_token()}


def _now() -> datetime:
    return datetime.now(UTC)
