"""The two channels against the stand-in: what is tried again, what fails at once, and who is trusted."""

from __future__ import annotations

import shutil
import socket
import time
from datetime import date, datetime
from pathlib import Path

import pytest
from synthetic import COMPANY, LAYOUTS, Platform, SyntheticSource

from etl.submission.registry.contents import file_md5, inspect_batch
from etl.submission.registry.definition import RequestType
from etl.submission.registry.errors import FileRefused, LoginRefused, PlatformUnreachable, PlatformUntrusted, RequestRefused, SettingsUnfit
from etl.submission.registry.messages import Head, Query, Request, Upload
from etl.submission.registry.settings import Retries, load_settings
from etl.submission.registry.soap import SoapNames
from etl.submission.registry.transport import Channel

DAY = date(2026, 10, 1)
ASK = Request(Head(RequestType.INC_QUERY, COMPANY, "S1", datetime(2026, 10, 2)), Query("nobody-knows-it"))


def channel(platform, **changes):
    waits: list[float] = []
    made = Channel(platform.settings(**changes), sleep=waits.append)
    made.waits = waits
    return made


def inbox(platform) -> Path:
    return platform.folder / "files" / "inbox"


def test_a_file_arrives_whole_and_can_be_put_again(platform, tmp_path):
    local = tmp_path / "a.zip"
    for content in (b"x" * 300_000, b"y" * 10):
        local.write_bytes(content)
        channel(platform).put(local)
        assert (inbox(platform) / "a.zip").read_bytes() == content
    channel(platform).get("/inbox/a.zip", tmp_path / "back" / "b.zip")
    assert (tmp_path / "back" / "b.zip").read_bytes() == b"y" * 10
    assert (tmp_path / "back" / "b.zip").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("fault", [{"kind": "drop", "after_bytes": 50_000}, {"kind": "down", "channel": "sftp"}])
def test_a_broken_transfer_is_begun_again_and_never_seen_half(platform, tmp_path, fault):
    local = tmp_path / f"{fault['kind']}.zip"
    local.write_bytes(b"z" * 400_000)
    platform.faults({**fault, "times": 2, "test": "again"})
    made = channel(platform)
    made.put(local)
    assert len(made.waits) == 2 and made.waits[1] > 0
    assert file_md5(inbox(platform) / local.name) == file_md5(local)
    platform.faults({**fault, "times": 9, "test": "for ever"})
    other = tmp_path / f"{fault['kind']}-2.zip"
    shutil.copy(local, other)
    with pytest.raises(PlatformUnreachable) as caught:
        channel(platform).put(other)
    assert caught.value.values["attempts"] == 4 and not (inbox(platform) / other.name).exists()
    platform.faults()


@pytest.mark.parametrize("fault", [{"kind": "down", "channel": "http"}, {"kind": "garbage"}, {"kind": "lose_answer"}])
def test_a_message_without_an_answer_is_sent_again(platform, fault):
    platform.faults({**fault, "times": 3})
    made = channel(platform)
    assert made.ask(ASK).status == "STANDIN-QUERY"
    assert len(made.waits) == 3
    platform.faults({**fault, "times": 8, "test": "for ever"})
    with pytest.raises(PlatformUnreachable) as caught:
        channel(platform).ask(ASK)
    assert "4 attempt" in caught.value.sentence("en")
    platform.faults()


def test_an_answer_that_does_not_come_in_time_is_given_up(platform):
    platform.faults({"kind": "slow", "channel": "http", "seconds": 3, "times": 1})
    started = time.monotonic()
    assert channel(platform, timeout=0.5).ask(ASK).status == "STANDIN-QUERY"
    assert time.monotonic() - started < 2.5
    platform.faults()


def test_a_platform_that_is_not_there_is_named_after_all_attempts(platform):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        for made, work in ((channel(platform, endpoint=f"http://127.0.0.1:{port}/registry", retries=Retries(2, 0, 0)), lambda c: c.ask(ASK)),
                           (channel(platform, port=port, retries=Retries(2, 0, 0)), lambda c: c.get("/inbox/x", Path("x")))):
            with pytest.raises(PlatformUnreachable) as caught:
                work(made)
            assert (caught.value.values["attempts"], len(made.waits)) == (2, 1)


def test_an_unknown_or_changed_host_key_is_never_talked_to(platform, tmp_path):
    import asyncssh

    stranger = asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh").decode()
    for text in ("", f"[127.0.0.1]:{platform.facts['sftp_port']} {stranger}"):
        (tmp_path / "known_hosts").write_text(text)
        made = channel(platform, known_hosts=tmp_path / "known_hosts")
        with pytest.raises(PlatformUntrusted):
            made.get("/inbox/x", tmp_path / "x")
        assert made.waits == []
    with pytest.raises(PlatformUntrusted):
        channel(platform, known_hosts=tmp_path / "none").get("/inbox/x", tmp_path / "x")


def test_a_wrong_key_is_not_tried_again(platform, tmp_path):
    import asyncssh

    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(tmp_path / "key"))
    made = channel(platform, client_key=tmp_path / "key")
    with pytest.raises(LoginRefused):
        made.get("/inbox/x", tmp_path / "x")
    assert made.waits == []


def test_what_cannot_pass_fails_at_once(platform, tmp_path):
    made = channel(platform)
    with pytest.raises(FileRefused):
        made.get("/inbox/none.zip", tmp_path / "x")
    (tmp_path / "a.zip").write_bytes(b"a")
    with pytest.raises(FileRefused):
        channel(platform, inbox="/nowhere").put(tmp_path / "a.zip")
    with pytest.raises(RequestRefused, match="SOAP Client"):
        channel(platform, soap=SoapNames(operation="other")).ask(ASK)
    with pytest.raises(RequestRefused, match="HTTP 404"):
        channel(platform, endpoint=platform.settings().endpoint + "/none").ask(ASK)
    assert made.waits == [] and not (tmp_path / "x").exists()
    with pytest.raises(FileRefused):
        channel(platform).get("/../../store.db", tmp_path / "x")


def test_tls_trusts_the_named_authority_and_no_other(tmp_path):
    with Platform(tmp_path, tls=True) as secure:
        assert secure.settings().endpoint.startswith("https:")
        assert channel(secure).ask(ASK).status == "STANDIN-QUERY"
        with pytest.raises(PlatformUntrusted):
            channel(secure, ca_file=None).ask(ASK)


def test_a_notification_repeated_gets_the_same_number_and_another_file_under_it_is_refused(platform, tmp_path):
    batch = SyntheticSource(tmp_path).increment(DAY)
    made = channel(platform)
    made.put(batch.zip_path)
    body = Upload(batch.batch_no, DAY, batch.trans_count, batch.zip_path.name, batch.md5)
    head = Head(RequestType.INC_UPLOAD, COMPANY, batch.batch_no, datetime(2026, 10, 2))
    platform.faults({"kind": "lose_answer", "test": "notify"})
    first, second = made.ask(Request(head, body)), made.ask(Request(head, body))
    assert first.status == second.status == "0000" and first.query_no == second.query_no
    assert platform.summary()["counters"]["notified again"] == 2
    assert made.ask(Request(head, Upload(batch.batch_no, DAY, 6, batch.zip_path.name, "0" * 32))).status == "STANDIN-BATCH"
    assert inspect_batch(batch, COMPANY, LAYOUTS) == [f"{COMPANY}20261001{n:010d}" for n in range(1, 7)]
    platform.faults()


SETTINGS = """
endpoint: {endpoint}
sftp: {{host: registry.example, user: insurer, known_hosts: known_hosts, {login}}}
{more}
"""


def settings(folder, endpoint="https://registry.example/ws", login="client_key: key", more=""):
    (folder / "registry.yaml").write_text(SETTINGS.format(endpoint=endpoint, login=login, more=more))
    return load_settings(folder)


def test_settings_are_read_and_paths_count_from_the_workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("REGISTRY_PASSWORD", "secret")
    found = settings(tmp_path, login="password: '${REGISTRY_PASSWORD}', port: 2222", more="retries: {attempts: 2}\npolling: {limit: 60}\ntls: {ca_file: ca.pem}")
    assert (found.port, found.password, found.known_hosts, found.ca_file) == (2222, "secret", tmp_path / "known_hosts", tmp_path / "ca.pem")
    assert (found.retries.attempts, found.polling.limit, found.client_key) == (2, 60.0, None)
    assert "secret" not in repr(found)


@pytest.mark.parametrize(("change", "key"), [
    ({"endpoint": "http://registry.example/ws"}, "endpoint"), ({"login": "password: clear"}, "sftp.password"), ({"login": "port: 22"}, "sftp.client_key"),
    ({"more": "retries: {attempts: none}"}, "retries.attempts"), ({"more": "speed: 1"}, "speed"), ({"more": "tls: {verify: false}"}, "tls.verify"),
])
def test_settings_that_are_unsafe_or_wrong_are_refused(tmp_path, change, key):
    with pytest.raises(SettingsUnfit) as caught:
        settings(tmp_path, **change)
    assert caught.value.values["key"] == key
