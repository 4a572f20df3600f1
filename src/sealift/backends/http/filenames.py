"""File names from URL paths and Content-Disposition headers; never with a directory. No I/O."""

import re
import unicodedata
from contextlib import suppress
from urllib.parse import unquote, unquote_to_bytes

from ...keys.paths import is_work_directory

__all__ = ["has_extension", "of_disposition", "of_path"]

_PARAMETER = re.compile(r";\s*([\w!#$&+.^`|~*-]+)\s*=\s*(\"(?:[^\"\\]|\\.)*\"|[^;\"]*)", re.ASCII)
# A number is a version rather than an extension, as in "v1.5".
_EXTENSION = re.compile(r".+\.(?=[0-9]*[A-Za-z])([0-9A-Za-z_]{1,16})")
# A program that sends the file.
_PROGRAMS = {"php", "asp", "aspx", "ashx", "cgi", "jsp", "do", "pl", "dll"}
_EXTENDED = re.compile(r"(utf-8|iso-8859-1)'[^']*'(.*)", re.ASCII | re.IGNORECASE)


def of_path(path: str) -> str | None:
    """Return the file name at the end of a URL path; None if it has no valid one.

    Args:
        path: The path, percent-encoded.

    Example:
        >>> of_path("models/my%20model.onnx")
        'my model.onnx'
    """
    segment = path.rpartition("/")[2]
    try:
        return _safe(unquote(segment, errors="strict"))
    except UnicodeDecodeError:  # not UTF-8: use the encoded text
        return _safe(segment)


def has_extension(name: str) -> bool:
    """Whether a name at the end of a URL path is that of a file, and not of an action or an id.

    Example:
        >>> [has_extension(name) for name in ("model.onnx", "content", "126688", "download.php")]
        [True, False, False, False]
    """
    matched = _EXTENSION.fullmatch(name)
    return matched is not None and matched[1].lower() not in _PROGRAMS


def of_disposition(header: str) -> str | None:
    """Return the file name in a Content-Disposition header; None if it has no valid one.

    Args:
        header: The header's value, as latin-1. https://www.rfc-editor.org/rfc/rfc6266#section-4

    Example:
        >>> of_disposition("attachment; filename=model.onnx; filename*=UTF-8''mod%C3%A8le.onnx")
        'modèle.onnx'
    """
    parameters: dict[str, str] = {}
    for name, value in _PARAMETER.findall(header):
        parameters.setdefault(name.lower(), value)
    extended = _EXTENDED.fullmatch(parameters.get("filename*", "").strip('"'))
    if extended is not None:
        with suppress(UnicodeDecodeError):
            if (filename := _safe(unquote_to_bytes(extended[2]).decode(extended[1]))) is not None:
                return filename
    plain = parameters.get("filename", "")
    if plain.startswith('"'):
        plain = re.sub(r'\\(["\\])', r"\1", plain[1:-1])
    with suppress(UnicodeDecodeError):
        plain = plain.encode("latin-1").decode()  # servers send UTF-8, contrary to the RFC
    return _safe(plain)


def _safe(name: str) -> str | None:
    """Remove directories and control characters; None if no valid name is left."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(each for each in last if unicodedata.category(each) not in {"Cc", "Cs"}).strip()
    return None if kept in {"", ".", ".."} or is_work_directory(kept) else kept
