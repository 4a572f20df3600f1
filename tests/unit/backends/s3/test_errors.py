"""Errors in S3 replies."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from sealift.backends.s3.errors import bucket_region, clock_offset, reply_error, required_field
from sealift.errors import (
    AccessDenied,
    IntegrityError,
    ModelMissingError,
    ObjectChanged,
    ServiceError,
    StorageError,
    UnsupportedOperation,
)
from sealift.wire import Origin, Request, Response
from tests.unit.backends.s3.responses import NAMESPACE, failure, response


@pytest.mark.parametrize("key", ["iris/model.bin", None])
@pytest.mark.parametrize(
    ("status", "code", "kind", "retryable"),
    [
        (404, "NoSuchBucket", ModelMissingError, False),
        (404, "NoSuchKey", ModelMissingError, False),
        (404, "NoSuchUpload", ServiceError, False),
        (403, "AccessDenied", AccessDenied, False),
        (403, "", AccessDenied, False),
        (401, "", AccessDenied, False),
        (403, "SignatureDoesNotMatch", AccessDenied, False),
        (403, "InvalidAccessKeyId", AccessDenied, False),
        (400, "ExpiredToken", AccessDenied, False),
        (400, "InvalidToken", AccessDenied, False),
        (403, "RequestTimeTooSkewed", AccessDenied, False),
        (412, "PreconditionFailed", ObjectChanged, False),
        (416, "InvalidRange", ObjectChanged, False),
        (400, "InvalidRequest", ServiceError, False),
        (403, "InvalidObjectState", UnsupportedOperation, False),
        (403, "ObjectNotInActiveTierError", UnsupportedOperation, False),
        (501, "NotImplemented", ServiceError, False),
        (501, "", ServiceError, False),
        (505, "", ServiceError, False),
        (400, "RequestTimeout", ServiceError, True),
        (400, "BadDigest", IntegrityError, True),
        (400, "XAmzContentChecksumMismatch", IntegrityError, True),
        (301, "PermanentRedirect", ServiceError, False),
        (405, "MethodNotAllowed", ServiceError, False),
        (408, "", ServiceError, True),
        (409, "OperationAborted", ServiceError, True),
        (409, "BucketAlreadyExists", ServiceError, False),
        (429, "", ServiceError, True),
        (500, "InternalError", ServiceError, True),
        (500, "", ServiceError, True),
        (502, "", ServiceError, True),
        (503, "SlowDown", ServiceError, True),
        (503, "ServiceUnavailable", ServiceError, True),
        (504, "", ServiceError, True),
    ],
)
def test_errors(status: int, code: str, kind: type[StorageError], retryable: bool, key: str | None) -> None:
    error = reply_error(failure(status, code, "Some text"), bucket="models", key=key)
    assert type(error) is kind
    assert (error.status, error.code) == (status, code or None)
    assert error.retryable is retryable
    assert error.retry_after is None


def test_a_missing_object_without_a_body() -> None:
    error = reply_error(response(404), bucket="models", key="iris")
    assert isinstance(error, ModelMissingError)
    assert str(error) == "there is no object 'iris'"


@pytest.mark.parametrize(
    ("reply", "key", "parts"),
    [
        (failure(404, "NoSuchBucket"), "k", ["there is no bucket 'models'", "check the bucket's name"]),
        (failure(403, "AccessDenied"), "k", ["no permission for the object 'k'", "the bucket's policy"]),
        (failure(403, "AccessDenied"), None, ["no permission for the bucket 'models'"]),
        (failure(403, "SignatureDoesNotMatch"), "k", ["the secret access key does not belong to the access key"]),
        (failure(403, "InvalidAccessKeyId"), "k", ["the access key does not exist"]),
        (failure(400, "ExpiredToken"), "k", ["the session token has expired"]),
        (failure(403, "RequestTimeTooSkewed"), "k", ["this machine's clock is wrong"]),
        (failure(412, "PreconditionFailed"), "k", ["the object 'k' was replaced"]),
        (failure(503, "SlowDown", "Please reduce"), "k", ["the service answered 503 SlowDown: Please reduce"]),
        (response(500, b"<html>not ours"), "k", ["the service answered 500"]),
        (response(500, b""), "k", ["the service answered 500"]),
    ],
)
def test_messages(reply: Response, key: str | None, parts: list[str]) -> None:
    text = str(reply_error(reply, bucket="models", key=key))
    assert all(part in text for part in parts), text


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", None)])
def test_retry_after(header: str, seconds: float | None) -> None:
    error = reply_error(failure(503, "SlowDown", retry_after=header), bucket="b", key="k")
    assert error.retry_after == seconds


def test_errors_with_a_namespace() -> None:
    body = f"<Error{NAMESPACE}><Code>NoSuchBucket</Code></Error>".encode()
    assert reply_error(response(404, body), bucket="b", key=None).code == "NoSuchBucket"


@pytest.mark.parametrize(
    ("reply", "region"),
    [
        (response(301, x_amz_bucket_region="eu-west-1"), "eu-west-1"),
        (response(307, x_amz_bucket_region="eu-west-1"), "eu-west-1"),
        (
            response(400, b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"),
            "eu-west-1",
        ),
        (response(403, x_amz_bucket_region="eu-west-1"), "eu-west-1"),
        (response(400, b"<Error><Code>InvalidRequest</Code></Error>"), None),
        (response(200, x_amz_bucket_region="eu-west-1"), None),
        (response(404, x_amz_bucket_region="eu-west-1"), None),
        (response(301, b"no xml"), None),
    ],
)
def test_the_region_in_a_reply(reply: Response, region: str | None) -> None:
    assert bucket_region(reply) == region


@pytest.mark.parametrize("space", ["", NAMESPACE])
@pytest.mark.parametrize("before", ["", "<?xml version='1.0' encoding='UTF-8'?>", " \n  <?xml version='1.0'?>   \n"])
def test_a_field_of_a_reply(space: str, before: str) -> None:
    """The service sends whitespace first, to keep the connection alive while it is working."""
    body = (
        f"{before}<CopyObjectResult{space}><LastModified>x</LastModified><ETag>&quot;a&quot;</ETag></CopyObjectResult>"
    )
    assert required_field(response(200, body.encode()), "ETag") == '"a"'


@pytest.mark.parametrize(
    ("code", "retryable"),
    [("InternalError", True), ("SlowDown", True), ("AccessDenied", False), ("InvalidPart", False)],
)
def test_an_error_in_a_reply_with_status_200(code: str, retryable: bool) -> None:
    for body in (failure(200, code, "Some text").body, b"  \n" + failure(200, code, "Some text").body):
        with pytest.raises(ServiceError, match=f"the service answered 200 {code}: Some text") as caught:
            required_field(response(200, body), "ETag")
        assert (caught.value.status, caught.value.code, caught.value.retryable) == (200, code, retryable)


@pytest.mark.parametrize("body", [b"", b"<html>", b"<R/>", b"<R><Other>x</Other></R>", b"<R><ETag></ETag></R>"])
def test_a_missing_field_is_retryable(body: bytes) -> None:
    with pytest.raises(ServiceError, match="answered 200, but without ETag") as caught:
        required_field(response(200, body), "ETag")
    assert caught.value.retryable


KMS = (
    "User: arn:aws:iam::1:user/mover is not authorized to perform: kms:GenerateDataKey on resource: "
    "arn:aws:kms:us-east-1:1:key/a"
)


def test_the_service_s_own_message() -> None:
    error = reply_error(failure(403, "AccessDenied", KMS), bucket="b", key="k")
    assert str(error).startswith(f"no permission for the object 'k': {KMS} (check the credentials")
    error = reply_error(failure(400, "KMS.DisabledException", "The key is disabled"), bucket="b", key="k")
    assert str(error) == "the service answered 400 KMS.DisabledException: The key is disabled"
    assert str(reply_error(failure(403, "AccessDenied", "Access Denied"), bucket="b", key="k")).startswith(
        "no permission for the object 'k' (check"
    )


def test_an_archived_object_has_its_storage_class() -> None:
    body = b"<Error><Code>InvalidObjectState</Code><StorageClass>GLACIER</StorageClass></Error>"
    error = reply_error(response(403, body), bucket="b", key="k")
    assert str(error) == "the object 'k' is archived in the storage class GLACIER (restore it first)"


def test_an_object_with_a_customer_key() -> None:
    message = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided."
    error = reply_error(failure(400, "InvalidRequest", message), bucket="b", key="k")
    assert message in str(error)
    assert "SSE-C" in str(error)


def test_the_ids_of_the_request() -> None:
    for reply in (
        failure(403, "AccessDenied", x_amz_request_id="R1", x_amz_id_2="H1"),
        response(404, x_amz_request_id="R1", x_amz_id_2="H1"),
        failure(503, "SlowDown", x_amz_request_id="R1", x_amz_id_2="H1"),
    ):
        error = reply_error(reply, bucket="b", key="k")
        assert error.request_ids == {"x-amz-request-id": "R1", "x-amz-id-2": "H1"}
        assert str(error).endswith(" [x-amz-request-id R1, x-amz-id-2 H1]")


@pytest.mark.parametrize(
    ("body", "sent", "hint"),
    [
        ("<Code>NotImplemented</Code>", {"x-amz-checksum-crc64nvme": "x"}, "S3Config(checksum=None)"),
        ("<Code>NotImplemented</Code>", {"x-amz-checksum-algorithm": "x"}, "S3Config(checksum=None)"),
        ("<Code>NotImplemented</Code>", {"x-amz-tagging": "a=b"}, "does not store tags"),
        ("<Code>NotImplemented</Code>", {"x-amz-date": "x"}, None),
        ("<Code>NotImplemented</Code>", {"x-amz-checksum-mode": "ENABLED"}, None),  # of a read, which has no setting
        (
            "<Code>NotImplemented</Code><Header>x-amz-tagging</Header>",
            {"x-amz-tagging": "a=b", "x-amz-checksum-crc64nvme": "x"},
            "does not store tags",
        ),
        (
            "<Code>NotImplemented</Code><Message>Header 'x-amz-tagging' is not implemented</Message>",
            {"x-amz-tagging": "a=b", "x-amz-checksum-crc64nvme": "x"},
            "does not store tags",
        ),
    ],
)
def test_what_a_service_has_not_implemented(body: str, sent: dict[str, str], hint: str | None) -> None:
    reply = response(501, f"<Error>{body}</Error>".encode())
    reply.request = Request("PUT", Origin("http", "h", 80), "/b/k", list(sent.items()))
    error = reply_error(reply, bucket="b", key="k")
    assert (error.hint is None) if hint is None else (hint in str(error))
    assert not error.retryable


def test_a_checksum_that_is_refused() -> None:
    reply = failure(400, "InvalidRequest", "x-amz-checksum-crc64nvme is not supported")
    reply.request = Request("PUT", Origin("http", "h", 80), "/b/k", [("x-amz-checksum-crc64nvme", "x")])
    assert "S3Config(checksum=None)" in str(reply_error(reply, bucket="b", key="k"))


@pytest.mark.parametrize("minutes", [-90, 90])
def test_a_wrong_clock(minutes: int) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    reply = failure(403, "RequestTimeTooSkewed", date=date)
    where = "behind" if minutes > 0 else "ahead of"
    text = str(reply_error(reply, bucket="b", key="k"))
    assert text == f"this machine's clock is wrong: it is 90 minutes {where} the service's (set the clock)"
    offset = clock_offset(reply)
    assert offset is not None
    assert abs(offset - timedelta(minutes=minutes)) < timedelta(minutes=1)
    assert clock_offset(response(403, date=date)) is not None  # the reply to a HEAD
    assert clock_offset(failure(403, "AccessDenied", date=date)) is None
    assert clock_offset(response(404, date=date)) is None
    now = format_datetime(datetime.now(UTC), usegmt=True)
    assert clock_offset(response(403, date=now)) is None
