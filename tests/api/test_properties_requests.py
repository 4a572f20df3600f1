"""The requests that preserve object properties, and the handling of unusual replies."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from sealift import AccessDenied, AsyncStorage, Event, Limits, ServiceError, UnsupportedOperation
from sealift.types import MiB
from tests.api.helpers import config_of
from tests.api.servers import Asked, Reply, failure, pattern
from tests.api.writable import WritableS3
from tests.services.gcs import GCSService
from tests.services.gcs import client as google_client
from tests.services.gcs import new_bucket as new_gcs_bucket
from tests.services.http_server import Asked as Request
from tests.services.http_server import OddServer, good
from tests.services.http_server import Reply as Answer
from tests.services.s3 import MakeBucket, S3Service, client, get_object

pytestmark = pytest.mark.anyio

LARGE = pattern(11 * MiB)


class Described(WritableS3):
    """Reports properties for its initial objects.

    Attributes:
        tags: The reply to a request for tags; None: the objects have no tags.
        more: Additional reply headers.
    """

    def __init__(self, objects: dict[str, bytes]) -> None:
        super().__init__(instead=self._describe)
        self.objects["b"] = objects
        self._described = set(objects)
        self.tags: Reply | None = None
        self.more: dict[str, str] = {}

    def _describe(self, asked: Asked) -> Reply | None:
        if "tagging" in asked.query:
            return self.tags
        if asked.method not in {"GET", "HEAD"} or asked.path.removeprefix("/b/") not in self._described:
            return None
        reply = self.usual(asked)
        reply.headers |= {"Content-Type": "text/csv", "x-amz-meta-owner": "me", **self.more}
        if self.tags is not None:
            reply.headers["x-amz-tagging-count"] = "1"
        return reply

    @property
    def requests(self) -> list[str]:
        """Method and target of each request, except listings and requests for parts of a multipart upload."""
        return [
            f"{asked.method} {'tagging' if 'tagging' in asked.query else asked.path.removeprefix('/b/')}"
            for asked in self.asked
            if "list-type" not in asked.query
        ]


def stored(server: WritableS3) -> dict[str, str]:
    """The property headers of the only object written."""
    (asked,) = [asked for asked in server.asked if asked.method in {"PUT", "POST"} and asked.path == "/b/copy"]
    kept = ("content-type", "content-encoding", "x-amz-meta-", "x-amz-tagging", "x-amz-storage", "x-amz-server")
    return {name: value for name, value in asked.headers.items() if name.startswith(kept)}


async def copied(source: Described, target: WritableS3, src: str = "k", dest: str = "copy") -> list[Event]:
    """Copy, and return the events for complete objects."""
    events: list[Event] = []
    storage = AsyncStorage(Limits(part_size=5 * MiB, attempts=2))
    await storage.copy(
        f"s3://b/{src}", f"s3://b/{dest}", config=source.config, dest_config=target.config, on_event=events.append
    )
    return [event for event in events if event.kind == "object"]


async def test_a_small_object_of_a_prefix_costs_no_request_more() -> None:
    with Described({"m/a": b"a", "m/b": b"b", "m/empty": b""}) as source, WritableS3() as target:
        await copied(source, target, "m/", "n/")
        assert sorted(source.requests) == ["GET m/a", "GET m/b", "HEAD m/empty"]
        told = {asked.path: asked.headers["x-amz-meta-owner"] for asked in target.asked if asked.method == "PUT"}
        assert told == {"/b/n/a": "me", "/b/n/b": "me", "/b/n/empty": "me"}


async def test_a_download_costs_no_request_more(tmp_path: Path) -> None:
    with Described({"m/a": b"a", "m/empty": b"", "m/large": LARGE}) as source:
        source.tags = Reply(200, b"<Tagging/>")
        events: list[Event] = []
        storage = AsyncStorage(Limits(part_size=5 * MiB))
        await storage.download("s3://b/m/", tmp_path, config=source.config, verify=False, on_event=events.append)
        # Empty tag sets are not even requested.
        assert sorted(source.requests) == ["GET m/a", *["GET m/large"] * 3]
        assert not any(event.dropped for event in events)


async def test_tags_are_asked_for_where_there_are_some() -> None:
    tagging = b"<Tagging><TagSet><Tag><Key>team</Key><Value>a b&amp;c=d</Value></Tag></TagSet></Tagging>"
    with Described({"k": b"bytes"}) as source, WritableS3() as target:
        source.tags = Reply(200, tagging)
        (event,) = await copied(source, target)
        assert source.requests == ["HEAD k", "GET k", "GET tagging"]
        assert stored(target)["x-amz-tagging"] == "team=a+b%26c%3Dd"
        assert event.dropped == ()


@pytest.mark.parametrize("reply", [failure(403, "AccessDenied"), failure(501, "NotImplemented")], ids=["403", "501"])
@pytest.mark.parametrize("data", [b"bytes", b"", LARGE], ids=["small", "empty", "large"])
async def test_tags_that_may_not_be_read_are_named(reply: Reply, data: bytes) -> None:
    with Described({"k": data}) as source, WritableS3() as target:
        source.tags = reply
        (event,) = await copied(source, target)
        assert event.dropped == ("tags",)
        assert target.objects["b"]["copy"] == data


@pytest.mark.parametrize("data", [b"bytes", b"", LARGE], ids=["small", "empty", "large"])
async def test_tags_that_may_not_be_written_are_an_error(data: bytes) -> None:
    def refuse(asked: Asked) -> Reply | None:
        return failure(403, "AccessDenied") if "x-amz-tagging" in asked.headers else None

    tagging = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
    with Described({"k": data}) as source, WritableS3(instead=refuse) as target:
        source.tags = Reply(200, tagging)
        with pytest.raises(AccessDenied, match="writing them requires s3:PutObjectTagging"):
            await copied(source, target)
        assert "copy" not in target.objects["b"]


async def test_more_metadata_than_the_service_takes_is_its_error() -> None:
    def refuse(asked: Asked) -> Reply | None:
        return failure(400, "MetadataTooLarge") if "x-amz-meta-owner" in asked.headers else None

    with Described({"k": b"bytes"}) as source, WritableS3(instead=refuse) as target:
        with pytest.raises(ServiceError, match="400 MetadataTooLarge: so it is"):
            await copied(source, target)


async def test_how_an_upload_was_sent_is_no_encoding_of_the_object() -> None:
    """Some services store aws-chunked; sent again, it would declare the body as chunked."""
    with Described({"k": b"bytes"}) as source:
        for told, kept in (("aws-chunked", None), ("gzip,aws-chunked", "gzip"), ("aws-chunked, br", "br")):
            source.more = {"Content-Encoding": told}
            with WritableS3() as target:
                await copied(source, target)
                assert stored(target).get("content-encoding") == kept


async def test_nothing_else_is_sent_along() -> None:
    """The destination determines storage class and encryption."""
    with Described({"k": b"bytes"}) as source, WritableS3() as target:
        source.more = {"x-amz-storage-class": "GLACIER_IR", "x-amz-server-side-encryption": "AES256"}
        await copied(source, target)
        assert stored(target) == {"content-type": "text/csv", "x-amz-meta-owner": "me"}


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("=?UTF-8?B?w4bDmA==?=", "=?utf-8?b?w4bDmA==?="),
        ("=?UTF-8?Q?=C3=86=C3=98?=", "=?utf-8?b?w4bDmA==?="),
        ("\u00c3\u0086", "=?utf-8?b?w4Y=?="),  # raw UTF-8, which some services send
        ("=?UTF-8?B?YQ0KeDogeQ==?=", "=?utf-8?b?PT9VVEYtOD9CP1lRMEtlRG9nZVE9PT89?="),  # a line break: kept encoded
        ("=?no-such?B?YQ==?=", "=?utf-8?b?PT9uby1zdWNoP0I/WVE9PT89?="),
        ("", ""),
    ],
)
async def test_metadata_as_services_encode_it(told: str, kept: str) -> None:
    with Described({"k": b"bytes"}) as source, WritableS3() as target:
        source.more = {"x-amz-meta-town": told}
        await copied(source, target)
        assert stored(target)["x-amz-meta-town"] == kept


async def test_a_value_with_a_line_break_becomes_no_header(
    gcs: GCSService, moto: S3Service, make_bucket: MakeBucket, request: pytest.FixtureRequest
) -> None:
    source, bucket = new_gcs_bucket(gcs, request.node.name), make_bucket(moto)
    blob = google_client(gcs).bucket(source).blob("k")
    blob.metadata = {"a": "b\r\nx-amz-acl: public-read"}
    blob.upload_from_string(b"bytes")
    with pytest.raises(UnsupportedOperation, match="the metadata 'a' of 'k' contains a line break"):
        await AsyncStorage(environ=gcs.environ).copy(
            f"gs://{source}/k", f"s3://{bucket}/k", dest_config=config_of(moto)
        )


TOLD = {
    "Content_Type": "text/csv",
    "Content_Language": "de",
    "Content_Disposition": 'attachment; filename="t.csv"',
    "Cache_Control": "max-age=60",
    "Expires": "Wed, 21 Oct 2026 07:28:00 GMT",
}
UNKNOWN_LENGTH = {name.replace("_", "-"): value for name, value in TOLD.items()}


@pytest.mark.parametrize(
    "answer",
    [
        lambda asked: good(asked, b"bytes", **TOLD),
        lambda asked: good(asked, LARGE, **TOLD),
        lambda asked: Answer(200, b"bytes", UNKNOWN_LENGTH, framing="chunked"),
        lambda asked: Answer(200, LARGE, UNKNOWN_LENGTH, framing="chunked"),
    ],
    ids=["small", "in parts", "a stream", "a long stream"],
)
async def test_what_a_web_server_tells(moto: S3Service, make_bucket: MakeBucket, answer: Any) -> None:
    bucket = make_bucket(moto)
    with OddServer(answer) as server:
        storage = AsyncStorage(Limits(part_size=5 * MiB))
        await storage.copy(f"{server.url}/k", f"s3://{bucket}/k", dest_config=config_of(moto))
    told = client(moto).head_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPHeaders"]
    expected = {name.replace("_", "-").lower(): value for name, value in TOLD.items()}
    assert {name: told.get(name) for name in expected} == expected


async def test_a_web_server_s_encoding_is_undone_and_not_kept(moto: S3Service, make_bucket: MakeBucket) -> None:
    def answer(asked: Request) -> Answer:
        return Answer(200, gzip.compress(b"a,b\n" * 50), {"Content-Type": "text/csv", "Content-Encoding": "gzip"})

    bucket = make_bucket(moto)
    with OddServer(answer) as server:
        await AsyncStorage().copy(f"{server.url}/k", f"s3://{bucket}/k", dest_config=config_of(moto))
    head = client(moto).head_object(Bucket=bucket, Key="k")
    assert (head.get("ContentEncoding"), head["ContentType"]) == (None, "text/csv")
    assert get_object(moto, bucket, "k") == b"a,b\n" * 50
