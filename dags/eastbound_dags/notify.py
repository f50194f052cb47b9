"""Telling people: one message to every channel that is set up. Addresses and secrets are in Airflow connections and nowhere else.

`EASTBOUND_NOTIFY` names the connections, `eastbound_mail,eastbound_webhook` by default; of these two, those that do not exist are passed over.

- mail (type `smtp`): server as Airflow's provider wants it; extra `from_email`, `to` (addresses, with commas), `language` (zh or en);
- webhook (type `http`): the address in `host` (`https://server/send`; or the parts in `schema`, `host`, `port` and extra `path`), the key in
  `password`, and in extra `kind`: `wecom` (企业微信), `dingtalk` (钉钉; `secret` where messages are signed) or `plain` (any address that takes {"text": …}), `language`.

A message has `subject(language)`, `text(language)`, `markdown(language)` and `html(language)`; the digest of `etl.deadlines.digest` is one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from airflow.sdk import BaseNotifier

from eastbound_dags.settings import open_workspace
from eastbound_dags.webhook import post

log = logging.getLogger("eastbound")
DEFAULT_CHANNELS = ("eastbound_mail", "eastbound_webhook")


class Message(Protocol):
    """What can be told, in `zh` or `en`."""

    def subject(self, language: str) -> str: ...
    def text(self, language: str) -> str: ...
    def markdown(self, language: str) -> str: ...
    def html(self, language: str) -> str: ...


class WebhookNotifier(BaseNotifier):
    """Posts a text to 企业微信, 钉钉 or any webhook: the connection says which. Raises AirflowException when it is not taken.

    The texts are no templates: what they quote (the name of a rule, a sentence) must not be run as one.
    """

    template_fields = ()

    def __init__(self, subject: str, markdown: str, text: str | None = None, conn_id: str = "eastbound_webhook", context: Any = None) -> None:
        super().__init__(context=context)
        self.conn_id, self.subject, self.markdown, self.text = conn_id, subject, markdown, markdown if text is None else text

    def notify(self, context: Any) -> None:
        post(_connection(self.conn_id), self.subject, self.markdown, self.text)


class MessageNotifier(BaseNotifier):
    """Sends a message to all channels; raises AirflowException when none took it."""

    template_fields = ()

    def __init__(self, message: Message, channels: Sequence[str] | None = None, context: Any = None) -> None:
        super().__init__(context=context)
        self.message, self.channels = message, channels

    def notify(self, context: Any) -> None:
        from airflow.sdk.exceptions import AirflowException

        told = send(self.message, self.channels)
        if told and all(told.values()):
            raise AirflowException("; ".join(f"{name}: {problem}" for name, problem in told.items()))


def channels() -> tuple[list[str], bool]:
    """The connections that messages go to, and whether somebody named them."""
    named = [name.strip() for name in os.environ.get("EASTBOUND_NOTIFY", "").split(",") if name.strip()]
    return (named, True) if named else (list(DEFAULT_CHANNELS), False)


def send(message: Message, to: Sequence[str] | None = None) -> dict[str, str]:
    """Send a message to connections; {connection: what went wrong, '' for nothing}. One that fails does not keep the others from being told.

    Connections of the default list that are not set up are left out of the answer.
    """
    from airflow.sdk.exceptions import AirflowNotFoundException

    names, named = (list(to), True) if to is not None else channels()
    told = {}
    for name in names:
        try:
            _send_one(name, message)
            told[name] = ""
            log.info("%s took: %s", name, message.subject("en"))
        except AirflowNotFoundException:
            if named:
                told[name] = "there is no such connection"
        except Exception as error:  # noqa: BLE001 - the other channels are still to be told
            # Only our own sentences are repeated: those of libraries may quote the address with its key.
            told[name] = str(error) if type(error).__module__ == "eastbound_dags.webhook" else type(error).__name__
        if told.get(name):
            log.warning("%s did not take the message: %s", name, told[name])
    return told


def notify_digest() -> dict[str, str]:
    """Send what people must know now, as one message; {} where there is nothing to tell.

    Told again the next time unless at least one channel took it. Raises AirflowException when none did, AirflowSkipException without channels.
    """
    from datetime import UTC, datetime

    from airflow.sdk.exceptions import AirflowException, AirflowSkipException

    from etl.deadlines.digest import digest, mark_sent
    from etl.ledger import open_ledger

    workspace = open_workspace()
    with open_ledger(workspace.ledger_place) as ledger:
        found = digest(workspace, ledger, datetime.now(UTC))
        if found.empty:
            log.info("nothing to tell")
            return {}
        told = send(found)
        if not told:
            raise AirflowSkipException(f"no channel is set up (connections {', '.join(channels()[0])}); it would have said:\n{found.text('en')}")
        if all(told.values()):
            raise AirflowException("no channel took the digest: " + "; ".join(f"{name}: {problem}" for name, problem in told.items()))
        mark_sent(ledger, found)
        return told


def failure_notice(context: Any) -> None:
    """`on_failure_callback` of a DAG (not of its tasks): one message per DAG run that failed, however many tasks did."""
    try:
        send(Failure.of(context))
    except Exception as error:  # noqa: BLE001 - the run has failed already; telling about it must not hide why
        log.warning("the failure was not told: %s", type(error).__name__)


@dataclass(frozen=True)
class Failure:
    """A DAG run that failed. `run` and `state`: its run in the ledger, where one was begun. Holds names only, no values."""

    dag: str
    dag_run: str
    task: str = ""
    run: str = ""
    state: str = ""
    url: str = ""

    @classmethod
    def of(cls, context: Any) -> Failure:
        """From what Airflow gives to a DAG's callback."""
        dag, ti = context["dag"].dag_id, context.get("ti")
        dag_run = context.get("run_id") or context["dag_run"].run_id
        return cls(dag, dag_run, ti.task_id if ti else "", *_ledger_run(dag, dag_run), _address(dag, dag_run))

    def subject(self, language: str) -> str:
        if self.state == "blocked":
            return f"检核未通过：{self.dag}" if language == "zh" else f"Stopped by findings: {self.dag}"
        return f"报送任务失败：{self.dag}" if language == "zh" else f"Failed: {self.dag}"

    def lines(self, language: str) -> list[tuple[str, str]]:
        """(what, value) of what is known."""
        names = {"zh": ("任务", "运行", "状态", "批次", "链接"), "en": ("task", "run", "state", "DAG run", "link")}["zh" if language == "zh" else "en"]
        return [(name, value) for name, value in zip(names, (self.task, self.run, self.state, self.dag_run, self.url), strict=True) if value]

    def text(self, language: str) -> str:
        return "\n".join([self.subject(language), *(f"{name}: {value}" for name, value in self.lines(language))])

    def markdown(self, language: str) -> str:
        return "\n".join([f"### {self.subject(language)}", *(f"- {name}: {value}" for name, value in self.lines(language))])

    def html(self, language: str) -> str:
        from html import escape

        told = "".join(f"<li>{escape(name)}: {escape(value)}</li>" for name, value in self.lines(language))
        return f"<p>{escape(self.subject(language))}</p><ul>{told}</ul>"


def _send_one(name: str, message: Message) -> None:
    connection = _connection(name)
    extra = connection.extra_dejson
    language = str(extra.get("language") or os.environ.get("EASTBOUND_LANG") or "zh")
    # A header cannot hold more than one line.
    subject = " ".join(message.subject(language).split())
    if connection.conn_type not in ("smtp", "email"):
        post(connection, subject, message.markdown(language), message.text(language))
        return
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    from eastbound_dags.webhook import NotTaken

    to = extra.get("to") or ""
    to = [each.strip() for each in (to.split(",") if isinstance(to, str) else to) if each.strip()]
    if not to:
        raise NotTaken("the connection's extra has no addresses in `to`")
    # `notify`, not the call: the call would take the text for a template.
    SmtpNotifier(smtp_conn_id=name, to=to, from_email=extra.get("from_email"), subject=subject, html_content=message.html(language)).notify({})


def _connection(name: str) -> Any:
    from airflow.sdk import BaseHook

    return BaseHook.get_connection(name)


def _ledger_run(dag: str, dag_run: str) -> tuple[str, str]:
    """Id and status of the run that a DAG run holds in the ledger; ('', '') where none is to be found."""
    try:
        from etl.ledger import open_ledger

        with open_ledger(open_workspace().ledger_place) as ledger:
            found = next((run for run in ledger.runs() if run.options.get("owner") == f"airflow:{dag}/{dag_run}"), None)
    except Exception:  # noqa: BLE001 - the process that calls back may not see the workspace
        return "", ""
    return (found.id, found.status) if found else ("", "")


def _address(dag: str, dag_run: str) -> str:
    from urllib.parse import quote

    from airflow.configuration import conf

    base = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return f"{base}/dags/{quote(dag)}/runs/{quote(dag_run)}" if base else ""
