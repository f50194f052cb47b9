"""Approvals that Airflow asks for: a real Airflow, a real ledger, and whoever decides first."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from datetime import date

import pytest

from etl.approvals import approval_of, decide
from etl.approvals.decision import who_may
from etl.approvals.summary import state_of, summary
from etl.language import set_language
from etl.ledger import open_ledger
from etl.ledger.approvals import ApprovalBook
from etl.pipeline import RunRequest, start_run
from etl.submission.definition import Period
from tests import command
from tests.dags.airflow_env import DAGS, airflow, environment, in_process, migrate
from tests.pipeline.small_insurer import POLICIES, make_workspace, write_core
from tools.airflow_screenshots import approve_in_ui, chromium, open_graph, screenshot, signed_in

in_process()

from eastbound_approval_trigger import ApprovalTrigger  # noqa: E402 - after Airflow's settings
from eastbound_dags.question import question  # noqa: E402

# One warning, for the premium of 9.90.
SMALL = [*POLICIES[:2], ("P003", "𠮷田", "1", "2026-10-01", None, "9.90", None)]
DAG = """
from airflow.sdk import Asset, Param, dag, task
from eastbound_dags.approval import PackageApproval
from eastbound_dags.settings import APPROVED


@dag(schedule=None, params={"run": Param("", type="string")})
def gate():
    @task
    def onward(given: dict) -> dict:
        return given

    onward(PackageApproval(task_id="approve", run="{{ params.run }}", poll_seconds=1, outlets=[Asset(APPROVED)]).output)


@dag(schedule=Asset(APPROVED))
def heard():
    @task
    def which(triggering_asset_events=None) -> list:
        return [event.extra for events in triggering_asset_events.values() for event in events]

    which()


gate()
heard()
"""


def sealed(workspace, period: str = "2026-10") -> str:
    return start_run(workspace, RunRequest("tiny", Period.parse(period), date(2026, 11, 15))).run


@pytest.fixture(scope="module")
def maker():
    """Runs are made by `maker`, who is also a user of the Airflow of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LOGNAME", "USER"):
            patch.setenv(name, "maker")
        patch.delenv("EASTBOUND_WORKSPACE", raising=False)
        set_language("en")
        yield
        set_language(None)


@pytest.fixture
def workspace(maker, tmp_path):
    return make_workspace(tmp_path, policies=SMALL)


def note(workspace, run: str, decision: str, who: str = "li", reason: str = "compared"):
    with open_ledger(workspace.ledger_place) as ledger:
        return decide(workspace, ledger, run, decision, checker=who, login=who, reason=reason)


# -- the question


def test_the_question_says_what_is_approved_and_who_may(workspace):
    run = sealed(workspace)
    with open_ledger(workspace.ledger_place) as ledger:
        about = summary(workspace, ledger, ledger.run(run))
    heading, text = question(about, who_may(workspace, ("maker",)), f"/air/eastbound/runs/{run}")
    assert heading == f"批准报送包？ Approve the package? tiny 2026-10 ({run})"
    lines = text.splitlines()
    # Three policies, four payments; the one finding is new.
    for line in (f"| 运行 run | `{run}` |", f"| SHA-256 | `{about['package_sha256']}` |", f"| 报送包 package | `{about['package']}` |",
                 "| 行数 rows | 7（2 张表 tables；搁置 set aside 0） |", "| 发起人 maker | maker |", "| 可由谁批准 may be approved by | maker 以外的任何人 / anyone but maker |",
                 "| 错误 errors | 0 | 0 | 0 |", "| 警告 warnings | 1 | 1 | 0 |", "| BD | 3 | 0 |", "| JF | 4 | 0 |",
                 f"[查看全部发现 / see every finding](/air/eastbound/runs/{run})"):
        assert line in lines, line
    assert "决定人 by" not in text


def test_what_people_wrote_cannot_act_as_markdown(workspace):
    run = sealed(workspace)
    note(workspace, run, "approved", reason="ok | [click](http://x) `a` <b>")
    note(workspace, run, "withdrawn", reason="*late*")
    with open_ledger(workspace.ledger_place) as ledger:
        _, text = question(summary(workspace, ledger, ledger.run(run)), ("", "anyone"), "/")
    assert "| approved | li | ok \\| \\[click\\]\\(http://x\\) \\`a\\` \\<b\\> |" in text and "| withdrawn | li | \\*late\\* |" in text


# -- the wait


def waiting(workspace, run: str, **more) -> ApprovalTrigger:
    return ApprovalTrigger(workspace=str(workspace.root), run_id=run, ti_id="01a20145-2930-79a6-8bcf-384720668c24", poll_seconds=0.05, **{"settle_seconds": 0, **more})


def first_event(trigger: ApprovalTrigger, seconds: float = 20):
    async def first():
        async for event in trigger.run():
            return event.payload

    return asyncio.run(asyncio.wait_for(first(), seconds))


@pytest.mark.parametrize(("decision", "state"), [("approved", "approved"), ("rejected", "rejected")])
def test_a_decision_in_the_ledger_ends_the_wait_even_where_airflow_does_not_answer(workspace, decision, state):
    run = sealed(workspace)
    later = threading.Timer(0.6, note, (workspace, run, decision))
    later.start()
    # There is no Airflow around this trigger: it goes on asking the ledger.
    assert first_event(waiting(workspace, run)) == {"ledger": state}
    later.join()


def test_a_package_that_is_superseded_ends_the_wait(workspace):
    run = sealed(workspace)
    with pytest.raises(TimeoutError):
        first_event(waiting(workspace, run), 0.7)
    sealed(workspace)
    assert first_event(waiting(workspace, run)) == {"ledger": "superseded"}


def test_a_wait_outlives_a_ledger_that_cannot_be_read(workspace, caplog):
    run = sealed(workspace)
    settings, away = workspace.root / "workspace.yaml", workspace.root / "away.yaml"
    settings.rename(away)
    note(workspace, run, "approved")
    back = threading.Timer(0.6, away.rename, (settings,))
    back.start()
    started = time.monotonic()
    assert first_event(waiting(workspace, run)) == {"ledger": "approved"} and time.monotonic() - started >= 0.6
    back.join()


def test_the_wait_does_not_end_while_the_worker_may_still_be_there(workspace):
    run = sealed(workspace)
    note(workspace, run, "approved")
    started = time.monotonic()
    assert first_event(waiting(workspace, run, settle_seconds=0.8)) == {"ledger": "approved"} and time.monotonic() - started >= 0.8


def test_a_wait_is_taken_up_by_another_triggerer_from_names_alone(workspace):
    from airflow._shared.module_loading import import_string

    path, kept = waiting(workspace, "20261115-abcdef", settle_seconds=10.0).serialize()
    assert kept == {"workspace": str(workspace.root), "run_id": "20261115-abcdef", "ti_id": "01a20145-2930-79a6-8bcf-384720668c24", "poll_seconds": 0.05, "settle_seconds": 10.0}
    again = import_string(path)(**json.loads(json.dumps(kept)))
    # By its name: Airflow loads what lies in the plugins folder once more when it looks for plugins.
    assert type(again).__qualname__ == ApprovalTrigger.__qualname__ and again.serialize() == (path, kept)


# -- a whole Airflow


class Gate:
    """The DAG `gate` of a running Airflow, and a sealed run that it asks about."""

    def __init__(self, server, workspace, run: str) -> None:
        self.server, self.workspace, self.sealed, self.run, self.asked = server, workspace, run, "", 0

    def open(self) -> None:
        """Whatever the test before left: nobody's decision is in force, and a run of the DAG asks."""
        with open_ledger(self.workspace.ledger_place) as ledger:
            state = state_of(ApprovalBook(ledger), ledger.run(self.sealed))
        if state == "rejected":
            note(self.workspace, self.sealed, "approved")
        if state in ("rejected", "approved"):
            note(self.workspace, self.sealed, "withdrawn")
        self.trigger()
        self.until("deferred")

    def trigger(self) -> None:
        self.run = self.server.post("/api/v2/dags/gate/dagRuns", {"logical_date": None, "conf": {"run": self.sealed}}, user="maker")["dag_run_id"]
        self.asked = 0

    def task(self, name: str = "approve") -> dict:
        return self.server.get(f"/api/v2/dags/gate/dagRuns/{self.run}/taskInstances/{name}")

    def until(self, *states: str, name: str = "approve", seconds: float = 90) -> dict:
        """Wait until the task is in one of `states`; another state that ends it fails the test, with the task's log."""
        def there():
            found = self.task(name)
            assert found["state"] in states or found["state"] not in ("success", "failed", "upstream_failed"), (found["state"], self.log())
            return found["state"] in states and found

        return self.server.wait(there, seconds, f"{name} {states}")

    def settled(self) -> None:
        """Wait until the scheduler knows that the process which put the question has ended (see `ApprovalTrigger.run`)."""
        self.asked += 1
        told = f"Received executor event with state success for task instance TaskInstanceKey(dag_id='gate', task_id='approve', run_id='{self.run}'"
        self.server.wait(lambda: self.server.logs["scheduler"].read_text(encoding="utf-8", errors="replace").count(told) >= self.asked, 60, "the end of the worker")

    def answer(self, user: str, option: str, reason: str = ""):
        """As the page under *Required Action* does."""
        self.settled()
        return self.server.call("PATCH", f"/api/v2/dags/gate/dagRuns/{self.run}/taskInstances/approve/-1/hitlDetails", user=user,
                                json={"chosen_options": [option], "params_input": {"reason": reason}})

    def question(self) -> dict:
        return self.server.get(f"/api/v2/dags/gate/dagRuns/{self.run}/hitlDetails")["hitl_details"][0]

    def pending(self) -> int:
        """Open questions, as the home page counts them."""
        found = self.server.get("/api/v2/dags/gate/dagRuns/~/hitlDetails", params={"response_received": False})["hitl_details"]
        return sum(one["task_instance"]["state"] in ("deferred", "awaiting_input") for one in found)

    def log(self) -> str:
        answer = self.server.call("GET", f"/api/v2/dags/gate/dagRuns/{self.run}/taskInstances/approve/logs/{self.task()['try_number']}", params={"full_content": True})
        return answer.text

    def result(self, name: str = "approve"):
        return self.server.get(f"/api/v2/dags/gate/dagRuns/{self.run}/taskInstances/{name}/xcomEntries/return_value", params={"deserialize": True})["value"]

    def decisions(self) -> list:
        with open_ledger(self.workspace.ledger_place) as ledger:
            return ApprovalBook(ledger).decisions(self.sealed)

    def in_force(self):
        with open_ledger(self.workspace.ledger_place) as ledger:
            assert ledger.verify_chain().ok
            return approval_of(ledger, self.sealed)


@pytest.fixture(scope="module")
def gate(maker, tmp_path_factory):
    """Airflow with the DAGs of this module: all its processes, once for all tests."""
    folder = tmp_path_factory.mktemp("approval")
    workspace = make_workspace(folder, policies=SMALL)
    dags = folder / "dags"
    dags.mkdir()
    (dags / "gate.py").write_text(DAG, encoding="utf-8")
    (dags / "eastbound_dags").symlink_to(DAGS / "eastbound_dags", target_is_directory=True)
    (dags / ".airflowignore").write_text("eastbound_dags\n", encoding="utf-8")
    env = environment(folder / "home", workspace.root, dags=dags, plugins=DAGS / "plugins", AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD="5",
                      AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC="1", EASTBOUND_LANG="en")
    migrate(env)
    with airflow(env) as server:
        for name in ("gate", "heard"):
            server.wait(lambda name=name: server.call("GET", f"/api/v2/dags/{name}").is_success, 90, f"the DAG {name}")
            server.patch(f"/api/v2/dags/{name}?update_mask=is_paused", {"is_paused": False})
        yield Gate(server, workspace, sealed(workspace))


@pytest.mark.slow
def test_an_answer_in_airflow_is_an_approval_in_the_ledger(gate):
    gate.open()
    asked = gate.question()
    assert (asked["options"], asked["multiple"], asked["assigned_users"], list(asked["params"])) == (["Approve", "Reject"], False, [], ["reason"])
    assert gate.sealed in asked["subject"] and "| 警告 warnings | 1 | 1 | 0 |" in asked["body"] and gate.pending() == 1
    assert gate.answer("checker", "Approve", "已核对总账").is_success
    assert gate.until("success")["try_number"] == 1
    found = gate.in_force()
    assert (found.checker, found.maker, found.reason, found.decision) == ("checker", "maker", "已核对总账", "approved")
    # XCom names the approval and holds nothing of the package.
    gate.until("success", name="onward")
    assert gate.result() == gate.result("onward") == {"run": gate.sealed, "approval": found.number} and gate.pending() == 0
    # The asset's event tells which package it was, and the DAG that listens gets to know.
    event = gate.server.get("/api/v2/assets/events", params={"source_run_id": gate.run})["asset_events"][0]
    assert event["extra"] == {"run": gate.sealed, "period": "2026-10", "standard": "tiny"}
    heard = gate.server.wait(lambda: (gate.server.get("/api/v2/assets/events", params={"source_run_id": gate.run})["asset_events"][0]["created_dagruns"]), 60, "heard")[0]
    path = f"/api/v2/dags/heard/dagRuns/{heard['run_id']}/taskInstances/which"
    gate.server.wait(lambda: gate.server.get(path)["state"] == "success", 60, "which")
    assert gate.server.get(f"{path}/xcomEntries/return_value", params={"deserialize": True})["value"] == [event["extra"]]


@pytest.mark.slow
def test_the_command_ends_the_wait_and_closes_the_question(gate, capsys):
    gate.open()
    code, out, _ = command.call(capsys, "--lang", "en", "approve", gate.sealed, "--as", "li", "-w", gate.workspace.root)
    assert code == 0 and "Approved by li" in out
    started = time.monotonic()
    assert gate.until("success")["try_number"] == 1 and time.monotonic() - started < 60
    found = gate.in_force()
    assert found.checker == "li" and gate.result() == {"run": gate.sealed, "approval": found.number}
    # Nobody can answer it any more, and it says where the answer came from.
    asked = gate.question()
    assert asked["response_received"] and asked["chosen_options"] == ["Approve"] and asked["responded_by_user"] is None and gate.pending() == 0
    assert asked["params_input"] == {"reason": f"eastbound approvals {gate.sealed} (approved: li)"}
    late = gate.server.call("PATCH", f"/api/v2/dags/gate/dagRuns/{gate.run}/taskInstances/approve/-1/hitlDetails", user="checker",
                            json={"chosen_options": ["Reject"], "params_input": {"reason": "too late"}})
    assert late.status_code == 409 and gate.in_force() == found


@pytest.mark.slow
def test_the_maker_is_refused_and_the_question_stays_open(gate):
    gate.open()
    before = gate.decisions()
    assert gate.answer("maker", "Approve").is_success
    gate.server.wait(lambda: "did not accept the answer of maker" in gate.log(), 60, "the refusal in the log")
    gate.until("deferred")
    assert f"run {gate.sealed} was started or resumed by maker; someone else has to decide, not maker" in gate.log()
    assert gate.decisions() == before and gate.in_force() is None
    assert not gate.question()["response_received"] and gate.pending() == 1
    # A rejection without a reason is no decision either.
    assert gate.answer("checker", "Reject").is_success
    gate.server.wait(lambda: "rejecting needs a reason" in gate.log(), 60, "the second refusal")
    gate.until("deferred")
    assert gate.decisions() == before
    assert gate.answer("checker", "Approve").is_success
    assert gate.until("success")["try_number"] == 1 and gate.in_force().checker == "checker"


@pytest.mark.slow
def test_a_rejection_stops_the_dag_until_it_is_approved_with_a_reason(gate, capsys):
    gate.open()
    assert gate.answer("checker", "Reject", "赔款与总账不符").is_success
    gate.until("failed")
    last = gate.decisions()[0]
    assert (last.decision, last.checker, last.reason) == ("rejected", "checker", "赔款与总账不符") and gate.in_force() is None
    assert f"the package of run {gate.sealed} was rejected by checker: 赔款与总账不符" in gate.log()
    gate.until("upstream_failed", name="onward")
    # Asked again, the ledger answers at once.
    gate.trigger()
    assert gate.until("failed")["try_number"] == 1 and f"eastbound approve {gate.sealed} --note TEXT, then clear this task" in gate.log()
    code, *_ = command.call(capsys, "--lang", "en", "approve", gate.sealed, "--as", "li", "--note", "voucher found", "-w", gate.workspace.root)
    assert code == 0
    gate.server.post("/api/v2/dags/gate/clearTaskInstances", {"dry_run": False, "dag_run_id": gate.run, "task_ids": ["approve"], "include_downstream": True, "only_failed": False})
    gate.until("success", name="onward")
    assert gate.result("onward") == {"run": gate.sealed, "approval": gate.in_force().number} and gate.in_force().reason == "voucher found"


@pytest.mark.slow
def test_the_wait_survives_the_triggerer(gate, capsys):
    gate.open()
    gate.server.stop("triggerer", kill=True)
    code, *_ = command.call(capsys, "--lang", "en", "approve", gate.sealed, "--as", "li", "-w", gate.workspace.root)
    assert code == 0
    time.sleep(5)
    assert gate.task()["state"] == "deferred"
    gate.server.start("triggerer")
    assert gate.until("success", seconds=150)["try_number"] == 1 and gate.in_force().checker == "li"


@pytest.mark.slow
def test_a_person_approves_in_the_browser(gate, tmp_path):
    pytest.importorskip("playwright")
    if chromium() is None:
        pytest.skip("no Chromium on this machine")
    gate.open()
    gate.settled()
    with signed_in(gate.server.url, "checker", "checker-of-the-tests") as page:
        approve_in_ui(page, "gate", gate.run, "approve", "looked at every finding")
        gate.until("success", name="onward")
        open_graph(page, "gate", gate.run)
        assert page.locator(".react-flow__node").count() == 2
        screenshot(page, tmp_path / "graph.png")
    assert (tmp_path / "graph.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    found = gate.in_force()
    assert (found.checker, found.reason) == ("checker", "looked at every finding")


@pytest.mark.slow
def test_a_superseded_run_is_not_asked_about(gate):
    """Last of this module: the sealed run of the others is of no use any more."""
    gate.open()
    write_core(gate.workspace.root.parent / "core.db", POLICIES)
    later = sealed(gate.workspace)
    gate.until("failed")
    assert f"run {gate.sealed} was superseded by {later}" in gate.log() and gate.question()["chosen_options"] == ["Reject"] and gate.pending() == 0
