"""Listings that never end or stop midway are errors, and nothing is removed because of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sealift import AsyncStorage, AzureConfig, GCSConfig, HFConfig, Limits, ServiceError, StorageConfig
from sealift.errors import StorageError
from tests.api.helpers import files_in
from tests.api.servers import Asked, FakeS3, Reply, failure
from tests.api.stores import directory

pytestmark = pytest.mark.anyio

SHA = "0" * 40


def s3(token: str) -> str:
    entry = '<Contents><Key>m/a</Key><ETag>"x"</ETag><Size>1</Size></Contents>'
    return f"<ListBucketResult><IsTruncated>true</IsTruncated>{token}{entry}</ListBucketResult>"


def of_s3(asked: Asked) -> Reply:
    return Reply(200, s3("<NextContinuationToken>same</NextContinuationToken>").encode())


def of_azure(asked: Asked) -> Reply:
    return Reply(200, b"<EnumerationResults><Blobs/><NextMarker>same</NextMarker></EnumerationResults>")


def of_gcs(asked: Asked) -> Reply:
    return Reply(200, b'{"items": [{"name": "m/a", "size": "1"}], "nextPageToken": "same"}')


def of_hub(asked: Asked) -> Reply:
    if "/revision/" in asked.path:
        return Reply(200, f'{{"sha": "{SHA}"}}'.encode())
    headers = {"Link": '<http://hub/api/models/o/r/tree/main?cursor=same>; rel="next"'}
    return Reply(200, b'[{"type": "file", "path": "m/a", "size": 1, "oid": "1"}]', headers)


def in_turn(*tokens: str) -> Callable[[Asked], Reply]:
    def answer(asked: Asked) -> Reply:
        now = asked.query.get("continuation-token")
        token = tokens[(tokens.index(now) + 1) % len(tokens)] if now else tokens[0]
        return Reply(200, s3(f"<NextContinuationToken>{token}</NextContinuationToken>").encode())

    return answer


SERVICES: dict[str, tuple[str, Callable[[Asked], Reply], Callable[[FakeS3], StorageConfig]]] = {
    "s3": ("s3://b/m/", of_s3, lambda server: server.config),
    "s3, in turn": ("s3://b/m/", in_turn("a", "b"), lambda server: server.config),
    "azure": (
        "azure://models/m/",
        of_azure,
        lambda server: AzureConfig(account_name="acct", endpoint_url=server.endpoint, anonymous=True),
    ),
    "azure files": (
        "https://acct.file.core.windows.net/models/m/",
        of_azure,
        lambda server: AzureConfig(endpoint_url=server.endpoint, anonymous=True),
    ),
    "gcs": ("gs://models/m/", of_gcs, lambda server: GCSConfig(endpoint_url=server.endpoint, anonymous=True)),
    "hub": ("hf://o/r/m/", of_hub, lambda server: HFConfig(endpoint=server.endpoint)),
}


@pytest.mark.parametrize("service", list(SERVICES))
async def test_a_token_that_repeats(service: str, tmp_path: Path) -> None:
    uri, answer, config = SERVICES[service]
    directory(tmp_path).put({"to/kept": b"x"})
    storage = AsyncStorage()
    with FakeS3({}, instead=answer) as server:
        with pytest.raises(ServiceError, match="does not advance"):
            await storage.list_objects(uri, config=config(server))
        assert len(server.asked) < 10
        with pytest.raises(StorageError, match="does not advance|map to the same path"):
            await storage.sync(uri, f"{tmp_path}/to", config=config(server), delete=True, dry_run=True)
    assert files_in(tmp_path / "to") == {"kept": b"x"}


def truncated(_: Asked) -> Reply:
    return Reply(200, s3("").encode())


def second_page(reply: Reply) -> Callable[[Asked], Reply]:
    def answer(asked: Asked) -> Reply:
        first = s3("<NextContinuationToken>second</NextContinuationToken>").replace("m/a", "m/kept")
        return reply if "continuation-token" in asked.query else Reply(200, first.encode())

    return answer


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (truncated, "truncated, but has no continuation token"),
        (second_page(failure(403, "AccessDenied")), "no permission"),
        (second_page(failure(400, "InvalidArgument")), "InvalidArgument"),
        (second_page(Reply(200, b"<ListBucketResult><Contents><Key>")), "not XML"),
    ],
)
async def test_a_listing_that_stops_half_way(answer: Callable[[Asked], Reply], cause: str, tmp_path: Path) -> None:
    """The listing is that of a source, of a destination, and of a prefix to delete."""
    directory(tmp_path).put({"to/kept": b"x", "to/extra": b"x"})
    storage = AsyncStorage(Limits(attempts=1))
    options: dict[str, Any] = {"delete": True, "verify": False}
    with FakeS3({"b": {"m/kept": b"x", "m/a": b"x"}}, instead=listings(answer)) as server:
        with pytest.raises(StorageError, match=cause):
            await storage.sync("s3://b/m", f"{tmp_path}/to", config=server.config, **options)
        with pytest.raises(StorageError, match=cause):
            await storage.sync(f"{tmp_path}/to", "s3://b/m", config=None, dest_config=server.config, **options)
        with pytest.raises(StorageError, match=cause):
            await storage.delete("s3://b/m", config=server.config, recursive=True)
        assert not [asked for asked in server.asked if asked.method in {"POST", "DELETE", "PUT"}]
    assert files_in(tmp_path / "to").keys() >= {"kept", "extra"}


def listings(answer: Callable[[Asked], Reply]) -> Callable[[Asked], Reply | None]:
    return lambda asked: answer(asked) if "list-type" in asked.query else None
