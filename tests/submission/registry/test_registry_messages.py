"""The registry's XML: built, read back, and what is refused."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.submission.registry.definition import QUERIES, UPLOADS, Meaning, ReplyCode, RequestType
from etl.submission.registry.errors import MessageUnfit, MessageUnreadable
from etl.submission.registry.messages import (
    UPLOAD_TYPES,
    Check,
    Head,
    Kpi,
    Query,
    Reply,
    Request,
    Upload,
    build_reply,
    build_request,
    parse_reply,
    parse_request,
)
from etl.submission.registry.soap import SoapFault, SoapNames, unwrap, wrap

digits = st.integers(0, 10**10 - 1).map(lambda n: f"{n:010d}")
batch_numbers = st.tuples(st.sampled_from(["000999", "00000X"]), st.sampled_from(["HIS", "INC", "FAI", "DET"]), digits).map(lambda p: f"{p[0]}L{p[1]}{p[2]}")
moments = st.datetimes(datetime(2000, 1, 1), datetime(2999, 12, 31)).map(lambda d: d.replace(microsecond=0))
days = st.dates(date(2000, 1, 1), date(2999, 12, 31))
amounts = st.decimals(-10**14, 10**14, allow_nan=False, allow_infinity=False, places=2).map(lambda d: d if d else abs(d))
names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,20}", fullmatch=True)
# Everything that XML 1.0 can hold; carriage returns come back as they were because they are escaped.
texts = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff"), max_size=40)
kpis = st.builds(Kpi, names, names, st.sampled_from(["COUNT", "SUM"]), amounts)
answered = st.builds(Kpi, names, names, st.sampled_from(["COUNT", "SUM"]), amounts, amounts)
query_numbers = st.from_regex(r"[!-~]{1,40}", fullmatch=True)


@st.composite
def requests(draw):
    kind = draw(st.sampled_from(list(RequestType)))
    head = Head(kind, "000999", draw(st.from_regex(r"[0-9A-Za-z]{1,30}", fullmatch=True)), draw(moments), draw(st.sampled_from("LP")))
    if kind in UPLOAD_TYPES:
        number = draw(batch_numbers)
        body = Upload(number, draw(days), draw(st.integers(0, 10**9)), f"I_{number}_{draw(st.integers(1, 17)):03d}.zip", draw(st.from_regex(r"[0-9a-f]{32}", fullmatch=True)))
    elif kind == RequestType.CHECK:
        body = Check(draw(days), tuple(draw(st.lists(kpis, max_size=4))))
    else:
        body = Query(draw(query_numbers))
    return Request(head, body)


@given(requests())
def test_requests_come_back_as_they_were(request):
    assert parse_request(build_request(request)) == request
    assert parse_request(unwrap(wrap(build_request(request), SoapNames()))) == request


@given(requests(), st.builds(Reply, st.sampled_from(list(ReplyCode)).map(str), texts, query_numbers, st.sampled_from(["0001", "0002", ""]), texts, texts,
                             st.lists(answered, max_size=3).map(tuple)))
def test_replies_come_back_as_they_were(request, reply):
    assert parse_reply(build_reply(request.head, reply)) == (request.head, reply)


def test_an_upload_reads_as_documented():
    head = Head(RequestType.INC_UPLOAD, "000999", "S1", datetime(2026, 10, 2, 8, 5, 9))
    body = Upload("000999LINC0000000001", date(2026, 10, 1), 3, "I_000999LINC0000000001_002.zip", "0" * 32)
    assert build_request(Request(head, body)).decode().split("\n", 1)[1] == (
        "<PDL><PDL-Head><RequestType>IncUpload</RequestType><CompanyCode>000999</CompanyCode><SerialNo>S1</SerialNo><TimeStamp>20261002080509</TimeStamp>"
        "<DataType>L</DataType></PDL-Head><PDL-Body><BatchNo>000999LINC0000000001</BatchNo><TransDate>20261001</TransDate><TransCount>3</TransCount>"
        "<FileName>I_000999LINC0000000001_002.zip</FileName><FileMD5No>00000000000000000000000000000000</FileMD5No></PDL-Body></PDL>")


def test_a_summary_check_and_its_answer_read_as_documented():
    head = Head(RequestType.CHECK, "000999", "S1", datetime(2026, 10, 2))
    items = (Kpi("LJAGetLivBene", "TransactionNo", "COUNT", Decimal(4)), Kpi("LJAGetLivBene", "BenefitAmount", "SUM", Decimal("100.10")))
    text = build_request(Request(head, Check(date(2026, 10, 1), items))).decode()
    assert ("<KPISet><Item><TableName>LJAGetLivBene</TableName><FieldName>TransactionNo</FieldName><CheckType>COUNT</CheckType><Value>4</Value><PDLValue></PDLValue></Item>"
            in text)
    answer = b"""<PDL><PDL-Head><RequestType>SummaryCheckResultQuery</RequestType><CompanyCode>000999</CompanyCode><SerialNo>S</SerialNo>
    <TimeStamp>20261002000000</TimeStamp><DataType>L</DataType></PDL-Head><PDL-Body><Status>02100314</Status><QueryNo>Q</QueryNo><KPIResultSet><Item>
    <TableName>T</TableName><FieldName>F</FieldName><CheckType>SUM</CheckType><Value>1.00</Value><PDLValue>1.01</PDLValue></Item></KPIResultSet></PDL-Body></PDL>"""
    reply = parse_reply(answer)[1]
    assert (reply.status, reply.kpis) == ("02100314", (Kpi("T", "F", "SUM", Decimal("1.00"), Decimal("1.01")),))


BOMB = '<!DOCTYPE PDL [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
FILE = '<!DOCTYPE PDL [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
REPLY = ("<PDL><PDL-Head><RequestType>IncUpload</RequestType><CompanyCode>000999</CompanyCode><SerialNo>S</SerialNo><TimeStamp>20261002000000</TimeStamp>"
         "<DataType>L</DataType></PDL-Head><PDL-Body><Status>0000</Status>%s</PDL-Body></PDL>")


def test_the_plain_reply_is_fine():
    assert parse_reply((REPLY % "").encode())[1] == Reply("0000")


@pytest.mark.parametrize("data", [
    b"", b"<html>gateway<", b"<PDL/>", REPLY.encode()[:-5], (BOMB + REPLY % "<Msg>&b;</Msg>").encode(), (FILE + REPLY % "<Msg>&a;</Msg>").encode(),
    ("<!DOCTYPE PDL>" + REPLY % "").encode(), (REPLY % "<Status>0000</Status>").encode(), (REPLY % "<Msg>a<b/></Msg><Msg/>").encode(),
    (REPLY.replace("0000</Status>", "</Status>") % "").encode(), (REPLY.replace("IncUpload", "Other") % "").encode(),
    (REPLY.replace("000999", "9") % "").encode(), (REPLY.replace("20261002000000", "20261302000000") % "").encode(),
    (REPLY % "<KPIResultSet><Item><TableName>T</TableName><FieldName>F</FieldName><CheckType>SUM</CheckType><Value>1</Value><PDLValue>NaN</PDLValue></Item></KPIResultSet>").encode(),
    (REPLY % "<KPIResultSet><Item><TableName>T</TableName><FieldName>F</FieldName><CheckType>AVG</CheckType><Value>1</Value></Item></KPIResultSet>").encode(),
], ids=range(15))
def test_replies_that_cannot_be_right_are_refused(data):
    with pytest.raises(MessageUnreadable):
        parse_reply(data)


@pytest.mark.parametrize("change", [
    {"batch_no": "000999LXXX0000000001"}, {"file_name": "../x.zip"}, {"md5": "0" * 31}, {"trans_count": -1}, {"batch_no": "000999LINC000000000\u0661"},
])
def test_values_that_do_not_fit_are_not_sent(change):
    good = {"batch_no": "000999LINC0000000001", "trans_date": date(2026, 10, 1), "trans_count": 3, "file_name": "I_000999LINC0000000001_002.zip", "md5": "0" * 32}
    head = Head(RequestType.INC_UPLOAD, "000999", "S1", datetime(2026, 10, 2))
    assert build_request(Request(head, Upload(**good)))
    with pytest.raises(MessageUnfit):
        build_request(Request(head, Upload(**{**good, **change})))


def test_a_body_goes_with_its_type_only():
    with pytest.raises(MessageUnfit):
        build_request(Request(Head(RequestType.INC_UPLOAD, "000999", "S1", datetime(2026, 10, 2)), Query("Q")))


def test_soap_faults_say_who_is_to_blame():
    fault = b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:%s</faultcode></s:Fault></s:Body></s:Envelope>'
    for code, by_us in ((b"Client", True), (b"Client.Authentication", True), (b"Server", False)):
        with pytest.raises(SoapFault) as caught:
            unwrap(fault % code)
        assert (caught.value.code, caught.value.by_us) == (code.decode(), by_us)
    with pytest.raises(MessageUnreadable):
        unwrap(b"<Envelope/>")


def test_every_documented_code_has_a_meaning_and_every_kind_its_messages():
    assert {code.value: code.meaning for code in ReplyCode} == {
        "0000": Meaning.GOOD, "05050100": Meaning.ALL_FAILED, "05050200": Meaning.PART_FAILED, "05160000": Meaning.WAIT, "05160314": Meaning.WAIT,
        "02100314": Meaning.DIFFERS, "02100306": Meaning.WAIT, "02100100": Meaning.WAIT}
    assert set(UPLOADS) == set(QUERIES) == {"HIS", "INC", "FAI", "DET"}
