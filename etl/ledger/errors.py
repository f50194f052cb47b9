"""What can go wrong with the ledger, each with its own sentence."""

from __future__ import annotations

from etl.errors import EastboundError


class LedgerTooNew(EastboundError):
    zh = "台账 {place} 由更新版本的程序写成（结构版本 {found}，本程序只认识到 {known}）。请升级程序，或改用另一个工作目录"
    en = ("the ledger {place} was written by a newer program (schema {found}; this program knows up to {known}). "
          "Upgrade the program, or use another workspace")


class LedgerBroken(EastboundError):
    zh = "台账 {place} 无法打开：{reason}。请从备份恢复该文件，或改用另一个工作目录"
    en = "the ledger {place} cannot be opened: {reason}. Restore it from a backup, or use another workspace"
    exit_code = 3


class RunUnknown(EastboundError):
    zh = "台账中没有运行 {run}。用 eastbound runs 查看已有运行"
    en = "the ledger has no run {run}. List the runs with: eastbound runs"


class RunStateWrong(EastboundError):
    zh = "运行 {run} 的状态为 {status}，不能改为 {wanted}"
    en = "run {run} is {status} and cannot become {wanted}"


class RowsLost(EastboundError):
    zh = "阶段 {stage} 的表 {table} 行数不平：读入 {rows_in}，产出 {rows_out}，搁置 {rows_aside}。这是程序缺陷，请报告"
    en = ("stage {stage}, table {table}: {rows_in} rows in, but {rows_out} out and {rows_aside} set aside. "
          "This is a defect of the program; please report it")
    exit_code = 3


class SerialsExhausted(EastboundError):
    zh = "机构 {company} 在 {report_date} 的流水号不足：还需 {count} 个，从 {first} 起，上限 {limit}"
    en = "company {company} has run out of serial numbers on {report_date}: {count} needed from {first}, the limit is {limit}"


class PeriodLocked(EastboundError):
    zh = "{standard} {period} 正在由运行 {run}（进程 {pid}，主机 {host}，始于 {since}）处理。请等它结束；若该进程已挂起，结束它后用 eastbound resume 继续"
    en = ("{standard} {period} is being worked on by run {run} (process {pid} on {host}, since {since}). Wait for it to end; "
          "if that process hangs, end it and continue with: eastbound resume")
    exit_code = 3
    may_pass = True
