"""How a private value is transformed before it is sent; which transform a privacy class gets is part of the standard.

| transform | parameters | result |
|---|---|---|
| hmac_sha256 | bits (8..256) | first bits/4 hex digits of HMAC-SHA-256 |
| hmac_sm3 | bits (8..256) | first bits/4 hex digits of HMAC-SM3 (GB/T 32905) |
| keep_ends | left, right, mask | first `left` characters, `mask` (default ****), last `right` characters |
| constant | value | always the same text |
| clear | | the value itself |

The HMAC key of a privacy class is derived from the workspace's masking key, so an ID number masks alike in every table,
while the same digits as an account number mask differently. Anyone who holds the key can repeat it with any HMAC:
`class_key = hex(HMAC(masking_key, "eastbound/mask/v1/" + class))`,
`result = hex(HMAC(ascii(class_key), utf8(value)))[:bits/4]`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from etl.errors import EastboundError, raise_problems
from etl.standard.definition import DataItem, Standard

if TYPE_CHECKING:
    import polars

DEFAULT_MASK = "****"
MINIMUM_HIDDEN = 4
_PARAMETERS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    # transform -> (required, optional)
    "hmac_sha256": (frozenset(), frozenset({"bits"})),
    "hmac_sm3": (frozenset(), frozenset({"bits"})),
    "keep_ends": (frozenset({"left", "right"}), frozenset({"mask"})),
    "constant": (frozenset({"value"}), frozenset()),
    "clear": (frozenset(), frozenset()),
}


class MaskingUnknown(EastboundError):
    zh = "隐私类别 {privacy}：没有名为 {transform} 的变形方法；可用：{known}"
    en = "privacy class {privacy}: there is no transform named {transform}; known: {known}"


class MaskingUndefined(EastboundError):
    zh = (
        "{table}.{item} 的隐私类别 {privacy} 在 standard.yaml 的 masking 中没有定义；"
        "若确需明文报送，请写 {{transform: clear}}"
    )
    en = (
        "{table}.{item}: privacy class {privacy} has no entry under masking in standard.yaml; "
        "write {{transform: clear}} if it is to be sent clear"
    )


class MaskingMalformed(EastboundError):
    zh = "隐私类别 {privacy} 的变形方法 {transform}：{problem_zh}"
    en = "privacy class {privacy}, transform {transform}: {problem_en}"


class MaskingTooLong(EastboundError):
    zh = "{table}.{item} 的长度为 {length}，放不下 {transform} 的结果（{needed}）；请减小 bits 或更换变形方法"
    en = (
        "{table}.{item} has length {length}, too short for a result of {transform} ({needed}); "
        "use fewer bits or another transform"
    )


class MaskingNeedsText(EastboundError):
    zh = "{table}.{item} 是 {type} 类型，隐私变形只适用于文本"
    en = "{table}.{item} is of type {type}; only text can be masked"


def validate_spec(privacy: str, spec: dict[str, Any]) -> None:
    """Check one entry of `masking`. Raises MaskingUnknown or MaskingMalformed."""
    transform = str(spec.get("transform")) if isinstance(spec, dict) else str(spec)
    if not isinstance(spec, dict) or transform not in _PARAMETERS:
        raise MaskingUnknown(privacy=privacy, transform=transform, known=", ".join(sorted(_PARAMETERS)))

    def malformed(zh: str, en: str) -> MaskingMalformed:
        return MaskingMalformed(privacy=privacy, transform=transform, problem_zh=zh, problem_en=en)

    required, optional = _PARAMETERS[transform]
    given = set(spec) - {"transform"}
    if missing := sorted(required - given):
        raise malformed(f"缺少参数 {', '.join(missing)}", f"parameter(s) {', '.join(missing)} missing")
    if unknown := sorted(given - required - optional):
        raise malformed(f"未知参数 {', '.join(unknown)}", f"unknown parameter(s) {', '.join(unknown)}")
    if transform.startswith("hmac_"):
        bits = spec.get("bits", 256)
        if not _is_count(bits) or bits % 8 or not 8 <= bits <= 256:
            raise malformed(
                f"bits 为 {bits}，应是 8 的倍数且在 8 到 256 之间",
                f"bits is {bits}; it must be a multiple of 8 from 8 to 256",
            )
    if transform == "keep_ends":
        if not (_is_count(spec["left"]) and _is_count(spec["right"])):
            raise malformed("left 和 right 应为不小于 0 的整数", "left and right must be whole numbers, 0 or more")
        if not isinstance(spec.get("mask", DEFAULT_MASK), str) or not spec.get("mask", DEFAULT_MASK):
            raise malformed("mask 应为非空文本", "mask must be a text that is not empty")
    if transform == "constant" and (not isinstance(spec["value"], str) or not spec["value"]):
        raise malformed("value 应为非空文本（加引号）", "value must be a text that is not empty (quote it)")


def validate_masking(standard: Standard) -> None:
    """Check every private item of the standard against its masking. Raises the fault, or Problems listing all."""
    errors: list[EastboundError] = []
    for privacy, spec in standard.masking.items():
        try:
            validate_spec(privacy, spec)
        except EastboundError as error:
            errors.append(error)
    raise_problems(errors)
    for table in standard.tables.values():
        for item in table.items:
            if item.privacy:
                try:
                    spec_for(standard, table.code, item)
                except EastboundError as error:
                    errors.append(error)
    raise_problems(errors)


def spec_for(standard: Standard, table: str, item: DataItem) -> dict[str, Any]:
    """The transform of a private item, checked: it exists, its parameters are right and its result fits the item."""
    privacy = item.privacy or ""
    if privacy not in standard.masking:
        raise MaskingUndefined(table=table, item=item.code, privacy=privacy)
    spec = standard.masking[privacy]
    validate_spec(privacy, spec)
    if spec["transform"] == "clear":
        return spec
    if item.type != "text":
        raise MaskingNeedsText(table=table, item=item.code, type=item.type)
    if (needed := _result_length(spec, standard.format.length_unit, standard.format.encoding)) > item.length:
        raise MaskingTooLong(
            table=table, item=item.code, length=item.length, transform=spec["transform"], needed=needed
        )
    return spec


def kept_clear(item: DataItem) -> frozenset[str]:
    """Values of the item that stand for no person (未记录, 000000) and stay clear."""
    return frozenset((*item.allow, *(() if item.default is None else (str(item.default),))))


def transform_series(
    series: polars.Series,
    spec: dict[str, Any],
    key: bytes,
    *,
    privacy: str,
    keep: Collection[str] = (),
) -> polars.Series:
    """Transform a String series of any length; null stays null and the values in `keep` stay as they are.

    `privacy` separates the domains: the same text masks alike within a class and differently between classes.
    """
    import polars as pl

    validate_spec(privacy, spec)
    transform = spec["transform"]
    if transform == "clear" or not len(series):
        return series
    masked = _TRANSFORMS[transform](series.cast(pl.String), spec, key, privacy)
    exempt = series.is_null() | series.is_in(list(keep)) if keep else series.is_null()
    return masked.zip_with(~exempt, series.cast(pl.String)).alias(series.name)


def class_key(key: bytes, privacy: str, algorithm: str = "sha256") -> str:
    """The HMAC key of a privacy class: 64 ASCII hex digits, which is exactly one block of SHA-256 and of SM3."""
    message = b"eastbound/mask/v1/" + privacy.encode()
    if algorithm == "sm3":
        from gmssl_pyx import sm3_hmac

        return bytes(sm3_hmac(key, message)).hex()
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def _hmac_sha256(series: polars.Series, spec: dict[str, Any], key: bytes, privacy: str) -> polars.Series:
    import polars_hash as plh

    digest = plh.col(series.name).chash.hmac_sha256(key=class_key(key, privacy))
    return series.to_frame().select(digest.str.slice(0, spec.get("bits", 256) // 4)).to_series()


def _hmac_sm3(series: polars.Series, spec: dict[str, Any], key: bytes, privacy: str) -> polars.Series:
    import polars as pl
    from gmssl_pyx import sm3_hmac

    secret = class_key(key, privacy, "sm3").encode()
    digits = spec.get("bits", 256) // 4
    # The function takes one value at a time, so every distinct value is computed once.
    distinct = series.drop_nulls().unique()
    digests = [bytes(sm3_hmac(secret, value.encode())).hex()[:digits] for value in distinct.to_list()]
    return series.replace_strict(distinct, pl.Series(digests, dtype=pl.String), default=None, return_dtype=pl.String)


def _keep_ends(series: polars.Series, spec: dict[str, Any], key: bytes, privacy: str) -> polars.Series:
    import polars as pl

    left, right, mask = spec["left"], spec["right"], spec.get("mask", DEFAULT_MASK)
    value = pl.col(series.name)
    parts = [value.str.head(left), pl.lit(mask), value.str.tail(right) if right else pl.lit("")]
    # A short value would survive almost whole between its two ends: hide all of it.
    long_enough = value.str.len_chars() >= left + right + MINIMUM_HIDDEN
    return (
        series.to_frame()
        .select(pl.when(long_enough).then(pl.concat_str(parts)).otherwise(pl.lit(mask)).alias(series.name))
        .to_series()
    )


def _constant(series: polars.Series, spec: dict[str, Any], key: bytes, privacy: str) -> polars.Series:
    import polars as pl

    return pl.repeat(spec["value"], len(series), dtype=pl.String, eager=True).alias(series.name)


_TRANSFORMS: dict[str, Callable[[polars.Series, dict[str, Any], bytes, str], polars.Series]] = {
    "hmac_sha256": _hmac_sha256,
    "hmac_sm3": _hmac_sm3,
    "keep_ends": _keep_ends,
    "constant": _constant,
}


def _result_length(spec: dict[str, Any], unit: str, encoding: str) -> int:
    """Greatest length of a result beyond that of the value itself, in the standard's unit."""
    transform = spec["transform"]
    if transform.startswith("hmac_"):
        return spec.get("bits", 256) // 4
    # keep_ends replaces at least as many characters as MINIMUM_HIDDEN, so only a longer mask can outgrow a value.
    text = spec.get("mask", DEFAULT_MASK) if transform == "keep_ends" else spec["value"]
    needed = len(text.encode(encoding)) if unit == "bytes" else len(text)
    return (
        needed if transform == "constant" else needed + (spec["left"] + spec["right"] if needed > MINIMUM_HIDDEN else 0)
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
