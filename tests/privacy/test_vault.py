import os
import stat
import subprocess
import sys
import time

import pytest

from etl.privacy.vault import CHUNK, Vault, VaultDamaged, VaultFileMissing, VaultNameRefused, VaultWrongKey

KEY = b"k" * 32
SECRET = "身份证 110101199001011237".encode()


@pytest.fixture
def vault(tmp_path):
    return Vault(tmp_path / "vault", KEY)


def put(vault, run="r1", name="extract/GRBDB.parquet", data=SECRET):
    path = vault.folder(run, *name.split("/")[:-1]) / name.split("/")[-1]
    path.write_bytes(data)
    return path


def test_only_the_owner_can_enter(tmp_path):
    (tmp_path / "vault").mkdir(mode=0o755)
    vault = Vault(tmp_path / "vault", KEY)
    folder = vault.folder("r1", "extract")
    assert {stat.S_IMODE(p.stat().st_mode) for p in (vault.root, folder, folder.parent)} == {0o700}


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 17])
def test_a_run_closes_and_opens_with_the_same_bytes(vault, size):
    data = os.urandom(size)
    path = put(vault, data=data)
    assert not vault.is_closed("r1")
    assert vault.close_run("r1") == 1
    assert not path.exists() and vault.is_closed("r1")
    sealed = path.with_name(path.name + ".sealed")
    assert stat.S_IMODE(sealed.stat().st_mode) == 0o600
    assert vault.files("r1") == ["extract/GRBDB.parquet"]
    assert vault.open_run("r1") == 1
    assert path.read_bytes() == data and not sealed.exists()


def test_nothing_clear_is_left_in_a_closed_run(vault):
    put(vault, data=SECRET * 1000)
    put(vault, name="check/findings.parquet.partial", data=SECRET)
    vault.close_run("r1")
    files = [p for p in vault.root.rglob("*") if p.is_file()]
    assert [p.name for p in files] == ["GRBDB.parquet.sealed"]
    assert all(SECRET[-18:] not in p.read_bytes() for p in files)


def test_closing_and_opening_again_do_nothing(vault):
    put(vault)
    assert (vault.close_run("r1"), vault.close_run("r1")) == (1, 0)
    assert (vault.open_run("r1"), vault.open_run("r1")) == (1, 0)
    assert vault.close_run("unknown") == 0


def test_the_same_file_never_seals_to_the_same_bytes(vault):
    one, two = put(vault, "r1"), put(vault, "r2")
    vault.close_run("r1")
    vault.close_run("r2")
    assert (
        one.with_name(one.name + ".sealed").read_bytes()[16:] != two.with_name(two.name + ".sealed").read_bytes()[16:]
    )


def test_one_file_is_read_without_opening_the_run(vault):
    path = put(vault)
    vault.close_run("r1")
    with vault.read("r1", "extract/GRBDB.parquet") as clear:
        assert clear.read_bytes() == SECRET and clear.name == "GRBDB.parquet"
        assert vault.root in clear.parents and stat.S_IMODE(clear.parent.stat().st_mode) == 0o700
    assert not clear.exists() and not path.exists()
    assert [p.name for p in vault.root.rglob("*") if p.is_file()] == ["GRBDB.parquet.sealed"]


def test_a_reader_that_fails_leaves_nothing(vault):
    put(vault)
    vault.close_run("r1")
    with pytest.raises(RuntimeError), vault.read("r1", "extract/GRBDB.parquet") as clear:
        raise RuntimeError
    assert not clear.parent.exists()


def test_an_open_file_is_read_in_place(vault):
    path = put(vault)
    with vault.read("r1", "extract/GRBDB.parquet") as clear:
        assert clear == path
    assert path.exists()


def test_what_a_killed_reader_left_is_swept(vault):
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    ).stdout.strip()
    left = vault.root / ".scratch" / f"{done}-00"
    mine = vault.root / ".scratch" / f"{os.getpid()}-00"
    for folder in (left, mine):
        folder.mkdir(parents=True)
        (folder / "x").write_bytes(SECRET)
    Vault(vault.root, KEY)
    assert not left.exists() and mine.exists()


def test_a_reader_on_another_machine_is_left_alone_for_a_day(vault):
    # Numbers of processes say nothing about those of another container on the same disk.
    fresh, old = (vault.root / ".scratch" / f"1-{name}@elsewhere" for name in ("00", "01"))
    for folder in (fresh, old):
        folder.mkdir(parents=True)
    a_day_ago = time.time() - 24 * 3600 - 60
    os.utime(old, (a_day_ago, a_day_ago))
    Vault(vault.root, KEY)
    assert fresh.exists() and not old.exists()
    with vault.scratch() as own:
        Vault(vault.root, KEY)
        assert own.exists()


def test_a_missing_file_is_named(vault):
    with pytest.raises(VaultFileMissing, match="extract/none"), vault.read("r1", "extract/none"):
        pass


@pytest.mark.parametrize(
    "run, name", [("r1", "../x"), ("r1", "/etc/passwd"), ("r1", "a/../../x"), ("..", "x"), (".scratch", "x"), ("", "")]
)
def test_names_cannot_leave_the_vault(vault, run, name):
    with pytest.raises(VaultNameRefused), vault.read(run, name):
        pass
    with pytest.raises(VaultNameRefused):
        vault.folder(run, name)


def test_another_key_is_told_from_damage(vault):
    path = put(vault)
    vault.close_run("r1")
    other = Vault(vault.root, b"x" * 32)
    with pytest.raises(VaultWrongKey, match=r"r1/extract/GRBDB\.parquet"):
        other.open_run("r1")
    with pytest.raises(VaultWrongKey), other.read("r1", "extract/GRBDB.parquet"):
        pass
    assert path.with_name(path.name + ".sealed").exists() and not path.exists()


def test_any_changed_byte_is_found(vault):
    path = put(vault, data=b"0123456789")
    vault.close_run("r1")
    sealed = path.with_name(path.name + ".sealed")
    good = sealed.read_bytes()
    for position in range(len(good)):
        sealed.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        with pytest.raises((VaultDamaged, VaultWrongKey)):
            vault.open_run("r1")
        assert not path.exists() and not path.with_name(path.name + ".partial").exists()
    sealed.write_bytes(good)
    assert vault.open_run("r1") == 1 and path.read_bytes() == b"0123456789"


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d[:-1],
        lambda d: d + b"\x00",
        lambda d: b"",
        lambda d: d[:39],
        lambda d: d[: 39 + CHUNK + 16],
        lambda d: d[:39] + d[39 + CHUNK + 16 :],
        lambda d: (
            d[:39] + d[39 + CHUNK + 16 : 39 + 2 * (CHUNK + 16)] + d[39 : 39 + CHUNK + 16] + d[39 + 2 * (CHUNK + 16) :]
        ),
    ],
)
def test_cut_extended_and_reordered_files_do_not_open(vault, damage):
    path = put(vault, data=b"a" * CHUNK + b"b" * CHUNK + b"c")
    vault.close_run("r1")
    sealed = path.with_name(path.name + ".sealed")
    sealed.write_bytes(damage(sealed.read_bytes()))
    with pytest.raises(VaultDamaged):
        vault.open_run("r1")
    assert not path.exists()


def test_a_file_moved_to_another_run_or_name_does_not_open(vault):
    one = put(vault, "r1")
    vault.close_run("r1")
    sealed = one.with_name(one.name + ".sealed")
    moved = vault.folder("r2", "extract") / sealed.name
    moved.write_bytes(sealed.read_bytes())
    with pytest.raises(VaultDamaged):
        vault.open_run("r2")
    sealed.rename(sealed.with_name("GRXZB.parquet.sealed"))
    with pytest.raises(VaultDamaged):
        vault.open_run("r1")


def test_a_close_killed_between_rename_and_removal_is_repeated(vault):
    path = put(vault, data=b"old")
    vault.close_run("r1")
    path.write_bytes(b"new")
    assert vault.close_run("r1") == 1
    vault.open_run("r1")
    assert path.read_bytes() == b"new"


def test_an_open_killed_between_rename_and_removal_is_repeated(vault):
    path = put(vault)
    vault.close_run("r1")
    sealed = path.with_name(path.name + ".sealed")
    kept = sealed.read_bytes()
    vault.open_run("r1")
    sealed.write_bytes(kept)
    path.with_name("half.partial").write_bytes(b"x")
    assert vault.open_run("r1") == 1
    assert path.read_bytes() == SECRET and not sealed.exists()


def test_a_process_killed_while_closing_loses_nothing(vault, tmp_path):
    for n in range(6):
        put(vault, name=f"extract/T{n}.parquet", data=bytes([n]) * (3 * CHUNK))
    script = (
        "import sys, os, threading, time\n"
        "from pathlib import Path\n"
        "from etl.privacy.vault import Vault\n"
        "threading.Thread(target=lambda: (time.sleep(float(sys.argv[2])), os.kill(os.getpid(), 9)), daemon=True).start()\n"
        "Vault(Path(sys.argv[1]), b'k' * 32).close_run('r1')\n"
    )
    for delay in ("0.02", "0.05", "0.1"):
        subprocess.run([sys.executable, "-c", script, str(vault.root), delay], check=False)
        assert vault.files("r1") == [f"extract/T{n}.parquet" for n in range(6)]
    vault.close_run("r1")
    assert vault.is_closed("r1")
    vault.open_run("r1")
    for n in range(6):
        assert (vault.root / "r1" / "extract" / f"T{n}.parquet").read_bytes() == bytes([n]) * (3 * CHUNK)


def test_the_key_does_not_show(vault):
    assert "k" * 8 not in repr(vault)


def test_a_scratch_folder_is_private_and_gone_afterwards(vault):
    with vault.scratch() as own:
        assert own.is_relative_to(vault.root) and own.stat().st_mode & 0o077 == 0
        (own / "spill").write_bytes(b"clear")
        assert vault.runs() == []
    assert not own.exists()
