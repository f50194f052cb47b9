"""Expectations over profiles, judged and documented by Great Expectations.

The library is an extra and takes seconds to import, so it is imported here only, when somebody asks. Nothing of it asks the network:
its usage reports are off, its context lives in memory.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from etl.errors import EastboundError
from etl.profiles.definition import MEASURES, WHOLE, Expectation, Range, Result, expected_text
from etl.standard.definition import Standard, Table

SITE = "profiles"


class GreatExpectationsMissing(EastboundError):
    zh = "数据画像的期望由 Great Expectations 评判，它尚未安装；请安装扩展：pip install 'eastbound[profiles]'（或 pip install great-expectations）"
    en = "expectations over profiles are judged by Great Expectations, which is not installed; install the extra: pip install 'eastbound[profiles]' (or pip install great-expectations)"


def judge_ranges(ranges: Sequence[Range], standard: Standard, period: str, run: str, at: datetime, docs: Path | None = None) -> list[Result]:
    """Judge what can be judged, in the order given; with `docs`, build the library's Data Docs in that folder (see `docs.build`).

    One suite and one batch per table: the batch is the table's profile in this period, a line per item. Raises GreatExpectationsMissing.
    """
    gx = _library()
    judged: dict[str, tuple[str, str]] = {}
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    for name in [site["site_name"] for site in context.get_docs_sites_urls()]:
        context.delete_data_docs_site(name)
    if docs is not None:
        context.add_data_docs_site(SITE, {
            "class_name": "SiteBuilder", "show_how_to_buttons": False, "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "show_cta_footer": False},
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)}})
    source = context.data_sources.add_pandas("eastbound")
    tables = dict.fromkeys(found.expectation.table for found in ranges)
    for code in tables:
        able = [found for found in ranges if found.expectation.table == code and not found.reason]
        if not able:
            continue
        judged.update(_judge_table(gx, context, source, standard.tables[code], able, gx.RunIdentifier(run_name=f"{period} {run}", run_time=at)))
    if docs is not None:
        context.build_data_docs(site_names=[SITE])
    results = []
    for found in ranges:
        outcome, reason = ("skipped", found.reason) if found.reason else judged[found.expectation.id]
        results.append(Result(found, outcome, reason))  # type: ignore[arg-type]
    return results


def _library() -> Any:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import great_expectations as gx
    except ImportError:
        raise GreatExpectationsMissing() from None
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    return gx


def _judge_table(gx: Any, context: Any, source: Any, table: Table, ranges: Sequence[Range], identifier: Any) -> dict[str, tuple[str, str]]:
    """Expectation id -> (outcome, reason) for one table."""
    title = suite_name(table)
    batch = source.add_dataframe_asset(title).add_batch_definition_whole_dataframe("profile")
    suite = context.suites.add(gx.ExpectationSuite(name=title))
    for found in ranges:
        suite.add_expectation(_expectation(gx, found, table))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=table.code, data=batch, suite=suite))
    checkpoint = context.checkpoints.add(gx.Checkpoint(name=table.code, validation_definitions=[definition], result_format="SUMMARY"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcome = checkpoint.run(batch_parameters={"dataframe": frame(ranges)}, run_id=identifier)
    judged = {}
    for validation in outcome.run_results.values():
        for one in validation.results:
            broke = bool(one.exception_info.get("raised_exception")) if "raised_exception" in one.exception_info else bool(one.exception_info)
            judged[one.expectation_config.meta["id"]] = ("errored", "library") if broke else ("passed" if one.success else "failed", "")
    return judged


def suite_name(table: Table) -> str:
    return f"{table.code} {table.name.get('zh') or table.name.get('en') or ''}".strip()


def column_name(measure: str) -> str:
    """The frame's column of a measure, as the pages show it."""
    return f"{MEASURES[measure].name['zh']} {measure}"


def frame(ranges: Sequence[Range]) -> Any:
    """What is judged, as pandas: a line per item of the table (`*` for the table itself), a column per measure, numbers as float."""
    import pandas as pd

    lines: dict[str, dict[str, Any]] = {}
    for found in ranges:
        line = lines.setdefault(found.expectation.item, {"item": found.expectation.item})
        line[column_name(found.expectation.measure)] = None if found.observed is None else float(found.observed)
    return pd.DataFrame(list(lines.values()))


def _expectation(gx: Any, found: Range, table: Table) -> Any:
    from great_expectations.expectations.row_conditions import Column

    wanted = found.expectation
    # One value is chosen by the condition, so its maximum is the value itself, and the pages show it.
    return gx.expectations.ExpectColumnMaxToBeBetween(
        column=column_name(wanted.measure), min_value=None if found.low is None else float(found.low), max_value=None if found.high is None else float(found.high),
        row_condition=Column("item") == wanted.item, severity="critical" if wanted.severity == "error" else "warning",
        description=describe(found, table), notes=f"{wanted.message['zh']} / {wanted.message['en']}", meta={"id": wanted.id})


def describe(found: Range, table: Table) -> str:
    """A sentence for the pages, in both languages: what is measured, where it should lie, and against which periods."""
    wanted = found.expectation
    return f"{wanted.id} {_where(wanted, table, 'zh')} {expected_text(found)}{_against(found, 'zh')}；若不符：{wanted.message['zh']} | " \
           f"{_where(wanted, table, 'en')} {expected_text(found)}{_against(found, 'en')}; if not met: {wanted.message['en']}"


def _where(wanted: Expectation, table: Table, language: str) -> str:
    measure = MEASURES[wanted.measure].name[language]
    if wanted.item == WHOLE:
        return measure
    name = table.by_code[wanted.item].name
    return f"{wanted.item} {name.get(language) or name.get('zh') or ''} {measure}"


def _against(found: Range, language: str) -> str:
    wanted = found.expectation
    if not wanted.looks_back:
        return ""
    count = len(found.periods)
    span = found.periods[0] if count == 1 else f"{found.periods[-1]} .. {found.periods[0]}"
    if language == "zh":
        how = {"previous": "上期", "median": "中位数", "mean": "均值"}[wanted.against] if wanted.measure != "drift" else "合并分布"
        return f"（参照{count}期 {span}，{how}）"
    how = {"previous": "the previous period", "median": "their median", "mean": "their mean"}[wanted.against] if wanted.measure != "drift" else "pooled"
    return f" (against {count} period(s) {span}, {how})"
