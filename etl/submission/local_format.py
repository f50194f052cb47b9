"""What one jurisdiction wants otherwise of its files: `validation_rules/<standard>/local/<jurisdiction>/format.yaml`.

Only what does not change the meaning of a line may differ: the encoding and the names of files and folders. Without the file a
part's lines are, byte for byte, lines of the national package.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from etl.errors import EastboundError, raise_problems
from etl.packs.roots import PackRoots
from etl.packs.shape import Shape
from etl.packs.yamlfile import read_yaml
from etl.standard.definition import Standard
from etl.standard.jurisdictions import CHANGEABLE, with_part_format
from etl.submission.definition import Company, Period
from etl.submission.writer import check_format

FILE = "format.yaml"
KEYS = (*CHANGEABLE, "report_folder", "basis", "provenance", "changed", "note")


@dataclass(frozen=True)
class LocalFormat:
    """The file details of one jurisdiction; '' = as the standard says. `report_folder`: where the bureau wants the package to be put."""

    jurisdiction: str
    encoding: str = ""
    file_name: str = ""
    folder: str = ""
    report_folder: str = ""

    def overrides(self) -> dict[str, str]:
        """What differs from the standard's format, for the manifest."""
        return {name: getattr(self, name) for name in CHANGEABLE if getattr(self, name)}


def load_local_format(standard: Standard, jurisdiction: str, roots: PackRoots) -> LocalFormat:
    """The file details of a jurisdiction; nothing differs where it has no file. Raises PackFileBroken or Problems."""
    folder = roots.overlays(standard.name).get(jurisdiction)
    path = folder / FILE if folder else None
    if path is None or not path.is_file():
        return LocalFormat(jurisdiction)
    errors: list[EastboundError] = []
    shape = Shape(read_yaml(path), errors)
    data = shape.root(KEYS)
    shape.day(data.get("changed"), "changed")
    if not shape.text(data.get("basis"), "basis"):
        shape.fault("basis", zh="缺少 basis：写明依据及其可信度（E/R/I/G）", en="no basis: say where this comes from and how well it is known (E/R/I/G)")
    shape.text(data.get("provenance"), "provenance")
    local = LocalFormat(jurisdiction, *(shape.text(data.get(key), key) for key in (*CHANGEABLE, "report_folder")))
    for key in ("file_name", "folder", "report_folder"):
        _try_pattern(shape, key, getattr(local, key), "{table}" if key == "file_name" else "")
    if local.encoding and standard.format.kind != "fixed":
        try:
            check_format(localised(standard, local))
        except EastboundError as error:
            shape.fault("encoding", zh=error.sentence("zh"), en=error.sentence("en"))
    raise_problems(errors)
    return local


def localised(standard: Standard, local: LocalFormat) -> Standard:
    """The standard as the part of a jurisdiction is written and read."""
    return with_part_format(standard, local.jurisdiction, local.overrides())


def report_folder(local: LocalFormat, company: Company, period: Period, report_date: date) -> str:
    """Where the bureau wants the package to be put; '' where nothing is said."""
    return local.report_folder.format(company=company.code, jurisdiction=local.jurisdiction, period_start=period.start, period_end=period.end, report_date=report_date)


def _try_pattern(shape: Shape, key: str, pattern: str, wanted: str) -> None:
    """Names are tried when the pack is loaded, not when the package is due."""
    day, problem = date(2026, 1, 31), ("", "")
    try:
        made = pattern.format(company="000000", table="T", part="000000", jurisdiction="000000", period_start=day, period_end=day, report_date=day)
    except (KeyError, IndexError, ValueError, AttributeError):
        problem = ("其中的 {} 无法填写", "its {} cannot be filled")
    else:
        parts = made.split("/") if key == "report_folder" else [made]
        if made and (any(part in ("", ".", "..") or Path(part).name != part for part in parts) or "\\" in made):
            problem = ("不是名称", "it is no name")
        elif pattern and wanted not in pattern:
            problem = (f"应含 {wanted}", f"it needs {wanted}")
    if problem[0]:
        shape.fault(key, zh=f"{key} {pattern!r} 无效：{problem[0]}", en=f"{key} {pattern!r}: {problem[1]}")
