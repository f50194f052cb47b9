"""Batches of the registry: their numbers, names, bytes, and the resending of some transactions."""

from __future__ import annotations

import hashlib
import stat
import zipfile
from datetime import date

import pytest

from etl.submission.zip_package import (
    BatchRefused,
    BatchUnreadable,
    batch_number,
    make_batch,
    open_batch,
    read_batch_zip,
    subset_batch,
    zip_name,
)

DAY = date(2026, 10, 15)
FIRST, SECOND = "000999202610150000000001", "000999202610150000000002"


@pytest.fixture
def texts(tmp_path):
    folder = tmp_path / "text"
    folder.mkdir()
    (folder / "LCCont.txt").write_text(f"{FIRST}\x01000999\x01张三\n{SECOND}\x01000999\x01\n", encoding="utf-8")
    (folder / "LCBnf.txt").write_text(f"{SECOND}\x01000999\x010.500000\n", encoding="utf-8")
    (folder / "LCInsureAcc.txt").write_bytes(b"")
    return folder


def made(texts, target, number=7, kind="INC"):
    return make_batch(texts, ["LCCont", "LCBnf", "LCInsureAcc"], "000999", kind, DAY, batch_number("000999", kind, number), target)


def test_numbers_and_names_are_those_of_the_published_example():
    assert batch_number("000999", "HIS", 896) == "000999LHIS0000000896"
    assert zip_name("000999LHIS0000000896", 16) == "H_000999LHIS0000000896_016.zip"
    assert zip_name("000999LFAI0000000001", 2) == "I_000999LFAI0000000001_002.zip"
    assert batch_number("000999", "INC", 9_999_999_999) == "000999LINC9999999999"


@pytest.mark.parametrize(("company", "kind", "sequence"), [("00099", "INC", 1), ("000999", "ABC", 1), ("000999", "INC", 0), ("000999", "INC", 10_000_000_000)])
def test_a_number_of_another_form_is_refused(company, kind, sequence):
    with pytest.raises(BatchRefused):
        batch_number(company, kind, sequence)


def test_a_batch_says_what_is_in_it_and_leaves_empty_tables_out(texts, tmp_path):
    batch = made(texts, tmp_path / "out")
    assert batch.zip_path.name == "I_000999LINC0000000007_002.zip"
    assert (batch.kind, batch.trans_date, batch.trans_count) == ("INC", DAY, 2)
    assert batch.tables == {"LCBnf": 1, "LCCont": 2}
    assert batch.md5 == hashlib.md5(batch.zip_path.read_bytes()).hexdigest()
    with zipfile.ZipFile(batch.zip_path) as archive:
        assert archive.namelist() == ["000999/LCBnf.txt", "000999/LCCont.txt"]
        assert archive.read("000999/LCCont.txt") == (texts / "LCCont.txt").read_bytes()


def test_the_same_texts_give_the_same_bytes_for_their_owner_alone(texts, tmp_path):
    one, two = made(texts, tmp_path / "a"), made(texts, tmp_path / "b")
    assert one.zip_path.read_bytes() == two.zip_path.read_bytes()
    assert stat.S_IMODE(one.zip_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(one.zip_path.parent.stat().st_mode) == 0o700


def test_reading_gives_the_fields_and_an_opened_batch_is_the_one_made(texts, tmp_path):
    batch = made(texts, tmp_path / "out")
    assert read_batch_zip(batch.zip_path) == {
        "LCBnf": [[SECOND, "000999", "0.500000"]], "LCCont": [[FIRST, "000999", "张三"], [SECOND, "000999", ""]]}
    assert open_batch(batch.zip_path, DAY) == batch


def test_some_transactions_are_sent_again_byte_for_byte(texts, tmp_path):
    batch = made(texts, tmp_path / "out")
    again = subset_batch(batch, [SECOND], batch_no=batch_number("000999", "FAI", 8), target=tmp_path / "fai")
    assert again.zip_path.name == "I_000999LFAI0000000008_002.zip"
    assert (again.kind, again.trans_count, again.tables) == ("FAI", 1, {"LCBnf": 1, "LCCont": 1})
    assert read_batch_zip(again.zip_path)["LCCont"] == [[SECOND, "000999", ""]]
    only = subset_batch(batch, [FIRST], batch_no=batch_number("000999", "FAI", 9), target=tmp_path / "fai")
    assert only.zip_path.name == "I_000999LFAI0000000009_001.zip"
    assert only.tables == {"LCCont": 1}


def test_a_transaction_that_is_not_there_cannot_be_sent_again(texts, tmp_path):
    batch = made(texts, tmp_path / "out")
    with pytest.raises(BatchRefused, match="1 transaction number"):
        subset_batch(batch, [FIRST, "000999202610150000000009"], batch_no=batch_number("000999", "FAI", 8), target=tmp_path / "fai")
    assert not (tmp_path / "fai").exists()


def test_an_empty_batch_and_a_number_of_another_company_are_refused(texts, tmp_path):
    with pytest.raises(BatchRefused, match="nothing in it"):
        make_batch(texts, ["LCInsureAcc"], "000999", "INC", DAY, batch_number("000999", "INC", 1), tmp_path)
    with pytest.raises(BatchRefused, match="does not belong"):
        make_batch(texts, ["LCCont"], "000999", "INC", DAY, batch_number("000998", "INC", 1), tmp_path)
    with pytest.raises(BatchRefused, match="does not belong"):
        make_batch(texts, ["LCCont"], "000999", "INC", DAY, batch_number("000999", "FAI", 1), tmp_path)


@pytest.mark.parametrize("entry", ["000998/LCCont.txt", "LCCont.txt", "000999/../LCCont.txt", "000999/a/LCCont.txt", "000999/LCCont.csv"])
def test_a_zip_with_anything_else_in_it_is_refused(tmp_path, entry):
    path = tmp_path / "I_000999LINC0000000001_001.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, "x\n")
    with pytest.raises(BatchUnreadable):
        read_batch_zip(path)


def test_damage_is_told(texts, tmp_path):
    batch = made(texts, tmp_path / "out")
    short = tmp_path / batch.zip_path.name
    short.write_bytes(batch.zip_path.read_bytes()[:-30])
    with pytest.raises(BatchUnreadable, match="damaged"):
        read_batch_zip(short)
    wrong = tmp_path / "I_000999LINC0000000007_003.zip"
    wrong.write_bytes(batch.zip_path.read_bytes())
    with pytest.raises(BatchUnreadable, match="speaks of 3 files, but it holds 2"):
        read_batch_zip(wrong)
