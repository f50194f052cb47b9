"""Business code tables (业务代码表): CSV files with effective dates, listed in codes/index.yaml."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

from etl.errors import EastboundError
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
    document = read_yaml(index_path)
    tables: dict[str, CodeTable] = {}
    listed = (document.data or {}).get("tables") or {}
    for code, about in listed.items():
        path = folder / f"{code}.csv"
        if not path.is_file():
            errors.append(document.broken("tables", code, zh=f"缺少文件 {path.name}", en=f"file {path.name} is missing"))
            continue
        values = read_code_file(path, errors)
        names = about.get("name") or {}
        tables[str(code)] = CodeTable(
            code=str(code), name=names if isinstance(names, dict) else {"zh": str(names)},
            provenance=str(about.get("provenance") or ""), source=str(about.get("source") or ""), values=values, path=path,
        )
    for path in sorted(folder.glob("*.csv")):
        if path.stem not in tables and path.stem not in listed:
            errors.append(document.broken("tables", zh=f"代码表文件 {path.name} 未列入 index.yaml", en=f"code table file {path.name} is not listed in index.yaml"))
    return tables


def read_code_file(path: Path, errors: list[EastboundError]) -> tuple[CodeValue, ...]:
    """Read one code table; columns as in COLUMNS, dates ISO or empty."""
    values: list[CodeValue] = []
    spans: dict[str, list[tuple[date, date, int]]] = {}
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        if reader.fieldnames is None or reader.fieldnames[:2] != COLUMNS[:2] or set(reader.fieldnames) - set(COLUMNS):
            errors.append(PackFileBroken(path=str(path), line=1, problem_zh=f"首行应为 {','.join(COLUMNS)}",
                                         problem_en=f"the first line should read {','.join(COLUMNS)}"))
            return ()
        for row in reader:
            line = reader.line_num
            code, name = (row.get("code") or "").strip(), (row.get("name") or "").strip()
            if not code or not name or None in row:
                errors.append(PackFileBroken(path=str(path), line=line, problem_zh="代码或名称为空，或列数不符",
                                             problem_en="code or name is empty, or the number of columns differs"))
                continue
            try:
                start, end = (date.fromisoformat(row[key]) if row.get(key) else None for key in ("valid_from", "valid_to"))
            except ValueError:
                errors.append(PackFileBroken(path=str(path), line=line, problem_zh="日期应为 YYYY-MM-DD", problem_en="dates should be YYYY-MM-DD"))
                continue
            first, last = start or date.min, end or date.max
            if first > last:
                errors.append(PackFileBroken(path=str(path), line=line, problem_zh="valid_from 晚于 valid_to", problem_en="valid_from is after valid_to"))
            for other_first, other_last, other_line in spans.get(code, ()):
                if first <= other_last and other_first <= last:
                    errors.append(CodeDatesOverlap(path=str(path), line=line, code=code, other=other_line))
                    break
            spans.setdefault(code, []).append((first, last, line))
            values.append(CodeValue(code, name, row.get("name_en") or "", start, end, row.get("provenance") or ""))
    return tuple(values)
