"""A small client of Airflow's REST API: log in, trigger a run, answer its questions, wait for its end. Standard library only."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from etl.errors import EastboundError

DONE = ("success", "failed")
# A question may be answered while its task waits; a question of a dead task is listed as unanswered, too, and must be left alone.
WAITING = ("awaiting_input", "deferred")
LINGERS = 8.0
APPROVE = ("approve", "批准", "通过")
# A refused answer (the maker's own, say) makes the task ask again; asking for ever would never end.
MOST_ANSWERS = 5


class ApiRefused(EastboundError):
    zh = "Airflow 拒绝了 {method} {path}：{status} {detail}"
    en = "Airflow refused {method} {path}: {status} {detail}"
    exit_code = 3


class ApiUnreachable(EastboundError):
    zh = "连接不上 {address}：{detail}"
    en = "{address} cannot be reached: {detail}"
    exit_code = 3


class DagMissing(EastboundError):
    zh = "Airflow 中没有 DAG {dag}；导入错误：{errors}"
    en = "Airflow has no DAG {dag}; import errors: {errors}"
    exit_code = 2


class RunTooLong(EastboundError):
    zh = "DAG {dag} 的运行 {run} 在 {seconds} 秒内没有结束，最后状态为 {state}"
    en = "run {run} of DAG {dag} did not end within {seconds} s; it was last seen {state}"
    exit_code = 3


@dataclass
class Api:
    """One user's session. `address`: scheme, host and port, such as http://127.0.0.1:8080."""

    address: str
    user: str = ""
    password: str = field(default="", repr=False)
    _token: str = field(default="", repr=False)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer as an object, None where there is none. Logs in at the first call, and again where the token has run out.

        Raises ApiRefused (an answer of 400 and above), ApiUnreachable.
        """
        if not self._token and self.user:
            self._log_in()
        try:
            return self._send(method, path, body)
        except ApiRefused as error:
            if error.values["status"] != 401 or not self.user:
                raise
        self._log_in()
        return self._send(method, path, body)

    def _log_in(self) -> None:
        self._token = ""
        self._token = self._send("POST", "/auth/token", {"username": self.user, "password": self.password})["access_token"]

    def _send(self, method: str, path: str, body: Any) -> Any:
        request = urllib.request.Request(self.address + path, method=method, data=None if body is None else json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        # A proxy has no business between this process and a server on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            raise ApiRefused(method=method, path=path.split("?")[0], status=error.code, detail=_detail(error.read().decode(errors="replace"))) from None
        except OSError as error:
            raise ApiUnreachable(address=self.address, detail=getattr(error, "reason", error)) from None
        return json.loads(text) if text else None

    def health(self) -> dict[str, str]:
        """Component -> 'healthy', 'unhealthy' or, where it has never run, ''."""
        answer = Api(self.address).call("GET", "/api/v2/monitor/health")
        return {name: (part or {}).get("status") or "" for name, part in answer.items()}

    def dags(self) -> dict[str, bool]:
        """DAG id -> is it paused."""
        return {dag["dag_id"]: dag["is_paused"] for dag in self.call("GET", "/api/v2/dags?limit=100")["dags"]}

    def import_errors(self) -> list[str]:
        return [f"{error['filename']}: {error['stack_trace'].strip().splitlines()[-1]}" for error in self.call("GET", "/api/v2/importErrors?limit=100")["import_errors"]]

    def pause(self, dag: str, paused: bool) -> None:
        self.call("PATCH", f"/api/v2/dags/{dag}?update_mask=is_paused", {"is_paused": paused})

    def add_pools(self, pools: dict[str, dict[str, Any]]) -> list[str]:
        """Make the pools that are not there and return their names; those that are there keep the slots that people gave them."""
        there = {pool["name"] for pool in self.call("GET", "/api/v2/pools?limit=100")["pools"]}
        missing = [name for name in pools if name not in there]
        for name in missing:
            self.call("POST", "/api/v2/pools", {"name": name, **pools[name]})
        return missing

    def trigger(self, dag: str, conf: dict[str, Any]) -> str:
        """Start a run by hand; its id. Raises ApiRefused (404 where there is no such DAG)."""
        return self.call("POST", f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]

    def run_state(self, dag: str, run: str) -> str:
        return self.call("GET", f"/api/v2/dags/{dag}/dagRuns/{_quoted(run)}")["state"]

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """Every task instance of a run, mapped ones too, with task_id, map_index, state, try_number."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.call("GET", f"/api/v2/dags/{dag}/dagRuns/{_quoted(run)}/taskInstances?limit=100&offset={len(found)}")
            found += page["task_instances"]
            if not page["task_instances"] or len(found) >= page["total_entries"]:
                return found

    def questions(self, dag: str, run: str) -> list[dict[str, Any]]:
        """What the run asks people and nobody has answered yet."""
        found = self.call("GET", f"/api/v2/dags/{dag}/dagRuns/{_quoted(run)}/hitlDetails?limit=100")["hitl_details"]
        return [question for question in found if not question["response_received"] and question["task_instance"]["state"] in WAITING]

    def answer(self, question: dict[str, Any], option: str, reason: str) -> None:
        """Answer one of `questions` as this user; a field `reason` of the form gets the reason, others keep what they propose."""
        task = question["task_instance"]
        form = {name: reason if name == "reason" else value.get("value") for name, value in question["params"].items()}
        self.call("PATCH", f"/api/v2/dags/{task['dag_id']}/dagRuns/{_quoted(task['dag_run_id'])}/taskInstances/{task['task_id']}/{task['map_index']}/hitlDetails",
                  {"chosen_options": [option], "params_input": form})

    def log(self, dag: str, run: str, task: dict[str, Any], lines: int = 15) -> list[str]:
        """The last lines of a task's log, newest last."""
        path = f"/api/v2/dags/{dag}/dagRuns/{_quoted(run)}/taskInstances/{task['task_id']}/logs/{task['try_number'] or 1}?full_content=true&map_index={task['map_index']}"
        content = self.call("GET", path).get("content") or []
        return [text for line in content for text in _texts(line)][-lines:]


def approving(options: list[str]) -> str:
    """The option that approves: the one that says so, else the first."""
    return next((option for option in options if option.casefold().startswith(APPROVE)), options[0])


def task_name(task: dict[str, Any]) -> str:
    return task["task_id"] if task["map_index"] < 0 else f"{task['task_id']}[{task['map_index']}]"


def follow(api: Api, dag: str, run: str, *, checker: Api | None, reason: str, seconds: float, tell: Callable[[str], None], alive: Callable[[], None],
           pause: float = 2.0) -> str:
    """Wait until a run has ended and return its state; `tell` gets a line for each change, `alive` raises where going on makes no sense.

    Where there is a `checker`, its questions are approved in that user's name. Raises RunTooLong, ApiRefused.
    """
    end = time.monotonic() + seconds
    seen: dict[str, str] = {}
    answered: dict[str, int] = {}
    asked: dict[str, float] = {}
    while True:
        alive()
        state = api.run_state(dag, run)
        for name, now in _changes(api.tasks(dag, run), seen):
            tell(f"{name}: {now}")
        if state in DONE:
            return state
        for question in api.questions(dag, run) if checker else ():
            name = task_name(question["task_instance"])
            # The worker that put the question lingers a few seconds; an answer before it is gone would fail the task (Airflow 3.3).
            settled = time.monotonic() - asked.setdefault(name, time.monotonic()) > LINGERS
            if settled and answered.get(name, 0) < MOST_ANSWERS:
                del asked[name]
                answered[name] = answered.get(name, 0) + 1
                option = approving(question["options"])
                checker.answer(question, option, reason)
                tell(f"{name}: {option} ({checker.user})")
        if time.monotonic() > end:
            raise RunTooLong(dag=dag, run=run, seconds=round(seconds), state=state)
        time.sleep(pause)


def _changes(tasks: list[dict[str, Any]], seen: dict[str, str]) -> Iterator[tuple[str, str]]:
    for task in tasks:
        name, state = task_name(task), task["state"] or "none"
        if seen.get(name, "none") != state:
            seen[name] = state
            yield name, state


def _texts(line: Any) -> list[str]:
    """A line of a log, and the sentences of the errors that it tells of."""
    if not isinstance(line, dict):
        return [str(line)]
    return [str(line.get("event", "")), *(f"{error.get('exc_type')}: {error.get('exc_value')}" for error in line.get("error_detail") or ())]


def _quoted(run: str) -> str:
    return urllib.parse.quote(run, safe="")


def _detail(text: str) -> str:
    try:
        found = json.loads(text).get("detail", text)
    except (ValueError, AttributeError):
        found = text
    return str(found)[:500]
