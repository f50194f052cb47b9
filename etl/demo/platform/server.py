"""The stand-in as a process: SFTP for files (asyncssh), SOAP over HTTP for messages (Starlette on uvicorn), both on loopback only."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from etl.demo.platform import envelope
from etl.demo.platform.store import STORE_FILE, Store, summary
from etl.demo.platform.tables import read_tables
from etl.demo.platform.work import Desk

HOST = "127.0.0.1"
FACTS = "platform.json"



def serve(folder: Path, tables: Path, company: str, *, http_port: int = 0, sftp_port: int = 0, tls: bool = False, patience: int = 1,
          pause: float = 0.0, ready: Callable[[dict], None] | None = None) -> None:
    """Run until SIGINT or SIGTERM. Port 0 means the one used last, or any free one.

    `tables` is the folder with the tables' YAML. `patience` and `pause` (seconds) say how long judging a zip takes. `ready`
    gets the facts that a client needs, which are in `platform.json` too.
    """
    asyncio.run(_serve(Path(folder).absolute(), Path(tables), company, http_port, sftp_port, tls, patience, pause, ready))


async def _serve(folder: Path, tables: Path, company: str, http_port: int, sftp_port: int, tls: bool, patience: int, pause: float,
                 ready: Callable[[dict], None] | None) -> None:
    import asyncssh
    import uvicorn

    for name in ("files/inbox", "files/errors"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    os.chmod(folder, 0o700)
    last = _last(folder)
    desk = Desk(folder, Store(folder / STORE_FILE), read_tables(tables), company, patience=patience)
    awake = asyncio.Event()
    awake.set()
    host_key, client_key = _key(folder / "host_key"), _key(folder / "client_key")
    authorized = folder / "authorized_keys"
    authorized.write_text(client_key.export_public_key("openssh").decode(), encoding="ascii")
    files = await asyncssh.listen(HOST, sftp_port or last.get("sftp_port", 0), server_host_keys=[host_key], authorized_client_keys=str(authorized),
                                  server_factory=lambda: _door(desk), sftp_factory=lambda channel: _inbox(channel, desk), process_factory=None,
                                  allow_scp=False, reuse_address=True)
    port = files.get_port()
    # Whole, since clients of a platform that comes back read it at this very moment.
    _write(folder / "known_hosts", f"[{HOST}]:{port} {host_key.export_public_key('openssh').decode().strip()}\n")
    listener = _listener(http_port or last.get("http_port", 0))
    certificate = _certificate(folder) if tls else None
    config = uvicorn.Config(_app(desk, awake), log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=2,
                            ssl_certfile=certificate and str(certificate), ssl_keyfile=certificate and str(folder / "tls_key.pem"))
    web = uvicorn.Server(config)
    # The server's own handling would end the process by the signal instead of letting this function return.
    web.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, setattr, web, "should_exit", True)
    facts = {"http_port": listener.getsockname()[1], "sftp_port": port, "pid": os.getpid(), "tls": tls, "company": company}
    worker = asyncio.create_task(_work(desk, awake, pause))
    answering = asyncio.create_task(web.serve(sockets=[listener]))
    while not web.started and not answering.done():
        await asyncio.sleep(0.01)
    _write(folder / FACTS, json.dumps(facts))
    if ready:
        ready(facts)
    try:
        await answering
    finally:
        worker.cancel()
        files.close()
        desk.store.db.close()


async def _work(desk: Desk, awake: asyncio.Event, pause: float) -> None:
    """Judge what was notified, one zip after the other."""
    while True:
        await awake.wait()
        awake.clear()
        for batch_no in desk.due():
            await asyncio.sleep(pause)
            await asyncio.to_thread(desk.judge, batch_no)


def _app(desk: Desk, awake: asyncio.Event) -> Any:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    def xml(data: bytes | str, status: int = 200) -> Response:
        return Response(data, status, media_type="text/xml; charset=utf-8")

    async def exchange(request: Request) -> Response:
        if desk.faults.next("down", channel="http"):
            return Response(status_code=503)
        if slow := desk.faults.next("slow", channel="http"):
            await asyncio.sleep(float(slow.get("seconds", 1)))
        if desk.faults.next("garbage"):
            return xml("<html>gateway<")
        try:
            head, body = envelope.take_apart(await request.body())
        except envelope.Unreadable:
            return xml(envelope.fault("Client"), 500)
        if head["CompanyCode"] != desk.company or not head["SerialNo"]:
            return xml(envelope.put_together(head, {"Status": "STANDIN-HEAD"}))
        reply = await asyncio.to_thread(desk.answer, head["RequestType"], body)
        awake.set()
        if desk.faults.next("lose_answer"):
            return Response(status_code=502)
        return xml(envelope.put_together(head, reply))

    async def wsdl(request: Request) -> Response:
        return xml(envelope.WSDL.replace("{address}", str(request.url.replace(query=""))))

    async def status(request: Request) -> Response:
        found = await asyncio.to_thread(summary, desk.folder / STORE_FILE, desk.tables)
        return JSONResponse(json.loads(json.dumps(found, default=str)))

    return Starlette(routes=[Route("/registry", exchange, methods=["POST"]), Route("/registry", wsdl, methods=["GET"]), Route("/status", status)])


def _door(desk: Desk) -> Any:
    import asyncssh

    class Door(asyncssh.SSHServer):
        def connection_made(self, conn: Any) -> None:
            if desk.faults.next("down", channel="sftp"):
                conn.abort()

    return Door()


def _inbox(channel: Any, desk: Desk) -> Any:
    import asyncssh

    class Inbox(asyncssh.SFTPServer):
        """The folder `files`, and nothing outside it; breaks off in mid-transfer where that was asked for."""

        def __init__(self) -> None:
            super().__init__(channel, chroot=str(desk.folder / "files"))
            self.taken = 0

        def write(self, file_obj: object, offset: int, data: bytes) -> int:
            fault = desk.faults.peek("drop")
            if fault is not None and self.taken + len(data) > int(fault.get("after_bytes", 0)):
                desk.faults.next("drop")
                super().write(file_obj, offset, data[:max(0, int(fault.get("after_bytes", 0)) - self.taken)])
                channel.get_connection().abort()
                raise asyncssh.SFTPConnectionLost("stand-in")
            self.taken += len(data)
            return super().write(file_obj, offset, data)

    return Inbox()


def _key(path: Path) -> Any:
    import asyncssh

    if not path.is_file():
        key = asyncssh.generate_private_key("ssh-ed25519")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(key.export_private_key("openssh"))
    return asyncssh.read_private_key(str(path))


def _certificate(folder: Path) -> Path:
    """A certificate for this machine that is its own authority: `tls_certificate.pem`, its key in `tls_key.pem`."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    path = folder / "tls_certificate.pem"
    if path.is_file():
        return path
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "registry stand-in")])
    now = datetime.now(UTC)
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=365))
                   .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
                   .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(key, hashes.SHA256()))
    with open(os.open(folder / "tls_key.pem", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    return listener


def _last(folder: Path) -> dict:
    try:
        return json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
