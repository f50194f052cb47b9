"""Pack roots side by side, snapshots of what a run read, and their fingerprint."""

from __future__ import annotations

import pytest
from small_standard import FILES, NAME, edit, load, write_pack

from etl.packs.roots import PackRootMissing, PackRoots, builtin_root
from etl.packs.snapshot import fingerprint, pack_files, take_snapshot
from etl.standard import load_standard, standard_names
from etl.standard.loader import StandardUnknown

SOURCE = {
    "mappings/sources/core/source.yaml": "system: core\n",
    f"mappings/sources/core/{NAME}/BD.yaml": "table: BD\n",
    "mappings/sources/core/other_2020/BD.yaml": "table: BD\n",
    "mappings/sources/core/codes/zt.csv": "source,target\n1,01\n",
    f"validation_rules/{NAME}/BD.yaml": "table: BD\nrules: []\n",
    "validation_rules/other_2020/BD.yaml": "table: BD\nrules: []\n",
    f"mappings/standards/{NAME}/README.md": "not read by any run\n",
}


def test_a_folder_given_later_wins_and_the_others_stay(tmp_path):
    first, second = write_pack(tmp_path / "first", SOURCE), write_pack(tmp_path / "second")
    edit(second, "standard.yaml", 'version: "2024"', 'version: "2025"')
    roots = PackRoots((first, second))
    assert load_standard(NAME, roots).version == "2025"
    assert load_standard(NAME, PackRoots((second, first))).version == "2024"
    assert roots.rules(NAME) == first / "validation_rules" / NAME
    assert roots.sources() == {"core": first / "mappings/sources/core"}
    assert roots.standard("none") is None and roots.rules("none") is None


def test_the_packs_option_stands_beside_what_is_built_in(tmp_path):
    roots = PackRoots.of(write_pack(tmp_path / "packs"))
    assert roots.roots == (builtin_root(), tmp_path / "packs")
    assert {NAME, "east_life_2020"} <= set(standard_names(roots))
    assert NAME not in standard_names()


def test_a_folder_without_packs_is_refused(tmp_path):
    with pytest.raises(PackRootMissing) as caught:
        PackRoots.of(tmp_path)
    assert "mappings/" in caught.value.sentence("en") and "不是规范包目录" in caught.value.sentence("zh") and caught.value.exit_code == 2
    (tmp_path / "validation_rules").mkdir()
    assert PackRoots.of(tmp_path).roots[-1] == tmp_path


def test_an_unknown_standard_names_the_known_ones(tmp_path):
    with pytest.raises(StandardUnknown) as caught:
        load_standard("smal_2024", PackRoots((write_pack(tmp_path),)))
    assert str(caught.value.sentence("en")).endswith(f"Known: {NAME}")


def test_hidden_folders_are_no_packs(tmp_path):
    root = write_pack(tmp_path)
    for name in (".git", "_old"):
        (root / "mappings/standards" / name).mkdir()
    assert standard_names(PackRoots((root,))) == [NAME]


def test_the_files_of_a_run_are_those_that_can_shape_it(tmp_path):
    files = pack_files(PackRoots((write_pack(tmp_path, SOURCE),)), NAME)
    assert set(files) == {*FILES, *SOURCE} - {
        "mappings/sources/core/other_2020/BD.yaml", "validation_rules/other_2020/BD.yaml", f"mappings/standards/{NAME}/README.md"}
    assert list(files) == sorted(files)


def test_one_byte_changes_the_fingerprint_of_every_file(tmp_path):
    root = write_pack(tmp_path, SOURCE)
    files = pack_files(PackRoots((root,)), NAME)
    before = fingerprint(files)
    seen = {before}
    for path in files.values():
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        seen.add(fingerprint(files))
        path.write_bytes(content)
    assert len(seen) == len(files) + 1
    assert fingerprint(dict(reversed(files.items()))) == before
    renamed = {("x" + name if name.endswith("zt.csv") else name): path for name, path in files.items()}
    assert fingerprint(renamed) != before
    assert fingerprint({name: path for name, path in files.items() if not name.endswith("zt.csv")}) != before


def test_a_snapshot_is_a_pack_root_of_its_own(tmp_path):
    root = write_pack(tmp_path / "packs", SOURCE)
    files = pack_files(PackRoots((root,)), NAME)
    before, standard = fingerprint(files), load(root)
    (tmp_path / "run" / "packs.partial").mkdir(parents=True)
    (tmp_path / "run" / "packs.partial" / "left_over.yaml").write_text("x")
    take_snapshot(files, tmp_path / "run" / "packs")
    edit(root, "codes/ZT.csv", "01,有效", "01,改名")
    assert fingerprint(pack_files(PackRoots((root,)), NAME)) != before
    kept = PackRoots((tmp_path / "run" / "packs",))
    assert fingerprint(pack_files(kept, NAME)) == before
    assert load_standard(NAME, kept).codes["ZT"].values == standard.codes["ZT"].values
    assert not (tmp_path / "run" / "packs" / "left_over.yaml").exists()
    take_snapshot(pack_files(PackRoots((root,)), NAME), tmp_path / "run" / "packs")
    assert fingerprint(pack_files(kept, NAME)) == before, "a snapshot once taken stays"
