import base64
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from etl.privacy.keys import KeyExposed, KeyMalformed, KeyMissing, Keyring, fingerprint

HEX = "00112233445566778899aabbccddeeff" * 2


def test_keys_are_made_once_and_kept_private(tmp_path):
    folder = tmp_path / "keys"
    ring = Keyring.open(folder, environ={})
    assert len(ring.masking) == len(ring.vault) == 32 and ring.masking != ring.vault
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(p.name for p in folder.iterdir()) == ["masking.key", "vault.key"]
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == {0o600}
    assert Keyring.open(folder, create=False, environ={}) == ring


def test_a_permissive_umask_changes_nothing(tmp_path):
    before = os.umask(0)
    try:
        Keyring.open(tmp_path / "keys", environ={})
    finally:
        os.umask(before)
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "keys").iterdir()} == {0o600}


def test_processes_that_start_together_agree(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        rings = list(pool.map(lambda _: Keyring.open(tmp_path / "keys", environ={}), range(8)))
    assert len({ring.masking for ring in rings}) == len({ring.vault for ring in rings}) == 1


@pytest.mark.parametrize("text", [HEX, HEX.upper(), base64.b64encode(bytes.fromhex(HEX)).decode(), f" {HEX}\n"])
def test_the_environment_wins(tmp_path, text):
    ring = Keyring.open(tmp_path, environ={"EASTBOUND_MASKING_KEY": text})
    assert ring.masking == bytes.fromhex(HEX) != ring.vault
    assert not (tmp_path / "masking.key").exists()


@pytest.mark.parametrize("text", ["abc", HEX[:-2], HEX + "00", base64.b64encode(b"x" * 31).decode(), "钥匙"])
def test_a_key_of_another_length_is_refused_and_not_shown(tmp_path, text):
    with pytest.raises(KeyMalformed) as caught:
        Keyring.open(tmp_path, environ={"EASTBOUND_VAULT_KEY": text})
    assert caught.value.values["where"] == "EASTBOUND_VAULT_KEY"
    assert text not in caught.value.sentence("zh")


def test_a_key_that_others_can_read_is_refused_with_the_cure(tmp_path):
    Keyring.open(tmp_path / "keys", environ={})
    path = tmp_path / "keys" / "vault.key"
    path.chmod(0o640)
    with pytest.raises(KeyExposed) as caught:
        Keyring.open(tmp_path / "keys", environ={})
    assert f"chmod 600 {path}" in caught.value.sentence("en") and "0640" in caught.value.sentence("zh")
    path.chmod(0o600)
    (tmp_path / "keys").chmod(0o755)
    with pytest.raises(KeyExposed, match="chmod 700"):
        Keyring.open(tmp_path / "keys", environ={})


def test_a_missing_key_is_not_made_when_told_so(tmp_path):
    with pytest.raises(KeyMissing, match="EASTBOUND_MASKING_KEY"):
        Keyring.open(tmp_path / "none", create=False, environ={})
    assert not (tmp_path / "none").exists()


def test_fingerprints_tell_keys_apart_and_hide_them():
    ring = Keyring(masking=b"a" * 32, vault=b"a" * 32)
    assert ring.fingerprint("masking") == fingerprint("masking", b"a" * 32) != ring.fingerprint("vault")
    assert len(ring.fingerprint("masking")) == 16 and int(ring.fingerprint("masking"), 16) >= 0
    assert "a" * 16 not in repr(ring) and repr(ring) == "Keyring()"
