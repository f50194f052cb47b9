"""Airflow on one machine: real processes, a real DAG run, and nothing left behind."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import airflow_local  # noqa: E402
import airflow_processes  # noqa: E402
import airflow_rest  # noqa: E402

# A shell that does not listen to TERM, with a child in a session of its own: what the polite way does not end.
STUBBORN = ["bash", "-c", "trap '' TERM; setsid bash -c 'echo $$ > child; exec sleep 300' & sleep 300 & wait; wait"]
DAG = '''
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import dag, task

@dag(dag_id="small", schedule=None, params={"period": "2026-01"})
def small():
    @task(pool="core_claims")
    def work(params=None):
        import os
        print("period", params["period"], os.environ["EASTBOUND_WORKSPACE"])
    work() >> ApprovalOperator(task_id="approve", subject="May it go?")

small()
'''


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(path: Path, port: int, *words: str) -> list[str]:
    return [sys.executable, str(ROOT / "tools" / "airflow_local.py"), "--home", str(path / "home"), "--workspace", str(path / "workspace"), "--dags",
            str(path / "dags"), "--port", str(port), "--parallelism", "2", *words]


def test_environment_speaks_to_this_machine_only(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__HOST", "0.0.0.0")
    monkeypatch.setenv("NO_PROXY", "inside")
    env = airflow_local.environment(tmp_path / "home", tmp_path / "work", tmp_path / "dags", 9001, 3)
    assert env["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert env["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:9001"
    assert env["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:9001/execution/"
    assert env["NO_PROXY"] == "inside,127.0.0.1,localhost"
    assert env["EASTBOUND_WORKSPACE"] == str(tmp_path / "work")
    assert env["AIRFLOW__CORE__PARALLELISM"] == "3"


def test_passwords_are_made_once_and_for_the_owner_only(tmp_path):
    made, new = airflow_local.passwords(tmp_path)
    assert new and set(made) == {"maker", "checker"} and made["maker"] != made["checker"]
    assert (tmp_path / "passwords.json").stat().st_mode & 0o777 == 0o600
    assert airflow_local.passwords(tmp_path) == (made, False)


def test_a_taken_port_is_told_before_anything_starts(tmp_path):
    (tmp_path / "dags").mkdir()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = subprocess.run(run(tmp_path, port), capture_output=True, text=True, timeout=60, env={**os.environ, "EASTBOUND_LANG": "en"})
    assert done.returncode == 2
    assert f"port {port} is taken" in done.stderr
    assert not (tmp_path / "workspace").exists()


def test_two_at_once_in_one_folder_are_refused(tmp_path):
    with airflow_processes.only_one(tmp_path):
        with pytest.raises(airflow_processes.AlreadyRunning):
            with airflow_processes.only_one(tmp_path):
                pass
    with airflow_processes.only_one(tmp_path):
        assert (tmp_path / "running.lock").exists()


def begin(tmp_path, monkeypatch):
    monkeypatch.setattr(airflow_processes, "ROOT", tmp_path)
    return airflow_processes.components({"stubborn": STUBBORN}, dict(os.environ), tmp_path, tmp_path / "processes.json")


def child_of(tmp_path) -> psutil.Process:
    for _ in range(100):
        if (tmp_path / "child").is_file() and (tmp_path / "child").read_text().strip():
            return psutil.Process(int((tmp_path / "child").read_text()))
        time.sleep(0.05)
    raise AssertionError("the child did not start")


def ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_components_end_with_all_that_they_started_even_by_force(tmp_path, monkeypatch):
    monkeypatch.setattr(airflow_processes.end_all, "__defaults__", (1.0,))
    with begin(tmp_path, monkeypatch) as (component,):
        child, leader = child_of(tmp_path), psutil.Process(component.process.pid)
        assert json.loads((tmp_path / "processes.json").read_text()) == [[leader.pid, leader.create_time()]]
        # A session of its own: ending the group of the leader would not reach it.
        assert os.getpgid(child.pid) != os.getpgid(leader.pid)
    assert ended(child) and ended(leader)
    assert not (tmp_path / "processes.json").exists()


def test_a_component_that_ends_is_told_with_the_end_of_its_log(tmp_path):
    with airflow_processes.components({"short": ["bash", "-c", "echo last words; exit 4"]}, dict(os.environ), tmp_path, tmp_path / "noted") as started:
        started[0].process.wait(timeout=10)
        with pytest.raises(airflow_processes.ComponentEnded) as caught:
            airflow_processes.go_on(started, threading.Event())
    assert caught.value.values["code"] == 4 and caught.value.values["output"] == "last words"


def test_what_a_killed_launcher_left_behind_is_ended_and_nothing_else(tmp_path):
    left = subprocess.Popen(["sleep", "300"], start_new_session=True)
    other = subprocess.Popen(["sleep", "300"], start_new_session=True)
    try:
        # The second number has been given to another process since: its birth differs.
        (tmp_path / "noted").write_text(json.dumps([[left.pid, psutil.Process(left.pid).create_time()], [other.pid, 1.0]]), encoding="utf-8")
        airflow_processes.end_leftovers(tmp_path / "noted")
        assert not psutil.pid_exists(left.pid)
        assert other.poll() is None
    finally:
        for process in (left, other):
            process.kill()
            process.wait()


@pytest.mark.parametrize(("options", "chosen"), [
    (["Approve", "Reject"], "Approve"), (["驳回", "批准"], "批准"), (["No", "approve it"], "approve it"), (["Yes", "No"], "Yes")])
def test_the_option_that_approves(options, chosen):
    assert airflow_rest.approving(options) == chosen


@pytest.mark.slow
def test_a_run_is_triggered_approved_and_ended_and_nothing_is_left(tmp_path):
    (tmp_path / "dags" / "plugins").mkdir(parents=True)
    (tmp_path / "dags" / "small.py").write_text(DAG, encoding="utf-8")
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "workspace.yaml").write_text('company: "000999"\n', encoding="utf-8")
    port = free_port()
    env = {**os.environ, "EASTBOUND_LANG": "en", "http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    done = subprocess.run(run(tmp_path, port, "--trigger", "small", "--period", "2026-09", "--approve-as", "checker", "--until-done", "--timeout", "200"),
                          capture_output=True, text=True, timeout=290, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "approve: Approve (checker)" in done.stdout and "success after" in done.stdout
    logs = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "home" / "logs").rglob("attempt=1.log"))
    assert f"period 2026-09 {tmp_path / 'workspace'}" in logs
    # Everything that was noted is gone, and so is whatever it started: nothing has the folder open or the port.
    assert not (tmp_path / "home" / "processes.json").exists()
    airflow_processes.refuse_taken(port)
    assert [path for path in (tmp_path / "home").iterdir() if path.stat().st_mode & 0o077] == []
