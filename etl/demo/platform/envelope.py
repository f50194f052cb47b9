"""The stand-in's own XML: SOAP and PDL taken apart and put together with the standard library."""

from __future__ import annotations

import time
from xml.etree import ElementTree
from xml.sax.saxutils import escape

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
NAMESPACE = "urn:registry:exchange"
HEAD = ("RequestType", "CompanyCode", "SerialNo", "TimeStamp", "DataType")
REPLY = ("Status", "Msg", "QueryNo", "DataStatus", "ErrInfoPath", "ErrRatio")
ITEM = ("TableName", "FieldName", "CheckType", "Value", "PDLValue")
WSDL = f"""<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"
  xmlns:r="{NAMESPACE}" targetNamespace="{NAMESPACE}">
  <types><xsd:schema targetNamespace="{NAMESPACE}" elementFormDefault="qualified">
    <xsd:element name="exchange"><xsd:complexType><xsd:sequence><xsd:element name="message" type="xsd:string"/></xsd:sequence></xsd:complexType></xsd:element>
    <xsd:element name="exchangeResponse"><xsd:complexType><xsd:sequence><xsd:element name="return" type="xsd:string"/></xsd:sequence></xsd:complexType></xsd:element>
  </xsd:schema></types>
  <message name="ask"><part name="parameters" element="r:exchange"/></message>
  <message name="answer"><part name="parameters" element="r:exchangeResponse"/></message>
  <portType name="Registry"><operation name="exchange"><input message="r:ask"/><output message="r:answer"/></operation></portType>
  <binding name="RegistrySoap" type="r:Registry"><soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="exchange"><soap:operation soapAction="exchange"/><input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>
  </binding>
  <service name="Registry"><port name="RegistrySoap" binding="r:RegistrySoap"><soap:address location="{{address}}"/></port></service>
</definitions>
"""


class Unreadable(Exception):
    """The request is no SOAP envelope with a PDL in it."""


def take_apart(data: bytes) -> tuple[dict[str, str], dict]:
    """Head and body of the PDL in an envelope; the figures of a SummaryCheck stand under `Items`."""
    try:
        message = _root(data).find(f"{{{SOAP}}}Body/{{{NAMESPACE}}}exchange/{{{NAMESPACE}}}message")
        if message is None or not message.text:
            raise Unreadable
        pdl = _root(message.text.strip().encode("utf-8"))
    except ElementTree.ParseError:
        raise Unreadable from None
    head, body = pdl.find("PDL-Head"), pdl.find("PDL-Body")
    if pdl.tag != "PDL" or head is None or body is None:
        raise Unreadable
    values: dict = {element.tag: element.text or "" for element in body if element.tag != "KPISet"}
    values["Items"] = [{name: item.findtext(name) or "" for name in ITEM} for item in body.findall("KPISet/Item")]
    return {name: head.findtext(name) or "" for name in HEAD}, values


def put_together(head: dict[str, str], reply: dict) -> bytes:
    """The envelope that answers a message with that head."""
    head = {**head, "TimeStamp": time.strftime("%Y%m%d%H%M%S")}
    parts = ['<?xml version="1.0" encoding="UTF-8"?>', "<PDL><PDL-Head>", *(_element(name, head.get(name, "")) for name in HEAD), "</PDL-Head><PDL-Body>"]
    parts += [_element(name, str(reply.get(name, ""))) for name in REPLY]
    if "Items" in reply:
        parts += ["<KPIResultSet>", *("<Item>" + "".join(_element(n, item[n]) for n in ITEM) + "</Item>" for item in reply["Items"]), "</KPIResultSet>"]
    text = escape("".join([*parts, "</PDL-Body></PDL>"]))
    return (f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{SOAP}"><s:Body><r:exchangeResponse xmlns:r="{NAMESPACE}">'
            f"<r:return>{text}</r:return></r:exchangeResponse></s:Body></s:Envelope>").encode()


def fault(code: str) -> bytes:
    """A SOAP fault; `code` is Client or Server."""
    return (f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{SOAP}"><s:Body><s:Fault><faultcode>s:{code}</faultcode>'
            "<faultstring>stand-in</faultstring></s:Fault></s:Body></s:Envelope>").encode()


def _root(data: bytes) -> ElementTree.Element:
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise Unreadable
    return ElementTree.fromstring(data)


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"
