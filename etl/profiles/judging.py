"""From a run to the results of its expectations: earlier periods looked up, ranges found, judged, kept with the run."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.files import whole_file
from etl.profiles.definition import HISTORY, Result
from etl.profiles.docs import build, shown, shown_range
from etl.profiles.great import judge_ranges
from etl.profiles.history import earlier_periods, find_ranges
from etl.profiles.loader import expectations_within, load_expectations
from etl.profiles.profile import FOLDER
from etl.standard.effective import in_force_on
from etl.standard.loader import load_standard
from etl.submission.definition import Period

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.packs.roots import PackRoots
    from etl.workspace import Workspace

DOCS, RESULTS = "data_docs", "results.json"


def judge_run(workspace: Workspace, ledger: Ledger, run_id: str, *, docs: bool = False, roots: PackRoots | None = None) -> dict[str, Any]:
    """Judge the expectations over a run's profiles; returns what is kept in `<run>/profiles/results.json`.

    Keys: run, standard, period, periods (earlier ones with profiles, the latest first), periods_wanted, unprofiled, counts, docs (path or
    None), results (lines like findings). With `roots` the thresholds of those packs are used and nothing is kept. Raises RunUnknown,
    ProfilesMissing, GreatExpectationsMissing.
    """
    from etl.packs.roots import PackRoots

    run = ledger.run(run_id)
    folder = workspace.run_folder(run.id)
    whole = load_standard(run.standard, roots or PackRoots((folder / "packs",)))
    standard = in_force_on(whole, Period.parse(run.period).end)
    expectations = expectations_within(standard, load_expectations(whole, roots or PackRoots((folder / "packs",))))
    earlier = earlier_periods(ledger.runs(run.standard), run, workspace)
    ranges = find_ranges(expectations, run, folder, earlier)
    wanted = max((e.history for e in expectations.expectations if e.looks_back), default=HISTORY)
    about: dict[str, Any] = {"run": run.id, "standard": run.standard, "period": run.period, "periods": [one.period for one in earlier if one.profiled][:wanted],
                             "periods_wanted": wanted, "unprofiled": [one.period for one in earlier[:wanted] if not one.profiled]}
    results: list[Result] = []
    page = None
    if ranges:
        def judge(target: Path | None) -> list[Result]:
            return judge_ranges(ranges, standard, run.period, run.id, datetime.now(UTC), target)

        if docs:
            told = {name: about[name] for name in ("run", "period", "periods", "unprofiled")}
            results = build(folder / DOCS, judge, standard, told)
            page = folder / DOCS / "index.html"
        else:
            results = judge(None)
    counts = Counter(result.outcome for result in results)
    about["counts"] = {name: counts[name] for name in ("passed", "failed", "skipped", "errored")}
    about["docs"] = None if page is None else page.relative_to(workspace.root).as_posix()
    about["results"] = [{**result.as_finding(run.period, run.id), "value_shown": shown(result.range.observed, result.range.expectation.measure),
                         "expected_shown": shown_range(result.range)} for result in results]
    if roots is None:
        with whole_file(folder / FOLDER / RESULTS) as partial:
            partial.write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return about
