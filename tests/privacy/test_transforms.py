import hashlib
import hmac

import polars as pl
import pytest
from gmssl_pyx import sm3_hmac
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import Problems
from etl.privacy.transforms import (
    MaskingMalformed,
    MaskingNeedsText,
    MaskingTooLong,
    MaskingUndefined,
    MaskingUnknown,
    kept_clear,
    transform_series,
    validate_masking,
    validate_spec,
)
from etl.standard.definition import DataItem, FileFormat, SerialFormat, Standard, Table

KEY = bytes(range(32))
SHA = {"transform": "hmac_sha256", "bits": 256}
SM3 = {"transform": "hmac_sm3", "bits": 256}


def masked(values, spec, privacy="name", keep=(), key=KEY):
    return transform_series(pl.Series("x", values, dtype=pl.String), spec, key, privacy=privacy, keep=keep).to_list()


def test_hmac_sha256_is_the_documented_formula():
    class_key = hmac.new(KEY, b"eastbound/mask/v1/id_number", "sha256").hexdigest()
    expected = hmac.new(class_key.encode(), b"11010119900101123X", hashlib.sha256).hexdigest()
    assert masked(["11010119900101123X"], SHA, "id_number") == [expected]
    assert masked(["11010119900101123X"], {"transform": "hmac_sha256", "bits": 160}, "id_number") == [expected[:40]]


def test_hmac_sm3_is_the_documented_formula():
    class_key = bytes(sm3_hmac(KEY, b"eastbound/mask/v1/name")).hex()
    expected = bytes(sm3_hmac(class_key.encode(), "张三".encode())).hex()
    assert masked(["张三", None, "张三"], SM3) == [expected, None, expected]
    assert masked(["张三"], {"transform": "hmac_sm3", "bits": 8}) == [expected[:2]]


def test_sm3_here_is_the_published_sm3():
    from gmssl_pyx import sm3_hash

    # GB/T 32905-2016, appendix A.1: the digest of "abc".
    assert bytes(sm3_hash(b"abc")).hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"


@pytest.mark.parametrize("spec", [SHA, SM3])
@given(values=st.lists(st.none() | st.text(st.characters(exclude_categories=("Cs",)), max_size=20), max_size=20))
def test_keyed_hashes_are_deterministic_injective_and_keep_null(spec, values):
    result = masked(values, spec)
    assert [r is None for r in result] == [v is None for v in values]
    assert result == masked(values, spec)
    present = {(v, r) for v, r in zip(values, result, strict=True) if v is not None}
    assert len({v for v, _ in present}) == len({r for _, r in present})


@pytest.mark.parametrize("spec", [SHA, SM3])
def test_key_and_class_separate_the_results(spec):
    value = ["110101199001011237"]
    results = {
        masked(value, spec, privacy, key=key)[0] for privacy in ("id_number", "account") for key in (KEY, bytes(32))
    }
    assert len(results) == 4


@pytest.mark.parametrize(
    "value, left, right, expected",
    [
        ("13812345678", 3, 4, "138****5678"),
        ("6222021234567890123", 4, 4, "6222****0123"),
        ("someone@example.cn", 1, 0, "s****"),
        ("上海市浦东新区世纪大道1号", 3, 0, "上海市****"),
        ("1234567890", 3, 4, "****"),  # ten characters: only three would be hidden
        ("1", 3, 4, "****"),
        ("", 3, 4, "****"),
        ("abcdefgh", 0, 4, "****efgh"),
        ("\U00020000\U00020001\U00020002\U00020003\U00020004", 1, 0, "\U00020000****"),
    ],
)
def test_keep_ends(value, left, right, expected):
    assert masked([value, None], {"transform": "keep_ends", "left": left, "right": right}) == [expected, None]


def test_constant_and_clear():
    assert masked(["张三", None, ""], {"transform": "constant", "value": "*********"}) == [
        "*********",
        None,
        "*********",
    ]
    assert masked(["张三", None], {"transform": "clear"}) == ["张三", None]


@pytest.mark.parametrize(
    "spec", [SHA, SM3, {"transform": "keep_ends", "left": 1, "right": 1}, {"transform": "constant", "value": "x"}]
)
def test_values_that_stand_for_nobody_stay_clear(spec):
    result = masked(["未记录", "000000", "张三", None], spec, keep=frozenset({"未记录", "000000"}))
    assert result[:2] == ["未记录", "000000"] and result[3] is None and result[2] != "张三"


def test_what_an_item_keeps_clear():
    item = DataItem("X", {}, "text", 10, allow=("未记录",), default="000000")
    assert kept_clear(item) == {"未记录", "000000"}
    assert kept_clear(DataItem("X", {}, "text", 10)) == frozenset()


def test_empty_and_all_null_series():
    assert masked([], SHA) == [] and masked([None, None], SM3) == [None, None] and masked([None], SHA) == [None]


@pytest.mark.parametrize(
    "spec, error, word",
    [
        ({"transform": "rot13"}, MaskingUnknown, "rot13"),
        ({}, MaskingUnknown, "None"),
        ("clear", MaskingUnknown, "clear"),
        ({"transform": "hmac_sha256", "bits": 100}, MaskingMalformed, "multiple of 8"),
        ({"transform": "hmac_sm3", "bits": 264}, MaskingMalformed, "264"),
        ({"transform": "hmac_sha256", "bits": 0}, MaskingMalformed, "bits"),
        ({"transform": "hmac_sha256", "bits": "256"}, MaskingMalformed, "bits"),
        ({"transform": "hmac_sha256", "size": 8}, MaskingMalformed, "size"),
        ({"transform": "keep_ends", "left": 3}, MaskingMalformed, "right"),
        ({"transform": "keep_ends", "left": -1, "right": 0}, MaskingMalformed, "whole numbers"),
        ({"transform": "keep_ends", "left": 1, "right": 0, "mask": ""}, MaskingMalformed, "mask"),
        ({"transform": "constant"}, MaskingMalformed, "value"),
        ({"transform": "constant", "value": 1}, MaskingMalformed, "value"),
        ({"transform": "clear", "bits": 8}, MaskingMalformed, "bits"),
    ],
)
def test_a_spec_that_cannot_work_is_refused(spec, error, word):
    with pytest.raises(error, match=word):
        validate_spec("name", spec)


def standard_with(masking, *items, **fmt):
    return Standard(
        "s",
        "S",
        {},
        "1",
        "monthly",
        "block_package",
        None,
        SerialFormat(),
        FileFormat(**fmt),
        masking,
        {"T": Table("T", {}, 1, {}, 1, "full", tuple(items))},
        {},
    )


def private(length, privacy="name", kind="text", **more):
    return DataItem("XM", {}, kind, length, privacy=privacy, **more)


def test_masking_must_fit_every_private_item():
    validate_masking(standard_with({"name": SHA}, private(64)))
    with pytest.raises(MaskingTooLong) as caught:
        validate_masking(standard_with({"name": SHA}, private(63)))
    assert caught.value.values == {"table": "T", "item": "XM", "length": 63, "transform": "hmac_sha256", "needed": 64}
    with pytest.raises(MaskingUndefined, match="name"):
        validate_masking(standard_with({}, private(64)))
    with pytest.raises(MaskingNeedsText, match="date"):
        validate_masking(standard_with({"name": SHA}, private(64, kind="date")))
    validate_masking(standard_with({"name": {"transform": "clear"}}, private(10, kind="date")))


def test_the_length_of_a_constant_counts_in_the_standards_unit():
    spec = {"name": {"transform": "constant", "value": "保密"}}
    with pytest.raises(MaskingTooLong):
        validate_masking(standard_with(spec, private(5)))
    validate_masking(standard_with(spec, private(6)))
    validate_masking(standard_with(spec, private(4), encoding="gb18030"))
    validate_masking(standard_with(spec, private(2), length_unit="characters"))


@given(st.text("ab张\U00020000é", max_size=40), st.integers(0, 5), st.integers(0, 5))
def test_keep_ends_never_outgrows_the_value_or_its_mask(value, left, right):
    result = masked([value], {"transform": "keep_ends", "left": left, "right": right})[0]
    assert len(result.encode()) <= max(len(value.encode()), 4) and len(result) <= max(len(value), 4)


def test_all_faults_of_a_standard_come_together():
    with pytest.raises(Problems) as caught:
        validate_masking(standard_with({"name": {"transform": "x"}, "phone": {"transform": "hmac_sm3", "bits": 7}}))
    assert len(caught.value.errors) == 2
