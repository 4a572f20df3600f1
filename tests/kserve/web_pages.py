"""The web server of the world."""

import gzip
from collections.abc import Mapping

from tests.kserve.archives import TAR, ZIP, tar
from tests.services.http_server import Asked, Reply, good

__all__ = ["LOGIN", "TOKEN", "served"]

TOKEN = "the-token-of-the-header"
LOGIN = ("Basic bWU6cEBzcw==", "me:p%40ss")
"""A header, and the user and the password that it stands for."""

_BINARY = "application/octet-stream"
_PAGE = b"<!doctype html><title>Please log in</title>"
_PAGES: Mapping[str, tuple[str, bytes]] = {
    "/m/model.joblib": (_BINARY, b"model"),
    "/m/model.tar.gz": ("application/gzip", TAR),
    "/m/model.tgz": ("application/x-gzip", TAR),
    "/m/model.tar": ("application/x-tar", tar("w:", model_bin=b"plain")),
    "/m/model.zip": ("application/zip", ZIP),
    "/m/typed.zip": (_BINARY, ZIP),
    "/m/my%20model.bin": (_BINARY, b"spaced"),
    "/m/%C3%BCn%C3%AF.bin": (_BINARY, b"unicode"),
    "/m/plus+model.bin": (_BINARY, b"plus"),
    "/m/empty.bin": (_BINARY, b""),
    "/m/params.json": ("application/json", b'{"a": 1}'),
    "/m/login": ("text/html", _PAGE),
    "/m/login.bin": ("text/html", _PAGE),
    "/m/broken.tar.gz": ("application/gzip", b"this is not an archive"),
    "/m/weights.bin.gz": (_BINARY, b"\x1f\x8b of gzip"),
    "/download": ("application/gzip", TAR),
    "/repo.git-mirror/model.bin": (_BINARY, b"not a repository"),
    "/m/": (_BINARY, b"without a name"),
}


# Other replies.
_REPLIES: Mapping[str, Reply] = {
    "/m/no-content.bin": Reply(204, framing="none"),
    "/m/forbidden.bin": Reply(403),
    "/m/broken-server.bin": Reply(500),
    "/m/moved.bin": Reply(302, headers={"Location": "/m/model.joblib"}),
    "/m/loop.bin": Reply(302, headers={"Location": "/m/loop.bin"}),
    "/m/short.bin": Reply(200, b"half of it, and the rest is missing", {"Content-Type": _BINARY}, sent=10),
    "/m/chunked.bin": Reply(200, b"chunked", {"Content-Type": _BINARY}, framing="chunked"),
    "/m/without-type.bin": Reply(200, b"weights"),
    "/m/encoded.bin": Reply(200, gzip.compress(b"weights"), {"Content-Type": _BINARY, "Content-Encoding": "gzip"}),
    # As Apache describes such files.
    "/m/labelled.tar.gz": Reply(200, TAR, {"Content-Type": "application/x-tar", "Content-Encoding": "gzip"}),
}


def served(asked: Asked) -> Reply:
    """Answer a request."""
    allowed = {
        "/m/guarded.bin": asked.headers.get("x-token") == TOKEN,
        "/m/private.bin": asked.headers.get("authorization") == LOGIN[0],
    }
    if asked.path in allowed:
        return good(asked, b"guarded", Content_Type=_BINARY) if allowed[asked.path] else Reply(401)
    if asked.path == "/m/get-only.bin":  # as a presigned URL
        return good(asked, b"guarded", Content_Type=_BINARY) if asked.method == "GET" else Reply(403)
    if asked.path in _REPLIES:
        return _REPLIES[asked.path]
    kind, data = _PAGES.get(asked.path, ("", b""))
    return good(asked, data, Content_Type=kind) if kind else Reply(404)
