"""`eastbound registry`: the daily cycle with the policy registry, and a stand-in for its platform."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import click

from etl.commands.common import DateParam, ProgressPrinter, command, echo_json, echo_table, format_option, group, packs_option, workspace_option
from etl.language import say

# As in etl.pipeline.registry_day, which help need not load.
STANDARD = "registry_life_2"
registry = group("registry", zh="保单登记平台：每日报送、更正、对账；附演示平台。", en="The policy registry: daily increments, corrections, reconciliation; with a stand-in platform.")
platform = group("platform", zh="演示平台：本机上的小型服务器，按文档的代码应答。", en="The stand-in platform: a small server on this machine that answers with the documented codes.")
registry.add_command(platform)

SETTINGS = """# The stand-in platform of this workspace, written by `eastbound registry platform serve`.
endpoint: {scheme}://127.0.0.1:{http_port}/registry
sftp: {{host: 127.0.0.1, port: {sftp_port}, user: insurer, known_hosts: registry-platform/known_hosts, client_key: registry-platform/client_key}}
{authority}polling: {{first: 0.2, most: 5, limit: 600}}
"""


def _standard_option(function: Any) -> Any:
    return click.option("--standard", "-s", default=STANDARD, show_default=True, help=say("登记平台的标准", "the registry's standard"))(function)


@command("serve", zh="启动演示平台（仅限本机），并在工作区写入 registry.yaml。Ctrl-C 结束。故障注入见该目录的 control.json。",
         en="Start the stand-in (on this machine only) and write registry.yaml into the workspace. Ctrl-C ends it. Faults: control.json in its folder.",
         examples=["eastbound registry platform serve", "eastbound registry platform serve --tls --pause 5"])
@workspace_option
@packs_option
@_standard_option
@click.option("--port", default=0, type=click.IntRange(0, 65535), help=say("HTTP 端口，0 为上次的或任意空闲端口", "HTTP port; 0: the last one, or any that is free"))
@click.option("--sftp-port", default=0, type=click.IntRange(0, 65535), help=say("SFTP 端口，同上", "SFTP port, likewise"))
@click.option("--tls", is_flag=True, help=say("用自签证书提供 https", "https with a certificate of its own"))
@click.option("--patience", default=1, show_default=True, type=click.IntRange(0), help=say("先答几次“处理中”", "how often it says 'in progress' first"))
@click.option("--pause", default=0.0, show_default=True, type=click.FloatRange(0), help=say("每批处理前等待的秒数", "seconds before each batch is judged"))
def serve(workspace: Path, packs: tuple[str, ...], standard: str, port: int, sftp_port: int, tls: bool, patience: int, pause: float) -> int:
    from etl.demo.platform.server import serve as run
    from etl.packs.roots import PackRoots
    from etl.standard.loader import load_standard
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    loaded = load_standard(standard, PackRoots.of(*opened.packs, *packs))
    folder = opened.root / "registry-platform"
    settings = opened.root / "registry.yaml"

    def ready(facts: dict) -> None:
        wanted = SETTINGS.format(scheme="https" if tls else "http",
                                 authority="tls: {ca_file: registry-platform/tls_certificate.pem}\n" if tls else "",
                                 http_port=facts["http_port"], sftp_port=facts["sftp_port"])
        # Settings that somebody wrote for a real platform are never touched.
        if not settings.exists() or settings.read_text(encoding="utf-8").startswith(SETTINGS.splitlines()[0]):
            settings.write_text(wanted, encoding="utf-8")
        click.echo(say(f"演示平台已就绪：HTTP 端口 {facts['http_port']}，SFTP 端口 {facts['sftp_port']}（仅本机）",
                       f"the stand-in is ready: HTTP port {facts['http_port']}, SFTP port {facts['sftp_port']} (this machine only)"))

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    tables = next(t.path for t in loaded.tables.values() if t.path).parent
    run(folder, tables, opened.company, http_port=port, sftp_port=sftp_port, tls=tls, patience=patience, pause=pause, ready=ready)
    return 0


@command("day", zh="登记平台的每日工作：报送前一日、轮询、更正重报、对前两日对账；可重复执行，中断后继续。",
         en="The registry's work of a day: send day -1, poll, resend corrections, reconcile day -2. May be repeated; goes on where it was cut off.",
         examples=["eastbound registry day", "eastbound registry day --today 2026-10-31", "eastbound registry day --from 2026-10-02 --today 2026-11-01",
                   "eastbound registry day --late 2026-10-05"])
@workspace_option
@packs_option
@_standard_option
@click.option("--today", type=DateParam(), default=None, help=say("工作日，默认上海时间的今天", "the day of the work; default today in Asia/Shanghai"))
@click.option("--from", "first", type=DateParam(), default=None, help=say("从该日起逐日执行到 --today", "do the work of every day from this one to --today"))
@click.option("--late", multiple=True, type=DateParam(), help=say("先补报该日当时被扣留、现已更正的交易，可多次给出",
                                                                 "first send what was held back of that day and is in order now; may be given several times"))
@click.option("--capture", type=click.Choice(["full", "incremental", "change"]), default="full", show_default=True,
              help=say("如何读取核心系统，见 docs/capture.md", "how the core systems are read, see docs/capture.md"))
@click.option("--quiet", "-q", is_flag=True, help=say("不显示进度", "no progress"))
@format_option()
def day(workspace: Path, packs: tuple[str, ...], standard: str, today: date | None, first: date | None, late: tuple[date, ...], capture: str, quiet: bool,
        form: str) -> int:
    from etl.pipeline.registry_day import RegistryWork, open_cycle
    from etl.pipeline.road import today as today_there
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    last = today or today_there()
    if first and first > last:
        raise click.UsageError(say("--from 晚于 --today", "--from is after --today"))
    found: dict[date, Any] = {}
    with ProgressPrinter(quiet or form == "json", by_stage=True) as progress, \
            open_cycle(RegistryWork(opened, standard, packs, capture=capture, progress=progress), patient=True) as cycle:
        for wanted in late:
            cycle.late(wanted)
        work = first or last
        while work <= last:
            for report in cycle.work(work):
                found[report.day] = report
            work += timedelta(days=1)
        rows = [_day_row(cycle.books, report.day, report) for report in sorted(found.values(), key=lambda r: r.day)]
    _show(rows, form)
    codes = [1 if report.waiting else report.problem.exit_code for report in found.values() if report.problem]
    return max([*codes, *(1 for row in rows if row["state"] == "2E")], default=0)


@command("status", zh="每一日的状态、批次、交易数与对账结果。", en="Where every day stands: flag, zips, transactions, reconciliation.",
         examples=["eastbound registry status", "eastbound registry status --format json"])
@workspace_option
@format_option()
def status(workspace: Path, form: str) -> int:
    from etl.ledger import open_ledger
    from etl.ledger.registry import RegistryLedger
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    with open_ledger(opened.ledger_place) as ledger:
        books = RegistryLedger(ledger, opened.company)
        rows = [_day_row(books, found.day, None) for found in books.days()]
    _show(rows, form)
    return 0


def _day_row(books: Any, day: date, report: Any) -> dict[str, Any]:
    found = books.day(day)
    counts = books.counts(day)
    batches = books.batches(day)
    rounds = [[f for f in books.figures(day, number) if f.differs] for number in range(1, (found.round if found else 0) + 1)]
    return {
        "day": day.isoformat(), "state": found.state if found else "", "accepted": counts.get("accepted", 0), "rejected": counts.get("rejected", 0),
        "sent": counts.get("sent", 0),
        "batches": [{"batch_no": b.batch_no, "kind": b.kind, "transactions": b.transactions, "rows": b.rows, "rejected": b.rejected, "reply": b.reply} for b in batches],
        "checks": [{"round": number, "differing": [{"table": f.table, "field": f.field, "check": f.check, "ours": str(f.ours), "theirs": str(f.theirs)} for f in differing]}
                   for number, differing in enumerate(rounds, 1)],
        "problem": str(report.problem) if report and report.problem else None,
    }


def _show(rows: list[dict[str, Any]], form: str) -> None:
    if form == "json":
        echo_json(rows)
        return
    columns = [say("日期", "day"), say("状态", "state"), say("已接收", "accepted"), say("被退回", "rejected"), say("批次", "zips"), say("对账", "reconciled"), say("问题", "problem")]
    shown = []
    for row in rows:
        zips = " ".join(f"{b['kind']}:{b['transactions']}" + (f"-{b['rejected']}" if b["rejected"] else "") for b in row["batches"])
        checks = " ".join(say(f"差 {len(c['differing'])} 项", f"{len(c['differing'])} differ") if c["differing"] else say("一致", "same") for c in row["checks"])
        shown.append([row["day"], row["state"], row["accepted"], row["rejected"], zips, checks, row["problem"]])
    echo_table(columns, shown, right=[2, 3])


platform.add_command(serve)
registry.add_command(day)
registry.add_command(status)
