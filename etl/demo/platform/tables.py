"""The stand-in's own reading of a pack's tables: items in order, types, lengths, what must be there, keys."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Column:
    name: str
    kind: str
    length: int | None
    scale: int
    required: bool
    key: bool


def read_tables(folder: Path) -> dict[str, tuple[Column, ...]]:
    """Table code -> its columns, from every YAML file of the folder."""
    tables = {}
    for path in sorted(Path(folder).glob("*.yaml")):
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        if data.get("submitted", True):
            tables[str(data["table"])] = tuple(
                Column(str(item["code"]), str(item.get("type", "text")), item.get("length"), int(item.get("scale") or 0),
                       item.get("required") in (True, "true"), item.get("key") in (True, "true"))
                for item in data["items"])
    if not tables:
        raise ValueError(f"no table in {folder}")
    return tables
