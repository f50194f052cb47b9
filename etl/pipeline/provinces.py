"""One package per jurisdiction (监管辖区), cut from a sealed national package: its rows, its rules, its file details.

A part keeps the serial numbers of the whole, so that with the national format its lines are lines of the national files. Each part
is a run of its own in the ledger (options `part_of` and `jurisdiction`), approved and due by itself. Parts are made at once by
several processes: each holds a lock of its own, and opens the vault into a scratch folder of its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.engines import open_engine
from etl.engines.local import literal, quote
from etl.errors import EastboundError
from etl.packs.roots import PackRoots
from etl.packs.snapshot import fingerprint, pack_files, take_snapshot
from etl.pipeline.part_rules import LocalRules, check_part, local_rules
from etl.pipeline.placing import NotWhole, parts_of, place_rows, places, whole_context
from etl.pipeline.road import actor
from etl.pipeline.union import UnionReport, prove_union
from etl.submission.definition import Package, WrittenFile
from etl.submission.local_format import LocalFormat, load_local_format, localised, report_folder
from etl.submission.package import MANIFEST, next_version, package_folder_name, read_manifest, seal_package, verify_package
from etl.submission.writer import write_table

__all__ = ["JurisdictionWithoutRows", "NotWhole", "PartResult", "UnionReport", "jurisdictions_of", "prove_union", "split_one"]

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.ledger.definition import Run
    from etl.pipeline.context import RunContext
    from etl.workspace import Workspace


class JurisdictionWithoutRows(EastboundError):
    zh = "运行 {run} 没有属于辖区 {jurisdiction} 的行；有行的辖区：{known}"
    en = "run {run} has no row of jurisdiction {jurisdiction}; those with rows: {known}"


@dataclass(frozen=True)
class PartResult:
    """One jurisdiction's part: `status` is sealed or blocked, `rows` over all tables, `findings` {error, warning} of its local rules.

    `run` is the part's own id in the ledger; `done_before` says that it was there already, byte for byte.
    """

    jurisdiction: str
    status: str
    package: Path | None
    rows: int
    findings: dict[str, int]
    run: str
    tables: dict[str, int] = field(default_factory=dict)
    report_folder: str = ""
    done_before: bool = False


@dataclass(frozen=True)
class _Order:
    """What a part is made of: the national run, the jurisdiction's overlay, its rules and its file details."""

    context: RunContext
    national: Run
    jurisdiction: str
    local: LocalFormat
    rules: LocalRules
    overlay: dict[str, Path]
    tables: dict[str, int]


def jurisdictions_of(workspace: Workspace, run: str) -> list[str]:
    """The jurisdictions with rows in a sealed national run, in order. Raises RunNotSealed, NotWhole, NotSplit, HeadUnclear, RowsUnplaced."""
    from etl.ledger import open_ledger

    with open_ledger(workspace.ledger_place) as ledger:
        return list(place_rows(whole_context(workspace, ledger, run)))


def split_one(workspace: Workspace, run: str, jurisdiction: str, *, unapproved: bool = False, by: str | None = None, packs: Sequence[str] = ()) -> PartResult:
    """Make, or find, the package of one jurisdiction.

    `unapproved`: without the national package having been approved (its bytes are compared all the same). `by`: who asked for it
    (default: this account). The jurisdiction's rules and file details are those of the packs now; everything else is as it was for
    the national run. Made again with the same packs it is the same version, with the same bytes.
    Raises NotApproved and what `require_approval` raises, JurisdictionWithoutRows, PeriodLocked (another process is making this part),
    PackageRefused, what `jurisdictions_of` raises.
    """
    from etl.approvals.decision import check_package, require_approval
    from etl.ledger import open_ledger, period_lock

    with open_ledger(workspace.ledger_place) as ledger:
        context = whole_context(workspace, ledger, run)
        national = ledger.run(run)
        if unapproved:
            check_package(workspace, national)
        else:
            require_approval(workspace, ledger, run)
        counts = place_rows(context)
        if jurisdiction not in counts:
            raise JurisdictionWithoutRows(run=run, jurisdiction=jurisdiction, known=", ".join(counts) or "-")
        with period_lock(workspace.root, national.standard, f"{national.period}@{jurisdiction}") as lock:
            roots = PackRoots.of(*workspace.packs, *packs)
            folder = roots.overlays(national.standard).get(jurisdiction)
            overlay = pack_files(PackRoots(roots.roots), national.standard) if folder else {}
            overlay = {name: path for name, path in overlay.items() if name.startswith(f"validation_rules/{national.standard}/local/{jurisdiction}/")}
            order = _Order(context, national, jurisdiction, load_local_format(context.standard, jurisdiction, roots),
                           local_rules(context, jurisdiction, roots), overlay, counts[jurisdiction])
            part, done = _part_run(workspace, ledger, order, by or actor())
            lock.name_run(part.id)
            return _result(order, ledger, part.id, done_before=True) if done else _make(workspace, ledger, order, part, by or actor())


def _part_run(workspace: Workspace, ledger: Ledger, order: _Order, by: str) -> tuple[Run, bool]:
    """The part's run in the ledger, and whether it is done: an unfinished one is taken up again, a changed overlay makes a new one."""
    national, overlay = order.national, fingerprint(order.overlay)
    last = parts_of(ledger, national).get(order.jurisdiction)
    if last is not None and last.pack_fingerprint == overlay:
        if last.status == "sealed" and _intact(workspace, last):
            return last, True
        if last.status != "sealed":
            resumed = ledger.resume_run(last.id)
            ledger.append_event(by, "run.resume", last.id, {})
            return resumed, False
    options = {"memory": order.context.request.memory, "jurisdiction": order.jurisdiction, "part_of": national.id}
    part = ledger.start_run(national.standard, national.period, national.report_date, company=national.company, pack_fingerprint=overlay, options=options)
    ledger.append_event(by, "run.start", part.id, {"standard": national.standard, "period": national.period, "report_date": national.report_date.isoformat(),
                                                   "part_of": national.id, "jurisdiction": order.jurisdiction})
    return part, False


def _intact(workspace: Workspace, part: Run) -> bool:
    folder = workspace.root / str(part.package)
    return not verify_package(folder) and read_manifest(folder).get("self") == part.package_sha256


def _make(workspace: Workspace, ledger: Ledger, order: _Order, part: Run, by: str) -> PartResult:
    """Check, write and seal one part; however that ends, the ledger knows."""
    base = workspace.run_folder(part.id)
    with _closing(ledger, part.id, base):
        base.mkdir(parents=True, exist_ok=True)
        take_snapshot(order.overlay, base / "packs") if order.overlay else None
        for table, rows in order.tables.items():
            ledger.record_stage(part.id, "split", table, rows_in=rows, rows_out=rows, rows_aside=0)
        ledger.record_findings(part.id, check_part(order.context, order.jurisdiction, order.rules, base / "findings", part.id, _earlier(workspace, ledger, order, part)))
        totals = _totals(ledger, part.id)
        if any(o.severity == "error" and o.outcome in ("failed", "errored") for o in ledger.findings(part.id)):
            ledger.finish_run(part.id, "blocked", message={"code": "findings", **totals})
            ledger.append_event(by, "run.blocked", part.id, totals)
            return _result(order, ledger, part.id)
        files = _write(order, base)
        package = _seal(workspace, ledger, order, base / "text", files)
        for file in files:
            path = (package.folder / file.name).relative_to(workspace.root).as_posix()
            ledger.record_artefact(part.id, "seal", file.table, path, sha256=file.sha256, bytes=file.bytes, rows=file.rows)
        done = ledger.finish_run(part.id, "sealed", package=package.folder.relative_to(workspace.root).as_posix(), package_sha256=package.sha256)
        ledger.append_event(by, "run.sealed", part.id, {"package": done.package, "package_sha256": done.package_sha256, "part_of": order.national.id})
    return _result(order, ledger, part.id)


@contextmanager
def _closing(ledger: Ledger, run: str, base: Path) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        if ledger.run(run).status == "running":
            ledger.finish_run(run, "failed" if isinstance(error, Exception) else "interrupted", message={"code": type(error).__name__})
        raise
    finally:
        shutil.rmtree(base / "rows", ignore_errors=True)


def _earlier(workspace: Workspace, ledger: Ledger, order: _Order, part: Run) -> Any:
    """The part that was made of this jurisdiction before, to tell new findings from those still open."""
    from etl.pipeline.earlier import Earlier, finding_files

    before = next((run for run in ledger.runs(part.standard, part.period, parts=True)
                   if run.part_of and run.jurisdiction == order.jurisdiction and run.id != part.id and run.started_at < part.started_at and ledger.findings(run.id)), None)
    return Earlier(before.id, finding_files(workspace, before.id)) if before else None


def _write(order: _Order, base: Path) -> list[WrittenFile]:
    """The part's files, every table of the standard one; with a standard split by an item, the tables that this part has rows of."""
    context, local = order.context, localised(order.context.standard, order.local)
    text, rows = base / "text", base / "rows"
    shutil.rmtree(text, ignore_errors=True)
    text.mkdir(parents=True)
    request, files = context.request, []
    with context.vault.scratch() as spill, open_engine(spill, memory=request.memory) as engine:
        for table in local.submitted_tables:
            if local.split_by and table.code not in order.tables:
                continue
            # Rows of a part stay in the order of the national file, numbered anew for the writer.
            sql = (f"SELECT m.* EXCLUDE (_row), row_number() OVER (ORDER BY m._row) AS _row, p.serial AS _serial FROM read_parquet({literal(str(context.masked(table.code)))}) AS m "
                   f"JOIN read_parquet({literal(str(places(context, table.code)))}) AS p USING (_row) WHERE p.jurisdiction = {literal(order.jurisdiction)} ORDER BY {quote('_row')}")
            engine.write_parquet(sql, rows / f"{table.code}.parquet")
            files.append(write_table(
                rows / f"{table.code}.parquet", table, local, company=context.company, period=request.period, report_date=request.report_date, first_sequence=1, folder=text,
                engine=engine, part=order.jurisdiction if local.split_by else "", serials="_serial" if local.serial else None))
    return files


def _seal(workspace: Workspace, ledger: Ledger, order: _Order, text: Path, files: list[WrittenFile]) -> Package:
    """Have the part re-read and put it in its place: packages/<standard>/<period>/<jurisdiction>/<version>/<folder>."""
    context, local, request = order.context, localised(order.context.standard, order.local), order.context.request
    whole = read_manifest(workspace.root / str(order.national.package))
    base = workspace.package_base(local.name, request.period.label) / order.jurisdiction
    target = next_version(base) / package_folder_name(local, context.company, request.period, request.report_date)
    told: dict[str, Any] = {
        "jurisdiction": order.jurisdiction, "of": {"folder": Path(str(order.national.package)).name, "package_sha256": order.national.package_sha256},
        "format": order.local.overrides(), "local_fingerprint": fingerprint(order.overlay),
        "report_folder": report_folder(order.local, context.company, request.period, request.report_date)}
    extra = {name: whole[name] for name in ("pack_fingerprint", "masking_key_fingerprint") if name in whole}
    package = seal_package(files, text, target, local, company=context.company, period=request.period, report_date=request.report_date, extra=extra, part=told)
    return _adopt_forgotten(workspace, ledger, order, base, package)


def _adopt_forgotten(workspace: Workspace, ledger: Ledger, order: _Order, base: Path, package: Package) -> Package:
    """A part killed between the package's appearance and its entry in the ledger left a version that nobody knows: the same bytes, so it is the one."""
    known = {run.package for run in ledger.runs(order.national.standard, order.national.period, parts=True) if run.package}
    for version in sorted(path for path in base.iterdir() if path != package.folder.parent):
        folder = version / package.folder.name
        if (folder / MANIFEST).is_file() and folder.relative_to(workspace.root).as_posix() not in known and read_manifest(folder).get("self") == package.sha256:
            shutil.rmtree(package.folder.parent)
            return Package(folder, package.manifest, package.sha256)
    return package


def _totals(ledger: Ledger, run: str) -> dict[str, int]:
    totals = {"error": 0, "warning": 0}
    for outcome in ledger.findings(run):
        totals[outcome.severity] += outcome.failed or (1 if outcome.outcome == "errored" else 0)
    return totals


def _result(order: _Order, ledger: Ledger, part: str, *, done_before: bool = False) -> PartResult:
    run, request = ledger.run(part), order.context.request
    return PartResult(order.jurisdiction, run.status, order.context.workspace.root / run.package if run.package else None, sum(order.tables.values()), _totals(ledger, part),
                      part, dict(order.tables), report_folder(order.local, order.context.company, request.period, request.report_date), done_before)
