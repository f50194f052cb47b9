"""CSV files of packs, read the one way: UTF-8, a known header, cells without blanks at their ends."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from etl.errors import EastboundError
from etl.expressions.blank import clean_text
from etl.packs.yamlfile import PackFileBroken


def read_csv(path: Path, columns: Sequence[str], needed: int, errors: list[EastboundError]) -> list[tuple[int, dict[str, str]]]:
    """(line, row) of every row; faults are collected in `errors`, and rows that have one left out.

    The header must begin with the first `needed` of `columns` and hold no others than them. Missing cells are ''.
    """
    def fault(line: int, zh: str, en: str) -> None:
        errors.append(PackFileBroken(path=str(path), line=line, problem_zh=zh, problem_en=en))

    rows: list[tuple[int, dict[str, str]]] = []
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = next(reader, [])
            if header[:needed] != list(columns[:needed]) or set(header) - set(columns) or len(set(header)) < len(header):
                fault(1, f"首行应为 {','.join(columns)}", f"the first line should read {','.join(columns)}")
                return []
            for cells in reader:
                line = reader.line_num
                if not cells:
                    continue
                if len(cells) != len(header):
                    fault(line, f"有 {len(cells)} 列，应为 {len(header)} 列", f"it has {len(cells)} columns instead of {len(header)}")
                    continue
                rows.append((line, dict.fromkeys(columns, "") | {name: clean_text(cell) or "" for name, cell in zip(header, cells, strict=True)}))
    except UnicodeDecodeError:
        fault(line, "不是 UTF-8 文本，请另存为 UTF-8", "not UTF-8 text; save the file as UTF-8")
    except csv.Error as error:
        fault(line + 1, f"CSV 格式错误：{error}", f"not valid CSV: {error}")
    return rows
