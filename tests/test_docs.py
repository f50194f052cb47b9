"""The documentation against the command: every example names commands and options that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from etl.cli import _group
from etl.language import set_language

ROOT = Path(__file__).parents[1]


def examples() -> list[tuple[str, str]]:
    found = []
    for path in (ROOT / "README.md", ROOT / "README.zh-CN.md"):
        for block in re.findall(r"```\w*\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            found += [(path.name, line.removeprefix("$ ")) for line in block.splitlines() if re.match(r"(\$ )?eastbound ", line)]
    return found


def test_both_readmes_show_examples():
    assert {name for name, _ in examples()} == {"README.md", "README.zh-CN.md"}
    assert len(examples()) > 20


@pytest.mark.parametrize(("name", "line"), examples())
def test_example_names_real_commands_and_options(name, line):
    set_language("en")
    words = shlex.split(line)[1:]
    command: click.Command = _group()
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, line
        command = found
    known = {option for parameter in command.params for option in parameter.opts}
    used = {word.split("=")[0] for word in words if word.startswith("-")}
    assert used <= known, line
    set_language(None)


def test_make_targets_that_are_named_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for path in (ROOT / "README.md", ROOT / "README.zh-CN.md"):
        for target in re.findall(r"`?make ([a-z]+)\b", path.read_text(encoding="utf-8")):
            if target not in ("and", "a"):
                assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
