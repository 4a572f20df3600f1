"""What a service says of a refusal is in the error: its message and the IDs of the request, without secrets."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from sealift import (
    AccessDenied,
    AsyncStorage,
    AzureConfig,
    HTTPConfig,
    Limits,
    ModelMissingError,
    S3Config,
    ServiceError,
    StorageError,
    UnsupportedOperation,
)
from sealift.types import MiB
from tests.api.helpers import shows
from tests.api.servers import SECRET, Asked, FakeS3, Reply, pattern
from tests.api.writable import WritableS3
from tests.services import google, hub
from tests.services.google import Google
from tests.services.http_server import Asked as HTTPAsked
from tests.services.http_server import OddServer
from tests.services.http_server import Reply as HTTPReply
from tests.services.hub import READER, FakeHub

pytestmark = pytest.mark.anyio

KMS = (
    "User: arn:aws:iam::1:user/mover is not authorized to perform: kms:GenerateDataKey on resource: "
    "arn:aws:kms:us-east-1:1:key/a"
)
SSE_C = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided."
ONCE = Limits(attempts=1)


def s3_error(code: str, message: str, more: str = "") -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>".encode()


def refuse(status: int, body: bytes) -> Callable[[Asked], Reply]:
    return lambda asked: Reply(status, b"" if asked.method == "HEAD" else body, {"x-amz-request-id": "R1"})


async def failure_of(verb: str, here: Path, fake: FakeS3, limits: Limits = ONCE) -> StorageError:
    (here / "small").write_bytes(b"small")
    (here / "large").write_bytes(pattern(12 * MiB))
    storage = AsyncStorage(limits)
    config = fake.config
    calls = {
        "download": lambda: storage.download("s3://b/k", here / "there", config=config),
        "read": lambda: storage.read("s3://b/k", config=config),
        "stat": lambda: storage.get_object_metadata("s3://b/k", config=config),
        "list": lambda: storage.list_objects("s3://b/p/", config=config),
        "upload": lambda: storage.upload(here / "small", "s3://b/k", config=config),
        "upload in parts": lambda: storage.upload(here / "large", "s3://b/k", config=config),
        "delete": lambda: storage.delete_object("s3://b/k", config=config),
    }
    with pytest.raises(StorageError) as caught:
        await calls[verb]()
    assert shows(caught.value, SECRET) == []
    return caught.value


VERBS = ["download", "read", "stat", "list", "upload", "upload in parts", "delete"]


class TestS3:
    @pytest.mark.parametrize("verb", VERBS)
    async def test_a_policy(self, tmp_path: Path, verb: str) -> None:
        """The reply to a HEAD has no body: a GET tells the reason."""
        with WritableS3(instead=refuse(403, s3_error("AccessDenied", KMS))) as fake:
            error = await failure_of(verb, tmp_path, fake)
        assert isinstance(error, AccessDenied)
        assert KMS in str(error)
        assert error.request_ids == {"x-amz-request-id": "R1"}

    @pytest.mark.parametrize("verb", ["download", "stat"])
    async def test_a_customer_key(self, tmp_path: Path, verb: str) -> None:
        with WritableS3(instead=refuse(400, s3_error("InvalidRequest", SSE_C))) as fake:
            error = await failure_of(verb, tmp_path, fake)
        assert isinstance(error, ServiceError)
        assert SSE_C in str(error)
        assert "session token" not in str(error)

    @pytest.mark.parametrize("size", [9, 9 * MiB])
    async def test_an_archived_object(self, tmp_path: Path, size: int) -> None:
        body = s3_error("InvalidObjectState", "not valid", "<StorageClass>DEEP_ARCHIVE</StorageClass>")
        with FakeS3(
            {"b": {"k": pattern(size)}}, instead=lambda asked: Reply(403, body) if asked.method == "GET" else None
        ) as fake:
            error = await failure_of("download", tmp_path, fake)
        assert isinstance(error, UnsupportedOperation)
        assert "is archived in the storage class DEEP_ARCHIVE" in str(error)

    async def test_a_message_that_repeats_the_signature(self, tmp_path: Path) -> None:
        given: list[str] = []

        def instead(asked: Asked) -> Reply:
            header = asked.headers["authorization"]
            given.append(header.rpartition("Signature=")[2])
            return Reply(403, s3_error("AccessDenied", f"you sent {header} and {given[-1]}"))

        with WritableS3(instead=instead) as fake:
            error = await failure_of("upload", tmp_path, fake)
        assert "you sent" in str(error)
        assert shows(error, *given) == []

    @pytest.mark.parametrize("verb", ["upload", "upload in parts"])
    async def test_what_is_not_implemented(self, tmp_path: Path, verb: str) -> None:
        def instead(asked: Asked) -> Reply | None:
            refused = any(name.startswith("x-amz-checksum-") for name in asked.headers)
            return Reply(501, s3_error("NotImplemented", "A header is not implemented")) if refused else None

        with WritableS3(instead=instead) as fake:
            error = await failure_of(verb, tmp_path, fake, Limits())
            assert "S3Config(checksum=None)" in str(error)
            assert len([asked for asked in fake.asked if asked.method in {"PUT", "POST"}]) <= 2  # a lane, then alone
            plain = S3Config("AKIA", SECRET, endpoint_url=fake.endpoint, checksum=None)
            await AsyncStorage().upload(tmp_path / "large", "s3://b/k", config=plain)
            assert fake.objects["b"]["k"] == pattern(12 * MiB)

    @pytest.mark.parametrize("minutes", [-200, 200])
    @pytest.mark.parametrize("size", [9, 12 * MiB])
    async def test_a_wrong_clock_is_corrected(self, tmp_path: Path, minutes: int, size: int) -> None:
        """The service's clock differs from this machine's."""
        asked_late: list[str] = []

        def instead(asked: Asked) -> Reply | None:
            now = datetime.now(UTC) + timedelta(minutes=minutes)
            signed = datetime.strptime(asked.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            if abs(now - signed) < timedelta(minutes=15):
                return None
            asked_late.append(asked.method)
            body = b"" if asked.method == "HEAD" else s3_error("RequestTimeTooSkewed", "The difference is too large")
            return Reply(403, body, {"Date": format_datetime(now, usegmt=True)})

        (tmp_path / "here").write_bytes(pattern(size))
        with WritableS3(instead=instead) as fake:
            storage = AsyncStorage(ONCE)
            await storage.upload(tmp_path / "here", "s3://b/p/k", config=fake.config)
            assert fake.objects["b"]["p/k"] == pattern(size)
            fake.replace("b", "p/k", pattern(size + 1))
            await storage.download("s3://b/p/k", tmp_path / "one", config=fake.config)
            await storage.download("s3://b/p/", tmp_path / "all", config=fake.config)
        assert (tmp_path / "one").read_bytes() == (tmp_path / "all" / "k").read_bytes() == pattern(size + 1)
        assert asked_late

    async def test_a_clock_that_cannot_be_corrected(self, tmp_path: Path) -> None:
        with WritableS3(instead=refuse(403, s3_error("RequestTimeTooSkewed", "too large"))) as fake:
            error = await failure_of("list", tmp_path, fake)
        assert isinstance(error, AccessDenied)
        assert "this machine's clock is wrong" in str(error)
        assert "credentials" not in str(error)

    async def test_control_characters_in_replies(self, tmp_path: Path) -> None:
        """As Amazon does, the service repeats the key as &#x7;, which is not XML."""
        begin = b"<R><Bucket>b</Bucket><Key>k&#x7;</Key><UploadId>%s</UploadId></R>"

        def instead(asked: Asked) -> Reply | None:
            if asked.method != "POST" or "uploads" not in asked.query:
                return None
            usual = fake.usual(asked)
            upload = usual.body.partition(b"<UploadId>")[2].partition(b"<")[0]
            return Reply(200, begin % upload)

        (tmp_path / "large").write_bytes(pattern(12 * MiB))
        with WritableS3(instead=instead) as fake:
            await AsyncStorage().upload(tmp_path / "large", "s3://b/k\x07", config=fake.config)
            assert fake.objects["b"]["k\x07"] == pattern(12 * MiB)
            assert not fake.uploads


class TestGoogle:
    @pytest.mark.parametrize("status", [400, 403])
    async def test_the_message(self, status: int) -> None:
        refusal = google.refusal(status, "kms", "Permission denied on Cloud KMS key a/b")
        with Google({"m": b"m"}, instead=lambda asked: refusal) as fake:
            for call in (
                lambda storage, config: storage.read("gs://models/m", config=config),
                lambda storage, config: storage.list_objects("gs://models/p/", config=config),
            ):
                with pytest.raises(StorageError, match="Permission denied on Cloud KMS key a/b"):
                    await call(AsyncStorage(ONCE), fake.config(anonymous=True))

    async def test_501_is_not_retried(self) -> None:
        with Google({"m": b"m"}, instead=lambda asked: google.refusal(501, "notImplemented", "no")) as fake:
            with pytest.raises(ServiceError, match="501 notImplemented"):
                await AsyncStorage().list_objects("gs://models/p/", config=fake.config(anonymous=True))
            assert len(fake.asked) == 1

    @pytest.mark.parametrize("hours", [-2, 2])
    async def test_a_wrong_clock(self, tmp_path: Path, hours: int) -> None:
        """The credentials are signed with this machine's time."""
        date = format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)
        told = {"error": "invalid_grant", "error_description": "Invalid JWT: Check your iat and exp values"}
        refused = Reply(400, json.dumps(told).encode(), {"Date": date})
        with Google({"m": b"m"}, instead=lambda asked: refused if asked.path == "/token" else None) as fake:
            config = fake.config(service_account_key=fake.service_account(tmp_path / "key.json"))
            where = "ahead" if hours < 0 else "behind"
            with pytest.raises(AccessDenied, match=rf"set this machine's clock: it is 120 minutes {where}"):
                await AsyncStorage(ONCE).read("gs://models/m", config=config)


def azure_error(code: str, message: str, detail: str = "") -> HTTPReply:
    more = f"<AuthenticationErrorDetail>{detail}</AuthenticationErrorDetail>" if detail else ""
    fields = f"<Code>{code}</Code><Message>{message}\nRequestId:r</Message>{more}"
    body = f"\ufeff<?xml version='1.0'?><Error>{fields}</Error>"
    headers = {"x-ms-error-code": code, "x-ms-request-id": "R1", "Content-Type": "application/xml"}
    return HTTPReply(409 if "Blob" in code else 403, body.encode(), headers)


class TestAzure:
    @pytest.mark.parametrize(
        ("code", "message", "detail", "text"),
        [
            ("KeyVaultAccessDenied", "The key vault denied access to a", "", "The key vault denied access to a"),
            (
                "AuthenticationFailed",
                "Server failed to authenticate the request.",
                (
                    "Signature not valid in the specified time frame: Start [] - Expiry [Sat, 28 Nov 2026 10:00:00 GMT]"
                    " - Current [Sat, 28 Nov 2026 12:00:00 GMT]"
                ),
                "valid from any time to Sat, 28 Nov 2026 10:00:00 GMT, and the service's time is Sat, 28 Nov 2026 12",
            ),
            (
                "AuthenticationFailed",
                "Server failed to authenticate the request.",
                "Signature did not match. String to sign used was rl\n\nsecret-string",
                "the key or signature is wrong",
            ),
            ("BlobArchived", "not permitted on an archived blob", "", "is archived (rehydrate it"),
            ("BlobBeingRehydrated", "being rehydrated", "", "being rehydrated (try again"),
        ],
    )
    async def test_the_message(self, code: str, message: str, detail: str, text: str) -> None:
        with OddServer(lambda asked: azure_error(code, message, detail)) as server:
            config = AzureConfig("models", sas_token="sv=1&sig=abcdefgh", endpoint_url=f"{server.url}/models")
            with pytest.raises(StorageError) as caught:
                await AsyncStorage(ONCE).read("azure://box/k", config=config)
        assert text in str(caught.value)
        assert caught.value.request_ids == {"x-ms-request-id": "R1"}
        assert shows(caught.value, "abcdefgh", "secret-string") == []

    @pytest.mark.parametrize("hours", [-10, 10])
    async def test_a_wrong_clock_is_corrected(self, hours: int) -> None:
        """A signature is valid for six hours, by the service's clock."""
        now = datetime.now(UTC) + timedelta(hours=hours)
        date = {"Date": format_datetime(now, usegmt=True)}

        def answer(asked: HTTPAsked) -> HTTPReply:
            (expiry,) = parse_qs(asked.target.partition("?")[2])["se"]
            if datetime.fromisoformat(expiry) <= now:
                refusal = azure_error("AuthenticationFailed", "Server failed to authenticate the request.")
                return replace(refusal, headers={**refusal.headers, **date})
            return HTTPReply(200, b"m", {"ETag": '"1"', **date})

        with OddServer(answer) as server:
            config = AzureConfig("models", "c2VjcmV0", endpoint_url=f"{server.url}/models")
            assert await AsyncStorage(ONCE).read("azure://box/k", config=config) == b"m"
            assert len(server.asked) == (2 if hours > 0 else 1)


class TestHub:
    async def test_awaiting_a_review(self, tmp_path: Path) -> None:
        text = "Your request to access model owner/name is awaiting a review from the repo authors."
        headers = {"X-Error-Code": "GatedRepo", "X-Error-Message": text, "X-Request-Id": "Root=1-2-3"}
        with FakeHub() as fake:
            fake.repo("owner/name", {"config.json": b"{}"})
            fake.instead = lambda asked: hub.Reply(403, headers=dict(headers)) if asked.resolves else None
            with pytest.raises(AccessDenied) as caught:
                await AsyncStorage(ONCE).download("hf://owner/name", tmp_path / "d", config=fake.signed_in(READER))
        assert text in str(caught.value)
        assert "request access" not in str(caught.value)
        assert caught.value.request_ids == {"x-request-id": "Root=1-2-3"}

    async def test_one_file_of_many_is_refused(self, tmp_path: Path) -> None:
        """The others are cancelled, and the event loop reports nothing: no future is completed twice."""
        reported: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
        with FakeHub() as fake:
            fake.repo("owner/name", {f"{number}.json": b"{}" for number in range(200)})
            fake.instead = lambda asked: (
                hub.Reply(403, b"{}") if asked.path.endswith("/100.json") and asked.resolves else None
            )
            for attempt in range(5):
                with pytest.raises(AccessDenied):
                    await AsyncStorage().download("hf://owner/name", tmp_path / str(attempt), config=fake.config)
        assert reported == []

    async def test_keys_with_lone_surrogates(self, tmp_path: Path) -> None:
        entry = {"type": "file", "path": "a\ud800", "size": 1, "oid": "0" * 40}
        with FakeHub() as fake:
            fake.repo("owner/name", {"config.json": b"{}"})
            fake.instead = lambda asked: (
                hub.Reply(200, json.dumps([entry]).encode()) if "/tree/" in asked.path else None
            )
            with pytest.raises(StorageError) as caught:
                await AsyncStorage(ONCE).download("hf://owner/name", tmp_path / "d", config=fake.config)
        assert str(caught.value).encode()


class TestHTTP:
    async def test_the_id_of_the_request_and_not_the_body(self) -> None:
        def answer(asked: object) -> HTTPReply:
            return HTTPReply(403, b"<Error><Message>secret-text</Message></Error>", {"x-amz-request-id": "R1"})

        with OddServer(answer) as server:
            with pytest.raises(AccessDenied) as caught:
                await AsyncStorage(ONCE).read(f"{server.url}/m?sig=s", config=HTTPConfig())
        assert caught.value.request_ids == {"x-amz-request-id": "R1"}
        assert shows(caught.value, "secret-text") == []


@pytest.mark.parametrize("scheme", ["s3://b/", "gs://b/", "azure://box/", "hf://a/b/", "file:///tmp/", "/tmp/", ""])
@pytest.mark.parametrize("verb", ["read", "list_objects", "get_object_metadata", "delete_object"])
async def test_names_with_lone_surrogates(scheme: str, verb: str) -> None:
    with pytest.raises(StorageError) as caught:
        await getattr(AsyncStorage(ONCE, environ={}), verb)(f"{scheme}a\ud800b")
    assert "utf-8" in str(caught.value).lower()
    assert str(caught.value).encode()


@pytest.mark.parametrize("verb", ["read", "list_objects", "get_object_metadata"])
async def test_bytes_that_are_not_utf_8_in_a_key_of_s3(verb: str) -> None:
    with FakeS3({"b": {"k": b"k"}}) as fake:
        with pytest.raises(ModelMissingError) as caught:
            await getattr(AsyncStorage(ONCE), verb)("s3://b/a\udcff/", config=fake.config)
        assert any("%FF" in asked.target for asked in fake.asked)
    assert str(caught.value).encode()
