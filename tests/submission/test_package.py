import hashlib
import json
import random
from dataclasses import replace

import pytest

from etl.submission.package import (
    MANIFEST,
    ManifestNameTaken,
    PackageExists,
    PackageRefused,
    canonical_json,
    next_version,
    package_folder_name,
    read_manifest,
    seal_package,
    verify_package,
)

EXTRA = {"pack_fingerprint": "ab12", "masking_key": "0123456789abcdef"}


@pytest.fixture
def seal(written, make, tmp_path):
    def run(rows, target="package", tamper=None, claim=None, folder="work", **extra):
        file = written(rows, folder=folder)
        if tamper:
            file.path.write_bytes(tamper(file.path.read_bytes()))
        if claim:
            file = replace(file, **claim)
        return seal_package(
            [file],
            tmp_path / folder,
            tmp_path / target,
            make.standard(),
            make.company,
            make.period,
            make.report_date,
            {**EXTRA, **extra},
        )

    return run


def test_a_sealed_package_verifies(seal, make, tmp_path):
    package = seal([make.row(), make.row("P2")])
    assert package.folder == tmp_path / "package" and not (tmp_path / "work").exists()
    assert sorted(p.name for p in package.folder.iterdir()) == ["000999-DEMO-20261031.txt", MANIFEST]
    assert verify_package(package.folder) == []
    assert verify_package(package.folder, make.standard()) == []


def test_the_manifest_says_what_is_in_the_files(seal, make):
    package = seal([make.row(), make.row("P2", bf="-2.00")])
    data = (package.folder / "000999-DEMO-20261031.txt").read_bytes()
    manifest = read_manifest(package.folder)
    own = manifest.pop("self")
    assert manifest == {
        "format": 1,
        "standard": "demo",
        "version": "1",
        "company": {"code": "000999", "name": "东岸人寿保险股份有限公司"},
        "period": {"start": "2026-10-01", "end": "2026-10-31", "label": "2026-10"},
        "report_date": "2026-11-10",
        **EXTRA,
        "tables": [
            {
                "table": "DEMO",
                "file": "000999-DEMO-20261031.txt",
                "rows": 2,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "first_serial": "000999202611100000000001",
                "last_serial": "000999202611100000000002",
                "totals": {"BF": "10.50", "FS": "6"},
            }
        ],
    }
    assert own == package.sha256 == hashlib.sha256(canonical_json(manifest)).hexdigest()
    raw = (package.folder / MANIFEST).read_text(encoding="utf-8")
    assert raw.endswith("}\n") and "东岸人寿" in raw
    assert raw == json.dumps(package.manifest, ensure_ascii=False, sort_keys=True, indent=2) + "\n"


def test_the_same_input_gives_the_same_bytes(seal, make):
    one, two = seal([make.row()], "one"), seal([make.row()], "two")
    for name in (MANIFEST, "000999-DEMO-20261031.txt"):
        assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes()


def test_an_empty_table_can_be_sealed(seal, make):
    package = seal([])
    assert package.manifest["tables"][0]["rows"] == 0
    assert verify_package(package.folder, make.standard()) == []


@pytest.mark.parametrize(
    "tamper, kinds",
    [
        (lambda data: data.replace(b"12.50", b"12.51"), {"sha256", "totals"}),
        (lambda data: data[: data.index(b"\n") + 1], {"rows", "bytes", "sha256", "last_serial", "totals"}),
        (lambda data: data[:-1], {"line_end", "bytes", "sha256"}),
        (lambda data: data.replace("有效".encode(), "失效".encode(), 1), {"code", "sha256"}),
        (lambda data: data.replace("张三".encode(), "李四".encode(), 1), {"sha256"}),
    ],
)
def test_a_file_that_differs_from_what_the_writer_said_is_not_sealed(seal, make, tmp_path, tamper, kinds):
    with pytest.raises(PackageRefused) as caught:
        seal([make.row(), make.row("P2")], tamper=tamper)
    assert {p.kind for p in caught.value.problems} == kinds
    assert {p.file for p in caught.value.problems} == {"000999-DEMO-20261031.txt"}
    assert not (tmp_path / "package").exists()
    assert not (tmp_path / "work" / MANIFEST).exists()


@pytest.mark.parametrize(
    "claim",
    [
        {"rows": 3},
        {"bytes": 1},
        {"sha256": "0" * 64},
        {"first_serial": "000999202611100000000002"},
        {"last_serial": None},
        {"totals": {"BF": "25.00"}},
        {"totals": {"BF": "25.00", "FS": "6", "XX": "0"}},
    ],
)
def test_a_writer_that_says_something_else_is_not_believed(seal, make, tmp_path, claim):
    with pytest.raises(PackageRefused) as caught:
        seal([make.row(), make.row("P2")], claim=claim)
    assert [p.kind for p in caught.value.problems] == list(claim)
    assert not (tmp_path / "package").exists()


def test_a_row_that_breaks_the_standard_is_not_sealed(seal, make):
    with pytest.raises(PackageRefused) as caught:
        seal([make.row(), make.row("P2", zt="失效")])
    assert [(p.line, p.item, p.kind) for p in caught.value.problems] == [(2, "ZT", "code")]
    assert "000999-DEMO-20261031.txt:2:ZT" in caught.value.sentence("zh")
    assert "失效" not in caught.value.sentence("zh")


def test_files_that_do_not_belong_stop_the_seal(seal, make, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "left.txt").write_text("x")
    with pytest.raises(PackageRefused) as caught:
        seal([make.row()])
    assert [(p.file, p.kind) for p in caught.value.problems] == [("left.txt", "extra_file")]


def test_nothing_at_all_is_not_a_package(make, tmp_path):
    (tmp_path / "work").mkdir()
    with pytest.raises(PackageRefused):
        seal_package(
            [], tmp_path / "work", tmp_path / "p", make.standard(), make.company, make.period, make.report_date, {}
        )


def test_a_sealed_package_is_never_overwritten(seal, make):
    package = seal([make.row()])
    before = (package.folder / MANIFEST).read_bytes()
    with pytest.raises(PackageExists):
        seal([make.row("P9")])
    assert (package.folder / MANIFEST).read_bytes() == before


def test_extra_may_not_replace_what_sealing_says(seal, make):
    for name in ("tables", "self", "standard"):
        with pytest.raises(ManifestNameTaken):
            seal([make.row()], **{name: "x"})


def test_any_byte_of_a_small_package_counts(seal, make):
    package = seal([make.row()])
    for path in sorted(package.folder.iterdir()):
        good = path.read_bytes()
        for position in range(len(good)):
            for flip in (0x01, 0x20, 0x80):
                path.write_bytes(good[:position] + bytes([good[position] ^ flip]) + good[position + 1 :])
                assert path.name in {p.file for p in verify_package(package.folder)}, (path.name, position)
        for changed in (good[:-1], good + b"\n", good + b" ", b"", b" " + good):
            path.write_bytes(changed)
            assert path.name in {p.file for p in verify_package(package.folder)}
        path.write_bytes(good)
    assert verify_package(package.folder) == []


def test_random_bytes_of_a_larger_package_count_for_the_reader_too(seal, make):
    package = seal([make.row(f"P{n}", f"名{n}") for n in range(2_000)])
    standard, chance = make.standard(), random.Random(20261031)
    path = package.folder / "000999-DEMO-20261031.txt"
    good = path.read_bytes()
    for _ in range(60):
        position = chance.randrange(len(good))
        path.write_bytes(good[:position] + bytes([good[position] ^ chance.randrange(1, 256)]) + good[position + 1 :])
        problems = verify_package(package.folder, standard)
        assert "sha256" in {p.kind for p in problems} and {p.file for p in problems} == {path.name}
    path.write_bytes(good)
    assert verify_package(package.folder, standard) == []


def test_missing_and_extra_files_are_named(seal, make):
    package = seal([make.row()])
    (package.folder / "extra").mkdir()
    (package.folder / "extra" / "note.txt").write_text("x")
    (package.folder / "000999-DEMO-20261031.txt").rename(package.folder / "000999-DEMO-20261130.txt")
    assert {(p.file, p.kind) for p in verify_package(package.folder)} == {
        ("extra", "extra_file"),
        ("extra/note.txt", "extra_file"),
        ("000999-DEMO-20261130.txt", "extra_file"),
        ("000999-DEMO-20261031.txt", "missing_file"),
    }
    (package.folder / MANIFEST).unlink()
    assert [(p.file, p.kind) for p in verify_package(package.folder)] == [(MANIFEST, "missing_file")]


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff", b"{", b'{"self": 1}', b"[" * 100_000])
def test_a_manifest_that_is_none_is_named(seal, make, content):
    package = seal([make.row()])
    (package.folder / MANIFEST).write_bytes(content)
    assert [(p.file, p.kind) for p in verify_package(package.folder)] == [(MANIFEST, "manifest")]


def test_a_manifest_written_in_another_form_is_refused(seal, make):
    package = seal([make.row()])
    (package.folder / MANIFEST).write_text(json.dumps(package.manifest), encoding="utf-8")
    assert [p.kind for p in verify_package(package.folder)] == ["manifest"]


def test_a_manifest_with_a_corrected_hash_still_disagrees_with_the_file(seal, make):
    package = seal([make.row()])
    manifest = {k: v for k, v in package.manifest.items() if k != "self"}
    manifest["tables"][0]["rows"] = 2
    manifest["self"] = hashlib.sha256(canonical_json(manifest)).hexdigest()
    (package.folder / MANIFEST).write_bytes(canonical_json(manifest))
    assert [(p.file, p.kind) for p in verify_package(package.folder, make.standard())] == [
        ("000999-DEMO-20261031.txt", "rows")
    ]


def test_another_standard_is_said(seal, make):
    package = seal([make.row()])
    assert [p.kind for p in verify_package(package.folder, replace(make.standard(), version="2"))] == ["standard"]


def test_versions_count_what_was_sealed(tmp_path):
    base = tmp_path / "demo" / "2026-10"
    assert next_version(base) == base / "001"
    (base / "001" / "000999-20261031").mkdir(parents=True)
    assert next_version(base) == base / "001"
    (base / "001" / "000999-20261031" / MANIFEST).write_text("{}")
    assert next_version(base) == base / "002"
    (base / "007" / "f").mkdir(parents=True)
    (base / "007" / "f" / MANIFEST).write_text("{}")
    (base / "notes").mkdir()
    assert next_version(base) == base / "008"


def test_the_folder_is_named_by_the_standard(make):
    assert package_folder_name(make.standard(), make.company, make.period, make.report_date) == "000999-20261031"
