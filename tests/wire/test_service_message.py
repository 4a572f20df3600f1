"""What is shown of an error response: its message, without secrets and of bounded length, and the request's IDs."""

import pytest

from sealift.errors import ServiceError
from sealift.wire import Origin, Request, Response
from sealift.wire.service_message import service_message, with_request_ids

SECRET = "c2VjcmV0LXNpZ25hdHVyZQ"


def response(status: int = 403, request: Request | None = None, **headers: str) -> Response:
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    found = Response(status, fields)
    found.request = request
    return found


def request(target: str = "/", **headers: str) -> Request:
    fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request("GET", Origin("https", "example.com", 443), target, fields)


@pytest.mark.parametrize("text", [None, "", "Access Denied", "Access Denied.", "forbidden", "  Bad\nRequest "])
def test_a_message_that_says_no_more_than_the_status_is_left_out(text: str | None) -> None:
    assert service_message(text, response()) == ""


@pytest.mark.parametrize(
    "text",
    [
        (
            "User: arn:aws:sts::111122223333:assumed-role/Reader0123456789/i-0123456789abcdef0 is not authorized to "
            "perform: kms:Decrypt on resource: arn:aws:kms:us-east-1:111122223333:key/1a2b3c4d-1234-1234-1234-1234"
        ),
        "The token is missing a scope",
        "Invalid JWT: token must be short-lived (60 minutes)",
        "Your request to access model owner/name is awaiting a review from the repo authors.",
    ],
)
def test_a_message_is_passed_on(text: str) -> None:
    assert service_message(text, response()) == text


def test_it_is_one_line_of_bounded_length() -> None:
    message = service_message("a\r\n\x1b[31mb\x9b\u202e " + "long " * 200, response())
    assert message.startswith("a [31mb long")
    assert message.isprintable()
    assert len(message) == 300


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (request(authorization=f"Bearer {SECRET}"), f"the token {SECRET} is wrong"),
        (request(authorization=f"AWS4-HMAC-SHA256 Credential=AKIA, Signature={SECRET}"), f"you sent {SECRET}!"),
        (request(x_amz_security_token=SECRET), f"<{SECRET}> is unknown"),
        (request(cookie=f"session={SECRET}"), f"session={SECRET}"),
        (request(x_amz_server_side_encryption_customer_key=SECRET), f"the key {SECRET}"),
        (request(x_goog_encryption_key=SECRET), f"the key {SECRET}"),
        (request(f"/b/k?sv=1&sig={SECRET}%3D"), f"signed with {SECRET}="),
        (request(f"/b/k?X-Amz-Signature={SECRET}"), f"signed with {SECRET}"),
        (request(f"/upload?upload_id={SECRET}"), f"the session {SECRET}"),
        (None, f"the URL https://example.com/b/k?sv=1&sig={SECRET}"),
        (None, f"query was sv=1&sig={SECRET}&se=2"),
        (None, f"X-Amz-Signature={SECRET}; x-amz-security-token={SECRET}"),
        (None, f"Authorization: Bearer {SECRET}"),
        (None, f"client_secret={SECRET}"),
        (None, f"token hf_{SECRET} is invalid"),
        (None, f"eyJ{SECRET}.eyJ{SECRET}.{SECRET}"),
    ],
)
def test_secrets_are_left_out(sent: Request | None, text: str) -> None:
    assert SECRET not in service_message(text, response(request=sent))


def test_request_ids() -> None:
    ids = {
        "x-amz-request-id": "R1", "x-amz-id-2": "vlR7PnpV2Ce81l0PRw6jlUpck7Jo5ZsQjryTjKlc5aLWGVHPZLj5NeC6qMa0emYBDXOo=",
        "x-amzn-requestid": "R2", "x-ms-request-id": "R3", "x-guploader-uploadid": "R4", "x-request-id": "R5",
        "x-amz-cf-id": "R6", "cf-ray": "R7",
    }  # fmt: skip
    reply = response(**{name.replace("-", "_"): value for name, value in ids.items()}, date="today")
    error = with_request_ids(ServiceError("it broke", hint="fix it"), reply)
    assert error.request_ids == ids
    assert str(error).startswith("it broke (fix it) [x-amz-request-id R1, x-amz-id-2 vlR7")


@pytest.mark.parametrize("value", ["", "a b", "a\x1bb", "x" * 201, "ü"])
def test_what_is_no_request_id_is_left_out(value: str) -> None:
    error = with_request_ids(ServiceError("it broke"), response(x_amz_request_id=value))
    assert (error.request_ids, str(error)) == ({}, "it broke")


def test_the_id_of_an_upload_session_is_a_secret() -> None:
    reply = response(request=request(f"/upload?upload_id={SECRET}"), x_guploader_uploadid=SECRET)
    assert with_request_ids(ServiceError("it broke"), reply).request_ids == {}


@pytest.mark.parametrize(
    ("status", "transient"),
    [(400, False), (403, False), (408, True), (425, True), (429, True), (500, True), (501, False), (502, True),
     (503, True), (504, True), (505, False), (599, True)],
)  # fmt: skip
def test_which_statuses_are_transient(status: int, transient: bool) -> None:
    assert response(status).is_transient is transient
