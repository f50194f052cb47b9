"""Sealed packages: a folder of files with a manifest, put in place at once after an independent re-read."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from etl.engines.local import flush
from etl.errors import EastboundError
from etl.files import whole_file
from etl.standard.definition import Standard
from etl.standard.jurisdictions import with_part_format
from etl.submission.definition import Company, Package, Period, WrittenFile
from etl.submission.problems import Problem
from etl.submission.reader import FileReport, inspect_file

MANIFEST = "MANIFEST.json"
MANIFEST_FORMAT = 1


class PackageRefused(EastboundError):
    zh = "未封包：独立复核发现 {count} 处问题。\n{lines_zh}"
    en = "no package was sealed: the independent re-read found {count} problem(s).\n{lines_en}"
    exit_code = 1

    def __init__(self, problems: Sequence[Problem] = (), **_: Any) -> None:
        self.problems = list(problems)
        shown = self.problems[:20]
        more = len(self.problems) - len(shown)
        super().__init__(
            problems=self.problems,
            count=len(self.problems),
            lines_zh="\n".join(
                [f"  - {_place(p)}{p.zh}" for p in shown] + ([f"  - 其余 {more} 处见检核结果"] if more else [])
            ),
            lines_en="\n".join([f"  - {_place(p)}{p.en}" for p in shown] + ([f"  - and {more} more"] if more else [])),
        )


class PackageExists(EastboundError):
    zh = "{path} 已存在；已封包的内容不可覆盖，请使用新的版本号"
    en = "{path} exists already; a sealed package is never overwritten, use a new version"


class ManifestNameTaken(EastboundError):
    zh = "清单中的 {name} 由封包程序填写，extra 不能重复提供"
    en = "{name} of the manifest is filled by sealing, so extra may not give it"


def next_version(base: Path) -> Path:
    """The folder of the next version below `base` (`.../packages/<standard>/<period>`): 001, 002, ...; it is not made.

    Only versions with a sealed package count, so that a killed run takes the same number again.
    """
    base = Path(base)
    taken = (
        [int(p.name) for p in base.iterdir() if re.fullmatch(r"[0-9]{3,}", p.name) and any(p.glob(f"*/{MANIFEST}"))]
        if base.is_dir()
        else []
    )
    return base / f"{max(taken, default=0) + 1:03d}"


def package_folder_name(standard: Standard, company: Company, period: Period, report_date: date) -> str:
    """The name of the package's folder by the standard's format."""
    return standard.format.folder.format(
        company=company.code, period_start=period.start, period_end=period.end, report_date=report_date
    )


def seal_package(
    files: Sequence[WrittenFile],
    folder_tmp: Path,
    target: Path,
    standard: Standard,
    company: Company,
    period: Period,
    report_date: date,
    extra: Mapping[str, Any],
    attachments: Sequence[Path] = (),
    part: Mapping[str, Any] | None = None,
) -> Package:
    """Re-read every file in `folder_tmp`, write the manifest, and rename the folder to `target` at once.

    `extra` adds entries to the manifest (pack fingerprint, masking key fingerprint); it must not hold a run id or a clock
    time, since the same input has to give the same bytes. Both folders must be on one file system. `attachments` are files in
    `folder_tmp` made of the others (a registry's zip): the manifest holds their size and hash.
    `part`: what the manifest says of a package that is one jurisdiction's part of another one (`jurisdiction`, `of`, `format`);
    `standard` then is the one with that jurisdiction's format.
    Raises PackageRefused with all problems, and PackageExists. After any error `target` does not exist.
    """
    folder_tmp, target = Path(folder_tmp), Path(target)
    if target.exists():
        raise PackageExists(path=str(target))
    problems: list[Problem] = []
    days = {"period_start": period.start, "period_end": period.end, "report_date": report_date}
    entries = []
    (folder_tmp / MANIFEST).unlink(missing_ok=True)
    for file in files:
        path = folder_tmp / file.name
        if not path.is_file():
            problems.append(_missing(file.name))
            continue
        report = inspect_file(path, standard.tables[file.table], standard, expect_company=company.code, expect_days=days, part=part is not None)
        problems += report.problems + _differences(_entry(file), report)
        entries.append(_entry(file))
    if not files:
        problems.append(Problem(MANIFEST, 0, "", "empty", "没有任何文件", "there is no file"))
    problems += _strangers(folder_tmp, {file.name for file in files} | {path.name for path in attachments})
    if len({file.name for file in files}) != len(files):
        problems.append(
            Problem(MANIFEST, 0, "", "name", "两个表使用了同一文件名", "two tables have the same file name")
        )
    if problems:
        raise PackageRefused(problems)
    manifest = {
        "format": MANIFEST_FORMAT,
        "standard": standard.name,
        "version": standard.version,
        "company": {"code": company.code, "name": company.name},
        "period": {"start": period.start.isoformat(), "end": period.end.isoformat(), "label": period.label},
        "report_date": report_date.isoformat(),
        "tables": sorted(entries, key=lambda e: e["file"]),
    }
    for name, value in extra.items():
        if name in manifest or name in ("self", "attachments", "part"):
            raise ManifestNameTaken(name=name)
        manifest[name] = value
    if part is not None:
        manifest["part"] = dict(part)
    if attachments:
        manifest["attachments"] = [_attachment(path) for path in sorted(attachments)]
    manifest["self"] = _self_hash(manifest)
    with whole_file(folder_tmp / MANIFEST) as partial:
        partial.write_bytes(canonical_json(manifest))
    for file in files:
        flush(folder_tmp / file.name)
    flush(folder_tmp)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.rename(folder_tmp, target)
    flush(target.parent)
    return Package(target, manifest, manifest["self"])


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the package in folder `path`; raises ValueError or OSError where there is none to read."""
    manifest = json.loads((Path(path) / MANIFEST).read_bytes().decode("utf-8"))
    if not isinstance(manifest, dict):
        raise ValueError("the manifest is not an object")
    return manifest


def verify_package(path: Path, standard: Standard | None = None) -> list[Problem]:
    """Everything in which a package is not as it was sealed; empty = every byte is in place.

    With `standard` the files are also read again by the independent reader. A package that was re-made as a whole, manifest
    included, verifies: who sealed it is a matter of signatures, not of this hash.
    """
    path = Path(path)
    try:
        raw = (path / MANIFEST).read_bytes()
    except OSError:
        return [_missing(MANIFEST)]
    broken = Problem(
        MANIFEST,
        0,
        "",
        "manifest",
        "清单被改动：与其自身的校验值或规范写法不符",
        "the manifest was changed: it does not agree with its own hash or canonical form",
    )
    try:
        manifest = json.loads(raw.decode("utf-8"))
        if canonical_json(manifest) != raw or _self_hash(manifest) != manifest["self"]:
            return [broken]
        claims = {entry["file"]: entry for entry in manifest["tables"]}
        attached = {entry["file"]: entry for entry in manifest.get("attachments", ())}
        if len(claims) != len(manifest["tables"]) or any(Path(name).name != name for name in (*claims, *attached)):
            return [broken]
        days = _days(manifest)
        part = manifest.get("part")
        if part is not None:
            local = str(part["jurisdiction"]), dict(part["format"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return [broken]
    problems = _strangers(path, {*claims, *attached, MANIFEST})
    for name, claim in attached.items():
        whole = (path / name).is_file() and not (path / name).is_symlink()
        problems += _byte_differences(path / name, claim) if whole else [_missing(name)]
    if standard is not None and (manifest["standard"], manifest["version"]) != (standard.name, standard.version):
        problems.append(
            Problem(
                MANIFEST,
                0,
                "",
                "standard",
                f"按 {manifest['standard']} {manifest['version']} 封包，并非 {standard.name} {standard.version}",
                f"sealed by {manifest['standard']} {manifest['version']}, not {standard.name} {standard.version}",
            )
        )
        standard = None
    if standard is not None and part is not None:
        standard = with_part_format(standard, *local)
    for name, claim in claims.items():
        if not (path / name).is_file() or (path / name).is_symlink():
            problems.append(_missing(name))
        elif standard is not None and claim["table"] in standard.tables:
            report = inspect_file(
                path / name, standard.tables[claim["table"]], standard, expect_company=manifest["company"]["code"], expect_days=days, part=part is not None
            )
            problems += report.problems + _differences(claim, report)
        else:
            problems += _byte_differences(path / name, claim)
    return problems


def canonical_json(value: Any) -> bytes:
    """The one way in which a manifest is written: sorted keys, two blanks of indent, UTF-8, a line end at the end."""
    return (json.dumps(value, ensure_ascii=False, sort_keys=True, indent=2, allow_nan=False) + "\n").encode("utf-8")


def _days(manifest: Mapping[str, Any]) -> dict[str, date]:
    """The days that a header or trailer record may carry."""
    said = {"period_start": manifest["period"]["start"], "period_end": manifest["period"]["end"], "report_date": manifest["report_date"]}
    return {name: date.fromisoformat(day) for name, day in said.items()}


def _self_hash(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json({key: value for key, value in manifest.items() if key != "self"})).hexdigest()


def _entry(file: WrittenFile) -> dict[str, Any]:
    return {
        "table": file.table,
        "file": file.name,
        "rows": file.rows,
        "bytes": file.bytes,
        "sha256": file.sha256,
        "first_serial": file.first_serial,
        "last_serial": file.last_serial,
        "totals": dict(file.totals),
    }


def _attachment(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        return {"file": path.name, "bytes": path.stat().st_size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def _differences(claim: Mapping[str, Any], report: FileReport) -> list[Problem]:
    """Where the re-read of a file disagrees with what is claimed of it."""
    problems = []
    for key, zh in (
        ("rows", "行数"),
        ("bytes", "字节数"),
        ("sha256", "SHA-256"),
        ("first_serial", "首个流水号"),
        ("last_serial", "末个流水号"),
    ):
        if claim[key] != getattr(report, key):
            problems.append(Problem(report.file, 0, "", key, f"{zh}与声明不符", f"{key} differs from what was stated"))
    for item in sorted({*claim["totals"], *report.totals}):
        if claim["totals"].get(item) != report.totals.get(item):
            problems.append(
                Problem(
                    report.file,
                    0,
                    item,
                    "totals",
                    "控制合计与声明不符",
                    "the control total differs from what was stated",
                )
            )
    return problems


def _byte_differences(path: Path, claim: Mapping[str, Any]) -> list[Problem]:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    found = {"bytes": path.stat().st_size, "sha256": digest}
    return [
        Problem(path.name, 0, "", key, f"{key} 与清单不符", f"{key} differs from the manifest")
        for key in found
        if found[key] != claim[key]
    ]


def _strangers(folder: Path, expected: set[str]) -> list[Problem]:
    """Files and folders that do not belong to the package."""
    found = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*")) if folder.is_dir() else []
    return [
        Problem(name, 0, "", "extra_file", "包内有清单之外的文件", "a file that the manifest does not list")
        for name in found
        if name not in expected
    ]


def _missing(name: str) -> Problem:
    return Problem(name, 0, "", "missing_file", "文件缺失", "the file is missing")


def _place(problem: Problem) -> str:
    return ":".join(str(part) for part in (problem.file, problem.line or "", problem.item) if part) + ": "
