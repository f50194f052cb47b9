"""Webhooks: a text as 企业微信, 钉钉 or a plain receiver wants it. What is raised or logged here never holds an address or a key.

Formats after the receivers' public manuals: 企业微信 group robots (markdown of at most 4,096 bytes of UTF-8), 钉钉 group robots (signed with
HMAC-SHA256 over time and secret, at most 20,000 bytes). Both answer status 200 with an `errcode` that is 0 when the message was taken.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode, urlsplit

SECONDS = 10
MOST_BYTES = {"wecom": 4096, "dingtalk": 20_000, "plain": 100_000}


class NotTaken(Exception):
    """A receiver did not take a message; the sentence names no address and no key."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """A key must not follow a redirect to somewhere else."""


def post(connection: Any, subject: str, markdown: str, text: str) -> None:
    """Send to the receiver that a connection describes (see `eastbound_dags.notify`). Raises NotTaken."""
    extra = connection.extra_dejson
    kind = str(extra.get("kind") or "plain")
    if kind not in MOST_BYTES:
        raise NotTaken(f"kind {kind!r} in the connection's extra is not one of {', '.join(MOST_BYTES)}")
    query, headers = _credentials(kind, connection.password, extra.get("secret"))
    body = json.dumps(payload(kind, subject, markdown, text), ensure_ascii=False).encode()
    request = urllib.request.Request(_address(connection, query), data=body, headers={"Content-Type": "application/json; charset=utf-8", **headers}, method="POST")
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=SECONDS) as answer:
            told = answer.read(10_000)
    except urllib.error.HTTPError as error:
        raise NotTaken(f"the receiver answered {error.code}") from None
    except (OSError, ValueError, HTTPException) as error:
        raise NotTaken(f"the receiver cannot be reached ({type(getattr(error, 'reason', error)).__name__})") from None
    if kind != "plain":
        _check(told)


def payload(kind: str, subject: str, markdown: str, text: str) -> dict[str, Any]:
    """The body for one kind of receiver, cut at the end of a line where it is longer than the receiver takes."""
    most = MOST_BYTES[kind]
    if kind == "wecom":
        return {"msgtype": "markdown", "markdown": {"content": shortened(markdown, most)}}
    if kind == "dingtalk":
        return {"msgtype": "markdown", "markdown": {"title": subject, "text": shortened(markdown, most)}}
    return {"text": shortened(text, most)}


def shortened(text: str, most: int) -> str:
    """At most `most` bytes of UTF-8, by leaving out lines at the end; the last line says so."""
    if len(text.encode()) <= most:
        return text
    kept, room = [], most - len("\n…".encode())
    for line in text.split("\n"):
        room -= len(line.encode()) + 1
        if room < 0:
            break
        kept.append(line)
    # One line alone that is too long is cut between two characters.
    return "\n".join([*kept, "…"]) if kept else text.encode()[: most - 3].decode(errors="ignore") + "…"


def signature(secret: str, timestamp: str) -> str:
    """钉钉's signature of a moment in milliseconds: HMAC-SHA256 of `timestamp\\nsecret` with the secret, in base64."""
    return base64.b64encode(hmac.new(secret.encode(), f"{timestamp}\n{secret}".encode(), hashlib.sha256).digest()).decode()


def _credentials(kind: str, key: str | None, secret: Any) -> tuple[dict[str, str], dict[str, str]]:
    """(query, headers) that carry the key."""
    if kind == "plain":
        return {}, {"Authorization": f"Bearer {key}"} if key else {}
    if not key:
        raise NotTaken("the connection has no password: it holds the robot's key")
    if kind == "wecom":
        return {"key": key}, {}
    moment = str(int(time.time() * 1000))
    return {"access_token": key, **({"timestamp": moment, "sign": signature(str(secret), moment)} if secret else {})}, {}


def _address(connection: Any, query: dict[str, str]) -> str:
    server = connection.host or ""
    if "://" not in server:
        server = f"{connection.schema or 'https'}://{server}" + (f":{connection.port}" if connection.port else "")
    parts = urlsplit(server + str(connection.extra_dejson.get("path") or ""))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NotTaken("the connection's host should be an address such as https://server/path")
    joined = "&".join(part for part in (parts.query, urlencode(query)) if part)
    return parts._replace(query=joined, fragment="").geturl()


def _check(answer: bytes) -> None:
    try:
        code = json.loads(answer)["errcode"]
    except (ValueError, KeyError, TypeError):
        raise NotTaken("the receiver's answer has no errcode: is the address that of a robot?") from None
    if code != 0:
        raise NotTaken(f"the receiver refused it with errcode {code}")
