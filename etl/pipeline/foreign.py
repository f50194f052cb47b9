"""Checking submissions made by anyone: their text becomes typed tables, and every rule that can be judged is run."""

from __future__ import annotations

import tempfile
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from etl.engines import Engine, open_engine
from etl.engines.local import literal, quote
from etl.engines.types import sql_type
from etl.errors import EastboundError
from etl.expressions.blank import clean_text_sql, trim_sql
from etl.packs.roots import PackRoots
from etl.rules.definition import Rule
from etl.standard.definition import DataItem, Standard, Table
from etl.standard.effective import in_force_on
from etl.standard.loader import load_standard
from etl.submission.definition import Period


class NoSubmissionFiles(EastboundError):
    zh = "{path} 中没有可识别的报送文件；标准 {standard} 的文件名形如 {pattern}"
    en = "{path} holds no submission file; in {standard} a name reads like {pattern}"


class PeriodMissing(EastboundError):
    zh = "无法从文件名得知报送期；请用 --period 给出"
    en = "the file names do not tell the period; give it with --period"


@dataclass(frozen=True)
class ForeignCheck:
    """What checking files gave. `skipped`: rule id -> why it could not be judged."""

    files: list[str]
    rows: int
    rules: int
    findings: list[dict[str, Any]]
    skipped: dict[str, str] = field(default_factory=dict)


def check_files(path: Path, standard_name: str, roots: PackRoots, *, period: str | None = None, clear: bool = False) -> ForeignCheck:
    """Check a file or a folder of files against `standard_name`. Findings carry file and line."""
    from etl.rules.derived import all_rules
    from etl.rules.loader import load_rules, rules_within
    from etl.submission.reader import inspect_file

    whole = load_standard(standard_name, roots)
    files = find_files(path, whole)
    if not files:
        raise NoSubmissionFiles(path=str(path), standard=whole.name, pattern=whole.format.file_name)
    chosen = Period.parse(period) if period else _period_of(files, whole)
    standard = in_force_on(whole, chosen.end)
    files = {code: file for code, file in files.items() if code in standard.tables}
    findings: list[dict[str, Any]] = []
    rows = 0
    for code, found in files.items():
        for file in found:
            report = inspect_file(file, standard.tables[code], standard, expect_days=_days(standard, chosen, given=bool(period)))
            rows += report.rows
            findings += [_problem(standard, standard.tables[code], problem) for problem in report.problems]
    rules = [rule for rule in all_rules(standard, rules_within(standard, load_rules(whole, roots))) if rule.in_force(chosen.end)]
    usable, skipped = _judgeable(standard, rules, set(files), clear)
    with tempfile.TemporaryDirectory(prefix="eastbound-check-") as scratch, open_engine(Path(scratch) / "spill") as engine:
        engine.set_parameters(period_start=chosen.start, period_end=chosen.end, report_date=chosen.end)
        engine.load_codes(standard.codes.values(), chosen.end)
        lines = {code: load_text(engine, found, standard.tables[code], standard) for code, found in files.items()}
        for code in files:
            findings += _untrimmed(engine, standard, standard.tables[code], lines[code])
        findings += _run_rules(engine, standard, lines, usable, Path(scratch))
    reported = {(f["file"], f["line"], f["item"]) for f in findings if f["rule"].startswith("FILE-")}
    # What the reader found of a value (required, length, code) the derived rules find again: say it once.
    findings = [f for f in findings if f["rule"].startswith("FILE-") or not (
        f["rule"].rsplit("-", 1)[-1] in ("REQ", "LEN", "CODE", "FMT") and (f["file"], f["line"], f["item"]) in reported)]
    findings.sort(key=lambda f: (f["file"], f["line"] or 0, f["rule"]))
    return ForeignCheck(sorted(file.name for found in files.values() for file in found), rows, len(usable), findings, skipped)


def _days(standard: Standard, period: Period, *, given: bool) -> dict[str, date]:
    """What the header of a file should say of its period, as far as the request or the file's name tells."""
    if not given and "{period_end" not in standard.format.file_name:
        return {}
    whole = given or standard.frequency in ("monthly", "quarterly", "daily")
    return {"period_end": period.end, **({"period_start": period.start} if whole else {})}


def find_files(path: Path, standard: Standard) -> dict[str, list[Path]]:
    """Table code -> its files (several where a table is split), by the table code between the separators of the file name."""
    candidates = [path] if path.is_file() else sorted(p for p in path.iterdir() if p.is_file())
    found: dict[str, list[Path]] = {}
    for candidate in candidates:
        # a table code may itself hold an underscore (D00705_GRBDB)
        parts = set(candidate.stem.replace("_", "-").split("-")) | set(candidate.stem.split("-")) | {candidate.stem}
        for table in standard.submitted_tables:
            if table.code in parts:
                found.setdefault(table.code, []).append(candidate)
    return found


def _period_of(files: dict[str, list[Path]], standard: Standard) -> Period:
    import re

    for file in (file for found in files.values() for file in found):
        for text in re.findall(r"(?<!\d)(\d{8})(?!\d)", file.stem):
            try:
                day = date(int(text[:4]), int(text[4:6]), int(text[6:]))
            except ValueError:
                continue
            return Period.ending(day, standard.frequency)
    raise PeriodMissing()


class Lines:
    """Which file and line a row of a loaded table is: the files of a table follow each other."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._files: list[Path] = []

    def add(self, file: Path, before: int) -> None:
        self._starts.append(before)
        self._files.append(file)

    def place(self, row: int | None) -> tuple[str, int | None]:
        """(file name, line) of a row; a finding about no row names all files."""
        if row is None:
            return ", ".join(file.name for file in self._files), None
        index = bisect_left(self._starts, row) - 1
        return self._files[index].name, row - self._starts[index]


def load_text(engine: Engine, files: list[Path], table: Table, standard: Standard) -> Lines:
    """Make data.<table> from its text files: `_row` runs on over them, values that do not convert are NULL (the reader reports them)."""
    import polars as pl

    from etl.submission.reader import load_lines

    lines, frames, before = Lines(), [], 0
    for file in files:
        frame = load_lines(file, table, standard)
        lines.add(file, before)
        frames.append(frame.with_columns(pl.col("_line") + before))
        # Lines that could not be read have numbers, too: count up to the last number, not the number of lines.
        before += (frame["_line"].max() or 0) + 1
    engine.connection.register("_lines", pl.concat(frames).to_arrow())
    columns = ", ".join(f"{_typed(item, standard)} AS {quote(item.code)}" for item in table.mapped_items)
    engine.execute(
        f"CREATE OR REPLACE TABLE data.{quote(table.code)} AS SELECT _line AS _row, {columns}, CAST([] AS VARCHAR[]) AS _unmapped, "
        f"CAST(NULL AS VARCHAR) AS _src_system, CAST(NULL AS VARCHAR) AS _src_table, CAST(NULL AS VARCHAR) AS _src_key FROM _lines")
    engine.execute(f"CREATE OR REPLACE TABLE aside.{quote(table.code)} AS SELECT * FROM data.{quote(table.code)} WHERE FALSE")
    padded = "" if standard.format.kind == "fixed" else " UNION ALL ".join(
        f"SELECT _line AS line, {literal(item.code)} AS item FROM _lines WHERE {quote(item.code)} IS DISTINCT FROM {trim_sql(quote(item.code))}"
        for item in table.mapped_items if item.type == "text")
    # With fixed widths, blanks at the end are the padding and say nothing.
    engine.execute(f"CREATE OR REPLACE TABLE aside.{quote(table.code + '.untrimmed')} AS "
                   + (padded or "SELECT CAST(NULL AS BIGINT) AS line, CAST(NULL AS VARCHAR) AS item WHERE FALSE"))
    engine.connection.unregister("_lines")
    return lines


def _untrimmed(engine: Engine, standard: Standard, table: Table, lines: Lines) -> list[dict[str, Any]]:
    """Texts with blanks at their ends: the other rules judge what is left, so this is where it is said."""
    findings = []
    for row, item in engine.rows(f"SELECT line, item FROM aside.{quote(table.code + '.untrimmed')} ORDER BY line, item"):
        file, line = lines.place(row)
        findings.append({
            "rule": f"{standard.prefix}-{table.code}-{item}-FMT", "severity": "error", "table": table.code, "key": "", "item": item, "value": None,
            "expected": "no blanks at the ends", "source_system": None, "source_table": None, "source_key": None, "serial": None, "file": file,
            "line": line, "message_zh": "首尾有空白", "message_en": "blanks at the ends of the value"})
    return findings


def _typed(item: DataItem, standard: Standard) -> str:
    text = quote(item.code)
    if standard.format.kind != "fixed":
        text = f"nullif({text}, {literal(standard.format.null)})"
    if item.type == "text":
        # Untrimmed text is reported by the format rule; the other rules judge what it means.
        return clean_text_sql(text)
    if item.type == "date":
        return f"CAST(try_strptime({text}, {literal(standard.format.date)}) AS DATE)"
    return f"try_cast({text} AS {sql_type(item)})"


def _judgeable(standard: Standard, rules: list[Rule], tables: set[str], clear: bool) -> tuple[list[Rule], dict[str, str]]:
    usable: list[Rule] = []
    skipped: dict[str, str] = {}
    for rule in rules:
        if rule.table not in tables:
            continue
        missing = rule.tables() - tables
        private = [f"{t}.{i}" for t, i in rule.items_read() if _is_masked(standard, t, i)]
        if missing:
            skipped[rule.id] = "no file for " + ", ".join(sorted(missing))
        elif private and not clear and rule.family not in ("required", "format"):
            skipped[rule.id] = "masked: " + ", ".join(sorted(private))
        else:
            usable.append(rule)
    return usable, skipped


def _is_masked(standard: Standard, table: str, item: str) -> bool:
    found = standard.tables[table].by_code.get(item)
    spec = standard.masking.get(found.privacy) if found and found.privacy else None
    return bool(spec) and spec.get("transform") != "clear"


def _run_rules(engine: Engine, standard: Standard, lines: dict[str, Lines], rules: list[Rule], scratch: Path) -> list[dict[str, Any]]:
    from etl.privacy.display import item_sql
    from etl.rules.run import check_table

    findings: list[dict[str, Any]] = []
    for code, places in lines.items():
        target = scratch / f"{code}.parquet"
        outcomes = check_table(engine, standard, standard.tables[code], [r for r in rules if r.table == code], target, show=item_sql)
        for row in engine.dicts(f"SELECT * FROM read_parquet({literal(str(target))})"):
            file, line = places.place(row["row"])
            findings.append({
                "rule": row["rule"], "severity": row["severity"], "table": code, "key": row["key"], "item": row["item"], "value": row["value"],
                "expected": row["expected"], "source_system": None, "source_table": None, "source_key": None, "serial": None,
                "file": file, "line": line, "message_zh": row["message_zh"], "message_en": row["message_en"]})
        findings += [_errored(code, places.place(None)[0], outcome) for outcome in outcomes if outcome.outcome == "errored"]
    return findings


def _errored(table: str, file: str, outcome: Any) -> dict[str, Any]:
    return {"rule": outcome.rule, "severity": outcome.severity, "table": table, "key": "", "item": "", "value": None, "expected": None,
            "source_system": None, "source_table": None, "source_key": None, "serial": None, "file": file, "line": None,
            "message_zh": f"规则执行出错（{outcome.reason}），未能判断", "message_en": f"the rule broke ({outcome.reason}) and judged nothing"}


def _problem(standard: Standard, table: Table, problem: Any) -> dict[str, Any]:
    return {"rule": f"FILE-{problem.kind.upper().replace('_', '-')}", "severity": "error", "table": table.code, "key": "", "item": problem.item,
            "value": None, "expected": None, "source_system": None, "source_table": None, "source_key": None, "serial": None,
            "file": problem.file, "line": problem.line or None, "message_zh": problem.zh, "message_en": problem.en}
