"""The OpenLineage events of real runs: their shape, what they say, where they go, and that nothing private is in them."""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jsonschema
import pytest

from etl.language import set_language
from etl.ledger import open_ledger
from etl.lineage import emit
from etl.pipeline.road import RunRequest, open_context, resume_run, start_run
from etl.sources.errors import SourceUnreachable
from etl.submission.definition import Period
from etl.workspace import VariableMissing, Workspace
from tests.command import call_english
from tests.pipeline.small_insurer import POLICIES, make_workspace

FILE = {"transport": {"type": "file", "log_file_path": "lineage/events.jsonl"}}
REQUEST = RunRequest("tiny", Period.parse("2026-10"), date(2026, 11, 15))
STAGES = ["extract", "standardise", "check", "mask", "write", "seal"]
# What the OpenLineage specification 2-0-2 and its facets ask for, of the parts that are used here.
FACET = {"type": "object", "required": ["_producer", "_schemaURL"], "properties": {
    "_producer": {"type": "string", "format": "uri"}, "_schemaURL": {"type": "string", "pattern": "^https://openlineage.io/spec/facets/.*Facet$"}}}
INPUT_FIELD = {"type": "object", "required": ["namespace", "name", "field"], "properties": {"transformations": {"type": "array", "items": {
    "type": "object", "required": ["type"], "properties": {"type": {"enum": ["DIRECT", "INDIRECT"]}, "masking": {"type": "boolean"}}}}}}
DATASET = {"type": "object", "required": ["namespace", "name"], "properties": {
    "namespace": {"type": "string", "minLength": 1}, "name": {"type": "string", "minLength": 1},
    "facets": {"additionalProperties": FACET, "properties": {"columnLineage": {"required": ["fields"], "properties": {
        "fields": {"additionalProperties": {"required": ["inputFields"], "properties": {"inputFields": {"type": "array", "minItems": 1, "items": INPUT_FIELD}}}},
        "dataset": {"type": "array", "items": INPUT_FIELD}}}}},
    "outputFacets": {"additionalProperties": FACET, "properties": {"outputStatistics": {"properties": {"rowCount": {"type": "integer"}}}}},
    "inputFacets": {"additionalProperties": FACET, "properties": {"dataQualityAssertions": {"required": ["assertions"], "properties": {
        "assertions": {"items": {"required": ["assertion", "success"], "properties": {"success": {"type": "boolean"}, "severity": {"enum": ["error", "warn"]}}}}}}}}}}
EVENT = {"type": "object", "required": ["eventTime", "producer", "schemaURL", "run", "job"], "properties": {
    "eventTime": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"},
    "eventType": {"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
    "schemaURL": {"const": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"},
    "run": {"required": ["runId"], "properties": {"runId": {"type": "string", "pattern": "^[0-9a-f-]{36}$"}, "facets": {"additionalProperties": FACET}}},
    "job": {"required": ["namespace", "name"], "properties": {"facets": {"additionalProperties": FACET}}},
    "inputs": {"type": "array", "items": DATASET}, "outputs": {"type": "array", "items": DATASET}}}


@pytest.fixture(autouse=True)
def _anew(monkeypatch):
    monkeypatch.setattr(emit, "_given_up", set())
    monkeypatch.setattr(emit, "_spent", {})
    yield
    set_language(None)


def with_events(folder, settings=FILE, **options) -> Workspace:
    workspace = replace(make_workspace(folder, **options), openlineage=settings)
    workspace.save()
    return Workspace.open(workspace.root)


def sent(workspace: Workspace) -> list[dict]:
    text = (workspace.root / "lineage/events.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def by_job(events: list[dict], job: str, kind: str = "COMPLETE") -> dict:
    [found] = [event for event in events if event["job"]["name"] == job and event["eventType"] == kind]
    return found


def dataset(listed: list[dict], name: str) -> dict:
    [found] = [one for one in listed if one["name"] == name]
    return found


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """(workspace, run, events) of a month that was sealed."""
    workspace = with_events(tmp_path_factory.mktemp("events"))
    result = start_run(workspace, REQUEST)
    assert result.status == "sealed"
    return workspace, result.run, sent(workspace)


def test_every_event_is_as_the_specification_wants_it(road):
    for event in road[2]:
        jsonschema.validate(event, EVENT, format_checker=jsonschema.FormatChecker())


def test_a_sealed_run_is_a_job_with_six_jobs_below_it(road):
    _, run, events = road
    told = [(event["eventType"], event["job"]["name"]) for event in events]
    assert told == [("START", "tiny"), *((kind, f"tiny.{stage}") for stage in STAGES for kind in ("START", "COMPLETE")), ("COMPLETE", "tiny")]
    times = [datetime.fromisoformat(event["eventTime"]) for event in events]
    assert times == sorted(times) and {event["job"]["namespace"] for event in events} == {"eastbound"}
    whole = by_job(events, "tiny")["run"]
    assert whole["runId"] == str(uuid.uuid5(uuid.UUID("5d0f6a52-6f0e-5f0b-9a55-0d5a2c0e7b11"), run)) and "parent" not in whole["facets"]
    for stage in STAGES:
        facets = by_job(events, f"tiny.{stage}")["run"]["facets"]
        assert facets["parent"]["run"]["runId"] == whole["runId"] and facets["parent"]["job"]["name"] == "tiny"
    nominal = whole["facets"]["nominalTime"]
    assert (nominal["nominalStartTime"], nominal["nominalEndTime"]) == ("2026-10-01T00:00:00+08:00", "2026-11-01T00:00:00+08:00")
    assert {tag["key"]: tag["value"] for tag in whole["facets"]["tags"]["tags"]}["run"] == run


def test_rows_and_bytes_of_what_was_read_and_made(road):
    workspace, _, events = road
    extracted = by_job(events, "tiny.extract")
    assert [(one["namespace"], one["name"], one["inputFacets"]["inputStatistics"]["rowCount"]) for one in extracted["inputs"]] == [
        ("sqlite://core", "Pay", 4), ("sqlite://core", "Policy", 3)]
    for stage, names in (("standardise", ("tiny.BD", "tiny.JF")), ("mask", ("tiny.BD.masked", "tiny.JF.masked")), ("write", ("tiny.BD.submitted", "tiny.JF.submitted"))):
        outputs = by_job(events, f"tiny.{stage}")["outputs"]
        assert [(one["name"], one["outputFacets"]["outputStatistics"]["rowCount"]) for one in outputs] == [(names[0], 3), (names[1], 4)]
    [package] = by_job(events, "tiny.seal")["outputs"]
    files = list((workspace.root / "packages/tiny/2026-10/001").rglob("*.txt"))
    statistics = package["outputFacets"]["outputStatistics"]
    assert (statistics["rowCount"], statistics["fileCount"], statistics["size"]) == (7, 2, sum(path.stat().st_size for path in files))


def test_the_end_of_a_run_says_which_submitted_item_comes_from_which_source_column(road):
    fields = dataset(by_job(road[2], "tiny")["outputs"], "tiny.BD.submitted")["facets"]["columnLineage"]["fields"]
    told = {code: [(one["name"], one["field"], [(t["type"], t["subtype"], t["masking"]) for t in one["transformations"]]) for one in field["inputFields"]]
            for code, field in fields.items()}
    assert told == {
        "BDH": [("Policy", "PolNo", [("DIRECT", "IDENTITY", False)])],
        "XM": [("Policy", "Owner", [("DIRECT", "TRANSFORMATION", True)])],
        "ZT": [("Policy", "State", [("DIRECT", "TRANSFORMATION", False)])],
        "SXRQ": [("Policy", "ValidFrom", [("DIRECT", "IDENTITY", False)])],
        "ZZRQ": [("Policy", "EndDate", [("DIRECT", "IDENTITY", False)])],
        "BF": [("Policy", "Prem", [("DIRECT", "IDENTITY", False)])],
        "LJBF": [("Pay", "Amount", [("DIRECT", "AGGREGATION", False)]), ("Pay", "PolNo", [("INDIRECT", "GROUP_BY", False)]), ("Policy", "PolNo", [("INDIRECT", "JOIN", False)])],
        "BZ": [("Policy", "Remark", [("DIRECT", "IDENTITY", False)])],
    }
    assert (fields["XM"]["transformationType"], fields["BDH"]["transformationType"]) == ("MASKED", "IDENTITY")
    assert {one["namespace"] for field in fields.values() for one in field["inputFields"]} == {"sqlite://core"}


def test_no_value_of_a_source_row_is_in_an_event(road):
    text = json.dumps(road[2], ensure_ascii=False)
    values = {str(value).strip() for row in POLICIES for value in (row[0], row[1], row[6]) if value}
    assert values == {"P001", "P002", "P003", "张三", "李四", "𠮷田", "首单", "两端有空白"}
    assert [value for value in values if value in text] == []
    assert "core.db" not in text and str(road[0].root) not in text, "nor where a database is"


def test_rule_outcomes_are_assertions_in_counts(tmp_path):
    policies = [("P001", "张三", "4", "2026-01-05", None, "9.00", None), ("P002", "李四", "4", "2026-01-05", "2026-09-30", "20.00", None)]
    workspace = with_events(tmp_path, policies=policies, payments=[])
    result = start_run(workspace, REQUEST)
    events = sent(workspace)
    assert result.status == "blocked" and [event["eventType"] for event in events][-1] == "FAIL"
    assert [event["job"]["name"] for event in events if event["eventType"] == "COMPLETE"] == ["tiny.extract", "tiny.standardise", "tiny.check"]
    told = {one["name"]: one for one in dataset(by_job(events, "tiny.check")["inputs"], "tiny.BD")["inputFacets"]["dataQualityAssertions"]["assertions"]}
    ended, small = told["TN-BD-ZZRQ-CR-01"], told["TN-BD-BF-VR-01"]
    assert (ended["success"], ended["actual"], ended["expected"], ended["severity"], ended["column"], ended["assertion"]) == (False, "1", "0", "error", "ZZRQ", "conditional_required")
    assert (small["success"], small["actual"], small["severity"], small["column"], small["params"]["judged"]) == (False, "1", "warn", "BF", 2)
    assert told["TN-BD-XM-REQ"]["success"] is True and told["TN-BD-XM-REQ"]["actual"] == "0"
    assert by_job(events, "tiny", "FAIL")["run"]["facets"]["errorMessage"]["message"] == "blocked: code=findings error=1 warning=1"


def test_a_run_that_breaks_off_and_is_taken_up_again(tmp_path):
    workspace = with_events(tmp_path)
    core = tmp_path / "core.db"
    core.rename(tmp_path / "away.db")
    with pytest.raises(SourceUnreachable):
        start_run(workspace, REQUEST)
    (tmp_path / "away.db").rename(core)
    with open_ledger(workspace.ledger_place) as ledger:
        [run] = ledger.runs()
    assert [(event["eventType"], event["job"]["name"]) for event in sent(workspace)] == [("START", "tiny"), ("FAIL", "tiny")]
    assert by_job(sent(workspace), "tiny", "FAIL")["run"]["facets"]["errorMessage"]["message"] == "failed: code=SourceUnreachable"
    assert resume_run(workspace, run.id, until="mask").status == "interrupted"
    assert resume_run(workspace, run.id).status == "sealed"
    told = [(event["eventType"], event["job"]["name"].removeprefix("tiny.")) for event in sent(workspace) if event["job"]["name"] == "tiny" or event["eventType"] != "START"]
    assert told == [("START", "tiny"), ("FAIL", "tiny"), ("START", "tiny"), *(("COMPLETE", stage) for stage in STAGES[:4]), ("ABORT", "tiny"),
                    ("START", "tiny"), ("COMPLETE", "check"), ("COMPLETE", "write"), ("COMPLETE", "seal"), ("COMPLETE", "tiny")]
    assert len({event["run"]["runId"] for event in sent(workspace) if event["job"]["name"] == "tiny"}) == 1


def test_the_events_of_an_old_run_are_the_same_events(road, capsys):
    workspace, run, events = road
    code, out, _ = call_english(capsys, "lineage", run, "--format", "openlineage", "-w", workspace.root)
    again = [json.loads(line) for line in out.splitlines()]
    for event in events:  # the client says of itself what version it is
        event["run"]["facets"]["tags"]["tags"] = [tag for tag in event["run"]["facets"]["tags"]["tags"] if tag["source"] == "EASTBOUND"]
    assert code == 0 and again == events


def test_the_command_shows_and_sends(tmp_path, capsys):
    workspace = with_events(tmp_path)
    run = start_run(workspace, REQUEST).run
    (workspace.root / "lineage/events.jsonl").unlink()
    code, out, _ = call_english(capsys, "lineage", "-w", workspace.root, "--table", "BD", "--format", "json")
    [table] = json.loads(out)["tables"]
    items = {one["item"]: one for one in table["items"]}
    assert code == 0 and items["XM"]["masked"] and items["XM"]["origins"] == [
        {"system": "core", "table": "Policy", "column": "Owner", "steps": [{"type": "DIRECT", "subtype": "IDENTITY", "expression": None}]}]
    assert items["LSH"]["origins"] == []
    _, out, _ = call_english(capsys, "lineage", "-w", workspace.root, "--table", "BD", "--item", "LJBF")
    assert "core.Pay.Amount" in out and "aggregated" in out and "sum(y.Amount)" in out and "Owner" not in out
    code, out, _ = call_english(capsys, "lineage", run, "-w", workspace.root, "--emit")
    assert (code, out) == (0, f"sent 14 events of run {run}.\n") and len(sent(workspace)) == 14
    assert call_english(capsys, "lineage", "-w", workspace.root, "--item", "BDH")[0] == 2
    code, _, err = call_english(capsys, "lineage", "-w", workspace.root, "--table", "XX")
    assert code == 2 and "XX" in err


def test_without_the_setting_there_are_no_events_and_nothing_to_send_to(tmp_path, capsys):
    workspace = make_workspace(tmp_path)
    run = start_run(workspace, REQUEST).run
    assert not (workspace.root / "lineage").exists()
    code, _, err = call_english(capsys, "lineage", run, "-w", workspace.root, "--emit")
    assert code == 2 and "openlineage" in err


# -- a server


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        server = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.got.append((self.path, self.headers.get("Authorization"), body))
        if server.wait:
            time.sleep(server.wait)
        self.send_response(server.status)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def collecting(status: int = 201, wait: float = 0.0):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.got, server.status, server.wait, server.daemon_threads, server.block_on_close = [], status, wait, True, False
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def to_server(url: str, **more) -> dict:
    return {"transport": {"type": "http", "url": url, **more}}


def failures(workspace: Workspace) -> list[tuple[str, dict]]:
    with open_ledger(workspace.ledger_place) as ledger:
        return [(event.subject, dict(event.detail)) for event in ledger.events() if event.action == "lineage.failed"]


def test_events_go_to_a_server_with_the_key_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("LINEAGE_KEY", "k-1234567")
    with collecting() as (server, url):
        workspace = with_events(tmp_path, to_server(url, endpoint="api/v2/lineage", auth={"type": "api_key", "apiKey": "${LINEAGE_KEY}"}))
        assert start_run(workspace, REQUEST).status == "sealed"
        got = list(server.got)
    assert [(path, key) for path, key, _ in got] == [("/api/v2/lineage", "Bearer k-1234567")] * 14
    events = [json.loads(body) for _, _, body in got]
    assert events[0]["eventType"] == "START" and events[-1]["job"]["name"] == "tiny" and "k-1234567" not in json.dumps(events)
    assert "k-1234567" not in (workspace.root / "workspace.yaml").read_text(encoding="utf-8") and failures(workspace) == []


@pytest.mark.parametrize(("status", "reason"), [(500, "HTTP 500"), (401, "HTTP 401"), (None, "ConnectionError")])
def test_a_server_that_refuses_costs_one_warning_and_no_run(tmp_path, caplog, monkeypatch, status, reason):
    monkeypatch.setenv("LINEAGE_KEY", "k-1234567")
    with collecting(status or 201) as (server, url):
        if status is None:
            url = "http://127.0.0.1:1"  # nobody listens there
        workspace = with_events(tmp_path, to_server(url, auth={"type": "api_key", "apiKey": "${LINEAGE_KEY}"}))
        result = start_run(workspace, REQUEST)
        assert result.status == "sealed" and len(server.got) == (1 if status else 0), "asked once, then left alone"
    warnings = [record.getMessage() for record in caplog.records if record.name == "eastbound.lineage"]
    assert len(warnings) == 1 and result.run in warnings[0] and reason in warnings[0] and "k-1234567" not in warnings[0] and "127.0.0.1" not in warnings[0]
    assert [subject for subject, _ in failures(workspace)] == [result.run]


def test_a_server_that_does_not_answer_holds_nobody_up(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(emit, "PATIENCE", 0.4)
    with collecting(wait=20) as (_, url):
        workspace = with_events(tmp_path, to_server(url, timeout=10))
        started = time.monotonic()
        emit.emit_start(open_context(workspace, _noted(workspace), open_ledger(workspace.ledger_place)))
        assert time.monotonic() - started < 8
    assert [detail["reason"] for _, detail in failures(workspace)] == ["LineageTooSlow"]


def _noted(workspace: Workspace) -> str:
    """A sealed run, made without events."""
    return start_run(replace(workspace, openlineage=None), REQUEST).run


def test_a_variable_that_is_not_set_stops_events_and_nothing_else(tmp_path, capsys, caplog):
    workspace = with_events(tmp_path, to_server("http://127.0.0.1:1", auth={"type": "api_key", "apiKey": "${NO_SUCH_KEY}"}))
    result = start_run(workspace, REQUEST)
    assert result.status == "sealed" and "NO_SUCH_KEY" in caplog.text
    with pytest.raises(VariableMissing):
        workspace.lineage_transport()
    code, _, err = call_english(capsys, "lineage", result.run, "-w", workspace.root, "--emit")
    assert code == 3 and "NO_SUCH_KEY" in err


def test_without_the_library_runs_go_on_and_the_message_says_what_to_install(tmp_path, capsys, caplog, monkeypatch):
    workspace = with_events(tmp_path)
    for name in [name for name in sys.modules if name.startswith("etl.lineage.") and name.rpartition(".")[2] in ("openlineage", "datasets")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.partition(".")[0] == "openlineage"] or ["openlineage"]:
        monkeypatch.setitem(sys.modules, name, None)
    result = start_run(workspace, REQUEST)
    assert result.status == "sealed" and caplog.text.count("eastbound[lineage]") == 1
    code, _, err = call_english(capsys, "lineage", result.run, "-w", workspace.root, "--format", "openlineage")
    assert code == 2 and "pip install 'eastbound[lineage]'" in err
    assert call_english(capsys, "lineage", result.run, "-w", workspace.root)[0] == 0, "the table of origins needs no library"


def test_how_long_and_how_often_a_server_is_asked(tmp_path):
    workspace = Workspace(tmp_path, openlineage=to_server("http://a.example"))
    assert emit.transport_settings(workspace)["timeout"] == 3 and emit.transport_settings(workspace)["retry"]["total"] == 0
    assert emit.transport_settings(replace(workspace, openlineage=to_server("http://a.example", timeout=99)))["timeout"] == 10
    assert emit.transport_settings(replace(workspace, openlineage=FILE)) == {"type": "file", "log_file_path": str(tmp_path / "lineage/events.jsonl"), "append": True}
