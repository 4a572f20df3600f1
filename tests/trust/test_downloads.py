"""Signed models from a storage: parts in parallel, resumed downloads, archives, warnings, and the command line."""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sealift import AsyncStorage, Event, InvalidConfig, Limits, Storage, Trust
from sealift.errors import ModelMissingError, SignatureError
from sealift.types import KiB, MiB
from tests.api.helpers import all_in, config_of, files_in
from tests.api.servers import Asked, FakeS3, Reply, pattern
from tests.api.test_unpack import tar, zipped
from tests.services.s3 import MakeBucket, S3Service, put_objects

from .signer import PUBLIC_KEY, bundle, resource, statement

FILES = {
    "config.json": b"{}",
    "empty": b"",
    "weights/large": pattern(20 * MiB + 7),
    "weights/small": pattern(100 * KiB),
}
# Parts of 8 MiB, so that the digests of several parts and shards are put together.
LIMITS = Limits(part_size=8 * MiB)


def signed(files: dict[str, bytes], *, shards: bool = False) -> bytes:
    if not shards:
        return json.dumps(bundle(statement([resource(name, data) for name, data in files.items()]))).encode()
    size, listed = 3 * MiB, []
    for name, data in files.items():
        for start in range(0, len(data), size):
            end = min(start + size, len(data))
            listed.append(resource(f"{name}:{start}:{end}", data[start:end]))
    return json.dumps(bundle(statement(listed, method="shards", shard_size=size))).encode()


def objects(signature: bytes, **changed: bytes) -> dict[str, bytes]:
    return {"m/model.sig": signature, **{f"m/{name}": data for name, data in (FILES | changed).items()}}


@pytest.fixture
def bucket(seaweedfs: S3Service, make_bucket: MakeBucket) -> str:
    return make_bucket(seaweedfs)


@pytest.mark.anyio
@pytest.mark.parametrize("shards", [False, True])
@pytest.mark.parametrize("damaged", ["", "weights/large", "weights/small", "config.json"])
async def test_from_s3(seaweedfs: S3Service, bucket: str, tmp_path: Path, damaged: str, shards: bool) -> None:
    found = objects(signed(FILES, shards=shards))
    if damaged:
        found[f"m/{damaged}"] = b"?" + found[f"m/{damaged}"][1:]
    put_objects(seaweedfs, bucket, found)
    events: list[Event] = []
    trust = Trust(f"s3://{bucket}/m/model.sig", key=PUBLIC_KEY)

    async def download() -> None:
        storage = AsyncStorage(LIMITS, config=config_of(seaweedfs))
        await storage.download(f"s3://{bucket}/m", tmp_path / "new", trust=trust, on_event=events.append)

    if damaged:
        with pytest.raises(SignatureError, match=f"the bytes of 'm/{damaged}' are not those that were signed"):
            await download()
        assert not (tmp_path / "new").exists()
        return
    await download()
    assert files_in(tmp_path / "new") == FILES
    verified = {event.key.removeprefix("m/"): event.verified for event in events if event.kind == "object"}
    algorithm = "signed/sha256/3145728" if shards else "signed/sha256"
    assert {verified[name] for name in FILES if FILES[name]} == {algorithm}


@pytest.mark.anyio
async def test_files_of_an_unsigned_download_are_compared(tmp_path: Path) -> None:
    """What an earlier call has brought without a signature does not count as unchanged."""
    found = objects(signed(FILES), **{"weights/small": b"?" * 100 * KiB})
    with FakeS3({"b": found}) as server:
        storage = AsyncStorage(config=server.config)
        await storage.download("s3://b/m", tmp_path / "new", ignore_patterns="model.sig")
        before = files_in(tmp_path / "new")
        with pytest.raises(SignatureError, match="m/weights/small"):
            await storage.download("s3://b/m", tmp_path / "new", trust=Trust("s3://b/m/model.sig", key=PUBLIC_KEY))
    assert {name: data for name, data in files_in(tmp_path / "new").items() if ".sealift" not in name} == before


@pytest.mark.anyio
async def test_a_second_download_fetches_nothing(tmp_path: Path) -> None:
    trust = Trust("s3://b/m/model.sig", key=PUBLIC_KEY)
    with FakeS3({"b": objects(signed(FILES))}) as server:
        storage = AsyncStorage(config=server.config)
        for _ in range(2):
            await storage.download("s3://b/m", tmp_path / "new", trust=trust)
        read = [asked.path for asked in server.asked if asked.method == "GET" and "/m/" in asked.path]
    assert read.count("/b/m/model.sig") == 2
    assert {read.count(f"/b/m/{name}") for name in ("config.json", "weights/small")} == {1}


@pytest.mark.anyio
async def test_a_file_that_was_changed_without_a_trace(tmp_path: Path) -> None:
    """It has its size, its time, and the mark of the first download."""
    with FakeS3({"b": objects(signed(FILES))}) as server:
        storage = AsyncStorage(config=server.config)
        for uri, path in (("s3://b/m", "config.json"), ("s3://b/m/config.json", "")):
            for _ in range(2):
                trust = Trust("s3://b/m/model.sig", key=PUBLIC_KEY)
                await storage.download(uri, tmp_path / f"new{len(path)}", trust=trust)
                file = tmp_path / f"new{len(path)}" / path
                assert file.read_bytes() == b"{}"
                before = file.stat()
                file.write_bytes(b"[]")
                os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.anyio
async def test_patterns_choose_among_signed_files(tmp_path: Path) -> None:
    with FakeS3({"b": objects(signed(FILES))}) as server:
        trust = Trust("s3://b/m/model.sig", key=PUBLIC_KEY)
        storage = AsyncStorage(config=server.config)
        await storage.download("s3://b/m", tmp_path / "new", allow_patterns="*.json", trust=trust)
    assert files_in(tmp_path / "new") == {"config.json": b"{}"}


@pytest.mark.anyio
async def test_a_part_of_a_model_by_its_own_uri(tmp_path: Path) -> None:
    """The signature has the paths from the top of the model, so the error says how to download a part of it."""
    with FakeS3({"b": objects(signed(FILES))}) as server:
        storage = AsyncStorage(LIMITS, config=server.config)
        trust = Trust("s3://b/m/model.sig", key=PUBLIC_KEY)
        for uri in ("s3://b/m/weights/", "s3://b/m/weights/small"):
            with pytest.raises(SignatureError, match="from the directory that was signed.*such as weights/"):
                await storage.download(uri, tmp_path / "new", trust=trust)
        assert not (tmp_path / "new").exists()
        await storage.download("s3://b/m/", tmp_path / "new", trust=trust, allow_patterns="weights/*")
    assert all_in(tmp_path / "new") == {"weights", "weights/large", "weights/small"}


@pytest.mark.anyio
async def test_one_object(tmp_path: Path) -> None:
    with FakeS3({"b": objects(signed(FILES)) | {"m/evil": b"{}"}}) as server:
        trust = Trust("s3://b/m/model.sig", key=PUBLIC_KEY)
        storage = AsyncStorage(config=server.config)
        await storage.download("s3://b/m/config.json", f"{tmp_path}/", trust=trust)
        with pytest.raises(SignatureError, match="'evil' is not among the files that were signed"):
            await storage.download("s3://b/m/evil", f"{tmp_path}/", trust=trust)
        with pytest.raises(SignatureError, match=r"were not signed: 'evil'"):
            await storage.download("s3://b/m/", tmp_path / "new", trust=trust)
    assert files_in(tmp_path) == {"config.json": b"{}"}


@pytest.mark.anyio
@pytest.mark.parametrize("right", [True, False])
async def test_the_digest_of_an_archive(tmp_path: Path, right: bool) -> None:
    archive = tar({"a.json": b"{}", "b.bin": pattern(200 * KiB)})
    digest = hashlib.sha256(archive if right else b"").hexdigest()
    with FakeS3({"b": {"m.tar.gz": archive}}) as server:
        call = AsyncStorage(config=server.config).download(
            "s3://b/m.tar.gz", tmp_path / "new", unpack=True, trust=Trust(digest=f"sha256:{digest}")
        )
        if right:
            await call
        else:
            with pytest.raises(SignatureError):
                await call
    assert all_in(tmp_path / "new") == ({"a.json", "b.bin"} if right else set())


@pytest.mark.anyio
@pytest.mark.parametrize("shards", [False, True])
async def test_an_object_that_is_empty_now(tmp_path: Path, shards: bool) -> None:
    """An empty object has no bytes that arrive, and is compared nevertheless."""
    with FakeS3({"b": objects(signed(FILES, shards=shards), **{"weights/small": b""})}) as server:
        storage = AsyncStorage(config=server.config)
        for uri, trust in (
            ("s3://b/m", Trust("s3://b/m/model.sig", key=PUBLIC_KEY)),
            ("s3://b/m/weights/small", Trust(digest="sha256:" + 64 * "0")),
        ):
            with pytest.raises(SignatureError, match="weights/small"):
                await storage.download(uri, tmp_path / "new", trust=trust)
            assert not (tmp_path / "new").exists()


@pytest.mark.anyio
async def test_an_unlisted_object_that_is_only_listed_as_empty(tmp_path: Path) -> None:
    """Shards do not list empty files. A hostile server lists a file of 0 bytes, without a version, and sends more."""
    found = objects(signed({"config.json": b"{}"}, shards=True), **{"evil.py": b"import os"})

    def instead(asked: Asked) -> Reply | None:
        if "list-type" not in asked.query or "delimiter" in asked.query:
            return None
        sizes = {"m/config.json": 2, "m/evil.py": 0}
        items = "".join(f"<Contents><Key>{key}</Key><Size>{size}</Size></Contents>" for key, size in sizes.items())
        return Reply(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>".encode())

    with FakeS3({"b": found}, instead=instead) as server:
        trust = Trust("s3://b/m/model.sig", key=PUBLIC_KEY)
        with pytest.raises(SignatureError, match=r"evil\.py"):
            await AsyncStorage(config=server.config).download("s3://b/m/", tmp_path / "new", trust=trust)
    assert not (tmp_path / "new").exists()


@pytest.mark.anyio
async def test_an_archive_whose_ranges_are_of_another_one(tmp_path: Path) -> None:
    """The directory of a zip is at its end: it is read from the bytes that were compared, not by a second request."""
    good = zipped({"weights": pattern(9 * MiB), "safe.py": b"pass"})
    evil = good.replace(b"safe.py", b"evil.py")

    def instead(asked: Asked) -> Reply | None:
        first, _, last = asked.headers.get("range", "").removeprefix("bytes=").partition("-")
        if asked.method != "GET" or not last or int(last) - int(first) > 128 * KiB:
            return None
        body, position = evil[int(first) : int(last) + 1], f"bytes {first}-{last}/{len(evil)}"
        return Reply(206, body, {"content-range": position, "etag": asked.headers.get("if-match", "")})

    with FakeS3({"b": {"m.zip": good}}, instead=instead) as server:
        trust = Trust(digest=f"sha256:{hashlib.sha256(good).hexdigest()}")
        storage = AsyncStorage(LIMITS, config=server.config)
        await storage.download("s3://b/m.zip", tmp_path / "new", unpack=True, trust=trust)
    assert all_in(tmp_path / "new") == {"weights", "safe.py"}


@pytest.mark.anyio
async def test_a_digest_is_of_one_object(tmp_path: Path) -> None:
    with FakeS3({"b": objects(b"")}) as server:
        trust = Trust(digest="sha256:" + 64 * "0")
        with pytest.raises(SignatureError, match="this is a prefix"):
            await AsyncStorage(config=server.config).download("s3://b/m", tmp_path / "new", trust=trust)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("change", "warning"),
    [
        (lambda found: found.update({"m/model.sig": b"{}"}), "the signature has no valid 'mediaType'"),
        (lambda found: found.update({"m/evil": b"!"}), "were not signed: 'evil'"),
        (lambda found: found.update({"m/config.json": b"[]"}), "'config.json' are not those that were signed"),
        (lambda found: None, ""),
    ],
)
async def test_warnings(
    tmp_path: Path, change: Callable[[dict[str, bytes]], None], warning: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = objects(signed(FILES))
    change(found)
    with FakeS3({"b": found}) as server:
        trust = Trust("s3://b/m/model.sig", key=PUBLIC_KEY, mode="warn")
        storage = AsyncStorage(config=server.config)
        with caplog.at_level(logging.WARNING, "sealift.trust"):
            await storage.download("s3://b/m", tmp_path / "new", trust=trust)
    assert files_in(tmp_path / "new") == {key.removeprefix("m/"): data for key, data in found.items()}
    text = "\n".join(record.getMessage() for record in caplog.records if record.name == "sealift.trust")
    assert warning in text
    assert bool(text) == bool(warning)


@pytest.mark.anyio
@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize(
    ("uri", "options", "files"),
    [
        ("s3://b/m.tar.gz", {"unpack": True}, {"a.json"}),
        ("s3://b/m", {"allow_patterns": "*.json"}, {"config.json"}),
        ("s3://b/m/config.json", {}, set()),
    ],
)
async def test_warnings_name_only_what_differs(
    tmp_path: Path, uri: str, options: dict[str, Any], files: set[str], right: bool, caplog: pytest.LogCaptureFixture
) -> None:
    archive, wrong = tar({"a.json": b"{}"}), {} if right else {"config.json": b"[]"}
    digest = f"sha256:{hashlib.sha256(archive if right else b'').hexdigest()}"
    with FakeS3({"b": {"m.tar.gz": archive, **objects(signed(FILES), **wrong)}}) as server:
        trust = Trust("s3://b/m/model.sig", key=PUBLIC_KEY, mode="warn")
        trust = Trust(digest=digest, mode="warn") if options.get("unpack") else trust
        with caplog.at_level(logging.WARNING, "sealift.trust"):
            await AsyncStorage(config=server.config).download(uri, tmp_path / "new", trust=trust, **options)
    assert all_in(tmp_path / "new") == files if files else (tmp_path / "new").is_file()
    warnings = [record.getMessage() for record in caplog.records if record.name == "sealift.trust"]
    assert len(warnings) == (not right)
    assert all("not those that were signed" in warning for warning in warnings)


@pytest.mark.anyio
async def test_a_model_without_a_signature(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with FakeS3({"b": {"m/config.json": b"{}"}}) as server:
        storage = AsyncStorage(config=server.config)
        with pytest.raises(ModelMissingError):
            await storage.download("s3://b/m", tmp_path / "new", trust=Trust("s3://b/m/model.sig", key=PUBLIC_KEY))
        assert not (tmp_path / "new").exists()
        trust = Trust("s3://b/m/model.sig", key=PUBLIC_KEY, mode="warn")
        with caplog.at_level(logging.WARNING, "sealift.trust"):
            await storage.download("s3://b/m", tmp_path / "new", trust=trust)
    assert files_in(tmp_path / "new") == {"config.json": b"{}"}
    assert "the model is not signed: read s3://b/m/model.sig" in caplog.text


@pytest.mark.parametrize(
    ("options", "cause"),
    [({"verify": False}, "verify"), ({"existing": "skip"}, "existing"), ({"on_error": "continue"}, "on_error")],
)
def test_options_that_contradict_a_signature(tmp_path: Path, options: dict[str, object], cause: str) -> None:
    trust = Trust(digest="sha256:" + 64 * "0")
    with pytest.raises(InvalidConfig, match=f"{cause}=.* cannot be combined with trust"):
        Storage.download(str(tmp_path), tmp_path / "new", trust=trust, **options)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ({}, "neither a signature nor a digest"),
        ({"signature": "a.sig"}, "does not say who must have signed"),
        ({"signature": "a.sig", "key": "a.pub", "certificate_chain": "ca.pem"}, "several kinds"),
        ({"signature": "a.sig", "identity": "me@example.com"}, "identity and issuer"),
        ({"digest": "sha256:1"}, "64 lower-case hex digits"),
        ({"digest": 7}, "64 lower-case hex digits"),
        ({"digest": "sha256:" + 64 * "0", "signature": "a.sig", "key": "a.pub"}, "exclude each other"),
        ({"signature": "a.sig", "key": "a.pub", "mode": "maybe"}, "'enforce' or 'warn'"),
    ],
)
def test_arguments_that_say_nothing(arguments: dict[str, Any], cause: str) -> None:
    with pytest.raises(InvalidConfig, match=cause):
        Trust(**arguments)


def test_something_else_than_a_trust(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="trust=… is of type str"):
        Storage.download(str(tmp_path), tmp_path / "new", trust="model.sig")  # type: ignore[arg-type]
