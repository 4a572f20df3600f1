"""What S3 answers, and what is made of it."""

import base64
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.backends.s3 import replies
from sealift.errors import AccessDenied, IntegrityError, ModelMissingError, ObjectChanged, ServiceError, StorageError
from sealift.wire import Response

NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def response(status: int, body: bytes = b"", **headers: str) -> Response:
    pairs = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Response(status, pairs, body)


def failure(status: int, code: str = "", message: str = "", **headers: str) -> Response:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    return response(status, body if code else b"", **headers)


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
    error = replies.error(failure(status, code, "Some text"), bucket="models", key=key)
    assert type(error) is kind
    assert (error.status, error.code) == (status, code or None)
    assert error.retryable is retryable
    assert error.retry_after is None


def test_a_missing_object_without_a_body() -> None:
    error = replies.error(response(404), bucket="models", key="iris")
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
    text = str(replies.error(reply, bucket="models", key=key))
    assert all(part in text for part in parts), text


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", None)])
def test_retry_after(header: str, seconds: float | None) -> None:
    error = replies.error(failure(503, "SlowDown", retry_after=header), bucket="b", key="k")
    assert error.retry_after == seconds


def test_errors_with_a_namespace() -> None:
    body = f"<Error{NAMESPACE}><Code>NoSuchBucket</Code></Error>".encode()
    assert replies.error(response(404, body), bucket="b", key=None).code == "NoSuchBucket"


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
def test_the_region_that_a_reply_names(reply: Response, region: str | None) -> None:
    assert replies.region_told(reply) == region


def listing(
    entries: list[tuple[str, int, str]], *, space: str = NAMESPACE, encoding: str = "url", token: str | None = None
) -> bytes:
    encode = quote_plus if encoding == "url" else str
    contents = "".join(
        f"<Contents><Key>{escape(encode(key))}</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified>"
        f"<ETag>{escape(tag)}</ETag><Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for key, size, tag in entries
    )
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    told = "<EncodingType>url</EncodingType>" if encoding == "url" else ""
    return (
        f"<?xml version='1.0' encoding='UTF-8'?>\n<ListBucketResult{space}><Name>b</Name>{told}"
        f"{more or '<IsTruncated>false</IsTruncated>'}{contents}</ListBucketResult>"
    ).encode()


@pytest.mark.parametrize("space", ["", NAMESPACE])
@pytest.mark.parametrize("encoding", ["", "url"])
@pytest.mark.parametrize("tag", ['"abc"', "abc", "&quot;abc&quot;"])
def test_a_page(space: str, encoding: str, tag: str) -> None:
    body = listing([("a b+c", 3, "TAG"), ("empty", 0, "TAG")], space=space, encoding=encoding).replace(
        b"TAG", tag.encode()
    )
    found, token = replies.page(body)
    assert token is None
    assert [(obj.key, obj.size) for obj in found] == [("a b+c", 3), ("empty", 0)]
    assert {(obj.version, obj.etag) for obj in found} == {('"abc"', '"abc"')}
    assert found[0].modified == datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), max_size=5))
def test_url_encoded_keys_come_back(keys: list[str]) -> None:
    found, _ = replies.page(listing([(key, 1, '"x"') for key in keys]))
    assert [obj.key for obj in found] == keys


def test_what_looks_encoded_but_is_not() -> None:
    found, _ = replies.page(listing([("a%20b+c", 1, '"x"')], encoding=""))
    assert found[0].key == "a%20b+c"


def test_the_next_page() -> None:
    found, token = replies.page(listing([("a", 1, '"x"')], token="1/more+="))
    assert (len(found), token) == (1, "1/more+=")
    assert replies.page(listing([])) == ([], None)


def test_an_entry_without_a_version() -> None:
    body = b"<ListBucketResult><Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>"
    (obj,), _ = replies.page(body)
    assert (obj.version, obj.etag, obj.modified) == (None, None, None)
    body = b"<ListBucketResult><Contents><Key>a</Key><Size>1</Size><ETag></ETag></Contents></ListBucketResult>"
    assert replies.page(body)[0][0].version is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"<ListBucketResult>"])
def test_a_broken_page_may_be_asked_for_again(body: bytes) -> None:
    with pytest.raises(ServiceError, match="not XML") as caught:
        replies.page(body)
    assert caught.value.retryable


def test_a_page_that_goes_on_nowhere() -> None:
    body = b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"
    with pytest.raises(ServiceError, match="truncated, but has no continuation token"):
        replies.page(body)


def encoded(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, {}),
        ({"x_amz_checksum_crc64nvme": encoded("ae8b14860a799888")}, {"crc64nvme": "ae8b14860a799888"}),
        ({"x_amz_checksum_crc32c": encoded("e3069283")}, {"crc32c": "e3069283"}),
        (
            {"x_amz_checksum_crc32": encoded("cbf43926"), "x_amz_checksum_sha256": encoded("00" * 32)},
            {"crc32": "cbf43926", "sha256": "00" * 32},
        ),
        ({"x_amz_checksum_crc32": encoded("cbf43926"), "x_amz_checksum_type": "FULL_OBJECT"}, {"crc32": "cbf43926"}),
        ({"x_amz_checksum_crc32": encoded("cbf43926"), "x_amz_checksum_type": "COMPOSITE"}, {}),
        ({"x_amz_checksum_crc32": encoded("cbf43926") + "-3"}, {}),
        ({"x_amz_checksum_crc32": "not base64!"}, {}),
        (
            {
                "etag": '"abc-2"',
                "x_amz_checksum_crc64nvme": encoded("ae8b14860a799888"),
                "x_amz_checksum_type": "FULL_OBJECT",
            },
            {"crc64nvme": "ae8b14860a799888"},
        ),
        ({"etag": '"abc-2"', "x_amz_checksum_sha256": encoded("00" * 32)}, {}),
        ({"x_amz_checksum_new": "AAAA"}, {}),
    ],
)
def test_checksums_of_whole_objects(headers: dict[str, Any], found: dict[str, str]) -> None:
    assert replies.checksums(response(200, **headers)) == found


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("", {}),
        ("<ChecksumCRC64NVME>{crc}</ChecksumCRC64NVME>", {}),  # of what, it does not say
        ("<ChecksumCRC64NVME>{crc}</ChecksumCRC64NVME><ChecksumType>COMPOSITE</ChecksumType>", {}),
        (
            "<ChecksumCRC64NVME>{crc}</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType>",
            {"crc64nvme": "ae8b14860a799888"},
        ),
        ("<ChecksumCRC64NVME>no!</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType>", {}),
        ("<ChecksumCRC64NVME>{crc}-2</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType>", {}),
    ],
)
def test_checksums_at_the_end_of_an_upload(told: str, found: dict[str, str]) -> None:
    told = told.format(crc=encoded("ae8b14860a799888"))
    body = f"<CompleteMultipartUploadResult{NAMESPACE}><ETag>x</ETag>{told}</CompleteMultipartUploadResult>"
    assert replies.completed(response(200, body.encode())) == found


def test_the_head_of_an_object() -> None:
    obj = replies.object_info(
        "iris",
        response(
            200,
            content_length="12",
            etag='"abc"',
            last_modified="Wed, 21 Oct 2015 07:28:00 GMT",
            content_type="application/x-model",
            x_amz_meta_owner="me",
            x_amz_checksum_crc32=encoded("cbf43926"),
        ),
    )
    assert (obj.key, obj.size, obj.version, obj.etag) == ("iris", 12, '"abc"', '"abc"')
    assert obj.modified == datetime(2015, 10, 21, 7, 28, tzinfo=UTC)
    assert obj.content_type == "application/x-model"
    assert obj.metadata == {"owner": "me"}
    assert obj.checksums == {"crc32": "cbf43926"}
    bare: Any = replies.object_info("iris", response(200))
    assert (bare.size, bare.version, bare.modified) == (None, None, None)


@pytest.mark.parametrize(
    ("tag", "quoted"),
    [('"a"', '"a"'), ("a", '"a"'), ('W/"a"', 'W/"a"'), ("", ""), (None, None)],
)
def test_tags_are_kept_quoted(tag: str | None, quoted: str | None) -> None:
    assert replies.quoted(tag) == quoted


def test_a_listing_with_half_an_entry_is_an_error() -> None:
    with pytest.raises(ServiceError, match="without a key or a size"):
        replies.page(b"<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>")


@pytest.mark.parametrize("space", ["", NAMESPACE])
@pytest.mark.parametrize("before", ["", "<?xml version='1.0' encoding='UTF-8'?>", " \n  <?xml version='1.0'?>   \n"])
def test_a_field_of_a_reply(space: str, before: str) -> None:
    """Whitespace keeps a connection alive while the service is at work."""
    body = (
        f"{before}<CopyObjectResult{space}><LastModified>x</LastModified><ETag>&quot;a&quot;</ETag></CopyObjectResult>"
    )
    assert replies.field(response(200, body.encode()), "ETag") == '"a"'


@pytest.mark.parametrize(
    ("code", "retryable"),
    [("InternalError", True), ("SlowDown", True), ("AccessDenied", False), ("InvalidPart", False)],
)
def test_a_failure_in_a_reply_of_success(code: str, retryable: bool) -> None:
    for body in (failure(200, code, "Some text").body, b"  \n" + failure(200, code, "Some text").body):
        with pytest.raises(ServiceError, match=f"the service answered 200 {code}: Some text") as caught:
            replies.field(response(200, body), "ETag")
        assert (caught.value.status, caught.value.code, caught.value.retryable) == (200, code, retryable)


@pytest.mark.parametrize("body", [b"", b"<html>", b"<R/>", b"<R><Other>x</Other></R>", b"<R><ETag></ETag></R>"])
def test_a_reply_without_the_field_may_be_asked_for_again(body: bytes) -> None:
    with pytest.raises(ServiceError, match="answered 200, but without ETag") as caught:
        replies.field(response(200, body), "ETag")
    assert caught.value.retryable


def deletion(*errors: tuple[str, str], space: str = NAMESPACE) -> Response:
    failed = "".join(
        f"<Error><Key>{escape(key)}</Key><Code>{code}</Code><Message>No.</Message></Error>" for key, code in errors
    )
    return response(200, f"<DeleteResult{space}><Deleted><Key>x</Key></Deleted>{failed}</DeleteResult>".encode())


@pytest.mark.parametrize("space", ["", NAMESPACE])
@pytest.mark.parametrize("errors", [[], [("k", "NoSuchKey")], [("k", "NoSuchVersion"), ("l", "NoSuchKey")]])
def test_what_is_not_there_counts_as_deleted(errors: list[tuple[str, str]], space: str) -> None:
    assert replies.undeleted(deletion(*errors, space=space)) == []


def test_what_was_not_deleted() -> None:
    reply = deletion(("gone", "NoSuchKey"), ("k", "AccessDenied"), ("a<b", "InternalError"))
    first, second = replies.undeleted(reply)
    assert (first.key, first.reason) == ("k", "not deleted")
    assert isinstance(first.error, AccessDenied)
    assert "no permission to delete 'k'" in str(first.error)
    assert second.key == "a<b"
    assert isinstance(second.error, ServiceError)
    assert str(second.error) == "'a<b' was not deleted: InternalError: No."
    assert second.error.retryable


@pytest.mark.parametrize("body", [b"", b"<html>", b"<ListBucketResult/>"])
def test_a_deletion_that_is_answered_by_something_else_is_no_success(body: bytes) -> None:
    for reply in (response(200, body), failure(200, "InternalError")):
        with pytest.raises(ServiceError):
            replies.undeleted(reply)


def part_list(body: str, space: str = NAMESPACE) -> Response:
    return response(200, f"<ListPartsResult{space}>{body}</ListPartsResult>".encode())


@pytest.mark.parametrize("space", ["", NAMESPACE])
def test_parts(space: str) -> None:
    """As in API_ListParts.html; other services leave out quotes and checksums."""
    body = (
        "<Bucket>b</Bucket><PartNumberMarker>1</PartNumberMarker><NextPartNumberMarker>3</NextPartNumberMarker>"
        "<IsTruncated>true</IsTruncated>"
        '<Part><PartNumber>2</PartNumber><LastModified>2010-11-10T20:48:34.000Z</LastModified><ETag>"7778"</ETag>'
        "<Size>10485760</Size><ChecksumCRC64NVME>AAAAAAAAAAE=</ChecksumCRC64NVME><ChecksumSHA256>?</ChecksumSHA256></Part>"
        "<Part><PartNumber>3</PartNumber><ETag>aaaa</ETag><Size>1</Size></Part>"
        "<Part><PartNumber>4</PartNumber><Size>1</Size></Part><Part><PartNumber>x</PartNumber></Part>"
    )
    found, following = replies.parts(part_list(body, space))
    assert found == {2: (10485760, '"7778"', {"crc64nvme": "0000000000000001"}), 3: (1, '"aaaa"', {})}
    assert following == "3"


def test_the_last_page_of_parts() -> None:
    assert replies.parts(part_list("<IsTruncated>false</IsTruncated>")) == ({}, None)
    assert replies.parts(part_list("<NextPartNumberMarker>0</NextPartNumberMarker>")) == ({}, None)


@pytest.mark.parametrize(
    "reply",
    [
        response(200, b""),
        response(200, b"<html>"),
        response(200, b"<ListBucketResult/>"),
        part_list("<IsTruncated>true</IsTruncated>"),
        part_list("<IsTruncated>true</IsTruncated><NextPartNumberMarker>x</NextPartNumberMarker>"),
    ],
    ids=range(5),
)
def test_what_is_no_list_of_parts(reply: Response) -> None:
    with pytest.raises(ServiceError):
        replies.parts(reply)


MD5 = "0123456789abcdef0123456789abcdef"
CRC64 = {"x_amz_checksum_crc64nvme": "rosUhgp5mIg="}


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"etag": f'"{MD5}"'}, {"md5": MD5}),
        ({"etag": MD5}, {"md5": MD5}),
        ({"etag": f'"{MD5}"', "x_amz_server_side_encryption": "AES256"}, {"md5": MD5}),
        ({"etag": f'"{MD5}"', "x_amz_server_side_encryption": "aws:kms"}, {}),
        ({"etag": f'"{MD5}"', "x_amz_server_side_encryption_aws_kms_key_id": "arn:…"}, {}),
        ({"etag": f'"{MD5}"', "x_amz_server_side_encryption_customer_algorithm": "AES256"}, {}),
        ({"etag": f'"{MD5}"', **CRC64}, {"crc64nvme": "ae8b14860a799888"}),
        ({"etag": f'"{MD5}-1"'}, {}),
        ({"etag": f'W/"{MD5}"'}, {}),
        ({"etag": f'"{MD5.upper()}"'}, {}),
        ({"etag": '"63b-5f1"'}, {}),
        ({}, {}),
    ],
)
def test_a_tag_that_is_a_checksum(headers: dict[str, str], found: dict[str, str]) -> None:
    sent = {name: value.replace("…", "kms") for name, value in headers.items()}
    assert replies.whole(response(200, **sent)) == found
    assert replies.object_info("k", response(200, **sent)).checksums == found


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({"x_amz_checksum_crc32": "y/Q5Jg==-2", "x_amz_checksum_type": "COMPOSITE"}, True),
        ({"x_amz_checksum_crc32": "y/Q5Jg==", "x_amz_checksum_type": "COMPOSITE"}, True),
        ({"x_amz_checksum_sha256": "y/Q5Jg==-2", "x_amz_checksum_type": "COMPOSITE"}, True),
        ({"x_amz_checksum_sha3": "y/Q5Jg==-2", "x_amz_checksum_type": "COMPOSITE"}, False),
        ({"x_amz_checksum_crc32": "y/Q5Jg==", "x_amz_checksum_type": "FULL_OBJECT"}, False),
        ({"x_amz_checksum_crc32": "y/Q5Jg==-2"}, False),
        ({}, False),
    ],
)
def test_checksums_of_parts(headers: dict[str, str], answer: bool) -> None:
    assert replies.composite(response(200, **headers)) is answer
    assert replies.object_info("k", response(200, **headers)).composite is answer


@pytest.mark.parametrize(
    ("fields", "headers", "found"),
    [
        (f"<ETag>&quot;{MD5}&quot;</ETag>", {}, {"md5": MD5}),
        (f"<ETag>&quot;{MD5}&quot;</ETag>", {"x_amz_server_side_encryption": "aws:kms"}, {}),
        ("<ETag>a</ETag><ChecksumCRC32>y/Q5Jg==</ChecksumCRC32>", {}, {"crc32": "cbf43926"}),
        (
            "<ETag>a</ETag><ChecksumCRC32>y/Q5Jg==</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType>",
            {},
            {"crc32": "cbf43926"},
        ),
        ("<ETag>a</ETag><ChecksumCRC32>y/Q5Jg==</ChecksumCRC32><ChecksumType>COMPOSITE</ChecksumType>", {}, {}),
        ("<ETag>a-2</ETag><ChecksumCRC32>y/Q5Jg==</ChecksumCRC32>", {}, {}),
    ],
)
def test_what_a_copy_tells(fields: str, headers: dict[str, str], found: dict[str, str]) -> None:
    body = f"<CopyObjectResult{NAMESPACE}>{fields}</CopyObjectResult>".encode()
    assert replies.copied(response(200, body, **headers)) == found
