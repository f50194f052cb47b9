"""The tutorial is executed as it is written: its files are made, its commands run, and what it shows is what they print.

Left to vary are run ids, digests, seconds, and the widths of tables; a line `...` stands for any lines.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TUTORIALS = {"en": DOCS / "tutorial.md", "zh": DOCS / "tutorial.zh-CN.md"}
VARYING = ((r"\b\d{8}-[0-9a-f]{6}\b", "RUN"), (r"\b[0-9a-f]{16}…", "DIGEST"), (r"\d+\.\d s\b", "SECONDS"), (r"\d+\.\d 秒", "SECONDS"), ("─+", "─"), (r"\s+", " "))


def blocks(text: str) -> list[tuple[str, str, str]]:
    """(path, language, content) of every fenced block; the path is the line of code above it."""
    return re.findall(r"(?:^`([^`\n]+)`\n\n)?^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def files(text: str) -> dict[str, str]:
    return {path: content for path, _, content in blocks(text) if path}


def sessions(text: str) -> list[tuple[str, list[str]]]:
    """(command, lines shown) of every console block."""
    found: list[tuple[str, list[str]]] = []
    for _, language, content in blocks(text):
        for line in content.splitlines() if language == "console" else ():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.strip():
                found[-1][1].append(line)
    return found


def stable(line: str) -> str:
    for pattern, word in VARYING:
        line = re.sub(pattern, word, line)
    return line.strip()


def differs(shown: list[str], printed: str) -> str | None:
    """What is shown and not printed, in its place; None when all is as shown."""
    lines = [line for line in map(stable, printed.splitlines()) if line]
    at, skipping = 0, False
    for line in map(stable, shown):
        if line == "...":
            skipping = True
            continue
        while skipping and at < len(lines) and lines[at] != line:
            at += 1
        if at >= len(lines) or lines[at] != line:
            return f"shown: {line}\nprinted: {lines[at] if at < len(lines) else '(nothing more)'}"
        at, skipping = at + 1, False
    return None if skipping or at == len(lines) else f"printed, but not shown: {lines[at]}"


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A folder with `eastbound` and `python` as an installation would have them."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, arguments in (("eastbound", "-m etl"), ("python", "")):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    return folder


@pytest.mark.parametrize("language", ["en", pytest.param("zh", marks=pytest.mark.slow)])
def test_the_tutorial_does_what_it_says(language, tmp_path, commands):
    here = tmp_path / "here"
    here.mkdir()
    environment = {**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    environment.pop("EASTBOUND_LANG", None)
    text, ran = TUTORIALS[language].read_text(encoding="utf-8"), 0
    for name, block_language, content in blocks(text):
        if name:
            path = here / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
            continue
        for command, shown in sessions(f"```{block_language}\n{content}```\n"):
            if command.startswith("export "):
                variable, _, value = command.removeprefix("export ").partition("=")
                environment[variable] = value
                continue
            done = subprocess.run(["sh", "-c", command], cwd=here, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
            assert done.returncode == 0, f"$ {command}\n{done.stdout}"
            assert differs(shown, done.stdout) is None, f"$ {command}\n{differs(shown, done.stdout)}"
            ran += command.startswith("eastbound ")
    assert ran >= 10


def test_both_tutorials_write_the_same_files_and_run_the_same_commands():
    english, chinese = (TUTORIALS[language].read_text(encoding="utf-8") for language in ("en", "zh"))
    assert files(english) == files(chinese)
    assert len(files(english)) > 12
    assert [command.replace("=zh", "=en") for command, _ in sessions(chinese)] == [command for command, _ in sessions(english)]


def test_what_is_shown_is_held_against_what_is_printed():
    assert differs(["a 1", "...", "c"], "a   1\nb\n\nc\n") is None
    assert differs(["run 20261105-e8491f", "7.2 s"], "run 20261106-000000\n12.0 s\n") is None
    assert differs(["a", "c"], "a\nb\nc") == "shown: c\nprinted: b"
    assert differs(["a"], "a\nb") == "printed, but not shown: b"
    assert differs(["a", "b"], "a") == "shown: b\nprinted: (nothing more)"


def test_the_pack_of_the_tutorial_has_what_it_promises():
    written = files(TUTORIALS["en"].read_text(encoding="utf-8"))
    rules = "".join(text for path, text in written.items() if "validation_rules" in path)
    assert len(re.findall(r"^  - id:", rules, re.MULTILINE)) == 5
    assert len([path for path in written if "/tables/" in path]) == 2
