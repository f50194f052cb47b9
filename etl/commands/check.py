"""`eastbound check`: files made by anyone, held against a standard's format and rules."""

from __future__ import annotations

from pathlib import Path

import click

from etl.commands.common import command, echo_json, echo_jsonl, echo_table, format_option, packs_option
from etl.commands.findings import _short
from etl.language import say


@command(zh="检核任何人生成的报送文件或目录：格式、长度、代码与全部规则。已脱敏的数据项其明文规则会被跳过并说明。",
         en="Check a submission file or folder made by anyone: format, lengths, codes and all rules. Rules that need a masked item's clear value are skipped, and said so.",
         examples=["eastbound check 000999-GRBDB-20261031.txt --standard east_life_2020", "eastbound check FOLDER -s east_life_2020 --format jsonl",
                   "eastbound check FOLDER -s east_life_2020 --clear   # items are not masked"])
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--standard", "-s", required=True, help=say("标准名称", "name of the standard"))
@click.option("--period", "-p", default=None, help=say("报送期，默认取自文件名", "period; default from the file names"))
@click.option("--clear", is_flag=True, help=say("文件未脱敏，明文规则也要检核", "the files are not masked: run the rules on clear values too"))
@format_option("jsonl")
@packs_option
def check(packs: tuple[str, ...], form: str, path: Path, standard: str, period: str | None, clear: bool) -> int:
    from etl.packs.roots import PackRoots
    from etl.pipeline.foreign import check_files

    result = check_files(path, standard, PackRoots.of(*packs), period=period, clear=clear)
    rows = result.findings
    if form == "json":
        echo_json(rows)
    elif form == "jsonl":
        echo_jsonl(rows)
    else:
        echo_table([say("文件", "file"), say("行", "line"), say("级别", "severity"), say("规则", "rule"), say("值", "value"), say("应为", "expected"), say("说明", "text")],
                   [(r["file"], r["line"], r["severity"], r["rule"], _short(r["value"]), _short(r["expected"]), say(r["message_zh"], r["message_en"])) for r in rows[:200]], right=(1,))
        if len(rows) > 200:
            click.echo(say(f"屏幕显示前 200 条，共 {len(rows):,} 条；全部见 --format jsonl", f"the first 200 of {len(rows):,} are shown; --format jsonl gives all"))
        click.echo(say(f"检核 {len(result.files)} 个文件、{result.rows:,} 行、{result.rules} 条规则；跳过 {len(result.skipped)} 条规则（需要明文或缺少相关表）；发现 {len(rows):,} 条。",
                       f"checked {len(result.files)} file(s), {result.rows:,} rows, {result.rules} rules; {len(result.skipped)} rule(s) skipped (they need clear values or a table that is not there); {len(rows):,} finding(s)."))
    return 1 if any(r["severity"] == "error" for r in rows) else 0
