"""Replies to DeleteObjects."""

from xml.sax.saxutils import escape

import pytest

from sealift.backends.s3.delete_objects import parse_delete_result
from sealift.errors import AccessDenied, ServiceError
from sealift.wire import Response
from tests.unit.backends.s3.responses import NAMESPACE, failure, response


def deletion(*errors: tuple[str, str], space: str = NAMESPACE) -> Response:
    failed = "".join(
        f"<Error><Key>{escape(key)}</Key><Code>{code}</Code><Message>No.</Message></Error>" for key, code in errors
    )
    return response(200, f"<DeleteResult{space}><Deleted><Key>x</Key></Deleted>{failed}</DeleteResult>".encode())


@pytest.mark.parametrize("space", ["", NAMESPACE])
@pytest.mark.parametrize("errors", [[], [("k", "NoSuchKey")], [("k", "NoSuchVersion"), ("l", "NoSuchKey")]])
def test_missing_objects_count_as_deleted(errors: list[tuple[str, str]], space: str) -> None:
    assert parse_delete_result(deletion(*errors, space=space)) == []


def test_objects_that_were_not_deleted() -> None:
    reply = deletion(("gone", "NoSuchKey"), ("k", "AccessDenied"), ("a<b", "InternalError"))
    first, second = parse_delete_result(reply)
    assert (first.key, first.reason) == ("k", "not deleted")
    assert isinstance(first.error, AccessDenied)
    assert "no permission to delete 'k'" in str(first.error)
    assert second.key == "a<b"
    assert isinstance(second.error, ServiceError)
    assert str(second.error) == "'a<b' was not deleted: InternalError: No."
    assert second.error.retryable


@pytest.mark.parametrize("body", [b"", b"<html>", b"<ListBucketResult/>"])
def test_another_reply_is_an_error(body: bytes) -> None:
    for reply in (response(200, body), failure(200, "InternalError")):
        with pytest.raises(ServiceError):
            parse_delete_result(reply)
