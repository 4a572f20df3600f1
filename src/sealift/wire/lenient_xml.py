"""Parse XML that repeats names of objects with characters that XML 1.0 cannot represent.

Amazon writes a control character of a key as a reference, such as `&#x7;`; other services write the character itself. A
parser accepts neither: https://www.w3.org/TR/xml/#charsets
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree import ElementTree as ET

__all__ = ["parse_xml"]

# Control characters are replaced by noncharacters, of which there are just enough, while the text is parsed.
_FIRST = 0xFDD0
_BACK = {_FIRST + code: code for code in range(0x20)}
_REFERENCE = r"&#(?:x([0-9A-Fa-f]{1,6})|([0-9]{1,7}));|[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"
_REPLACEMENT = "\ufffd"


def parse_xml(body: bytes | str) -> "ET.Element":
    """Parse a document; control characters in its texts are allowed.

    Args:
        body: The document, perhaps with a byte order mark and white space around it.

    Returns:
        The root element.

    Raises:
        xml.etree.ElementTree.ParseError: It is not XML.
    """
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - 4 ms; a download of one object reads no XML

    if isinstance(body, bytes):
        body = body.removeprefix(b"\xef\xbb\xbf").strip()
    try:
        return ET.fromstring(body)  # noqa: S314 - expat bounds entity expansion since 2.4.1
    except ET.ParseError:
        text = body if isinstance(body, str) else body.decode(errors="replace")
        replaced = re.sub(_REFERENCE, _representable, text)
        if replaced == text or any(chr(code) in text for code in _BACK):
            raise
    root = ET.fromstring(replaced)  # noqa: S314 - as above
    for element in root.iter():
        element.text = element.text and element.text.translate(_BACK)
    return root


def _representable(match: re.Match[str]) -> str:
    hexadecimal, decimal = match.groups()
    reference = hexadecimal or decimal
    code = int(reference, 16 if hexadecimal else 10) if reference else ord(match[0])
    if code < 0x20 and code not in {0x09, 0x0A, 0x0D}:
        return chr(_FIRST + code)
    is_character = code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF
    return match[0] if is_character else _REPLACEMENT
