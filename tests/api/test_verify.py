"""`verify`: what each service's checksums prove, for intact objects and for a byte corrupted in transit."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContentSettings
from botocore.config import Config
from botocore.session import Session

from sealift import AsyncStorage, Event, IntegrityError, InvalidConfig, Limits, Storage
from sealift.integrity import checksums
from sealift.types import MiB
from tests.api.flipping import MARK, OTHER, flipping
from tests.api.helpers import all_in, config_of, files_in
from tests.api.servers import Asked, FakeS3, Reply, failure, pattern
from tests.api.writable import WritableS3
from tests.services.azurite import AzureService, container_client, new_container
from tests.services.gcs import GCSService
from tests.services.gcs import new_bucket as new_gcs_bucket
from tests.services.gcs import put_objects as put_gcs
from tests.services.hub import FakeHub
from tests.services.hub import Reply as HubReply
from tests.services.s3 import MakeBucket, S3Service, get_objects, put_objects

pytestmark = pytest.mark.anyio

SERVICES = ["seaweedfs", "moto", "rclone_s3"]
DATA = pattern(6 * MiB + 1)
MARKED = DATA[: 5 * MiB // 2] + MARK + DATA[5 * MiB // 2 :]
PARTS = Limits(part_size=MiB, attempts=1)


@pytest.fixture
def service(request: pytest.FixtureRequest) -> S3Service:
    found: S3Service = request.getfixturevalue(request.param)
    return found


def verified(events: list[Event]) -> dict[str, str | None]:
    return {event.key: event.verified for event in events if event.kind == "object"}


# Intact objects, on services that report different checksums.


@pytest.mark.parametrize("service", SERVICES, indirect=True)
@pytest.mark.parametrize("checksum", [None, "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
@pytest.mark.parametrize("limits", [Limits(), PARTS])
async def test_a_healthy_object_is_taken_for_one(
    service: S3Service, make_bucket: MakeBucket, tmp_path: Path, checksum: str | None, limits: Limits
) -> None:
    bucket = make_bucket(service)
    objects = {"m/one": DATA, "m/small": b"small", "m/empty": b""}
    put_objects(service, bucket, objects, checksum=checksum)
    put_objects(service, bucket, {"m/parts": DATA, "m/one-part": DATA[:1000]}, part_size=5 * MiB, checksum=checksum)
    events: list[Event] = []
    storage, config = AsyncStorage(limits), config_of(service)
    await storage.download(f"s3://{bucket}/m", tmp_path / "m", config=config, on_event=events.append)
    assert files_in(tmp_path / "m") == {
        "one": DATA, "small": b"small", "empty": b"", "parts": DATA, "one-part": DATA[:1000],
    }  # fmt: skip
    told = verified(events)
    assert "size-only" not in {told["m/one"], told["m/small"]}
    if checksum is None:
        assert (told["m/one"], told["m/small"]) == ("md5", "md5")
    await storage.download(f"s3://{bucket}/m/one", tmp_path / "one", config=config, verify="require")
    assert await storage.read(f"s3://{bucket}/m/one", config=config) == DATA


@pytest.mark.parametrize("service", SERVICES, indirect=True)
@pytest.mark.parametrize("checksum", [None, "CRC64NVME", "SHA256"])
async def test_a_copy_inside_the_service(service: S3Service, make_bucket: MakeBucket, checksum: str | None) -> None:
    bucket = make_bucket(service)
    put_objects(service, bucket, {"m/one": DATA, "m/small": b"small"}, checksum=checksum)
    put_objects(service, bucket, {"m/parts": DATA}, part_size=5 * MiB, checksum=checksum)
    config, storage = config_of(service), AsyncStorage()
    await storage.copy(f"s3://{bucket}/m", f"s3://{bucket}/n", config=config)
    for key in ("one", "small"):
        await storage.copy(f"s3://{bucket}/m/{key}", f"s3://{bucket}/o/{key}", config=config)
    events: list[Event] = []
    await storage.copy(
        f"s3://{bucket}/m/small", f"s3://{bucket}/o/", config=config, verify="require", on_event=events.append
    )
    assert verified(events)["m/small"] not in {None, "size-only"}
    assert get_objects(service, bucket)["o/one"] == DATA


# Verification by entity tag.


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def damaging(**headers: str) -> FakeS3:
    """Report one object, but send another of the same size."""
    server = FakeS3({"b": {"k": DATA}})

    def instead(asked: Asked) -> Reply | None:
        condition = {name: value for name, value in asked.headers.items() if name != "if-match"}
        reply = server._answer(replace(asked, headers=condition))
        if asked.path == "/b/k":
            reply.headers |= headers
            reply.body = flipped(reply.body) if asked.method == "GET" else reply.body
        return reply

    server._instead = instead
    return server


@pytest.mark.parametrize("limits", [Limits(attempts=1), PARTS])
@pytest.mark.parametrize("headers", [{}, {"x-amz-server-side-encryption": "AES256"}])
async def test_other_bytes_than_the_tag_s_are_not_published(
    tmp_path: Path, limits: Limits, headers: dict[str, str]
) -> None:
    with damaging(**headers) as server:
        with pytest.raises(
            IntegrityError, match="'k' do not match its md5 checksum .to transfer it unverified: verify=False"
        ):
            await AsyncStorage(limits).download("s3://b/k", tmp_path / "k", config=server.config)
        assert all_in(tmp_path) == set()
        events: list[Event] = []
        await AsyncStorage(limits).download(
            "s3://b/k", tmp_path / "k", config=server.config, verify=False, on_event=events.append
        )
    assert verified(events) == {"k": "size-only"}
    assert len((tmp_path / "k").read_bytes()) == len(DATA)


@pytest.mark.parametrize("limits", [Limits(attempts=1), PARTS])
@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-server-side-encryption": "aws:kms"},
        {"x-amz-server-side-encryption": "aws:kms:dsse"},
        {"x-amz-server-side-encryption-customer-algorithm": "AES256"},
        {"ETag": f'"{hashlib.md5(DATA).hexdigest()}-3"'},
        {"ETag": '"an-own-kind-of-tag"'},
    ],
)
async def test_a_tag_that_is_no_md5_is_not_taken_for_one(
    tmp_path: Path, limits: Limits, headers: dict[str, str]
) -> None:
    with damaging(**headers) as server:
        events: list[Event] = []
        await AsyncStorage(limits).download("s3://b/k", tmp_path / "k", config=server.config, on_event=events.append)
        assert verified(events) == {"k": "size-only"}
        with pytest.raises(IntegrityError, match="no checksum to verify 'k' with"):
            await AsyncStorage(limits).download("s3://b/k", tmp_path / "n", config=server.config, verify="require")
    assert all_in(tmp_path) == {"k"}


@pytest.mark.parametrize("verify", ["yes", None, "Require"])
async def test_a_word_that_it_does_not_know(tmp_path: Path, verify: Any) -> None:
    with pytest.raises(InvalidConfig, match=f"verify={verify!r} is not True, False or 'require'"):
        await AsyncStorage().download("s3://b/k", tmp_path / "k", verify=verify)


def test_the_facade_hands_it_on(tmp_path: Path) -> None:
    calls = [
        lambda server, verify: Storage.download("s3://b/k", tmp_path / "k", config=server.config, verify=verify),
        lambda server, verify: Storage.download_many(
            [("s3://b/k", tmp_path / "k")], config=server.config, verify=verify
        ),
        lambda server, verify: Storage.copy("s3://b/k", str(tmp_path / "k"), config=server.config, verify=verify),
        lambda server, verify: Storage.sync("s3://b/", str(tmp_path / "d"), config=server.config, verify=verify),
    ]
    with damaging(**{"x-amz-server-side-encryption": "aws:kms"}) as server:
        for call in calls:
            with pytest.raises(IntegrityError, match="no checksum to verify 'k' with"):
                call(server, "require")
        assert all_in(tmp_path) == set()
        for call in calls:
            call(server, True)


# Uploads.


async def test_an_upload_that_the_service_compares(
    seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path
) -> None:
    bucket, config = make_bucket(seaweedfs), config_of(seaweedfs)
    (tmp_path / "m").write_bytes(DATA)
    for limits in (Limits(), Limits(part_size=5 * MiB)):
        assert await AsyncStorage(limits).upload(tmp_path / "m", f"s3://{bucket}/m", config=config, verify="require")


async def test_an_upload_without_a_checksum_is_refused_where_one_is_required(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(DATA)
    with WritableS3() as server:
        config = replace(server.config, checksum=None)
        for limits in (Limits(), Limits(part_size=5 * MiB)):
            with pytest.raises(IntegrityError, match=r"no checksum to verify '.*m' with"):
                await AsyncStorage(limits).upload(tmp_path / "m", "s3://b/m", config=config, verify="require")
        assert [asked for asked in server.asked if asked.method != "GET"] == []
        events: list[Event] = []
        await AsyncStorage().upload(tmp_path / "m", "s3://b/m", config=config, on_event=events.append)
        assert {*verified(events).values()} == {"size-only"}


# Checksums of parts.


class OfParts(FakeS3):
    """A multipart object with checksums of its parts; none of the test services reports them all.

    Follows https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html; the SDK reads its replies.
    """

    def __init__(
        self,
        algorithm: str = "crc32",
        lengths: Sequence[int] = (1_500_000,) * 4,
        *,
        page: int = 2,
        refusal: int | None = None,
    ) -> None:
        super().__init__({"b": {"k": DATA}}, instead=self._composite)
        self.damaged = False
        self.lost = False
        self._algorithm = algorithm
        self._page = page
        self._refusal = refusal
        ends = [*accumulate(lengths, initial=0)]
        self._parts = [DATA[start:end] for start, end in pairwise([*ends, len(DATA)])]
        self._tag = f'"{hashlib.md5(b"parts").hexdigest()}-{len(self._parts)}"'

    def _sum(self, data: bytes) -> str:
        return base64.b64encode(bytes.fromhex(checksums.digest(self._algorithm, data))).decode()

    @property
    def attributes_asked(self) -> list[Asked]:
        return [asked for asked in self.asked if "attributes" in asked.query]

    def _composite(self, asked: Asked) -> Reply | None:
        if asked.path != "/b/k":
            return None
        if "attributes" in asked.query:
            return failure(self._refusal, "AccessDenied") if self._refusal else self._attributes(asked)
        reply = self._object("k", DATA, Asked(asked.method, asked.target, {**asked.headers, "if-match": _tag(DATA)}))
        reply.headers["ETag"] = self._tag
        if "range" not in asked.headers and asked.headers.get("x-amz-checksum-mode") == "ENABLED":
            of_parts = self._sum(b"".join(base64.b64decode(self._sum(part)) for part in self._parts))
            reply.headers["x-amz-checksum-type"] = "COMPOSITE"
            reply.headers[f"x-amz-checksum-{self._algorithm}"] = f"{of_parts}-{len(self._parts)}"
        if asked.method == "GET" and self.damaged:
            reply.body = flipped(reply.body)
        return reply

    def _attributes(self, asked: Asked) -> Reply:
        marker = int(asked.headers.get("x-amz-part-number-marker", 0))
        name = f"Checksum{self._algorithm.upper()}"
        numbered = list(enumerate(self._parts, 1))[marker : marker + self._page]
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><Size>{len(part)}</Size><{name}>{self._sum(part)}</{name}></Part>"
            for number, part in (numbered[1:] if self.lost else numbered)
        )
        last = marker + len(numbered)
        of_parts = self._sum(b"".join(base64.b64decode(self._sum(part)) for part in self._parts))
        truncated = str(last < len(self._parts)).lower()
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<GetObjectAttributesResponse xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<ETag>{self._tag.strip(chr(34))}</ETag>"
            f"<Checksum><{name}>{of_parts}</{name}><ChecksumType>COMPOSITE</ChecksumType></Checksum>"
            f"<ObjectParts><IsTruncated>{truncated}</IsTruncated><MaxParts>{self._page}</MaxParts>"
            f"<NextPartNumberMarker>{last}</NextPartNumberMarker><PartNumberMarker>{marker}</PartNumberMarker>"
            f"{parts}<PartsCount>{len(self._parts)}</PartsCount></ObjectParts><ObjectSize>{len(DATA)}</ObjectSize>"
            "</GetObjectAttributesResponse>"
        )
        return Reply(200, body.encode(), {"Content-Type": "application/xml"})


def _tag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


def test_the_sdk_reads_the_same_of_parts() -> None:
    with OfParts("crc32c") as server:
        s3 = Session().create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=server.endpoint,
            aws_access_key_id="AKIAFAKE",
            aws_secret_access_key="any",
            config=Config(s3={"addressing_style": "path"}, proxies={}),
        )
        attributes = ["ETag", "Checksum", "ObjectParts", "ObjectSize"]
        told = s3.get_object_attributes(Bucket="b", Key="k", ObjectAttributes=attributes, PartNumberMarker=2)
        assert s3.head_object(Bucket="b", Key="k", ChecksumMode="ENABLED")["ChecksumType"] == "COMPOSITE"
    assert told["ObjectSize"] == len(DATA)
    assert told["Checksum"]["ChecksumType"] == "COMPOSITE"
    assert (told["ObjectParts"]["NextPartNumberMarker"], told["ObjectParts"]["IsTruncated"]) == (4, True)
    assert [(part["PartNumber"], part["Size"]) for part in told["ObjectParts"]["Parts"]] == [
        (3, 1_500_000), (4, 1_500_000),
    ]  # fmt: skip
    asked = server.attributes_asked[0].headers
    assert (asked["x-amz-part-number-marker"], asked["x-amz-object-attributes"]) == ("2", ",".join(attributes))


@pytest.mark.parametrize("algorithm", ["crc32", "crc32c", "crc64nvme", "sha256", "sha1"])
@pytest.mark.parametrize("limits", [Limits(), PARTS])
async def test_the_checksums_of_parts_verify_the_whole(tmp_path: Path, algorithm: str, limits: Limits) -> None:
    events: list[Event] = []
    with OfParts(algorithm) as server:
        path = await AsyncStorage(limits).download(
            "s3://b/k", tmp_path / "k", config=server.config, verify="require", on_event=events.append
        )
        assert len(server.attributes_asked) == 3
        assert Path(path).read_bytes() == DATA
        # Part CRCs combine into one for the whole object; hashes are reported with the part length.
        assert verified(events) == {"k": algorithm if algorithm.startswith("crc") else f"{algorithm}/1500000"}
        assert await AsyncStorage(limits).read("s3://b/k", config=server.config) == DATA


@pytest.mark.parametrize(("algorithm", "told"), [("crc32", "crc32"), ("sha256", "sha256/1500000")])
@pytest.mark.parametrize("limits", [Limits(attempts=1), PARTS])
async def test_other_bytes_than_those_of_the_parts(tmp_path: Path, limits: Limits, algorithm: str, told: str) -> None:
    with OfParts(algorithm) as server:
        server.damaged = True
        with pytest.raises(IntegrityError, match=f"'k' do not match its {told} checksum"):
            await AsyncStorage(limits).download("s3://b/k", tmp_path / "k", config=server.config)
        with pytest.raises(IntegrityError, match=f"'k' do not match its {told} checksum"):
            await AsyncStorage(limits).read("s3://b/k", config=server.config)
        asked = len(server.attributes_asked)
        await AsyncStorage(limits).download("s3://b/k", tmp_path / "n", config=server.config, verify=False)
        assert len(server.attributes_asked) == asked
    assert all_in(tmp_path) == {"n"}


@pytest.mark.parametrize("refusal", [403, 405, 501])
async def test_who_may_not_ask_for_parts_gets_them_by_size(tmp_path: Path, refusal: int) -> None:
    events: list[Event] = []
    with OfParts(refusal=refusal) as server:
        await AsyncStorage(PARTS).download("s3://b/k", tmp_path / "k", config=server.config, on_event=events.append)
        assert verified(events) == {"k": "size-only"}
        with pytest.raises(IntegrityError, match="no checksum to verify 'k' with"):
            await AsyncStorage(PARTS).download("s3://b/k", tmp_path / "n", config=server.config, verify="require")
    assert (tmp_path / "k").read_bytes() == DATA


@pytest.mark.parametrize(
    ("algorithm", "lengths", "told"),
    [
        ("sha256", [1_000_000, 1_000_000, 2_000_000], "sha256/1000000*2,2000000,2291457"),
        ("sha256", [5_000_000], "sha256/5000000"),
        ("sha256", [len(DATA)], "size-only"),  # the last part is empty
        ("crc32", [len(DATA)], "crc32"),
        ("sha256", [*range(1000, 1100)], "size-only"),  # too many lengths to report
        ("crc64nvme", [*range(1000, 1100)], "crc64nvme"),
    ],
)
async def test_parts_of_any_length(tmp_path: Path, algorithm: str, lengths: list[int], told: str) -> None:
    events: list[Event] = []
    with OfParts(algorithm, lengths, page=1000) as server:
        await AsyncStorage(PARTS).download("s3://b/k", tmp_path / "k", config=server.config, on_event=events.append)
    assert verified(events) == {"k": told}


async def test_a_local_file_is_compared_by_the_hashes_of_parts(tmp_path: Path) -> None:
    with OfParts("sha256") as server:
        for there, copied in ((DATA, 0), (flipped(DATA), 1)):
            (tmp_path / "k").write_bytes(there)
            synced = await AsyncStorage().sync(
                "s3://b/", str(tmp_path), config=server.config, checksum=True, dry_run=True
            )
            assert synced.copied == copied
        assert server.attributes_asked


@pytest.mark.parametrize("algorithm", ["crc32", "sha256"])
async def test_parts_that_are_not_all_told_of_verify_nothing(tmp_path: Path, algorithm: str) -> None:
    events: list[Event] = []
    with OfParts(algorithm) as server:
        server.lost = True
        await AsyncStorage(PARTS).download("s3://b/k", tmp_path / "k", config=server.config, on_event=events.append)
    assert verified(events) == {"k": "size-only"}


# The other services, behind a forwarder that changes a byte.


@pytest.mark.parametrize("limits", [Limits(attempts=1), PARTS])
async def test_a_byte_that_changes_on_the_way_from_google(gcs: GCSService, tmp_path: Path, limits: Limits) -> None:
    bucket = new_gcs_bucket(gcs, "changed")
    put_gcs(gcs, bucket, {"k": MARKED})
    async with flipping(gcs.endpoint) as endpoint:
        storage = AsyncStorage(limits, environ={"STORAGE_EMULATOR_HOST": endpoint})
        with pytest.raises(IntegrityError, match="'k' do not match its crc32c checksum"):
            await storage.download(f"gs://{bucket}/k", tmp_path / "k")
        assert all_in(tmp_path) == set()
        await storage.download(f"gs://{bucket}/k", tmp_path / "k", verify=False)
    assert (tmp_path / "k").read_bytes() == MARKED.replace(MARK, OTHER)
    events: list[Event] = []
    storage = AsyncStorage(limits, environ=gcs.environ)
    await storage.download(f"gs://{bucket}/k", tmp_path / "n", verify="require", on_event=events.append)
    assert verified(events) == {"k": "crc32c"}
    await storage.copy(f"gs://{bucket}/k", f"gs://{bucket}/copy", on_event=events.append)
    assert events[-1].verified == "crc32c"


@pytest.mark.parametrize("limits", [Limits(attempts=1), PARTS])
async def test_a_byte_that_changes_on_the_way_from_azure(azurite: AzureService, tmp_path: Path, limits: Limits) -> None:
    container = new_container(azurite)
    settings = ContentSettings(content_md5=bytearray(hashlib.md5(MARKED).digest()))
    client = container_client(azurite, container).get_blob_client("k")
    client.upload_blob(MARKED, content_settings=settings, overwrite=True)
    uri = f"azure://{container}/k"
    async with flipping(azurite.endpoint()) as endpoint:
        config = replace(azurite.config(), endpoint_url=endpoint)
        with pytest.raises(IntegrityError, match="'k' do not match its md5 checksum"):
            await AsyncStorage(limits).download(uri, tmp_path / "k", config=config)
        assert all_in(tmp_path) == set()
        await AsyncStorage(limits).download(uri, tmp_path / "k", config=config, verify=False)
    assert (tmp_path / "k").read_bytes() == MARKED.replace(MARK, OTHER)
    events: list[Event] = []
    await AsyncStorage(limits).download(
        uri, tmp_path / "n", config=azurite.config(), verify="require", on_event=events.append
    )
    assert verified(events) == {"k": "md5"}


@pytest.mark.parametrize("limits", [Limits(attempts=1), PARTS])
async def test_a_byte_that_changes_on_the_way_from_the_hub(tmp_path: Path, limits: Limits) -> None:
    with FakeHub() as hub:
        hub.repo("owner/name", {"m.bin": DATA})

        def instead(asked: Any) -> HubReply | None:
            reply = hub._storage(asked) if asked.origin == "storage" else None
            if reply is not None:
                reply.body = flipped(reply.body)
            return reply

        hub.instead = instead
        with pytest.raises(IntegrityError, match="'m.bin' do not match its sha256 checksum"):
            await AsyncStorage(limits).download("hf://owner/name/m.bin", tmp_path / "k", config=hub.config)
        assert all_in(tmp_path) == set()
        hub.instead = lambda asked: None
        events: list[Event] = []
        await AsyncStorage(limits).download(
            "hf://owner/name/m.bin", tmp_path / "k", config=hub.config, verify="require", on_event=events.append
        )
    assert verified(events) == {"m.bin": "sha256"}
