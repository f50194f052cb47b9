"""The Data Docs of a run as pages that stand alone: no page asks the network for a style, a script or a picture.

Great Expectations writes a page per table and one per suite. Their styles and scripts lie with third parties, and the index
is drawn by such a script; so the links are taken out, a small style sheet is put in, and the index is written here.
"""

from __future__ import annotations

import html
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote as url_quote

from etl.language import current_language
from etl.profiles.definition import HISTORY, MEASURES, WHOLE, Result, expected_text
from etl.profiles.great import suite_name
from etl.standard.definition import Standard

TEMPLATES = Path(__file__).with_name("templates")
STYLE = "static/profiles.css"
REASONS = {
    "no_profile": ("该项没有画像", "the item has no profile"), "no_value": ("没有可度量的值", "nothing to measure"), "few_rows": ("行数太少，不作判断", "too few rows to judge"),
    "no_history": ("没有已封包的往期", "no sealed earlier period"), "no_reference": ("往期没有可比的值", "no comparable value in earlier periods"),
    "zero_reference": ("往期值为 0，无法计算变动", "the earlier value is 0, so there is no relative change"), "library": ("评判时出错", "judging it broke"),
}


def build(folder: Path, write: Callable[[Path], Sequence[Result]], standard: Standard, about: dict[str, Any]) -> list[Result]:
    """Let `write` build the library's pages in a scratch folder, make them stand alone, and put them at `folder`, whole or not at all.

    `about`: run, period, periods (earlier ones, the latest first), unprofiled (sealed periods without profiles). Returns the results of `write`.
    """
    scratch = folder.with_name(folder.name + ".partial")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        results = list(write(scratch))
        for path in sorted(scratch.rglob("*.html")):
            path.write_text(alone(path.read_text(encoding="utf-8"), _to_root(path, scratch)), encoding="utf-8")
        shutil.rmtree(scratch / "static", ignore_errors=True)
        (scratch / "static").mkdir()
        shutil.copyfile(TEMPLATES / "profiles.css", scratch / STYLE)
        (scratch / "index.html").write_text(_index(scratch, results, standard, about), encoding="utf-8")
        old = folder.with_name(folder.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            os.replace(folder, old)
        os.replace(scratch, folder)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return results


def alone(page: str, to_root: str) -> str:
    """A page of the library without anything that it would fetch, and with our style sheet. `to_root`: the way to the site's root, such as `../`."""
    page = re.sub(r"<script\b.*?</script\s*>", "", page, flags=re.DOTALL | re.IGNORECASE)
    page = re.sub(r"<link\b[^>]*>", "", page, flags=re.IGNORECASE)
    page = re.sub(r"<img\b[^>]*>", "", page, flags=re.IGNORECASE | re.DOTALL)
    page = re.sub(r"<style\b.*?</style\s*>", "", page, flags=re.DOTALL | re.IGNORECASE)
    page = re.sub(r"<footer\b.*?</footer\s*>", "", page, flags=re.DOTALL | re.IGNORECASE)
    page = re.sub(r'(href|src)\s*=\s*"(?:https?:)?//[^"]*"', "", page, flags=re.IGNORECASE)
    style = f'<link rel="stylesheet" href="{html.escape(to_root)}{STYLE}">'
    return page.replace("</head>", f"{style}\n</head>", 1)


def _to_root(path: Path, root: Path) -> str:
    return "../" * (len(path.relative_to(root).parts) - 1)


def _index(folder: Path, results: Sequence[Result], standard: Standard, about: dict[str, Any]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(TEMPLATES, encoding="utf-8"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    pages = {path.parts[-4]: url_quote(path.relative_to(folder).as_posix()) for path in sorted((folder / "validations").rglob("*.html"))} if (folder / "validations").is_dir() else {}
    tables = []
    for code in dict.fromkeys(r.range.expectation.table for r in results):
        table = standard.tables[code]
        mine = [r for r in results if r.range.expectation.table == code]
        tables.append({"code": code, "name": _pair(table.name, code), "page": pages.get(suite_name(table)), "counts": Counter(r.outcome for r in mine),
                       "lines": [_line(r, table) for r in mine if r.outcome != "passed"]})
    return environment.get_template("profiles.html.j2").render(
        standard=standard, title=_pair(standard.title, standard.name), language=current_language(), tables=tables, counts=Counter(r.outcome for r in results),
        wanted=max((r.range.expectation.history for r in results if r.range.expectation.looks_back), default=HISTORY), style=STYLE, **about)


def _line(result: Result, table: Any) -> dict[str, Any]:
    wanted, found = result.range.expectation, result.range
    item = {"zh": "", "en": ""} if wanted.item == WHOLE else _pair(table.by_code[wanted.item].name, wanted.item)
    return {"id": wanted.id, "outcome": result.outcome, "severity": wanted.severity, "item": "" if wanted.item == WHOLE else wanted.item, "item_name": item,
            "measure": _pair(MEASURES[wanted.measure].name, wanted.measure), "observed": shown(found.observed, wanted.measure), "expected": expected_text(found),
            "periods": len(found.periods), "reason": dict(zip(("zh", "en"), REASONS.get(result.reason, ("", "")))), "message": wanted.message}


def shown(number: Any, measure: str) -> str:
    """A value for people: shares as per cent, amounts with two decimals, counts without."""
    if number is None:
        return ""
    kind = MEASURES[measure].kind
    if kind == "share":
        return f"{number * 100:.2f} %"
    if kind == "index":
        return f"{number:.4f}"
    return f"{number:,.2f}" if kind == "amount" else f"{number:,.0f}"


def shown_range(found: Any) -> str:
    """The range for people, in the same units as `shown`."""
    measure = found.expectation.measure
    low, high = shown(found.low, measure), shown(found.high, measure)
    if low and high:
        return f"{low} .. {high}"
    return f">= {low}" if low else f"<= {high}" if high else ""


def _pair(texts: dict[str, str], otherwise: str) -> dict[str, str]:
    zh = texts.get("zh") or texts.get("en") or otherwise
    return {"zh": zh, "en": texts.get("en") or zh}

