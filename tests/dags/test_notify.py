"""Telling people, through real servers: a mail server and webhooks. Signatures and lengths are worked out by hand or by another program."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import socket

import pytest

from etl.ledger import open_ledger
from etl.pipeline import start_run
from tests.dags.airflow_env import in_process
from tests.dags.receivers import mail_server, webhook
from tests.pipeline.small_insurer import POLICIES, make_workspace
from tests.pipeline.test_road import REQUEST

in_process()

from airflow.sdk.exceptions import AirflowException, AirflowSkipException  # noqa: E402 - after Airflow's settings

from eastbound_dags.notify import Failure, MessageNotifier, WebhookNotifier, notify_digest, send  # noqa: E402
from eastbound_dags.webhook import payload, shortened, signature  # noqa: E402

KEY, SECRET = "key-of-the-robot-7f3a", "SEC-secret-of-the-robot"
FAILURE = Failure("east_monthly", "manual__2026-11-02", "check.conclude", "20261102-3fa9c1", "blocked", "http://airflow/dags/east_monthly")


@pytest.fixture
def hook():
    with webhook() as server:
        yield server


@pytest.fixture
def mail():
    with mail_server() as server:
        yield server


def connect(monkeypatch, name: str, **fields) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))


def robot(monkeypatch, hook, kind: str, name: str = "eastbound_webhook", password: str | None = KEY, **extra) -> None:
    connect(monkeypatch, name, conn_type="http", host=hook.url, password=password, extra={"kind": kind, **extra})


def mailbox(monkeypatch, port: int, **extra) -> None:
    connect(monkeypatch, "eastbound_mail", conn_type="smtp", host="127.0.0.1", port=port,
            extra={"disable_ssl": True, "disable_tls": True, "from_email": "eastbound@insurer.example", "to": "wang@insurer.example, li@insurer.example", **extra})


def test_wecom_gets_markdown_with_the_key_in_the_query(monkeypatch, hook):
    robot(monkeypatch, hook, "wecom")
    assert send(FAILURE) == {"eastbound_webhook": ""}
    [posted] = hook.got
    assert (posted.path, posted.query) == ("/robot/send", {"key": KEY})
    assert posted.body == {"msgtype": "markdown", "markdown": {"content": (
        "### 检核未通过：east_monthly\n- 任务: check.conclude\n- 运行: 20261102-3fa9c1\n- 状态: blocked\n- 批次: manual__2026-11-02\n- 链接: http://airflow/dags/east_monthly")}}
    # Chinese as it is: escaped it would be three times as long, and the receiver counts bytes.
    assert "检核未通过".encode() in posted.raw


def test_dingtalk_gets_a_title_and_a_signature(monkeypatch, hook):
    robot(monkeypatch, hook, "dingtalk", secret=SECRET, language="en")
    assert send(FAILURE) == {"eastbound_webhook": ""}
    [posted] = hook.got
    assert posted.body["markdown"]["title"] == "Stopped by findings: east_monthly"
    assert posted.body["markdown"]["text"].startswith("### Stopped by findings: east_monthly\n- task: check.conclude")
    moment = posted.query["timestamp"]
    expected = base64.b64encode(hmac.digest(SECRET.encode(), f"{moment}\n{SECRET}".encode(), hashlib.sha256)).decode()
    assert posted.query == {"access_token": KEY, "timestamp": moment, "sign": expected} and len(moment) == 13


def test_a_signature_by_another_program():
    # printf '1577262236757\nthis is secret' | openssl dgst -sha256 -hmac 'this is secret' -binary | base64
    assert signature("this is secret", "1577262236757") == "hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM="


def test_dingtalk_without_a_secret_is_not_signed(monkeypatch, hook):
    robot(monkeypatch, hook, "dingtalk")
    send(FAILURE)
    assert hook.got[0].query == {"access_token": KEY}


def test_a_plain_receiver_gets_text_and_a_bearer(monkeypatch, hook):
    robot(monkeypatch, hook, "plain", language="en")
    hook.answer = (204, "", {})
    assert send(FAILURE) == {"eastbound_webhook": ""}
    assert hook.got[0].headers["Authorization"] == f"Bearer {KEY}" and hook.got[0].query == {}
    assert hook.got[0].body == {"text": FAILURE.text("en")}
    # Also where the address is given in parts, as Airflow's own form does it.
    connect(monkeypatch, "eastbound_webhook", conn_type="http", schema="http", host="127.0.0.1", port=hook.port, extra={"path": "/robot/send"})
    assert send(FAILURE) == {"eastbound_webhook": ""} and hook.got[1].path == "/robot/send" and "Authorization" not in hook.got[1].headers


def test_mail_goes_to_everybody_named(monkeypatch, mail):
    mailbox(monkeypatch, mail.port)
    assert send(FAILURE) == {"eastbound_mail": ""}
    [(sender, recipients, message)] = mail.got
    assert (sender, recipients) == ("eastbound@insurer.example", ["wang@insurer.example", "li@insurer.example"])
    assert message["Subject"] == "检核未通过：east_monthly"
    assert "<li>运行: 20261102-3fa9c1</li>" in message.get_body(("html",)).get_content()


def test_texts_are_not_run_as_templates(monkeypatch, mail, hook):
    mailbox(monkeypatch, mail.port)
    robot(monkeypatch, hook, "wecom")
    MessageNotifier(Failure("{{ 7 * 7 }}", "{{ var.value.secret }}\nBcc: someone@else.example"))({})
    assert "{{ 7 * 7 }}" in mail.got[0][2]["Subject"] and mail.got[0][1] == ["wang@insurer.example", "li@insurer.example"]
    assert "{{ var.value.secret }}" in hook.got[0].body["markdown"]["content"]
    WebhookNotifier("subject", "{{ 7 * 7 }}")({})
    assert hook.got[1].body["markdown"]["content"] == "{{ 7 * 7 }}"


@pytest.mark.parametrize(("answer", "told"), [
    ((200, '{"errcode":93000,"errmsg":"invalid webhook url"}', {}), "errcode 93000"),
    ((200, "<html>", {}), "no errcode"),
    ((403, "no", {}), "answered 403"),
    ((302, "", {"Location": "http://elsewhere.example/"}), "answered 302"),
])
def test_what_a_receiver_refuses_is_not_taken_as_sent(monkeypatch, hook, caplog, answer, told):
    robot(monkeypatch, hook, "wecom")
    hook.answer = answer
    with caplog.at_level(logging.DEBUG):
        problem = send(FAILURE)["eastbound_webhook"]
    assert told in problem and len(hook.got) == 1
    # Neither the key nor the address of the robot is repeated anywhere.
    assert KEY not in problem + caplog.text and "/robot/send" not in problem + caplog.text


@pytest.mark.parametrize(("fields", "told"), [
    ({"kind": "wecom", "password": None}, "no password"), ({"kind": "telegram"}, "'telegram'"), ({"kind": "wecom", "host": "ftp://x/"}, "https://server/path"),
    ({"kind": "wecom", "host": ""}, "https://server/path"), ({"kind": "wecom", "host": "http://127.0.0.1:1/"}, "cannot be reached"),
    ({"kind": "wecom", "host": "http://no such host/"}, "cannot be reached"),
])
def test_a_connection_that_is_not_right_says_what(monkeypatch, hook, fields, told):
    connect(monkeypatch, "eastbound_webhook", conn_type="http", host=fields.get("host", hook.url), password=fields.get("password", KEY), extra={"kind": fields["kind"]})
    assert told in send(FAILURE)["eastbound_webhook"] and hook.got == []


def test_one_channel_that_fails_does_not_keep_the_others_from_being_told(monkeypatch, hook, mail):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        mailbox(monkeypatch, closed.getsockname()[1])
        robot(monkeypatch, hook, "wecom")
        robot(monkeypatch, hook, "plain", name="second")
        monkeypatch.setenv("EASTBOUND_NOTIFY", "eastbound_mail, missing, eastbound_webhook, second")
        told = send(FAILURE)
    assert list(told) == ["eastbound_mail", "missing", "eastbound_webhook", "second"]
    assert told["eastbound_mail"] == "ConnectionRefusedError" and told["missing"] == "there is no such connection"
    assert told["eastbound_webhook"] == told["second"] == "" and len(hook.got) == 2


def test_mail_without_addresses(monkeypatch, mail):
    mailbox(monkeypatch, mail.port, to="")
    assert "no addresses" in send(FAILURE)["eastbound_mail"] and mail.got == []


def test_long_texts_are_cut_between_lines():
    line = "一" * 33                                    # 99 bytes, 100 with the end of the line
    text = "\n".join([line] * 50)
    assert shortened(text, 4999) == text                # 50 lines and 49 ends
    cut = shortened(text, 4096)
    # 40 lines are 4,000 bytes with their ends; the sign of what is left out takes 3 more.
    assert cut == "\n".join([line] * 40) + "\n…" and len(cut.encode()) <= 4096
    assert shortened(line, 50) == "一" * 15 + "…" and len(shortened(line, 50).encode()) <= 50
    assert len(payload("wecom", "s", text, text)["markdown"]["content"].encode()) <= 4096
    assert payload("dingtalk", "s", text, text)["markdown"]["text"] == text


@pytest.fixture
def blocked(tmp_path, monkeypatch):
    """A workspace whose month is stopped by one finding: a state that the standard does not know."""
    workspace = make_workspace(tmp_path, policies=[*POLICIES, ("P004", "王小五", "9", "2026-01-01", None, "5.00", None)])
    result = start_run(workspace, REQUEST)
    assert result.status == "blocked"
    monkeypatch.setenv("EASTBOUND_WORKSPACE", str(workspace.root))
    return workspace, result.run


def test_the_digest_is_told_once_to_all(monkeypatch, blocked, hook, mail):
    workspace, run = blocked
    mailbox(monkeypatch, mail.port)
    robot(monkeypatch, hook, "wecom")
    assert notify_digest() == {"eastbound_mail": "", "eastbound_webhook": ""}
    assert len(hook.got) == len(mail.got) == 1
    content = hook.got[0].body["markdown"]["content"]
    assert run in content and content.startswith("### Eastbound 000123")
    assert run in mail.got[0][2].get_body(("html",)).get_content()
    assert "王小五" not in hook.got[0].raw.decode() + mail.got[0][2].as_string()
    # Nothing is new an hour later.
    assert notify_digest() == {} and len(hook.got) == 1


def test_a_digest_that_nobody_took_is_told_again(monkeypatch, blocked, hook):
    workspace, run = blocked
    robot(monkeypatch, hook, "wecom")
    robot(monkeypatch, hook, "dingtalk", name="eastbound_mail")
    hook.answer = (500, "", {})
    with pytest.raises(AirflowException, match="answered 500"):
        notify_digest()
    with open_ledger(workspace.ledger_place) as ledger:
        assert [event.action for event in ledger.events() if event.action == "alert.sent"] == []
    # One of two is enough.
    robot(monkeypatch, hook, "wecom", password=None)
    hook.answer = (200, '{"errcode":0}', {})
    assert sorted(map(bool, notify_digest().values())) == [False, True]
    with open_ledger(workspace.ledger_place) as ledger:
        assert len([event for event in ledger.events() if event.action == "alert.sent"]) == 1
    assert notify_digest() == {}


def test_without_a_channel_the_task_is_skipped_and_says_what_it_would_have_told(blocked):
    workspace, run = blocked
    with pytest.raises(AirflowSkipException, match=run):
        notify_digest()
    with open_ledger(workspace.ledger_place) as ledger:
        assert not any(event.action == "alert.sent" for event in ledger.events())
