"""The proof that the parts of a package are, together, the package: every line once, none changed, the sums the same.

It reads the sealed files themselves, national and local, and shares nothing with what cut them. Lines are walked in the order of
their serial numbers, so that memory stays flat; where a jurisdiction has an encoding of its own, texts are compared instead of bytes.
"""

from __future__ import annotations

import heapq
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.files import whole_file
from etl.pipeline.placing import PLACES, parts_of, place_rows, whole_context
from etl.pipeline.road import actor
from etl.standard.jurisdictions import with_part_format
from etl.submission.package import canonical_json, read_manifest, verify_package

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.ledger.definition import Run
    from etl.standard.definition import FileFormat, Standard, Table
    from etl.workspace import Workspace

FILE, EVENT = "union.json", "provincial.union"
LISTED = 100


@dataclass(frozen=True)
class UnionTable:
    """One table: rows and control totals of the whole and of the parts together; serial numbers missing, too many, or with another line.

    Each list holds the first hundred; the counts are of all.
    """

    table: str
    rows_whole: int
    rows_parts: int
    totals_whole: dict[str, str]
    totals_parts: dict[str, str]
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    missing_rows: int = 0
    extra_rows: int = 0
    changed_rows: int = 0

    @property
    def equal(self) -> bool:
        return (self.rows_whole, self.totals_whole, 0, 0, 0) == (self.rows_parts, self.totals_parts, self.missing_rows, self.extra_rows, self.changed_rows)


@dataclass(frozen=True)
class UnionReport:
    """`parts`: jurisdiction -> its run and package. `absent`: jurisdictions with rows and no sealed part. `damaged`: packages that are not as sealed."""

    run: str
    standard: str
    period: str
    package_sha256: str
    equal: bool
    tables: list[UnionTable]
    parts: dict[str, dict[str, Any]]
    absent: list[str]
    damaged: list[str]
    path: Path


def prove_union(workspace: Workspace, run: str, *, by: str | None = None) -> UnionReport:
    """Compare the sealed parts of a national run with its package; kept in `runs/<run>/places/union.json` and in the audit chain.

    Raises RunUnknown, RunNotSealed, NotWhole, and what finding the jurisdictions raises.
    """
    import hashlib

    from etl.ledger import open_ledger

    with open_ledger(workspace.ledger_place) as ledger:
        context = whole_context(workspace, ledger, run)
        national = ledger.run(run)
        wanted = place_rows(context)
        sealed = {name: part for name, part in sorted(parts_of(ledger, national).items()) if part.status == "sealed"}
        folders = {name: workspace.root / str(part.package) for name, part in sealed.items()}
        whole = workspace.root / str(national.package)
        damaged = [name for name, folder, kept in [("", whole, national), *((n, folders[n], sealed[n]) for n in folders)] if not _as_sealed(folder, kept)]
        absent = [name for name in wanted if name not in sealed]
        readable = {name: folder for name, folder in folders.items() if name not in damaged}
        tables = [_compare(context.standard, table, whole, readable) for table in context.standard.submitted_tables] if "" not in damaged else []
        report = UnionReport(run, national.standard, national.period, str(national.package_sha256), not absent and not damaged and all(t.equal for t in tables), tables,
                             {name: {"run": part.id, "package": part.package, "package_sha256": part.package_sha256} for name, part in sealed.items()}, absent,
                             [name or "national" for name in damaged], context.folder / PLACES / FILE)
        text = canonical_json(as_record(report))
        with whole_file(report.path) as partial:
            partial.write_bytes(text)
        _note(ledger, report, hashlib.sha256(text).hexdigest(), by or actor())
        return report


def as_record(report: UnionReport) -> dict[str, Any]:
    """The report as scripts get it."""
    told = {name: value for name, value in vars(report).items() if name not in ("tables", "path")}
    return {**told, "tables": [{**asdict(table), "equal": table.equal} for table in report.tables]}


def _note(ledger: Ledger, report: UnionReport, sha256: str, by: str) -> None:
    rows = {side: sum(getattr(table, f"rows_{side}") for table in report.tables) for side in ("whole", "parts")}
    ledger.append_event(by, EVENT, report.run, {
        "equal": report.equal, "package_sha256": report.package_sha256, "rows_whole": rows["whole"], "rows_parts": rows["parts"], "report_sha256": sha256,
        "absent": report.absent, "damaged": report.damaged, "parts": {name: part["package_sha256"] for name, part in report.parts.items()}})


def _as_sealed(folder: Path, run: Run) -> bool:
    return not verify_package(folder) and read_manifest(folder).get("self") == run.package_sha256


def _compare(standard: Standard, table: Table, whole: Path, parts: dict[str, Path]) -> UnionTable:
    """One table of the national package against that table of every part."""
    formats = {name: with_part_format(standard, name, read_manifest(folder)["part"]["format"]).format for name, folder in parts.items()}
    place = next((n for n, item in enumerate(table.items) if item.role == "serial"), None) if standard.serial else None
    names = sorted(parts)
    theirs = [_lines(parts[name], table, formats[name], name, place) for name in names]
    mine = _numbered(whole, table, standard.format, place, names) if place is None else _lines(whole, table, standard.format, "", place)
    found: dict[str, list[str]] = {"missing": [], "extra": [], "changed": []}
    counts: dict[str, int] = defaultdict(int)

    def note(kind: str, key: str) -> None:
        counts[kind] += 1
        if len(found[kind]) < LISTED:
            found[kind].append(key)

    merged = heapq.merge(*theirs, key=lambda one: one[0])
    left, right = next(mine, None), next(merged, None)
    while left or right:
        if right is None or (left is not None and left[0] < right[0]):
            note("missing", left[0])  # type: ignore[index]
            left = next(mine, None)
        elif left is None or right[0] < left[0]:
            note("extra", right[0])
            right = next(merged, None)
        else:
            if left[1] != right[1]:
                note("changed", left[0])
            left, right = next(mine, None), next(merged, None)
    rows_whole, totals_whole = _claimed([whole], table)
    rows_parts, totals_parts = _claimed([parts[name] for name in names], table)
    # Without a file there is no total; none and nothing are the same.
    zero = {item: f"{Decimal(0):.{max(-int(Decimal(t).as_tuple().exponent), 0)}f}" for item, t in {**totals_parts, **totals_whole}.items()}
    return UnionTable(table.code, rows_whole, rows_parts, {**zero, **totals_whole}, {**zero, **totals_parts}, **found,
                      missing_rows=counts["missing"], extra_rows=counts["extra"], changed_rows=counts["changed"])


def _claimed(folders: list[Path], table: Table) -> tuple[int, dict[str, str]]:
    """(rows, sums of the numeric items) of a table over packages, by manifests that the independent reader has recounted."""
    rows, sums = 0, {}
    for folder in folders:
        for entry in _entries(folder, table):
            rows += int(entry["rows"])
            for item, total in entry["totals"].items():
                sums[item] = sums.get(item, Decimal(0)) + Decimal(total)
    return rows, {item: str(total) for item, total in sorted(sums.items())}


def _entries(folder: Path, table: Table) -> list[dict[str, Any]]:
    return sorted((entry for entry in read_manifest(folder)["tables"] if entry["table"] == table.code), key=lambda entry: str(entry["file"]))


def _lines(folder: Path, table: Table, fmt: FileFormat, part: str, place: int | None) -> Iterator[tuple[str, str]]:
    """(serial number, line) of a package's table; without serial numbers a line is named by its part and its place."""
    number = 0
    for entry in _entries(folder, table):
        for line in _texts(folder / str(entry["file"]), fmt):
            number += 1
            yield (f"{part}:{number:012d}" if place is None else line.split(fmt.separator, place + 1)[place]), line


def _numbered(whole: Path, table: Table, fmt: FileFormat, place: int | None, names: list[str]) -> Iterator[tuple[str, str]]:
    """As `_lines`, of a national package that has a file for every part: a file of no part has lines that no part can hold."""
    stretches = []
    for entry in _entries(whole, table):
        pieces = str(entry["file"]).replace(".", "-").split("-")
        part = next((piece for piece in pieces if piece in names), str(entry["file"]))
        stretches.append((part, whole / str(entry["file"])))
    for part, path in sorted(stretches):
        for number, line in enumerate(_texts(path, fmt), 1):
            yield f"{part}:{number:012d}", line


def _texts(path: Path, fmt: FileFormat) -> Iterator[str]:
    """The data lines of a file, decoded strictly, without their ends."""
    with path.open("r", encoding=fmt.encoding, newline=fmt.line_end if fmt.line_end in ("\n", "\r\n") else "\n") as stream:
        if fmt.header:
            next(stream, None)
        for line in stream:
            yield line.removesuffix(fmt.line_end)


def load_union(workspace: Workspace, run: str) -> dict[str, Any] | None:
    """The proof that was made last of a run; None where there is none."""
    path = workspace.run_folder(run) / PLACES / FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
