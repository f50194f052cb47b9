"""`eastbound approve` and `approvals`: a second person decides on a sealed package; what waits and what was decided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from etl.commands.common import command, echo_json, echo_table, format_option, workspace_option
from etl.language import say

STATE_NAMES = {
    "waiting": ("待批准", "waiting"), "approved": ("已批准", "approved"), "rejected": ("已退回", "rejected"), "withdrawn": ("已撤回", "withdrawn"),
    "superseded": ("已被取代", "superseded"), "delivered": ("已报出", "delivered"), "running": ("进行中", "running"), "blocked": ("已阻断", "blocked"),
    "failed": ("失败", "failed"), "interrupted": ("中断", "interrupted"), "sealed": ("已封包", "sealed"),
}


@command(zh="批准、退回一个已封好的报送包，或撤回批准。决定人须不同于运行的发起人；批准只对该报送包有效，重新运行后须重新批准。",
         en="Approve or reject a sealed package, or withdraw its approval. Who decides must not be who started the run; an approval holds for that "
            "package only, so a new run needs a new one.",
         examples=["eastbound approve 20261115-3fa9c1", "eastbound approve --standard east_life_2020 --period 2026-10 --as li --note 已核对总账",
                   "eastbound approve 20261115-3fa9c1 --reject --reason 赔款与总账不符", "eastbound approve 20261115-3fa9c1 --withdraw --reason 发现漏报机构"])
@click.argument("run_id", required=False, metavar="[RUN]")
@click.option("--standard", "-s", default=None, help=say("标准名称（与 --period 同用，代替 RUN）", "standard (with --period, in place of RUN)"))
@click.option("--period", "-p", default=None, help=say("报送期：取其最近封包的运行", "period: the run sealed last for it"))
@click.option("--reject", is_flag=True, help=say("退回，须给出 --reason", "reject; needs --reason"))
@click.option("--withdraw", is_flag=True, help=say("撤回批准，报出之前可用，须给出 --reason", "withdraw the approval, until the package is delivered; needs --reason"))
@click.option("--reason", default="", help=say("退回或撤回的理由", "why it is rejected or withdrawn"))
@click.option("--note", default="", help=say("批准时的说明；批准被退回的报送包时必填", "a note on the approval; needed for a package that was rejected"))
@click.option("--as", "name", default=None, metavar="NAME", help=say("决定人，默认当前登录用户", "who decides; default the account that is logged in"))
@format_option()
@workspace_option
def approve(workspace: Path, form: str, run_id: str | None, standard: str | None, period: str | None, reject: bool, withdraw: bool, reason: str, note: str,
            name: str | None) -> int:
    from etl.approvals.decision import decide
    from etl.approvals.summary import as_record, state_of, summary
    from etl.ledger import open_ledger
    from etl.ledger.approvals import APPROVED, REJECTED, WITHDRAWN, ApprovalBook, RunNotSealed, person
    from etl.ledger.definition import SEALED
    from etl.pipeline.road import actor
    from etl.workspace import Workspace

    if reject and withdraw:
        raise click.UsageError(say("--reject 与 --withdraw 只能给出一个", "give --reject or --withdraw, not both"))
    decision = REJECTED if reject else WITHDRAWN if withdraw else APPROVED
    if reason and decision == APPROVED:
        raise click.UsageError(say("--reason 用于 --reject 或 --withdraw；批准时的说明用 --note", "--reason goes with --reject or --withdraw; a note on an approval is --note"))
    if note and decision != APPROVED:
        raise click.UsageError(say("--note 用于批准；退回或撤回的理由用 --reason", "--note goes with an approval; why it is rejected or withdrawn is --reason"))
    opened = Workspace.open(workspace)
    with open_ledger(opened.ledger_place) as ledger:
        run = _chosen(opened, ledger, run_id, standard, period)
        if run.status != SEALED:
            raise RunNotSealed(run=run.id, status=run.status)
        about = summary(opened, ledger, run)
        if form == "table":
            _show(about)
        login = actor()
        approval = decide(opened, ledger, run.id, decision, checker=login if name is None else name, login=login, reason=reason or note, after=about["after"])
        if form == "json":
            decisions = [as_record(one) for one in ApprovalBook(ledger).decisions(run.id)]
            echo_json({**about, "state": state_of(ApprovalBook(ledger), run), "after": approval.number, "decisions": decisions, "decision": as_record(approval)})
            return 0
    done = {APPROVED: ("已批准", "Approved"), REJECTED: ("已退回", "Rejected"), WITHDRAWN: ("已撤回批准", "Approval withdrawn")}[decision]
    account = "" if person(login) == person(approval.checker) else say(f"（登录账户 {login}）", f" (account {login})")
    click.echo(say(f"{done[0]}：运行 {run.id}，决定人 {approval.checker}{account}，报送包 {approval.package_sha256[:16]}…",
                   f"{done[1]} by {approval.checker}{account}: run {run.id}, package {approval.package_sha256[:16]}…"))
    if decision == REJECTED:
        click.echo(say(f"接下来：更正后重新运行：eastbound run --standard {run.standard} --period {run.period}",
                       f"Next: mend it and run again: eastbound run --standard {run.standard} --period {run.period}"))
    return 0


@command(zh="待批准的报送包与全部决定；给出 RUN 时显示批准该运行前应看的内容（未批准时退出码为 1）。",
         en="Packages that wait for approval, and every decision. With RUN: what to look at before deciding on it (exit code 1 while it is not approved).",
         examples=["eastbound approvals", "eastbound approvals 20261115-3fa9c1", "eastbound approvals --standard east_life_2020 --period 2026-10 --format json"])
@click.argument("run_id", required=False, metavar="[RUN]")
@click.option("--standard", "-s", default=None, help=say("只看某个标准", "only this standard"))
@click.option("--period", "-p", default=None, help=say("只看某个报送期", "only this period"))
@format_option()
@workspace_option
def approvals(workspace: Path, form: str, run_id: str | None, standard: str | None, period: str | None) -> int:
    from etl.approvals.decision import approval_of, who_may
    from etl.approvals.summary import as_record, summary, waiting
    from etl.ledger import open_ledger
    from etl.ledger.approvals import ApprovalBook
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    with open_ledger(opened.ledger_place) as ledger:
        book = ApprovalBook(ledger)
        if run_id:
            run = _chosen(opened, ledger, run_id, standard, period)
            about = summary(opened, ledger, run)
            if form == "json":
                echo_json(about)
            else:
                _show(about)
            # A run that was delivered was approved; one that is superseded no longer counts, whatever was decided.
            return 0 if about["state"] == "delivered" or (about["state"] == "approved" and approval_of(ledger, run)) else 1
        pending: list[dict[str, Any]] = []
        for run, state in waiting(ledger, opened.company, standard, period):
            pending.append({"run": run.id, "standard": run.standard, "period": run.period, "sealed_at": run.finished_at, "state": state,
                            "makers": list(book.makers(run.id)), "approvers": list(opened.approvers) or None, "package": run.package,
                            "package_sha256": run.package_sha256})
        decided = [as_record(one) for one in book.decisions(standard=standard, period=period)]
    if form == "json":
        echo_json({"waiting": pending, "decisions": decided})
        return 0
    if pending:
        echo_table([say("运行", "run"), say("标准", "standard"), say("报送期", "period"), say("封包时间（UTC）", "sealed (UTC)"), say("状态", "state"), say("发起人", "maker"),
                    say("可由谁批准", "may be approved by")],
                   [(p["run"], p["standard"], p["period"], f"{p['sealed_at']:%Y-%m-%d %H:%M:%S}", say(*STATE_NAMES[p["state"]]), say("、", ", ").join(p["makers"]),
                     say(*who_may(opened, tuple(p["makers"]))).strip()) for p in pending],
                   title=say("待批准", "Waiting for approval"))
    else:
        click.echo(say("没有待批准的报送包。", "No package waits for approval."))
    _show_decisions(decided)
    return 0


def _chosen(workspace: Any, ledger: Any, run_id: str | None, standard: str | None, period: str | None) -> Any:
    """The run asked for, by its id or by standard and period."""
    from etl.approvals.decision import sealed_run

    if run_id == "list":
        raise click.UsageError(say("列表用 eastbound approvals", "the list is: eastbound approvals"))
    if run_id:
        if standard or period:
            raise click.UsageError(say("给出 RUN，或给出 --standard 与 --period，不要两者都给", "give RUN, or --standard and --period, not both"))
        return ledger.run(run_id)
    if not (standard and period):
        raise click.UsageError(say("请给出 RUN，或同时给出 --standard 与 --period；待批准的见 eastbound approvals",
                                   "give RUN, or --standard and --period together; what waits is listed by eastbound approvals"))
    return sealed_run(workspace, ledger, standard, period)


def _show(about: dict[str, Any]) -> None:
    """What a decision is made on."""
    echo_table([say("表", "table"), say("报送行", "rows sent"), say("搁置行", "set aside")], [(t["table"], t["rows"], t["rows_aside"]) for t in about["tables"]], right=(1, 2),
               title=say(f"运行 {about['run']}　{about['standard']}　{about['period']}", f"run {about['run']}  {about['standard']}  {about['period']}"))
    found = about["findings"]
    echo_table([say("发现", "findings"), say("全部", "all"), say("新增", "new"), say("未解决", "still open")],
               [(say({"error": "错误", "warning": "警告"}[severity], severity), n["all"], n["new"], n["open"]) for severity, n in found.items()], right=(1, 2, 3))
    lines = [
        (say("报送包", "package"), about["package"] or say("无", "none")), ("SHA-256", about["package_sha256"] or say("无", "none")),
        (say("行数", "rows"), say(f"{about['rows']:,} 行，{len(about['tables'])} 张表；搁置 {about['rows_aside']:,} 行",
                                  f"{about['rows']:,} in {len(about['tables'])} tables; {about['rows_aside']:,} set aside")),
        (say("监管辖区", "jurisdiction"), about["jurisdiction"]), (say("留下未报的交易", "transactions held back"), about["held_back"]),
        (say("指标", "figures"), about["figures"] and say(f"{about['figures']} 个：eastbound figures --run {about['run']}", f"{about['figures']}: eastbound figures --run {about['run']}")),
        (say("发起人", "maker"), say("、", ", ").join(about["makers"]) or say("未知", "unknown")), (say("状态", "state"), say(*STATE_NAMES[about["state"]])),
    ]
    for title, value in lines:
        if value:
            click.echo(f"{title}{say('：', ': ')}{value}")
    for later in about["later_runs"]:
        click.echo(say(f"注意：同一报送期之后还有运行 {later['run']}（{STATE_NAMES[later['status']][0]}）",
                       f"Note: run {later['run']} of the same period was started later ({STATE_NAMES[later['status']][1]})"))
    _show_decisions(about["decisions"])


def _show_decisions(decided: list[dict[str, Any]]) -> None:
    if decided:
        echo_table([say("时间（UTC）", "at (UTC)"), say("决定", "decision"), say("运行", "run"), say("报送期", "period"), say("发起人", "maker"), say("决定人", "checker"),
                    say("报送包", "package"), say("理由", "reason")],
                   [(d["at"][:19].replace("T", " "), say(*STATE_NAMES[d["decision"]]), d["run"], d["period"], d["maker"], d["checker"], d["package_sha256"][:12] + "…", d["reason"])
                    for d in decided], title=say("决定（最近的在前）", "Decisions, the latest first"))
