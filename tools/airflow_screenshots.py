"""Airflow's pages in a real browser: approve a package as a person does, and keep a picture of a DAG run's graph.

    python tools/airflow_screenshots.py http://127.0.0.1:8080 checker PASSWORD east_monthly RUN_ID graph.png
    python tools/airflow_screenshots.py ... --approve approve --reason "ledger compared"     answers the task `approve` first

The password may be left to the environment: give `-` and set AIRFLOW_PASSWORD. Needs Playwright, and Chromium where CHROMIUM or the
usual places have it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

SECONDS = 60
FIELD = "element_reason"


def chromium() -> str | None:
    """The browser of this machine; None leaves it to Playwright's own."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def signed_in(base: str, user: str, password: str, *, width: int = 1600, height: int = 1000) -> Iterator[Any]:
    """A page of Airflow, signed in as `user` through the login form. `base`: scheme, host and port."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # A container's root user has no sandbox for the browser; only this machine's own pages are opened.
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--no-proxy-server"])
        try:
            page = browser.new_page(viewport={"width": width, "height": height}, locale="en-US")
            page.set_default_timeout(SECONDS * 1000)
            page.goto(base)
            page.fill("input[name=username]", user)
            page.fill("input[name=password]", password)
            page.click("button[type=submit]")
            page.wait_for_url(lambda url: "/auth/login" not in url)
            page.get_by_role("link", name="Dags").first.wait_for()
            yield page
        finally:
            browser.close()


def approve_in_ui(page: Any, dag_id: str, run_id: str, task_id: str, reason: str = "", option: str = "Approve") -> None:
    """Answer what a task asks under its tab *Required Action*, and wait until Airflow has taken the answer."""
    page.goto(f"{_origin(page)}/dags/{dag_id}/runs/{quote(run_id, safe='')}/tasks/{task_id}/required_actions")
    button = page.get_by_role("button", name=option, exact=True)
    button.wait_for()
    if reason:
        field = page.locator(f"[name={FIELD}]")
        field.fill(reason)
        # The form takes a value over when its field is left.
        field.blur()
    with page.expect_response(lambda answer: answer.request.method == "PATCH" and "hitlDetails" in answer.url) as taken:
        button.click()
    if not taken.value.ok:
        raise SystemExit(f"Airflow refused the answer of {task_id}: {taken.value.status}")


def open_graph(page: Any, dag_id: str, run_id: str, groups: Sequence[str] = (), share: int = 76) -> None:
    """Open the graph of a DAG run and wait until it is drawn. `groups`: task groups shown open; `share`: per cent of the width for it."""
    panels = {"details-panel,main-panel": {"expandToSizes": {}, "layout": [share, 100 - share]}}
    kept = {"default_dag_view": json.dumps("graph"), f"{dag_id}/open-groups": json.dumps(list(groups)), "react-resizable-panels:graph-ltr": json.dumps(panels)}
    page.evaluate("kept => Object.entries(kept).forEach(([name, value]) => localStorage.setItem(name, value))", kept)
    page.goto(f"{_origin(page)}/dags/{dag_id}/runs/{quote(run_id, safe='')}")
    page.locator(".react-flow__node").first.wait_for()
    page.locator(".react-flow__edge").first.wait_for(state="attached")
    # Nodes move into place once after they appear.
    page.wait_for_timeout(1500)
    page.get_by_role("button", name="Fit View").click()
    page.wait_for_timeout(1500)


def screenshot(page: Any, target: Path) -> None:
    """Keep the page as it is seen, as PNG."""
    page.mouse.move(1, 1)
    page.screenshot(path=str(target))


def _origin(page: Any) -> str:
    parts = urlsplit(page.url)
    return f"{parts.scheme}://{parts.netloc}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, about in (("base", "address of Airflow, such as http://127.0.0.1:8080"), ("user", "who signs in"), ("password", "- takes it from AIRFLOW_PASSWORD"),
                        ("dag_id", "DAG"), ("run_id", "DAG run"), ("out", "PNG file")):
        parser.add_argument(name, help=about)
    parser.add_argument("--approve", metavar="TASK", help="approve what this task asks, then wait for --seconds until the picture is taken")
    parser.add_argument("--reason", default="", help="with --approve")
    parser.add_argument("--open", nargs="*", default=(), metavar="GROUP", help="task groups to show open")
    parser.add_argument("--share", type=int, default=76, help="per cent of the width for the graph")
    parser.add_argument("--size", default="1600x1000", help="width x height of the picture")
    parser.add_argument("--seconds", type=float, default=0, help="wait before the picture is taken")
    given = parser.parse_args(arguments)
    password = os.environ.get("AIRFLOW_PASSWORD", "") if given.password == "-" else given.password
    width, height = (int(part) for part in given.size.split("x"))
    with signed_in(given.base, given.user, password, width=width, height=height) as page:
        if given.approve:
            approve_in_ui(page, given.dag_id, given.run_id, given.approve, given.reason)
        page.wait_for_timeout(given.seconds * 1000)
        open_graph(page, given.dag_id, given.run_id, given.open, given.share)
        screenshot(page, Path(given.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
