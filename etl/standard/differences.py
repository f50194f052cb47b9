"""A list of differences for people: as text, and as one HTML page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

from etl.standard.diff import Difference

KINDS = {"standard": ("标准", "standard"), "table": ("表", "table"), "item": ("数据项", "item"), "code_table": ("代码表", "code table"), "code": ("码值", "code"), "rule": ("检核规则", "rule")}
CHANGES = {"added": ("新增", "added"), "removed": ("删除", "removed"), "changed": ("变更", "changed"), "renamed": ("改名", "renamed"), "dates_changed": ("有效期变更", "dates changed")}
FIELDS = {
    "name": ("名称", "name"), "type": ("类型", "type"), "length": ("长度", "length"), "scale": ("小数位", "scale"), "required": ("非空", "required"), "key": ("主键", "key"),
    "codes": ("代码表", "code table"), "position": ("次序", "position"), "send": ("报送代码或文字", "code or text"), "allow": ("另可取值", "also allowed"),
    "default": ("默认值", "default"), "privacy": ("隐私类别", "privacy"), "privacy_when": ("脱敏条件", "masked when"), "refs": ("外键", "reference"),
    "effective": ("有效期", "effective"), "level": ("装载层级", "load level"), "number": ("序号", "number"), "subject": ("主题域", "subject"), "capture": ("采集方式", "capture"),
    "items": ("数据项数", "items"), "values": ("码值数", "values"), "message": ("说明", "message"), "severity": ("严重程度", "severity"), "family": ("类别", "family"), "when": ("前提", "when"), "expect": ("要求", "expect"),
    "expected": ("应为", "expected"), "relation": ("关联", "relation"), "unique": ("唯一", "unique"), "reconcile": ("核对", "reconcile"), "official_id": ("官方编号", "official id"),
    "role": ("角色", "role"), "submitted": ("报送", "submitted"), "version": ("版本", "version"), "format": ("文件格式", "file format"), "masking": ("脱敏方法", "masking"),
    "serial": ("流水号", "serial number"), "frequency": ("频度", "frequency"), "deadline": ("期限", "deadline"), "on_error": ("有错时", "on error"),
    "company_codes": ("公司代码表", "company codes"), "open_ended": ("开放日期", "open-ended date"), "layout": ("定长位置", "place in the record"), "transaction": ("交易号", "transaction number"),
    "package": ("报送包", "package"), "hold_key": ("搁置键", "hold key"), "split_by": ("拆分项", "split by"),
}


def word(words: dict[str, tuple[str, str]], key: str, language: str) -> str:
    """The word for `key` in a language; the key itself where there is none."""
    pair = words.get(key)
    return key if pair is None else pair[0 if language == "zh" else 1]


def summary(found: Iterable[Difference], language: str) -> list[str]:
    """Counts such as `item added 3`, in the order of kinds."""
    counts: Counter[tuple[str, str]] = Counter((one.kind, one.change) for one in found)
    return [f"{word(KINDS, kind, language)} {word(CHANGES, change, language)} {counts[kind, change]}" for kind in KINDS for change in CHANGES if (kind, change) in counts]


def line(one: Difference, language: str) -> str:
    """One difference as one line; `+`, `-` and `~` come first, so that the lines can be searched."""
    sign = {"added": "+", "removed": "-"}.get(one.change, "~")
    text = f"{sign} {word(KINDS, one.kind, language)} {one.place}{' ' + one.name if one.name else ''}"
    if one.change in ("added", "removed"):
        detail = (f"{word(FIELDS, one.field, language)}: " if one.field else "") + (one.after or one.before)
        return f"{text}  {detail}" if detail and detail != one.name else text
    return f"{text}  {word(FIELDS, one.field, language)}: {one.before or '-'} → {one.after or '-'}"


def diff_page(a: str, b: str, found: Sequence[Difference], language: str) -> str:
    """One HTML page that needs nothing from outside."""
    def say(zh: str, en: str) -> str:
        return zh if language == "zh" else en

    title = say(f"{a} 与 {b} 的差异", f"From {a} to {b}")
    parts = [
        f'<!doctype html>\n<html lang="{say("zh-CN", "en")}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>{escape(title)}</title>',
        "<style>body{font:15px/1.5 system-ui,'Noto Sans CJK SC','Microsoft YaHei',sans-serif;margin:2rem auto;max-width:1100px;padding:0 1rem;color:#1c2430}",
        "table{border-collapse:collapse;width:100%;margin:.5rem 0 2rem}th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #dfe4ea}",
        "th{color:#51606f;font-weight:600}td{overflow-wrap:anywhere}code{font-family:ui-monospace,monospace}.added td:first-child{color:#12703a}.removed td:first-child{color:#b3261e}",
        "del{background:#fde7e6;text-decoration:none}ins{background:#e2f4e7;text-decoration:none}p.sum span{display:inline-block;margin-right:1rem}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
    ]
    if not found:
        parts.append(f"<p>{say('没有差异。', 'No difference.')}</p>")
    else:
        parts.append('<p class="sum">' + "".join(f"<span>{escape(text)}</span>" for text in summary(found, language)) + "</p>")
    for kind in KINDS:
        rows = [one for one in found if one.kind == kind]
        if not rows:
            continue
        heads = (say("变动", "change"), say("位置", "place"), say("名称", "name"), say("内容", "what"), say("之前", "before"), say("之后", "after"))
        parts.append(f"<h2>{escape(word(KINDS, kind, language))} ({len(rows)})</h2><table><thead><tr>" + "".join(f"<th>{escape(h)}</th>" for h in heads) + "</tr></thead><tbody>")
        for one in rows:
            before = f"<del>{escape(one.before)}</del>" if one.before else ""
            after = f"<ins>{escape(one.after)}</ins>" if one.after else ""
            what = escape(word(FIELDS, one.field, language)) if one.field else ""
            parts.append(f'<tr class="{one.change}"><td>{escape(word(CHANGES, one.change, language))}</td><td><code>{escape(one.place)}</code></td>'
                         f"<td>{escape(one.name)}</td><td>{what}</td><td>{before}</td><td>{after}</td></tr>")
        parts.append("</tbody></table>")
    return "\n".join([*parts, "</body></html>"]) + "\n"
