"""The pages, the link and the failure notice in a real Airflow with a login; the workspace is that of a small insurer with many findings."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from etl.ledger import open_ledger
from etl.pipeline import start_run
from etl.workspace import Workspace
from tests.command import call
from tests.dags.airflow_env import DAGS, USERS, Airflow, airflow, environment, migrate
from tests.dags.receivers import Webhook, webhook
from tests.pipeline.small_insurer import POLICIES, make_workspace, write_core
from tests.pipeline.test_road import REQUEST

pytestmark = pytest.mark.slow

SMALL, ODD = 230, "Q<script>alert(1)</script>"
# 230 policies with a premium below 10 (warnings); one of a state that the standard does not know (an error), its number made of markup.
FAULTY = [*POLICIES, *((f"S{n:04d}", "王小五", "1", "2026-01-05", None, "9.99", None) for n in range(SMALL)), (ODD[:20], "赵小六", "9", "2026-01-05", None, "100.00", None)]
DAG_FILE = """
import pendulum
from airflow.sdk import dag, get_current_context, task
from eastbound_dags.notify import failure_notice

SINCE = pendulum.datetime(2026, 1, 1, tz="Asia/Shanghai")

@dag(dag_id="linked", schedule=None, start_date=SINCE, tags=["eastbound"])
def linked():
    @task
    def begin() -> str:
        return {sealed!r}

    @task
    def work(number: int) -> None:
        print(number)

    @task
    def own() -> None:
        get_current_context()["ti"].xcom_push("eastbound_run", {blocked!r})
        raise ValueError("on purpose")

    begin() >> [work.expand(number=[1, 2]), own()]

@dag(dag_id="stranger", schedule=None, start_date=SINCE)
def stranger():
    @task
    def nothing() -> None:
        pass

    nothing()

@dag(dag_id="broken", schedule=None, start_date=SINCE, on_failure_callback=failure_notice)
def broken():
    @task
    def one() -> None:
        raise ValueError("on purpose")

    @task
    def two() -> None:
        raise ValueError("on purpose")

    one(), two()

linked(), stranger(), broken()
"""


@dataclass
class House:
    """A running Airflow over a workspace with a blocked and a sealed run."""

    air: Airflow
    workspace: Workspace
    blocked: str
    sealed: str
    robot: Webhook

    def page(self, path: str, user: str = "viewer", status: int = 200, **more) -> str:
        answer = self.air.call("GET", f"/eastbound{path}", user=user, **more)
        assert answer.status_code == status, f"{answer.status_code} {answer.text[:500]}"
        return answer.text

    def run_dag(self, dag: str) -> str:
        """Trigger a DAG and wait for its end; its run's id."""
        self.air.wait(lambda: self.air.call("GET", f"/api/v2/dags/{dag}").is_success, 90, f"{dag} to be parsed")
        self.air.patch(f"/api/v2/dags/{dag}", {"is_paused": False})
        run = self.air.post(f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None})["dag_run_id"]
        self.air.wait(lambda: self.air.get(f"/api/v2/dags/{dag}/dagRuns/{run}")["state"] in ("success", "failed"), 150, f"the end of {dag}")
        return run

    def links(self, dag: str, run: str, task: str, map_index: int = -1) -> dict[str, str | None]:
        return self.air.get(f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/links", params={"map_index": map_index})["extra_links"]


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[House]:
    """Started once: the tests read, or look at what their own DAG run did."""
    folder = tmp_path_factory.mktemp("pages")
    workspace = make_workspace(folder, policies=FAULTY)
    blocked = start_run(workspace, REQUEST)
    write_core(folder / "core.db")
    sealed = start_run(workspace, REQUEST)
    assert (blocked.status, sealed.status) == ("blocked", "sealed")
    dags = folder / "dags"
    dags.mkdir()
    (dags / "deadline_watch.py").symlink_to(DAGS / "deadline_watch.py")
    (dags / "wired.py").write_text(DAG_FILE.format(sealed=sealed.run, blocked=blocked.run), encoding="utf-8")
    with webhook() as robot:
        env = environment(folder / "airflow", workspace.root, dags=dags, plugins=DAGS / "plugins", users=USERS | {"nobody": ""}, PYTHONWARNINGS="ignore",
                          AIRFLOW_CONN_EASTBOUND_WEBHOOK=json.dumps({"conn_type": "http", "host": robot.url, "password": "key-of-the-robot", "extra": {"kind": "wecom"}}))
        env["PYTHONPATH"] += f":{DAGS}"
        migrate(env)
        with airflow(env, ("api-server", "scheduler", "dag-processor")) as air:
            yield House(air, workspace, blocked.run, sealed.run, robot)


def cells(page: str, table: str) -> list[list[str]]:
    """Texts of the cells of one table of a page."""
    body = re.search(rf'<table id="{table}">.*?<tbody>(.*?)</tbody>', page, re.S)[1]
    return [[html.unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)] for row in re.findall(r"<tr>(.*?)</tr>", body, re.S)]


def test_nobody_sees_anything_without_a_login(house):
    paths = ["/", "/runs", f"/runs/{house.blocked}", f"/runs/{house.blocked}/findings?page=2", "/dags/linked/runs/x"]
    for path in paths:
        for headers in ({}, {"Authorization": "Bearer not-a-token"}, {"Cookie": "_token=not-a-token"}, {"Accept": "application/json"}):
            answer = httpx.get(f"{house.air.url}/eastbound{path}", headers=headers)
            assert answer.status_code in (401, 403) and house.blocked not in answer.text, path
        browser = httpx.get(f"{house.air.url}/eastbound{path}", headers={"Accept": "text/html,*/*"})
        assert browser.status_code == 303 and browser.headers["Location"].startswith("/auth/login?next=%2Feastbound")
    # Known to Airflow, but with no right to read DAG runs.
    for path in paths:
        assert "Forbidden" in house.page(path, user="nobody", status=403)
    for path in ("/docs", "/openapi.json", "/redoc"):
        assert house.page(path, status=404)


def test_a_login_leads_back_to_the_page(house):
    with httpx.Client(base_url=house.air.url, follow_redirects=False) as browser:
        asked = browser.get(f"/eastbound/runs/{house.blocked}?lang=zh", headers={"Accept": "text/html"})
        assert httpx.URL(asked.headers["Location"]).params["next"] == f"/eastbound/runs/{house.blocked}?lang=zh"
        browser.cookies.set("_token", house.air.token("viewer"))
        assert browser.get(httpx.URL(asked.headers["Location"]).params["next"]).status_code == 200


def test_runs_with_states_and_packages(house):
    page = house.page("/runs?lang=en")
    rows = cells(page, "runs")
    assert [row[0] for row in rows] == [house.sealed, house.blocked]
    assert [row[4:7] for row in rows] == [["sealed", "0", "0"], ["blocked", "1", "230"]]
    assert rows[0][9].startswith("packages/tiny/2026-10/") and rows[1][9] == ""
    assert cells(house.page("/runs?standard=other"), "runs") == []


def test_a_run_with_its_stages_and_rules(house):
    page = house.page(f"/runs/{house.blocked}?lang=en")
    rules = {row[1]: (row[0], row[3], row[4]) for row in cells(page, "rules")}
    assert rules["TN-BD-BF-VR-01"] == ("warning", "The premium is small", "230")
    assert [count for severity, _, count in rules.values() if severity == "error"] == ["1"]
    stages = {row[0]: row[1:5] for row in cells(page, "stages")}
    # 234 policies and 4 payments; all of them are converted.
    assert stages["standardise"] == ["2", "238", "238", "0"]
    assert "seal" not in stages and "seal" in {row[0] for row in cells(house.page(f"/runs/{house.sealed}"), "stages")}


def test_findings_are_paged_and_none_is_left_out(house, capsys):
    _, told, _ = call(capsys, "findings", "-w", house.workspace.root, "--run", house.blocked, "--format", "jsonl")
    expected = [json.loads(line) for line in told.splitlines()]
    assert len(expected) == 231
    path, pages, found = f"/eastbound/runs/{house.blocked}/findings?lang=en", 0, []
    while path:
        page = house.page(path.removeprefix("/eastbound"))
        pages, found = pages + 1, found + cells(page, "findings")
        following = re.search(r'<a rel="next" href="([^"]+)"', page)
        path = html.unescape(following[1]) if following else ""
    assert pages == 3
    assert [(row[1], row[3], row[5]) for row in found] == [(one["rule"], one["key"], one["value"] or "") for one in expected]
    assert "201 to 231 of 231" in page
    assert cells(house.page(f"/runs/{house.blocked}/findings?page=4"), "findings") == []


def test_findings_are_filtered(house):
    base = f"/runs/{house.blocked}/findings"
    assert len(cells(house.page(f"{base}?severity=error"), "findings")) == 1
    assert "of 230" in house.page(f"{base}?rule=TN-BD-BF%25&lang=en")
    assert cells(house.page(f"{base}?table=JF"), "findings") == [] == cells(house.page(f"{base}?rule=' OR 1=1 --"), "findings")
    # The filter stays while one turns pages.
    assert re.search(r'rel="next" href="[^"]*severity=warning', house.page(f"{base}?severity=warning"))


def test_what_people_wrote_is_not_markup_and_names_are_not_shown(house):
    for path in ("", "/findings?severity=error", "/findings"):
        page = house.page(f"/runs/{house.blocked}{path}")
        assert "<script" not in page and "王小五" not in page and "赵小六" not in page
    # The number itself is shown, harmless.
    assert html.escape(ODD[:20]) in house.page(f"/runs/{house.blocked}/findings?severity=error")
    reflected = house.page(f"/runs/{house.blocked}/findings?rule=%22%3E%3Cscript%3E")
    assert "<script" not in reflected and "&lt;script&gt;" in reflected


def test_in_the_readers_language(house):
    path = f"/runs/{house.blocked}"
    assert "按规则" in house.page(path, headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})
    assert "By rule" in house.page(path, headers={"Accept-Language": "en;q=0.9,zh;q=0.5"})
    assert "By rule" in house.page(path, headers={"Accept-Language": "fr"})
    chinese = house.page(f"{path}?lang=zh", headers={"Accept-Language": "en"})
    assert "保费过小" in chinese and '<html lang="zh">' in chinese and f'href="/eastbound/runs/{house.blocked}/findings?severity=error&amp;lang=zh"' in chinese
    # The language of one reader is not that of the next.
    assert "By rule" in house.page(path, headers={"Accept-Language": "en"})


def test_what_is_not_there_is_told(house):
    assert "there is no run nope in the workspace" in house.page("/runs/nope?lang=en", status=404)
    assert house.page("/runs/nope/findings", status=404)
    for path in ("/runs/..%2f..%2fworkspace.yaml", "/runs/%2e%2e", "/runs/'%22"):
        assert house.air.call("GET", f"/eastbound{path}", user="viewer").status_code == 404
    assert house.air.call("GET", f"/eastbound/runs/{house.blocked}/findings?page=0", user="viewer").status_code == 422
    assert house.air.call("POST", "/eastbound/runs", user="admin").status_code == 405


def test_pages_are_kept_out_of_caches_and_other_sites(house):
    headers = house.air.call("GET", "/eastbound/runs", user="viewer").headers
    assert headers["Cache-Control"] == "no-store" and "frame-ancestors 'self'" in headers["Content-Security-Policy"] and headers["X-Content-Type-Options"] == "nosniff"


def test_airflow_shows_the_pages_in_its_menu(house):
    own = next(one for one in house.air.get("/api/v2/plugins")["plugins"] if one["name"] == "eastbound")
    views = {view["destination"]: view["href"] for view in own["external_views"]}
    assert views == {"nav": "/eastbound/runs", "dag_run": "/eastbound/dags/{DAG_ID}/runs/{RUN_ID}"}
    assert own["timetables"] == ["eastbound_timetable.SubmissionTimetable"]
    assert house.air.get("/api/v2/plugins/importErrors")["import_errors"] == []


def test_a_task_leads_to_the_findings_of_its_run(house):
    run = house.run_dag("linked")
    title = "Findings of this run / 运行的检核结果"
    # Tasks of any kind, mapped ones too. What a task named by the key goes before what `begin` returned, and counts though the task failed.
    assert house.links("linked", run, "begin") == {title: f"/eastbound/runs/{house.sealed}"}
    assert house.links("linked", run, "work", 1) == house.links("linked", run, "own") == {title: f"/eastbound/runs/{house.blocked}"}
    assert house.links("stranger", house.run_dag("stranger"), "nothing") == {title: None}
    listed = house.page(f"/dags/linked/runs/{run}?lang=en")
    assert house.sealed in listed and house.blocked in listed
    assert "has not begun" in house.page("/dags/linked/runs/manual__other?lang=en")


def test_a_dag_run_that_fails_is_told_once(house):
    run = house.run_dag("broken")
    house.air.wait(lambda: house.robot.got, 90, "the notice")
    house.run_dag("stranger")       # time enough for a second notice, if there were one
    [posted] = [one for one in house.robot.got if "broken" in one.body["markdown"]["content"]]
    content = posted.body["markdown"]["content"]
    assert content.startswith("### 报送任务失败：broken") and run in content and f"{house.air.url}/dags/broken/runs/" in content
    assert "on purpose" not in content and posted.query == {"key": "key-of-the-robot"}
    # Neither the key nor the robot's address is in what the processes wrote.
    home = house.air.logs["scheduler"].parent
    written = "".join(path.read_text(encoding="utf-8", errors="replace") for path in (*house.air.logs.values(), *home.glob("logs/**/*.log")))
    assert "on purpose" in written
    assert "key-of-the-robot" not in written and "/robot/send" not in written


def test_the_digest_is_sent_by_its_dag(house):
    house.run_dag("deadline_watch")
    [posted] = [one for one in house.robot.got if one.body["markdown"]["content"].startswith("### Eastbound 000123")]
    # The sealed package waits for its approval.
    assert house.sealed in posted.body["markdown"]["content"]
    house.run_dag("deadline_watch")
    assert len([one for one in house.robot.got if one.body["markdown"]["content"].startswith("### Eastbound")]) == 1


def test_reading_changes_nothing(house):
    with open_ledger(house.workspace.ledger_place) as ledger:
        before = ledger.chain_head()
        house.page("/runs")
        house.page(f"/runs/{house.blocked}/findings")
        assert ledger.chain_head() == before
