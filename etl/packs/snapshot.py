"""Packs as they were for one run: their fingerprint, and a copy kept with the run for those who trace it later."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from etl.packs.roots import PackRoots

_SUFFIXES = {".yaml", ".csv"}


def pack_files(roots: PackRoots, standard: str) -> dict[str, Path]:
    """Every pack file that can shape a run of `standard`, by its path inside a pack root."""
    files: dict[str, Path] = {}
    folder = roots.standard(standard)
    if folder:
        files.update(_files(folder, f"mappings/standards/{standard}"))
    for system, source in roots.sources().items():
        base = f"mappings/sources/{system}"
        for name, path in _files(source, base).items():
            inside = name[len(base) + 1:].split("/")
            if len(inside) == 1 or inside[0] in ("codes", standard):
                files[name] = path
    rules = roots.rules(standard)
    if rules:
        base = f"validation_rules/{standard}"
        files.update({name: path for name, path in _files(rules, base).items() if not name.startswith(f"{base}/local/")})
    for jurisdiction, overlay in roots.overlays(standard).items():
        files.update(_files(overlay, f"validation_rules/{standard}/local/{jurisdiction}"))
    return dict(sorted(files.items()))


def fingerprint(files: dict[str, Path]) -> str:
    """SHA-256 over names and contents of pack files."""
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def take_snapshot(files: dict[str, Path], target: Path) -> None:
    """Copy pack files to `target`, which then is a pack root of its own; appears whole or not at all."""
    if target.is_dir():
        return
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for name, path in files.items():
        copy = partial / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    os.replace(partial, target)


def _files(folder: Path, prefix: str) -> dict[str, Path]:
    return {f"{prefix}/{p.relative_to(folder).as_posix()}": p for p in sorted(folder.rglob("*")) if p.is_file() and p.suffix in _SUFFIXES}
