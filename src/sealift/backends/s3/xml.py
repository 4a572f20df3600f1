"""Parse XML in replies. Tags lose their namespace, because some services send none."""

from typing import TYPE_CHECKING

from ...wire import Response
from ...wire.lenient_xml import parse_xml

if TYPE_CHECKING:
    from xml.etree import ElementTree as ET

__all__ = ["NAMESPACE", "children", "fields", "local_name", "parse"]

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def parse(reply: Response) -> "ET.Element | None":
    """The root element of a reply's body; None: the body is not XML."""
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - 4 ms; a download of one object reads no XML

    try:
        return parse_xml(reply.body)  # the service sends white space while it works, to keep the connection alive
    except ET.ParseError:
        return None


def local_name(element: "ET.Element") -> str:
    """The tag of an element, without its namespace."""
    return element.tag.rpartition("}")[2]


def children(element: "ET.Element | None") -> dict[str, str]:
    """The text of an element's children by tag."""
    return {} if element is None else {local_name(child): child.text or "" for child in element}


def fields(reply: Response) -> dict[str, str]:
    """The text of the root element's children by tag; empty if the body is not XML."""
    return children(parse(reply))
