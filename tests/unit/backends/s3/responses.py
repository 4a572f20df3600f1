"""Build replies of S3 for tests."""

import base64

from sealift.wire import Response

NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def response(status: int, body: bytes = b"", **headers: str) -> Response:
    pairs = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Response(status, pairs, body)


def failure(status: int, code: str = "", message: str = "", **headers: str) -> Response:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    return response(status, body if code else b"", **headers)


def encoded(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()
