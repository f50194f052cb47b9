"""Airflow on one machine, for trying things out and for tests: everything set up, started, and stopped again as a whole.

    python tools/airflow_local.py                              serves until Ctrl-C (make airflow)
    python tools/airflow_local.py --trigger east_monthly --period 2026-10 --approve-as checker --until-done
                                                               one run to its end; exit code 0 where it succeeded, 1 where it failed

State is kept in var/airflow-home (Airflow's) and var/airflow (the workspace, a demo insurer unless there is one already), so that a
second start goes on where the first stopped. Production is another matter: deploy/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from airflow_processes import Component, Stopped, components, end_leftovers, go_on, only_one, refuse_taken, run_step  # noqa: E402
from airflow_rest import Api, ApiUnreachable, DagMissing, follow  # noqa: E402
from build_pools import pools  # noqa: E402

from etl.errors import EastboundError  # noqa: E402
from etl.language import say  # noqa: E402

# maker: triggers, clears, manages pools and connections. checker: answers; the ledger sees to it that the two are different people.
USERS = {"maker": "op", "checker": "user"}
PASSWORDS = "passwords.json"
# Harmless without a channel to tell, and no use while paused; all other DAGs wait until somebody wants them.
WATCH = "deadline_watch"
COMPONENTS = {
    "api-server": ["api-server"],
    # Logs are read from the disk that all four share, so no process needs to serve them on ports of its own.
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
READY = ("metadatabase", "scheduler", "triggerer", "dag_processor")


class NotReady(EastboundError):
    zh = "Airflow 在 {seconds} 秒内没有就绪：{missing}；日志在 {logs}"
    en = "Airflow was not ready within {seconds} s: {missing}; its logs are in {logs}"
    exit_code = 3


def environment(home: Path, workspace: Path, dags: Path, port: int, parallelism: int) -> dict[str, str]:
    """The environment of every Airflow process of this machine."""
    address = f"http://127.0.0.1:{port}"
    plugins = dags / "plugins"
    local = ",".join(filter(None, (os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), "127.0.0.1", "localhost")))
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")},
        # Tasks talk to the server on this machine; a proxy meant for the outside must stay out of it.
        "NO_PROXY": local, "no_proxy": local,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
        "EASTBOUND_WORKSPACE": str(workspace),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(parallelism),
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": str(parallelism),
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "Asia/Shanghai",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{role}" for user, role in USERS.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / PASSWORDS),
        "AIRFLOW__API__INSTANCE_NAME": "Eastbound",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        # Without these two every task fails to connect where the port is not 8080.
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
    }


def passwords(home: Path) -> tuple[dict[str, str], bool]:
    """User -> password, and whether they were made just now. The file is readable by its owner only."""
    path = home / PASSWORDS
    if path.is_file():
        return json.loads(path.read_text(encoding="utf-8")), False
    made = {user: secrets.token_urlsafe(12) for user in USERS}
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(made, stream)
    return made, True


def wait_until_ready(api: Api, started: list[Component], logs: Path, stop: threading.Event, seconds: float = 300.0) -> None:
    """Until all parts say that they are well. Raises ComponentEnded, NotReady, Stopped."""
    end = time.monotonic() + seconds
    missing = list(READY)
    while time.monotonic() < end:
        go_on(started, stop)
        try:
            health = api.health()
            missing = [name for name in READY if health.get(name) != "healthy"]
            if not missing:
                return
        except ApiUnreachable:
            pass
        stop.wait(1.0)
    raise NotReady(seconds=round(seconds), missing=", ".join(missing), logs=str(logs))


def wait_for_dag(api: Api, dag: str, started: list[Component], stop: threading.Event, seconds: float = 120.0) -> bool:
    """Until the DAG has been read; whether it is paused. Raises DagMissing."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        go_on(started, stop)
        found = api.dags()
        if dag in found:
            return found[dag]
        stop.wait(1.0)
    raise DagMissing(dag=dag, errors="; ".join(api.import_errors()) or "-")


def prepare(options: argparse.Namespace, env: dict[str, str], stop: threading.Event) -> None:
    """The workspace with a demo insurer, and Airflow's database; both are left alone where they are up to date."""
    if not (options.workspace / "workspace.yaml").is_file():
        tell(f"演示保险公司：{options.workspace}（{options.policies} 份保单）", f"demo insurer: {options.workspace} ({options.policies} policies)")
        run_step("eastbound demo init", [sys.executable, "-m", "etl", "demo", "init", "--workspace", str(options.workspace), "--policies", str(options.policies)], env, stop)
    tell(f"Airflow 元数据库：{options.home / 'airflow.db'}", f"Airflow's database: {options.home / 'airflow.db'}")
    run_step("airflow db migrate", [sys.executable, "-m", "airflow", "db", "migrate"], env, stop)


def tell(zh: str, en: str) -> None:
    print(say(zh, en), flush=True)


def let_run(options: argparse.Namespace, api: Api, first: bool, started: list[Component], stop: threading.Event) -> None:
    """Wait until every DAG file has been read, and unpause: all where that was asked for, the watch of deadlines at the first start."""
    end = time.monotonic() + 60.0
    while time.monotonic() < end and len(api.dags()) + len(api.import_errors()) < len(list(options.dags.glob("*.py"))):
        go_on(started, stop)
        stop.wait(1.0)
    for dag, paused in api.dags().items():
        if paused and (options.unpause or first and dag == WATCH):
            api.pause(dag, False)


def show(options: argparse.Namespace, address: str, known: dict[str, str], new: bool, dags: dict[str, bool], errors: list[str]) -> None:
    tell(f"就绪：{address}", f"ready: {address}")
    if new:
        tell("用户（口令只显示这一次）：", "users (the passwords are shown this once):")
        for user in USERS:
            print(f"  {user}  {known[user]}", flush=True)
    else:
        tell(f"用户：{'、'.join(USERS)}；口令见 {options.home / PASSWORDS}", f"users: {', '.join(USERS)}; passwords are in {options.home / PASSWORDS}")
    for dag, paused in sorted(dags.items()):
        print(f"  {dag}  {say('已暂停', 'paused') if paused else say('按计划运行', 'scheduled')}", flush=True)
    for error in errors:
        tell(f"导入错误：{error}", f"import error: {error}")
    tell("触发：以 maker 登录，打开 DAG，点击 Trigger；批准：以 checker 登录，在 Required Actions 中答复。Ctrl-C 停止。",
         "to trigger: log in as maker, open a DAG, press Trigger; to approve: log in as checker, answer under Required Actions. Ctrl-C stops.")


def trigger_and_wait(options: argparse.Namespace, maker: Api, checker: Api | None, started: list[Component], stop: threading.Event) -> int:
    """One run by hand, to its end where that was asked for; 0 where it succeeded, 1 where it failed."""
    dag = options.trigger
    if wait_for_dag(maker, dag, started, stop):
        # A run of a paused DAG waits for ever.
        maker.pause(dag, False)
    conf: dict[str, Any] = dict(_pair(text) for text in options.conf)
    if options.period:
        conf["period"] = options.period
    run = maker.trigger(dag, conf)
    tell(f"{dag}：已触发 {run}", f"{dag}: triggered {run}")
    if not options.until_done:
        return 0
    begun = time.monotonic()
    state = follow(maker, dag, run, checker=checker, reason=options.reason, seconds=options.timeout, tell=lambda line: print(f"  {line}", flush=True),
                   alive=lambda: go_on(started, stop))
    tell(f"{dag} {run}：{state}，用时 {time.monotonic() - begun:.0f} 秒", f"{dag} {run}: {state} after {time.monotonic() - begun:.0f} s")
    for task in maker.tasks(dag, run) if state == "failed" else ():
        if task["state"] == "failed":
            print(f"--- {task['task_id']}", *maker.log(dag, run, task), sep="\n", flush=True)
    return 0 if state == "success" else 1


def _pair(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def serve(options: argparse.Namespace, stop: threading.Event) -> int:
    """Set up, start, do what was asked for, stop."""
    os.umask(0o077)
    options.home.mkdir(parents=True, exist_ok=True)
    logs = options.home / "logs"
    logs.mkdir(exist_ok=True)
    env = environment(options.home, options.workspace, options.dags, options.port, options.parallelism)
    commands = {name: [sys.executable, "-m", "airflow", *words] for name, words in COMPONENTS.items()}
    if options.platform:
        commands["registry-platform"] = [sys.executable, "-m", "etl", "registry", "platform", "serve", "--workspace", str(options.workspace)]
    with ExitStack() as stack:
        stack.enter_context(only_one(options.home))
        noted = options.home / "processes.json"
        end_leftovers(noted)
        refuse_taken(options.port)
        known, new = passwords(options.home)
        prepare(options, env, stop)
        tell("启动 Airflow……", "starting Airflow ...")
        started = stack.enter_context(components(commands, env, logs, noted))
        # Runs before the components are stopped, so that people see why nothing answers any more.
        stack.callback(tell, "停止 Airflow……", "stopping Airflow ...")
        address = f"http://127.0.0.1:{options.port}"
        maker = Api(address, "maker", known["maker"])
        wait_until_ready(maker, started, logs, stop)
        maker.add_pools(pools())
        let_run(options, maker, new, started, stop)
        show(options, address, known, new, maker.dags(), maker.import_errors())
        if options.trigger:
            checker = Api(address, options.approve_as, known[options.approve_as]) if options.approve_as else None
            code = trigger_and_wait(options, maker, checker, started, stop)
            if options.until_done:
                return code
        while True:
            go_on(started, stop)
            stop.wait(1.0)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--home", type=Path, default=ROOT / "var" / "airflow-home", help="AIRFLOW_HOME")
    parser.add_argument("--workspace", type=Path, default=ROOT / "var" / "airflow")
    parser.add_argument("--dags", type=Path, default=ROOT / "dags", help="DAGS_FOLDER; its folder plugins is PLUGINS_FOLDER")
    parser.add_argument("--policies", type=int, default=300, help="size of the demo insurer, where there is no workspace yet")
    parser.add_argument("--parallelism", type=int, default=int(os.environ.get("PARALLELISM") or 4), help="tasks at once")
    parser.add_argument("--unpause", action="store_true", help="let all DAGs run by their schedules")
    parser.add_argument("--platform", action="store_true", help="start the stand-in registry platform, too")
    parser.add_argument("--trigger", metavar="DAG", help="start a run by hand")
    parser.add_argument("--period", help="period of that run, such as 2026-10")
    parser.add_argument("--conf", action="append", default=[], metavar="KEY=VALUE", help="further parameters of that run")
    parser.add_argument("--approve-as", choices=sorted(USERS), help="approve what the run asks, as this user")
    parser.add_argument("--reason", default="tools/airflow_local.py", help="reason given with an approval")
    parser.add_argument("--until-done", action="store_true", help="stop when that run has ended")
    parser.add_argument("--timeout", type=float, default=3600.0, help="seconds that run may take")
    options = parser.parse_args(arguments)
    for name in ("home", "workspace", "dags"):
        setattr(options, name, getattr(options, name).absolute())
    return options


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    try:
        return serve(options, stop)
    except Stopped:
        return 130
    except EastboundError as error:
        print(error, file=sys.stderr, flush=True)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
