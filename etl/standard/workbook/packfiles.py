"""Pack files written by the house: YAML and CSV that a person can go on with, and that read back as what was meant."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from io import StringIO
from typing import Any

import yaml

from etl.standard.codes import COLUMNS
from etl.standard.definition import CodeValue


class _Dumper(yaml.SafeDumper):
    """Quotes every text that the house's reader, which follows YAML 1.2, would take for a number."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$"), list("-+0123456789"))


def dump(data: Any, *, flow: bool = False, width: int = 110) -> str:
    """YAML of plain data, keys in their order."""
    return yaml.dump(data, Dumper=_Dumper, allow_unicode=True, sort_keys=False, default_flow_style=flow, width=width)


def table_yaml(head: dict[str, Any], items: Iterable[dict[str, Any]], comment: str) -> str:
    """A table's file: a line per key, an item per entry."""
    lines = [f"# {line}" for line in comment.splitlines()]
    lines += [_line(key, value) for key, value in head.items()]
    lines.append("items:")
    for item in items:
        written = dump(item, flow=True).rstrip("\n").splitlines()
        lines += [f"  - {written[0]}", *(f"    {line}" for line in written[1:])]
    return "\n".join(lines) + "\n"


def keys_yaml(data: dict[str, Any], comment: str) -> str:
    """A file of keys, each value on its own line in flow style, `masking` and other nested ones included."""
    lines = [f"# {line}" for line in comment.splitlines()]
    return "\n".join([*lines, *(_line(key, value) for key, value in data.items())]) + "\n"


def _line(key: str, value: Any) -> str:
    written = dump({key: value}, flow=True, width=1_000_000).strip()
    return written[1:-1]


def codes_csv(values: Iterable[CodeValue]) -> str:
    """A code table's file."""
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for value in values:
        writer.writerow([value.code, value.name, value.name_en, value.valid_from or "", value.valid_to or "", value.provenance])
    return stream.getvalue()
