"""SOAP 1.1 around a PDL message: one operation that takes the XML as text and answers with XML as text.

That the messages travel by SOAP is known (E); operation, argument and namespace are not, so they are settings.
"""

from __future__ import annotations

from dataclasses import dataclass

from etl.submission.registry.errors import MessageUnreadable
from etl.submission.registry.messages import safe_xml

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"


@dataclass(frozen=True)
class SoapNames:
    """What the platform's WSDL calls its operation and its one argument."""

    namespace: str = "urn:registry:exchange"
    operation: str = "exchange"
    argument: str = "message"


class SoapFault(Exception):
    """The platform's SOAP layer failed. `by_us`: it blames the request (faultcode Client), so asking again is no use."""

    def __init__(self, code: str, by_us: bool) -> None:
        self.code, self.by_us = code, by_us
        super().__init__(code)


def wrap(message: bytes, names: SoapNames) -> bytes:
    """The envelope for a message."""
    from lxml import etree

    envelope = etree.Element(f"{{{ENVELOPE}}}Envelope", nsmap={"soapenv": ENVELOPE, "r": names.namespace})
    body = etree.SubElement(envelope, f"{{{ENVELOPE}}}Body")
    call = etree.SubElement(body, f"{{{names.namespace}}}{names.operation}")
    etree.SubElement(call, f"{{{names.namespace}}}{names.argument}").text = message.decode("utf-8")
    return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")


def unwrap(data: bytes) -> bytes:
    """The message in an answer's envelope. Raises SoapFault, MessageUnreadable."""
    root = safe_xml(data)
    body = root.find(f"{{{ENVELOPE}}}Body")
    if root.tag != f"{{{ENVELOPE}}}Envelope" or body is None or len(body) != 1:
        raise MessageUnreadable(problem_zh="不是 SOAP 1.1 信封", problem_en="it is not a SOAP 1.1 envelope")
    answer = body[0]
    if answer.tag == f"{{{ENVELOPE}}}Fault":
        code = (answer.findtext("faultcode") or "").strip().rpartition(":")[2]
        raise SoapFault(code[:40] if code.replace(".", "").isalnum() else "?", code.split(".")[0] == "Client")
    texts = [element.text for element in answer.iter() if len(element) == 0 and element.text and element.text.strip()]
    if len(texts) != 1:
        raise MessageUnreadable(problem_zh="信封中应有且只有一个报文", problem_en="the envelope should hold one message and nothing else")
    # The text carries its own XML declaration, which names UTF-8.
    return texts[0].strip().encode("utf-8")
