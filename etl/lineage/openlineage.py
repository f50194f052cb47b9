"""A run of the ledger as OpenLineage events: one job for the whole run, and one for each stage below it.

Every event is made from the ledger and the packs of the run, its id and times too: the events of an old run are the same events.
No value of a row is ever in one, only names, counts and the expressions of the packs.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from openlineage.client.facet_v2 import error_message_run, job_type_job, nominal_time_run, parent_run, processing_engine_run, tags_run

from etl import __version__
from etl.ledger.definition import BLOCKED, FAILED, INTERRUPTED, SEALED, StageCount
from etl.lineage.columns import TableOrigins, is_masked, table_origins
from etl.lineage.datasets import (
    NAMESPACE,
    PRODUCER,
    DatasetNames,
    assertions,
    column_copies,
    copied_lineage,
    facet,
    item_schema,
    kind_facets,
    made,
    mapped_lineage,
    read,
    source_schema,
)

STAGES = ("extract", "standardise", "check", "mask", "write", "seal")
SHANGHAI = ZoneInfo("Asia/Shanghai")
ENDS = {SEALED: RunState.COMPLETE, BLOCKED: RunState.FAIL, FAILED: RunState.FAIL, INTERRUPTED: RunState.ABORT}
# Never change: the ids of all events ever sent follow from it.
IDS = uuid.UUID("5d0f6a52-6f0e-5f0b-9a55-0d5a2c0e7b11")


def event_run_id(run: str, stage: str = "") -> str:
    """The OpenLineage run id of a run of the ledger, or of one of its stages."""
    return str(uuid.uuid5(IDS, f"{run}/{stage}" if stage else run))


class RunEvents:
    """The events of one run. `context` is an `etl.lineage.emit.Emitting`."""

    def __init__(self, context: Any) -> None:
        self.context, self.names = context, DatasetNames(context)
        self.ledger, self.id = context.ledger, context.run

    def start(self, at: datetime | None = None) -> RunEvent:
        """The run begins, by default when the ledger says; `at`: it was taken up again."""
        return self._event(RunState.START, at or self.run.started_at)

    def end(self) -> RunEvent | None:
        """How the run ended; None while it is at work. A sealed run tells which submitted item comes from which source column."""
        run = self.ledger.run(self.id)
        state = ENDS.get(run.status)
        if state is None or run.finished_at is None:
            return None
        if state is not RunState.COMPLETE:
            message = dict(run.message or {})
            told = " ".join(f"{name}={value}" for name, value in message.items() if isinstance(value, (int, str)))
            error = facet(error_message_run.ErrorMessageRunFacet, message=f"{run.status}: {told}".rstrip(": "), programmingLanguage="PYTHON")
            return self._event(state, run.finished_at, facets={"errorMessage": error} if state is RunState.FAIL else {})
        return self._event(state, run.finished_at, inputs=self._sources(), outputs=self._submitted(whole=True))

    def stage(self, stage: str) -> list[RunEvent]:
        """The stage begins, the stage is complete; nothing where the ledger has no numbers of it."""
        counts = {one.table: one for one in self.ledger.stages(self.id) if one.stage == stage}
        if not counts or stage not in STAGES:
            return []
        begun = max(min(one.finished_at - timedelta(seconds=one.seconds) for one in counts.values()), self.run.started_at)
        inputs, outputs = getattr(self, f"_{stage}")(counts)
        ended = max(one.finished_at for one in counts.values())
        return [self._event(RunState.START, begun, stage), self._event(RunState.COMPLETE, ended, stage, inputs, outputs)]

    def all(self) -> list[RunEvent]:
        """Every event of the run in order of time."""
        found = [self.start(), *(event for stage in STAGES for event in self.stage(stage))]
        end = self.end()
        return [*found, end] if end else found

    # -- the run

    @cached_property
    def run(self) -> Any:
        return self.ledger.run(self.id)

    def _event(self, state: RunState, at: datetime, stage: str = "", inputs: Any = (), outputs: Any = (), facets: dict[str, Any] | None = None) -> RunEvent:
        period = self.context.request.period
        own: dict[str, Any] = {
            "nominalTime": facet(nominal_time_run.NominalTimeRunFacet, nominalStartTime=_day(period.start), nominalEndTime=_day(period.end + timedelta(days=1))),
            "processing_engine": facet(processing_engine_run.ProcessingEngineRunFacet, version=__version__, name="eastbound"),
            "tags": facet(tags_run.TagsRunFacet, tags=[
                tags_run.TagsRunFacetFields(key, str(value), "EASTBOUND") for key, value in (
                    ("run", self.id), ("standard", self.run.standard), ("period", self.run.period), ("report_date", self.run.report_date),
                    ("jurisdiction", self.context.request.jurisdiction), ("packs", self.run.pack_fingerprint), ("owner", self.run.options.get("owner"))) if value]),
            **(facets or {})}
        name = f"{self.names.base}.{stage}" if stage else self.names.base
        if stage:
            own["parent"] = facet(parent_run.ParentRunFacet, run=parent_run.Run(event_run_id(self.id)), job=parent_run.Job(NAMESPACE, self.names.base))
        job_type = facet(job_type_job.JobTypeJobFacet, processingType="BATCH", integration="EASTBOUND", jobType="STAGE" if stage else "RUN")
        return RunEvent(eventTime=_moment(at), producer=PRODUCER, eventType=state, run=Run(event_run_id(self.id, stage), own),
                        job=Job(NAMESPACE, name, {"jobType": job_type}), inputs=list(inputs), outputs=list(outputs))

    # -- what the stages read and made

    def _extract(self, counts: dict[str, StageCount]) -> tuple[list, list]:
        outputs = []
        for system, table in sorted(self.context.mappings.sources):
            count, columns = counts.get(f"{system}.{table}"), self.context.systems[system].tables[table].columns
            outputs.append(made(self.names.extracted(system, table), rows=count.rows_out if count else None, facets={
                **kind_facets("TABLE", self.id), **source_schema(columns), **column_copies(columns, self.names.source(system, table))}))
        return self._sources(counts), outputs

    def _sources(self, counts: dict[str, StageCount] | None = None) -> list:
        if counts is None:
            counts = {one.table: one for one in self.ledger.stages(self.id) if one.stage == "extract"}
        return [read(self.names.source(system, table), rows=counts[f"{system}.{table}"].rows_in if f"{system}.{table}" in counts else None,
                     facets=source_schema(self.context.systems[system].tables[table].columns))
                for system, table in sorted(self.context.mappings.sources)]

    def _standardise(self, counts: dict[str, StageCount]) -> tuple[list, list]:
        inputs = [read(self.names.extracted(system, table)) for system, table in sorted(self.context.mappings.sources)]
        outputs = [made(self.names.table(table.code), rows=counts[table.code].rows_out if table.code in counts else None, facets={
            **kind_facets("TABLE", self.id), **item_schema(table.items), **mapped_lineage(table, self.origins[table.code], self.names.extracted)})
            for table in self.context.standard.ordered_tables]
        return inputs, outputs

    def _check(self, counts: dict[str, StageCount]) -> tuple[list, list]:
        outcomes = self.ledger.findings(self.id)
        return [read(self.names.table(table.code), rows=counts[table.code].rows_in if table.code in counts else None, facets=kind_facets("TABLE", self.id),
                     assertions=assertions(table, outcomes)) for table in self.context.standard.ordered_tables], []

    def _mask(self, counts: dict[str, StageCount]) -> tuple[list, list]:
        return self._onward(counts, self.names.table, self.names.masked, "TABLE", self._masked, assigned=False)

    def _write(self, counts: dict[str, StageCount]) -> tuple[list, list]:
        inputs, _ = self._onward(counts, self.names.masked, self.names.submitted, "FILE", lambda item: False, assigned=False)
        return inputs, self._submitted(counts)

    def _onward(self, counts: dict[str, StageCount], before: Any, after: Any, kind: str, masked: Any, *, assigned: bool) -> tuple[list, list]:
        tables = self.context.standard.submitted_tables
        inputs = [read(before(t.code), rows=counts[t.code].rows_in if t.code in counts else None) for t in tables]
        outputs = [made(after(t.code), rows=counts[t.code].rows_out if t.code in counts else None, facets={
            **kind_facets(kind, self.id), **item_schema(t.items), **copied_lineage(t, before(t.code), masked, assigned=assigned)}) for t in tables]
        return inputs, outputs

    def _seal(self, counts: dict[str, StageCount]) -> tuple[list, list]:
        run, files = self.ledger.run(self.id), self.ledger.artefacts(self.id, "seal")
        inputs = [read(self.names.submitted(table.code)) for table in self.context.standard.submitted_tables]
        return inputs, [made(self.names.package(), rows=sum(one.rows_out for one in counts.values()), size=sum(file.bytes for file in files), files=len(files),
                             facets=kind_facets("FILE", run.package_sha256 or self.id))]

    def _submitted(self, counts: dict[str, StageCount] | None = None, *, whole: bool = False) -> list:
        """The submitted files; `whole`: with lineage from the core systems on, else from the masked tables."""
        counts = counts or {one.table: one for one in self.ledger.stages(self.id) if one.stage == "write"}
        files = self.ledger.artefacts(self.id, "seal") if whole else []
        outputs = []
        for table in self.context.standard.submitted_tables:
            own = [file for file in files if file.table == table.code]
            lineage = (mapped_lineage(table, self.origins[table.code], self.names.source, self._masked) if whole
                       else copied_lineage(table, self.names.masked(table.code), assigned=False))
            outputs.append(made(self.names.submitted(table.code), rows=counts[table.code].rows_out if table.code in counts else None,
                                size=sum(file.bytes for file in own) if own else None, files=len(own) or None,
                                facets={**kind_facets("FILE", self.id), **item_schema(table.items), **lineage}))
        return outputs

    def _masked(self, item: Any) -> bool:
        return is_masked(self.context.standard, item)

    @cached_property
    def origins(self) -> dict[str, TableOrigins]:
        return {code: table_origins(mapping) for code, mapping in self.context.mappings.tables.items()}


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _day(day: Any) -> str:
    return datetime.combine(day, time(), SHANGHAI).isoformat()
