"""`eastbound digest`: one message of everything that needs people now."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from etl.commands.common import command, echo_json, packs_option, workspace_option
from etl.language import say


@command(zh="需要人处理的事，合成一条消息：逾期与临近的期限、未封包的运行、失败与中断、待批准的报送包、缺失的放假安排。已通知过的不再重复。",
         en="Everything that needs people now, in one message: late and near deadlines, blocked runs, failed and interrupted ones, packages that wait for "
            "approval, missing holidays. What was told before is not told again.",
         examples=["eastbound digest", "eastbound digest --format markdown --mark", "eastbound digest --format json"])
@click.option("--format", "form", default="text", show_default=True, type=click.Choice(["text", "markdown", "html", "json"]), help=say("输出格式", "output format"))
@click.option("--mark", is_flag=True, help=say("记为已通知，下次不再列出", "note it as told: it is not listed again"))
@click.option("--now", type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%d"]), default=None, help=say("上海时间，默认现在", "the moment in Shanghai; default now"))
@packs_option
@workspace_option
def digest(workspace: Path, packs: tuple[str, ...], now: datetime | None, mark: bool, form: str) -> None:
    from etl.deadlines.definition import SHANGHAI
    from etl.deadlines.digest import digest as make
    from etl.deadlines.digest import mark_sent
    from etl.ledger import open_ledger
    from etl.pipeline.road import actor
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    with open_ledger(opened.ledger_place) as ledger:
        made = make(opened, ledger, now.replace(tzinfo=SHANGHAI) if now else None, packs=packs)
        if form == "json":
            echo_json(made.as_record())
        else:
            click.echo({"text": made.text, "markdown": made.markdown, "html": made.html}[form]())
        if mark:
            mark_sent(ledger, made, by=actor())
