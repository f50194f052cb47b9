"""Servers that take what is sent to people: a webhook and a mail server, each in a thread of the test's own process."""

from __future__ import annotations

import json
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Posted:
    """One request: its path, its query, its headers and its JSON body."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    raw: bytes


@dataclass
class Webhook:
    """`answer`: (status, body, headers) of what is answered from now on."""

    port: int = 0
    got: list[Posted] = field(default_factory=list)
    answer: tuple[int, str, dict[str, str]] = (200, '{"errcode":0,"errmsg":"ok"}', {})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/robot/send"


@contextmanager
def webhook() -> Iterator[Webhook]:
    state = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            state.got.append(Posted(parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()}, dict(self.headers), json.loads(raw), raw))
            status, body, headers = state.answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, _serving(server):
        state.port = server.server_address[1]
        yield state


@dataclass
class MailServer:
    """`got`: (sender, recipients, message)."""

    port: int = 0
    got: list[tuple[str, list[str], EmailMessage]] = field(default_factory=list)


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """As much of SMTP as a client without TLS needs."""
    state = MailServer()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            sender, recipients = "", []
            self.say("220 test")
            while line := self.rfile.readline().decode().strip():
                word = line.upper()
                if word.startswith("MAIL FROM:"):
                    sender, recipients = line[10:].split()[0].strip("<>"), []
                elif word.startswith("RCPT TO:"):
                    recipients.append(line[8:].split()[0].strip("<>"))
                elif word == "DATA":
                    self.say("354 go on")
                    lines = []
                    while (part := self.rfile.readline()) != b".\r\n":
                        lines.append(part[1:] if part.startswith(b"..") else part)
                    state.got.append((sender, recipients, message_from_bytes(b"".join(lines), policy=policy.default)))
                elif word == "QUIT":
                    return self.say("221 bye")
                self.say("250 ok")

        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server, _serving(server):
        state.port = server.server_address[1]
        yield state


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
