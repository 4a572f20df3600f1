"""What a file is called: by the path of its URL, else by Content-Disposition; never more than a file's name. Pure."""

import re
import unicodedata
from contextlib import suppress
from urllib.parse import unquote, unquote_to_bytes

from ...keys.paths import STATE_DIRECTORY

__all__ = ["of_disposition", "of_path"]

_PARAMETER = re.compile(r";\s*([\w!#$&+.^`|~*-]+)\s*=\s*(\"(?:[^\"\\]|\\.)*\"|[^;\"]*)", re.ASCII)
_EXTENDED = re.compile(r"(utf-8|iso-8859-1)'[^']*'(.*)", re.ASCII | re.IGNORECASE)


def of_path(path: str) -> str | None:
    """The name at the end of a URL's path; None: it has none that a file can have.

    Args:
        path: Percent-encoded.

    Example:
        >>> of_path("models/my%20model.onnx")
        'my model.onnx'
    """
    segment = path.rpartition("/")[2]
    try:
        return _safe(unquote(segment, errors="strict"))
    except UnicodeDecodeError:  # not UTF-8; the encoded text is a name too
        return _safe(segment)


def of_disposition(header: str) -> str | None:
    """The name in a Content-Disposition; None: there is none that a file can have.

    Args:
        header: Its value, as latin-1. https://www.rfc-editor.org/rfc/rfc6266#section-4

    Example:
        >>> of_disposition("attachment; filename=model.onnx; filename*=UTF-8''mod%C3%A8le.onnx")
        'modèle.onnx'
    """
    told: dict[str, str] = {}
    for name, value in _PARAMETER.findall(header):
        told.setdefault(name.lower(), value)
    extended = _EXTENDED.fullmatch(told.get("filename*", "").strip('"'))
    if extended is not None:
        try:
            found = _safe(unquote_to_bytes(extended[2]).decode(extended[1]))
        except UnicodeDecodeError:
            found = None
        if found is not None:
            return found
    plain = told.get("filename", "")
    if plain.startswith('"'):
        plain = re.sub(r'\\(["\\])', r"\1", plain[1:-1])
    with suppress(UnicodeDecodeError):
        plain = plain.encode("latin-1").decode()  # what servers send, whatever the RFC says
    return _safe(plain)


def _safe(name: str) -> str | None:
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(each for each in last if unicodedata.category(each) not in {"Cc", "Cs"}).strip()
    return None if kept in {"", ".", "..", STATE_DIRECTORY} else kept
