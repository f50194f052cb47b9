from __future__ import annotations

import subprocess

import pytest

from etl.engines.local import DiskFull
from etl.sources.errors import ExtractDiskFull
from etl.sources.extract import _estimate, extract_system
from tests.sources.conftest import CONT, execute, make_system


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("leave", [100_000, 900_000])
def test_a_full_disk_names_the_place_and_the_bytes_and_leaves_no_half_file(sqlite_path, small_disk, leave):
    execute(sqlite_path, "INSERT INTO LCCont (ContNo, AppntName) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
            "SELECT CAST(i AS TEXT), hex(randomblob(20)) FROM n")
    (small_disk / "other").write_bytes(b"x" * (2 * 1024 * 1024 - leave))
    with pytest.raises(DiskFull) as caught:
        extract_system(make_system(CONT), str(sqlite_path), small_disk / "out", batch_id="b")
    assert isinstance(caught.value, ExtractDiskFull)
    assert caught.value.values["path"].startswith(str(small_disk)) and caught.value.values["needed"] > 100_000
    assert "no disk space left" in caught.value.sentence("en") and "磁盘空间不足" in caught.value.sentence("zh")
    assert [path for path in (small_disk / "out").rglob("*") if path.is_file()] == []
    (small_disk / "other").unlink()
    [one] = extract_system(make_system(CONT), str(sqlite_path), small_disk / "out", batch_id="b")
    assert one.rows_out == 20_000


def test_the_estimate_counts_what_is_left_and_the_converted_twin():
    # 10 of 100 rows took 50 bytes: 500 in all, so 450 more, and 500 for the converted file.
    assert _estimate(100, 10, 50) == 950
    assert _estimate(100, 100, 500) == 500
