"""The registry's XML: `PDL` with head and body, requests and replies, built and read.

Element names: public implementations of the second phase (E). Two things are not in what is public and are ours (I): the
SummaryCheck body names its day in TransDate, as the uploads do; a reply has a head with the type and company of its request.
Whatever arrives is read without entities, external files or document types.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from etl.submission.registry.definition import DATA_TYPE, RequestType
from etl.submission.registry.errors import MessageUnfit, MessageUnreadable

MAX_BYTES = 32 * 1024 * 1024
UPLOAD_TYPES = (RequestType.HIS_UPLOAD, RequestType.INC_UPLOAD, RequestType.FAI_UPLOAD, RequestType.DETAIL_UPLOAD)
_FIELDS = {
    "CompanyCode": r"[0-9A-Z]{6}",
    "SerialNo": r"[0-9A-Za-z_.-]{1,64}",
    "DataType": r"[LP]",
    "BatchNo": r"[0-9A-Z]{6}[LP](HIS|INC|FAI|DET)[0-9]{10}",
    "TransCount": r"(0|[1-9][0-9]{0,17})",
    "FileName": r"[HI]_[0-9A-Z]{6}[LP](HIS|INC|FAI|DET)[0-9]{10}_[0-9]{3}\.zip",
    "FileMD5No": r"[0-9a-fA-F]{32}",
    "QueryNo": r"[\x21-\x7e]{1,64}",
    "TableName": r"[A-Za-z][A-Za-z0-9_]{0,63}",
    "FieldName": r"[A-Za-z][A-Za-z0-9_]{0,63}",
    "CheckType": r"COUNT|SUM",
    "Value": r"-?(0|[1-9][0-9]*)(\.[0-9]+)?",
}


@dataclass(frozen=True)
class Head:
    """`serial_no` is the same when a message is sent again; `timestamp` has whole seconds and no zone."""

    request_type: RequestType
    company: str
    serial_no: str
    timestamp: datetime
    data_type: str = DATA_TYPE


@dataclass(frozen=True)
class Upload:
    """Body of the four upload messages: which zip was put on the file channel."""

    batch_no: str
    trans_date: date
    trans_count: int
    file_name: str
    md5: str


@dataclass(frozen=True)
class Query:
    query_no: str


@dataclass(frozen=True)
class Kpi:
    """One figure: COUNT or SUM of a field. `theirs` (PDLValue) stands only in a reply."""

    table: str
    field: str
    check: Literal["COUNT", "SUM"]
    value: Decimal
    theirs: Decimal | None = None


@dataclass(frozen=True)
class Check:
    trans_date: date
    items: tuple[Kpi, ...]


@dataclass(frozen=True)
class Request:
    head: Head
    body: Upload | Query | Check


@dataclass(frozen=True)
class Reply:
    """`status` is kept as text: a platform may answer with codes that nobody has documented. `data_status` is passed on, not judged."""

    status: str
    message: str = ""
    query_no: str = ""
    data_status: str = ""
    error_path: str = ""
    error_ratio: str = ""
    kpis: tuple[Kpi, ...] = field(default=())


def build_request(request: Request) -> bytes:
    """The message as UTF-8 XML. Raises MessageUnfit where a value does not fit its field."""
    kind, body = request.head.request_type, request.body
    root, inside = _frame(request.head)
    wanted = Upload if kind in UPLOAD_TYPES else Check if kind == RequestType.CHECK else Query
    if not isinstance(body, wanted):
        raise MessageUnfit(kind=str(kind), field="PDL-Body", problem_zh="报文体与类型不符", problem_en="the body does not go with the type")
    put = _putter(inside, str(kind))
    if isinstance(body, Upload):
        put("BatchNo", body.batch_no)
        put("TransDate", f"{body.trans_date:%Y%m%d}")
        put("TransCount", str(body.trans_count))
        put("FileName", body.file_name)
        put("FileMD5No", body.md5)
    elif isinstance(body, Check):
        put("TransDate", f"{body.trans_date:%Y%m%d}")
        _put_kpis(inside, "KPISet", body.items, str(kind))
    else:
        put("QueryNo", body.query_no)
    return _bytes(root)


def build_reply(head: Head, reply: Reply) -> bytes:
    """The answer to a message with that head, as UTF-8 XML."""
    root, inside = _frame(head)
    put = _putter(inside, str(head.request_type))
    for name, value in (("Status", reply.status), ("Msg", reply.message), ("QueryNo", reply.query_no), ("DataStatus", reply.data_status),
                        ("ErrInfoPath", reply.error_path), ("ErrRatio", reply.error_ratio)):
        put(name, value, free=True)
    if reply.kpis:
        _put_kpis(inside, "KPIResultSet", reply.kpis, str(head.request_type))
    return _bytes(root)


def parse_request(data: bytes) -> Request:
    """Raises MessageUnreadable."""
    head, body = _opened(data)
    if head.request_type in UPLOAD_TYPES:
        return Request(head, Upload(_text(body, "BatchNo"), _date(body, "TransDate"), int(_text(body, "TransCount")), _text(body, "FileName"), _text(body, "FileMD5No")))
    if head.request_type == RequestType.CHECK:
        return Request(head, Check(_date(body, "TransDate"), _kpis(body, "KPISet")))
    return Request(head, Query(_text(body, "QueryNo")))


def parse_reply(data: bytes) -> tuple[Head, Reply]:
    """The head (that of the request answered) and the reply. Raises MessageUnreadable."""
    head, body = _opened(data)
    free = {name: _text(body, name, free=True) for name in ("Status", "Msg", "QueryNo", "DataStatus", "ErrInfoPath", "ErrRatio")}
    if not re.fullmatch(r"[0-9A-Za-z-]{1,32}", free["Status"]):
        raise _unreadable("缺少 Status", "Status is missing")
    return head, Reply(free["Status"], free["Msg"], free["QueryNo"], free["DataStatus"], free["ErrInfoPath"], free["ErrRatio"], _kpis(body, "KPIResultSet"))


def safe_xml(data: bytes) -> Any:
    """The root element of XML from outside: no document type, no entities, no network, no giant trees. Raises MessageUnreadable."""
    from lxml import etree

    if len(data) > MAX_BYTES:
        raise _unreadable(f"超过 {MAX_BYTES} 字节", f"it has more than {MAX_BYTES} bytes")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, remove_comments=True,
                             remove_pis=True)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise _unreadable("不是合规的 XML", "it is not well-formed XML") from None
    if root.getroottree().docinfo.internalDTD is not None or any(not isinstance(e.tag, str) for e in root.iter()):
        raise _unreadable("不接受文档类型与实体", "document types and entities are not accepted")
    return root


def same_request(head: Head, answered: Head) -> bool:
    """Whether a reply is to such a request; the platform may stamp its own time and number."""
    return (answered.request_type, answered.company) == (head.request_type, head.company)


def _frame(head: Head) -> tuple[Any, Any]:
    from lxml import etree

    root = etree.Element("PDL")
    top = etree.SubElement(root, "PDL-Head")
    put = _putter(top, str(head.request_type))
    put("RequestType", str(RequestType(head.request_type)), free=True)
    put("CompanyCode", head.company)
    put("SerialNo", head.serial_no)
    put("TimeStamp", head.timestamp.strftime("%Y%m%d%H%M%S"), free=True)
    put("DataType", head.data_type)
    return root, etree.SubElement(root, "PDL-Body")


def _putter(parent: Any, kind: str) -> Any:
    from lxml import etree

    def put(name: str, value: str, free: bool = False) -> None:
        if not free and name in _FIELDS and re.fullmatch(_FIELDS[name], value, re.ASCII) is None:
            raise MessageUnfit(kind=kind, field=name, problem_zh="格式不符", problem_en="its form is not the agreed one")
        try:
            etree.SubElement(parent, name).text = value
        except ValueError:
            raise MessageUnfit(kind=kind, field=name, problem_zh="含 XML 不允许的字符", problem_en="it holds a character that XML does not allow") from None

    return put


def _put_kpis(parent: Any, name: str, items: tuple[Kpi, ...], kind: str) -> None:
    from lxml import etree

    group = etree.SubElement(parent, name)
    for item in items:
        put = _putter(etree.SubElement(group, "Item"), kind)
        put("TableName", item.table)
        put("FieldName", item.field)
        put("CheckType", item.check)
        put("Value", f"{item.value:f}")
        put("PDLValue", "" if item.theirs is None else f"{item.theirs:f}", free=True)


def _bytes(root: Any) -> bytes:
    from lxml import etree

    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _opened(data: bytes) -> tuple[Head, Any]:
    root = safe_xml(data)
    top, body = root.find("PDL-Head"), root.find("PDL-Body")
    if root.tag != "PDL" or top is None or body is None:
        raise _unreadable("缺少 PDL、PDL-Head 或 PDL-Body", "PDL, PDL-Head or PDL-Body is missing")
    try:
        kind = RequestType(_text(top, "RequestType", free=True))
        stamp = datetime.strptime(_text(top, "TimeStamp", free=True), "%Y%m%d%H%M%S")
    except ValueError:
        raise _unreadable("RequestType 或 TimeStamp 无效", "RequestType or TimeStamp is not valid") from None
    return Head(kind, _text(top, "CompanyCode"), _text(top, "SerialNo"), stamp, _text(top, "DataType")), body


def _text(parent: Any, name: str, free: bool = False) -> str:
    found = parent.findall(name)
    value = (found[0].text or "") if len(found) == 1 and not len(found[0]) else ""
    if len(found) > 1 or (not free and re.fullmatch(_FIELDS[name], value, re.ASCII) is None):
        raise _unreadable(f"{name} 缺失、重复或格式不符", f"{name} is missing, given twice or of another form")
    return value


def _date(parent: Any, name: str) -> date:
    found = parent.find(name)
    text = (found.text or "") if found is not None else ""
    try:
        if re.fullmatch(r"[0-9]{8}", text, re.ASCII) is None:
            raise ValueError
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        raise _unreadable(f"{name} 不是日期", f"{name} is not a date") from None


def _kpis(body: Any, name: str) -> tuple[Kpi, ...]:
    group = body.find(name)
    items = []
    for item in () if group is None else group.findall("Item"):
        try:
            value = Decimal(_text(item, "Value"))
            text = _text(item, "PDLValue", free=True)
            theirs = Decimal(text) if text else None
            if theirs is not None and not theirs.is_finite():
                raise InvalidOperation
        except InvalidOperation:
            raise _unreadable("PDLValue 不是数字", "PDLValue is not a number") from None
        items.append(Kpi(_text(item, "TableName"), _text(item, "FieldName"), _text(item, "CheckType"), value, theirs))  # type: ignore[arg-type]
    return tuple(items)


def _unreadable(zh: str, en: str) -> MessageUnreadable:
    return MessageUnreadable(problem_zh=zh, problem_en=en)
