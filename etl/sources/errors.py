"""What can go wrong between a core system and its extract. Names, places and counts only, never a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from etl.engines.local import DiskFull
from etl.errors import EastboundError

ProblemKind = Literal["table_gone", "column_gone", "column_renamed", "type_changed", "table_empty", "nulls"]


class SourceUnknown(EastboundError):
    zh = "没有名为 {name} 的来源系统。可用：{known}"
    en = "there is no source system named {name}. Known: {known}"


class SourceUnreachable(EastboundError):
    zh = "来源系统 {system} 无法连接（{place}，尝试 {tries} 次）：{reason}。请检查该数据库是否运行、连接地址与账号是否正确"
    en = ("source system {system} cannot be reached ({place}, {tries} tries): {reason}. "
          "Check that the database runs and that the URL and account are right")
    exit_code = 3
    may_pass = True


class SourceDriverMissing(EastboundError):
    zh = "来源系统 {system} 需要数据库驱动 {driver}，但未安装。请安装后重试"
    en = "source system {system} needs the database driver {driver}, which is not installed. Install it and try again"


class SourceReadFailed(EastboundError):
    zh = "读取来源系统 {system} 的表 {table} 时中断：{reason}。没有留下半个文件；恢复后用 eastbound resume 继续"
    en = "reading table {table} of source system {system} broke off: {reason}. No half file was left; once mended, go on with eastbound resume"
    exit_code = 3
    may_pass = True


class ExtractDiskFull(DiskFull):
    zh = "磁盘空间不足：{path} 大约还需要 {needed} 字节，剩余 {free} 字节。没有留下半个文件；清理空间后用 eastbound resume 继续"
    en = ("no disk space left: {path} needs about {needed} bytes, {free} are free. No half file was left; "
          "make room, then go on with eastbound resume")


@dataclass(frozen=True)
class ContractProblem:
    """One way in which a system does not deliver what its contract says. `count`: rows concerned, where that counts."""

    kind: ProblemKind
    table: str
    column: str | None = None
    expected: str | None = None
    found: str | None = None
    suggestion: str | None = None
    count: int | None = None

    def sentence(self, language: str) -> str:
        zh, en = _SENTENCES[self.kind]
        text = (zh if language == "zh" else en).format(**vars(self))
        if self.suggestion and self.kind in ("table_gone", "column_renamed"):
            text += (f"；是否已改名为 {self.suggestion}？" if language == "zh" else f"; was it renamed to {self.suggestion}?")
        return text


_SENTENCES: dict[str, tuple[str, str]] = {
    "table_gone": ("{table}：表不存在", "{table}: the table is gone"),
    "column_gone": ("{table}.{column}：列不存在", "{table}.{column}: the column is gone"),
    "column_renamed": ("{table}.{column}：列不存在", "{table}.{column}: the column is gone"),
    "type_changed": ("{table}.{column}：约定类型 {expected}，实际为 {found}", "{table}.{column}: the contract says {expected}, the system has {found}"),
    "table_empty": ("{table}：没有任何行，而约定必须有数据", "{table}: no rows, though the contract requires some"),
    "nulls": ("{table}.{column}：约定非空，有 {count} 行为空", "{table}.{column}: NULL in {count} row(s), though the contract says not nullable"),
}


class ContractBroken(EastboundError):
    """A system no longer delivers what its contract says; `problems` lists every way in which it does not."""

    zh = "来源系统 {system} 与其约定不符，共 {count} 处。请与系统负责人核实，或修改 {path}：\n{lines}"
    en = ("source system {system} does not deliver what its contract says: {count} problem(s). "
          "Ask its owners, or change {path}:\n{lines}")

    def __init__(self, system: str, path: str, problems: list[ContractProblem], **_: Any) -> None:
        self.problems = list(problems)
        super().__init__(system=system, path=path, problems=self.problems, count=len(self.problems), lines="")

    def sentence(self, language: str | None = None) -> str:
        from etl.language import current_language

        chosen = language or current_language()
        lines = "\n".join("  - " + problem.sentence(chosen) for problem in self.problems)
        return (self.zh if chosen == "zh" else self.en).format(**{**self.values, "lines": lines})
