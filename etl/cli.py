"""The `eastbound` command. Sub-commands are loaded when they are called, so that `--help` is instant."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click

from etl import __version__
from etl.errors import EastboundError
from etl.language import LANGUAGES, say, set_language

# name -> (module, attribute, what it does in Chinese, in English)
COMMANDS: dict[str, tuple[str, str, str, str]] = {
    "demo": ("etl.commands.demo", "demo", "演示保险公司：建立、注入差错、修复", "the demo insurer: set up, with planted faults, repair"),
    "run": ("etl.commands.run", "run", "从取数到封包，走完全程", "walk the whole road, from extraction to a sealed package"),
    "resume": ("etl.commands.run", "resume", "继续一次中断的运行", "take an interrupted run up again"),
    "extract": ("etl.commands.run", "extract", "开始一次运行，做到取数为止", "start a run and stop after extraction"),
    "standardise": ("etl.commands.run", "standardise", "做到标准化为止", "go on up to standardising"),
    "mask": ("etl.commands.run", "mask", "做到脱敏为止", "go on up to masking"),
    "write": ("etl.commands.run", "write", "做到写文件为止", "go on up to writing"),
    "seal": ("etl.commands.run", "seal", "做到封包为止", "go on up to sealing"),
    "runs": ("etl.commands.runs", "runs", "已有运行：列表与明细", "runs so far: list and details"),
    "calendar": ("etl.commands.calendar", "calendar", "报送日历：到期、逾期、已完成；节假日顺延", "what is due, late and done; deadlines postponed over holidays"),
    "digest": ("etl.commands.digest", "digest", "需要人处理的事，合成一条消息", "everything that needs people now, in one message"),
    "findings": ("etl.commands.findings", "findings", "查看或导出检核发现（全部，不截断）", "see or export findings, all of them"),
    "profiles": ("etl.commands.profiles", "profiles", "数据画像：各表总体情况与往期比较", "profiles of the tables against earlier periods"),
    "trace": ("etl.commands.trace", "trace", "由流水号追溯到来源记录", "from a serial number back to the source rows"),
    "lineage": ("etl.commands.lineage", "lineage", "血缘：报送数据项取自哪些来源列；OpenLineage 事件", "which source columns the items are made of; OpenLineage events"),
    "figures": ("etl.commands.figures", "figures", "指标：按定义计算，可按机构、渠道、产品、月份拆分，直至明细行", "named figures, split by branch, channel, product, month, down to their rows"),
    "reconcile": ("etl.commands.reconcile", "reconcile", "核对：与总账、登记平台、统计汇总表、上期", "reconcile with ledger, registry, statistics summary, the period before"),
    "verify": ("etl.commands.verify", "verify", "校验报送包是否原样", "check that a package is as it was sealed"),
    "approve": ("etl.commands.approve", "approve", "批准、退回已封好的报送包，或撤回批准", "approve or reject a sealed package, or withdraw its approval"),
    "approvals": ("etl.commands.approve", "approvals", "待批准的报送包与全部决定", "packages that wait for approval, and every decision"),
    "split": ("etl.commands.split", "split", "把全国报送包拆成各监管辖区的报送包，并证明其和等于全国", "one package per jurisdiction, proved to be the whole together"),
    "check": ("etl.commands.check", "check", "检核任何人生成的报送文件", "check submission files made by anyone"),
    "standard": ("etl.commands.standard", "standard", "标准：列表、表结构、工作簿导入导出、版本比较、目录页", "standards: list, show, import, export, diff, catalogue"),
    "registry": ("etl.commands.registry", "registry", "保单登记平台：每日报送、更正、对账；演示平台", "the policy registry: daily cycle, reconciliation, stand-in platform"),
    "mapping": ("etl.commands.mapping", "mapping", "映射：覆盖情况、未对照代码", "mappings: coverage, unmapped codes"),
    "rules": ("etl.commands.rules", "rules", "检核规则：列表、明细、样例测试", "check rules: list, show, test"),
    "bench": ("etl.commands.bench", "bench", "测速：规则检核有多快", "measure how fast rules are checked"),
}


class LazyGroup(click.Group):
    """Knows its commands by name and help; imports one only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _, _ = COMMANDS[cmd_name]
        return getattr(importlib.import_module(module), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section(say("命令", "Commands")):
            formatter.write_dl([(name, say(zh, en)) for name, (_, _, zh, en) in COMMANDS.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]):
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, 1)
            hint = say(f"，是否指 {near[0]}？", f"; did you mean {near[0]}?") if near else ""
            raise click.UsageError(say(f"没有命令 {args[0]}{hint}", f"there is no command {args[0]}{hint}"), ctx) from None


def _group() -> click.Group:
    about = say(
        "把核心系统的记录变成监管报送包，并能证明其中每一个数。\n\n\b\n示例：\n"
        "  eastbound demo init --faults 0.01\n  eastbound run --standard east_life_2020 --period 2026-10\n  eastbound findings --severity error\n"
        "  eastbound trace 000999202611150000000001\n\n退出码：0 完成且无阻断发现；1 完成但有阻断发现；2 用法或输入有误；3 失败。",
        "Turn core-system records into regulatory submissions, and prove every figure in them.\n\n\b\nExamples:\n"
        "  eastbound demo init --faults 0.01\n  eastbound run --standard east_life_2020 --period 2026-10\n  eastbound findings --severity error\n"
        "  eastbound trace 000999202611150000000001\n\nExit codes: 0 done and clean; 1 done with blocking findings; 2 bad usage or input; 3 failed.",
    )
    group = LazyGroup(name="eastbound", help=about, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
    group.params.append(click.Option(["--lang"], type=click.Choice(LANGUAGES), expose_value=False, is_eager=True,
                                     callback=lambda ctx, param, value: set_language(value) if value else None,
                                     help=say("界面语言，默认随系统区域设置", "language of messages; default from the locale")))
    return click.version_option(__version__, prog_name="eastbound")(group)


def _language_of(arguments: Sequence[str]) -> str | None:
    """`--lang` decides the language of help texts too, so it is looked for before anything is built."""
    for index, argument in enumerate(arguments):
        if argument == "--lang" and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith("--lang="):
            return argument.partition("=")[2]
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns or exits with its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    language = _language_of(arguments)
    set_language(language if language in LANGUAGES else None)
    try:
        result = _group().main(args=arguments, prog_name="eastbound", standalone_mode=False)
        code = int(result) if isinstance(result, int) else 0
    except EastboundError as error:
        click.echo(say("错误：", "Error: ") + str(error), err=True)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = 2
    except click.exceptions.Exit as error:
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo(say("已中断；用 eastbound resume 继续", "interrupted; go on with eastbound resume"), err=True)
        code = 3
    except BrokenPipeError:
        code = 0
    except Exception as error:  # noqa: BLE001 - the last resort: say what kind of fault, never a value that may be personal
        import os

        if os.environ.get("EASTBOUND_DEBUG"):
            raise
        click.echo(say(f"内部错误（{type(error).__name__}）；设置 EASTBOUND_DEBUG=1 重试可见详情（可能含个人信息，勿外传）",
                       f"internal error ({type(error).__name__}); set EASTBOUND_DEBUG=1 to see it (it may hold personal data: keep it in the house)"), err=True)
        code = 3
    sys.exit(code)


if __name__ == "__main__":
    main()
