"""Business code tables (业务代码表): CSV files with effective dates, listed in codes/index.yaml."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from etl.errors import EastboundError
from etl.packs.csvfile import read_csv
from etl.packs.shape import Shape
from etl.packs.yamlfile import PackFileBroken, read_yaml
from etl.standard.definition import CodeTable, CodeValue

COLUMNS = ["code", "name", "name_en", "valid_from", "valid_to", "provenance"]


class CodeDatesOverlap(EastboundError):
    zh = "{path} 第 {line} 行：代码 {code} 的有效期与第 {other} 行重叠；调整 valid_from / valid_to"
    en = "{path} line {line}: code {code} is valid at the same time as on line {other}; adjust valid_from / valid_to"


def load_codes(folder: Path, errors: list[EastboundError]) -> dict[str, CodeTable]:
    """All code tables of a standard by their code; faults are collected in `errors`."""
    index_path = folder / "index.yaml"
    if not index_path.is_file():
        return {}
    shape = Shape(read_yaml(index_path), errors)
    tables: dict[str, CodeTable] = {}
    listed = shape.mapping(shape.root({"tables", "note"}).get("tables"), "tables")
    for key, raw in listed.items():
        code, at = str(key), ("tables", key)
        about = shape.mapping(raw, *at)
        shape.keys(about, {"name", "provenance", "source", "note"}, *at)
        path = folder / f"{code}.csv"
        if not path.is_file():
            shape.fault(*at, zh=f"缺少文件 {path.name}", en=f"file {path.name} is missing")
            continue
        tables[code] = CodeTable(
            code=code, name=shape.texts(about.get("name"), *at, "name"), provenance=shape.text(about.get("provenance"), *at, "provenance"),
            source=shape.text(about.get("source"), *at, "source"), values=read_code_file(path, errors), path=path,
        )
    for path in sorted(folder.glob("*.csv")):
        if path.stem not in {str(key) for key in listed}:
            shape.fault("tables", zh=f"代码表文件 {path.name} 未列入 index.yaml", en=f"code table file {path.name} is not listed in index.yaml")
    return tables


def read_code_file(path: Path, errors: list[EastboundError]) -> tuple[CodeValue, ...]:
    """Read one code table; columns as in COLUMNS, dates ISO or empty."""
    values: list[CodeValue] = []
    spans: dict[str, list[tuple[date, date, int]]] = {}

    def fault(line: int, zh: str, en: str) -> None:
        errors.append(PackFileBroken(path=str(path), line=line, problem_zh=zh, problem_en=en))

    for line, row in read_csv(path, COLUMNS, 2, errors):
        code, name = row["code"], row["name"]
        if not code or not name:
            fault(line, "代码或名称为空", "code or name is empty")
            continue
        try:
            start, end = (_day(row[key]) for key in ("valid_from", "valid_to"))
        except ValueError:
            fault(line, "日期应为 YYYY-MM-DD", "dates should be YYYY-MM-DD")
            continue
        first, last = start or date.min, end or date.max
        if first > last:
            fault(line, "valid_from 晚于 valid_to", "valid_from is after valid_to")
        for other_first, other_last, other_line in spans.get(code, ()):
            if first <= other_last and other_first <= last:
                errors.append(CodeDatesOverlap(path=str(path), line=line, code=code, other=other_line))
                break
        spans.setdefault(code, []).append((first, last, line))
        values.append(CodeValue(code, name, row["name_en"], start, end, row["provenance"]))
    return tuple(values)


def _day(text: str) -> date | None:
    if len(text) not in (0, 10):
        raise ValueError(text)
    return date.fromisoformat(text) if text else None
