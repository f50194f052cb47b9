"""What every command shares: options, tables and JSON on the screen, progress."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import click

from etl.language import LANGUAGES, say, set_language


def workspace_option(function: Callable) -> Callable:
    return click.option("--workspace", "-w", default="var", show_default=True, envvar="EASTBOUND_WORKSPACE", type=click.Path(path_type=Path),
                        help=say("工作区目录", "workspace folder"))(function)


def packs_option(function: Callable) -> Callable:
    return click.option("--packs", multiple=True, type=click.Path(exists=True, file_okay=False),
                        help=say("外部规范包目录，可多次给出", "folder with packs from outside; may be given several times"))(function)


def jurisdiction_option(function: Callable) -> Callable:
    return click.option("--jurisdiction", default=None, metavar="CODE",
                        help=say("同时采用该监管辖区的地方规则，如 440300", "with the local rules of this jurisdiction, e.g. 440300"))(function)


def format_option(*formats: str, default: str = "table") -> Callable:
    return click.option("--format", "form", default=default, show_default=True, type=click.Choice(["table", "json", *formats]),
                        help=say("输出格式", "output format"))


def lang_option(function: Callable) -> Callable:
    return click.option("--lang", type=click.Choice(LANGUAGES), expose_value=False, is_eager=True,
                        callback=lambda ctx, param, value: set_language(value) if value else None,
                        help=say("界面语言", "language of messages"))(function)


def command(name: str | None = None, *, zh: str, en: str, examples: Sequence[str] = (), cls: type[click.Command] | None = None) -> Callable:
    """A click command whose help is in the reader's language and ends with examples."""
    def wrap(function: Callable) -> click.Command:
        shown = "".join(f"\n  {example}" for example in examples)
        text = say(zh, en) + (f"\n\n\b\n{say('示例：', 'Examples:')}{shown}" if examples else "")

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return click.command(name or function.__name__, help=text, cls=cls or click.Command, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})(lang_option(call))

    return wrap


def group(name: str, *, zh: str, en: str) -> click.Group:
    return click.Group(name=name, help=say(zh, en), context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})


class DateParam(click.ParamType):
    """A date as YYYY-MM-DD."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(say(f"{value!r} 不是日期，应写作 2026-11-15", f"{value!r} is not a date; write it as 2026-11-15"), param, ctx)


def echo_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def echo_jsonl(rows: Iterable[Any]) -> None:
    for row in rows:
        click.echo(json.dumps(row, ensure_ascii=False, default=str))


def console(stderr: bool = False):
    from rich.console import Console

    wide = None if sys.stdout.isatty() else 160
    return Console(stderr=stderr, width=wide, highlight=False, soft_wrap=False)


def echo_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "", right: Iterable[int] = ()) -> None:
    """A table for people; `right` are the numbers of right-aligned columns."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    numbers = set(right)
    if title:
        click.secho(title, bold=True)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index in numbers else "left", overflow="fold", no_wrap=index in numbers)
    for row in rows:
        table.add_row(*(Text("" if value is None else f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)) for value in row))
    console().print(table)


STAGE_NAMES = {
    "extract": ("取数", "extract"), "standardise": ("标准化", "standardise"), "check": ("检核", "check"), "mask": ("脱敏", "mask"),
    "write": ("写文件", "write"), "seal": ("封包", "seal"), "demo": ("演示数据", "demo"), "impact": ("变更影响", "impact"),
}


class ProgressPrinter:
    """Progress of a run: a live line on a terminal, a line per finished table elsewhere (`by_stage`: one per stage)."""

    def __init__(self, quiet: bool = False, by_stage: bool = False) -> None:
        self.quiet, self.by_stage = quiet, by_stage
        self.status = None
        self._stage, self._rows, self._aside = "", 0, 0
        if not quiet and sys.stderr.isatty():
            self.status = console(stderr=True).status("")

    def __enter__(self) -> ProgressPrinter:
        if self.status:
            self.status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end_stage()
        if self.status:
            self.status.stop()

    def __call__(self, stage: str, name: str, event: str, numbers: dict[str, Any]) -> None:
        if self.quiet:
            return
        if self.status:
            self.status.update(_progress_line(stage, name, numbers.get("rows"), numbers.get("aside")))
        elif event != "done":
            return
        elif self.by_stage:
            if stage != self._stage:
                self._end_stage()
            self._stage = stage
            self._rows += numbers.get("rows") or 0
            self._aside += numbers.get("aside") or 0
        else:
            click.echo(_progress_line(stage, name, numbers.get("rows"), numbers.get("aside")), err=True)

    def _end_stage(self) -> None:
        if self._stage:
            click.echo(_progress_line(self._stage, "", self._rows, self._aside), err=True)
        self._stage, self._rows, self._aside = "", 0, 0


def _progress_line(stage: str, name: str, rows: int | None, aside: int | None) -> str:
    label = say(*STAGE_NAMES.get(stage, (stage, stage)))
    count = say(f" {rows:,} 行", f" {rows:,} rows") if rows is not None else ""
    if aside:
        count += say(f"，搁置 {aside:,} 行", f", {aside:,} set aside")
    return f"{label}{' ' + name if name else ''}{count}"
