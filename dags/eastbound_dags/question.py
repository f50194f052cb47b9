"""The question that Airflow asks about a sealed package: its heading and its text, as Markdown in Chinese and English."""

from __future__ import annotations

from typing import Any

SEVERITIES = {"error": "错误 errors", "warning": "警告 warnings"}


def question(about: dict[str, Any], who: tuple[str, str], findings_page: str) -> tuple[str, str]:
    """Heading and text. `about` as `etl.approvals.summary.summary` gives it, `who` may decide, in Chinese and English."""
    heading = f"批准报送包？ Approve the package? {about['standard']} {about['period']} ({about['run']})"
    return heading, "\n\n".join(part for part in (_facts(about, who), _findings(about, findings_page), _tables(about), _before(about), HOW) if part)


HOW = """**Approve**：批准；**Reject**：退回，须在 *reason* 中说明理由。也可执行 `eastbound approve`，二者同记一本台账。
若同一问题再次出现，说明台账未接受上一个答复（例如由发起人自己批准），原因见任务日志。

**Approve** accepts the package; **Reject** turns it down and needs a *reason*. `eastbound approve` does the same: there is one ledger.
Where the question comes back, the ledger did not accept the answer (the maker's own, for example); the task's log says why."""


def _facts(about: dict[str, Any], who: tuple[str, str]) -> str:
    rows = [("报送包 package", _code(about["package"])), ("SHA-256", _code(about["package_sha256"])),
            ("行数 rows", f"{about['rows']:,}（{len(about['tables'])} 张表 tables；搁置 set aside {about['rows_aside']:,}）"),
            ("报告日期 report date", about["report_date"]), ("辖区 jurisdiction", about["jurisdiction"]),
            ("留下未报的交易 transactions held back", about["held_back"]), ("发起人 maker", _plain("、".join(about["makers"]))),
            ("可由谁批准 may be approved by", f"{_plain(who[0].strip())} / {_plain(who[1])}"),
            ("之后的运行 later runs", "、".join(f"{later['run']} ({later['status']})" for later in about["later_runs"]))]
    return _grid(("运行 run", _code(about["run"])), [row for row in rows if row[1]])


def _findings(about: dict[str, Any], page: str) -> str:
    rows = [(SEVERITIES[severity], f"{n['all']:,}", f"{n['new']:,}", f"{n['open']:,}") for severity, n in about["findings"].items()]
    return f"{_grid(('发现 findings', '全部 all', '新增 new', '未解决 still open'), rows)}\n\n[查看全部发现 / see every finding]({page})"


def _tables(about: dict[str, Any]) -> str:
    return _grid(("表 table", "报送行 rows sent", "搁置行 set aside"), [(t["table"], f"{t['rows']:,}", f"{t['rows_aside']:,}") for t in about["tables"]])


def _before(about: dict[str, Any]) -> str:
    """What was decided on this run before, the latest first."""
    rows = [(d["at"][:19].replace("T", " "), d["decision"], _plain(d["checker"]), _plain(d["reason"])) for d in about["decisions"]]
    return _grid(("时间 at (UTC)", "决定 decision", "决定人 by", "理由 reason"), rows) if rows else ""


def _grid(heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    return "\n".join(f"| {' | '.join(str(cell) for cell in row)} |" for row in (heads, ("---",) * len(heads), *rows))


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def _plain(text: str) -> str:
    """What people wrote, so that it cannot act as Markdown: no links, no cells of its own."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()<>#+!|~" else sign for sign in " ".join(text.split()))
