"""The requests that carry write options: each header and parameter, in each way to write an object."""

import json
from pathlib import Path
from typing import Any

import pytest

from sealift import AccessDenied, AsyncStorage, AzureConfig, GCSConfig, Limits, WriteOptions
from sealift.backends.s3.signature import is_signed
from sealift.types import MiB
from tests.api.servers import Asked, FakeS3, Reply, failure, pattern
from tests.api.writable import WritableS3, is_begin

pytestmark = pytest.mark.anyio

LARGE = pattern(11 * MiB)
IN_S3 = WriteOptions(
    content_type="a/b",
    storage_class="STANDARD_IA",
    acl="private",
    sse="aws:kms",
    kms_key_id="alias/models",
    bucket_key=True,
    metadata={"team": "nlp"},
    tags={"cost": "1"},
)
HEADERS = {
    "content-type": "a/b",
    "x-amz-storage-class": "STANDARD_IA",
    "x-amz-acl": "private",
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "alias/models",
    "x-amz-server-side-encryption-bucket-key-enabled": "true",
    "x-amz-meta-team": "nlp",
    "x-amz-tagging": "cost=1",
}


def sent(asked: Asked) -> dict[str, str]:
    return {name: asked.headers[name] for name in HEADERS if name in asked.headers}


async def test_objects_of_one_request_and_of_several_parts(tmp_path: Path) -> None:
    for name, data in {"large": LARGE, "empty": b"", **{f"{number}": b"small" for number in range(30)}}.items():
        (tmp_path / name).write_bytes(data)
    with WritableS3() as server:
        storage = AsyncStorage(Limits(part_size=5 * MiB))
        await storage.upload(tmp_path, "s3://b/m", config=server.config, write_options=IN_S3)
        created = [asked for asked in server.asked if is_begin(asked) or (asked.method == "PUT" and not asked.query)]
        assert len(created) == 32
        assert [sent(asked) for asked in created] == [HEADERS] * 32
        signed = [asked.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0] for asked in created]
        assert all({name for name in HEADERS if is_signed(name)} <= set(names.split(";")) for names in signed)
        parts = [asked for asked in server.asked if "partNumber" in asked.query]
        assert [sent(asked) for asked in parts] == [{}] * 3


async def test_a_copy_by_the_service_names_what_it_replaces() -> None:
    with WritableS3() as server:
        server.replace("b", "k", b"bytes")
        storage = AsyncStorage()
        for options, expected in (
            (None, {}),
            (WriteOptions(storage_class="GLACIER"), {"x-amz-storage-class": "GLACIER"}),
            (WriteOptions(tags={"a": "b"}), {"x-amz-tagging-directive": "REPLACE", "x-amz-tagging": "a=b"}),
            (
                WriteOptions(metadata={"a": "b"}),
                {"x-amz-metadata-directive": "REPLACE", "x-amz-meta-a": "b"},
            ),
        ):
            await storage.copy("s3://b/k", "s3://b/copy", config=server.config, write_options=options)
            asked = server.asked[-1]
            names = ("x-amz-storage-class", "x-amz-tagging", "x-amz-metadata-", "x-amz-meta-")
            assert {name: value for name, value in asked.headers.items() if name.startswith(names)} == expected
            assert asked.headers["x-amz-copy-source"] == "b/k"


@pytest.mark.parametrize(("first", "second", "begun"), [("A", "A", 1), ("A", "B", 2), (None, "B", 2), ("A", None, 2)])
async def test_an_unfinished_upload_with_other_options_is_not_resumed(
    tmp_path: Path, bare_environment: Path, first: str | None, second: str | None, begun: int
) -> None:
    (tmp_path / "large").write_bytes(LARGE)
    failing = True

    def instead(asked: Asked) -> Reply | None:
        return failure(403, "AccessDenied") if failing and asked.query.get("partNumber") == "3" else None

    def options(name: str | None) -> WriteOptions | None:
        return None if name is None else WriteOptions(storage_class=name)

    with WritableS3(instead=instead) as server:
        storage = AsyncStorage(Limits(part_size=5 * MiB, memory=5 * MiB))
        with pytest.raises(AccessDenied):
            await storage.upload(tmp_path / "large", "s3://b/k", config=server.config, write_options=options(first))
        failing = False
        await storage.upload(tmp_path / "large", "s3://b/k", config=server.config, write_options=options(second))
        created = [asked.headers.get("x-amz-storage-class") for asked in server.asked if is_begin(asked)]
        assert created == [first, second][-begun:] if begun == 1 else created == [first, second]
        assert server.uploads == {}
        assert server.objects["b"] == {"k": LARGE}


class Google(FakeS3):
    """Accepts uploads, compositions and rewrites of the JSON API, and records them."""

    def __init__(self) -> None:
        super().__init__({}, instead=self._resource)

    def _resource(self, asked: Asked) -> Reply:
        name = asked.query.get("name")
        if asked.method == "DELETE":
            return Reply(204)
        if "/rewriteTo/" in asked.path:
            resource: dict[str, Any] = {"done": True, "resource": {"name": "copy", "size": "5", "generation": "2"}}
        elif asked.path.endswith("/compose"):
            resource = {"name": "k", "size": str(len(LARGE)), "generation": "3"}
        elif asked.query.get("uploadType") == "media":
            resource = {"name": name, "size": str(len(asked.body)), "generation": "1"}
        elif asked.query.get("uploadType") == "multipart":
            resource = {"name": "k", "size": "5", "generation": "1"}
        elif asked.path.endswith("/o"):
            resource = {"items": []}
        else:
            resource = {"name": "k", "size": "5", "generation": "1", "contentType": "text/csv", "metadata": {"a": "b"}}
        return Reply(200, json.dumps(resource).encode(), {"Content-Type": "application/json"})

    @property
    def google(self) -> GCSConfig:
        return GCSConfig(anonymous=True, endpoint_url=self.endpoint)


IN_GCS = WriteOptions(storage_class="NEARLINE", acl="bucketOwnerFullControl", kms_key_id="projects/p/cryptoKeys/k")


async def test_google_s_parameters(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"bytes")
    (tmp_path / "large").write_bytes(LARGE)
    storage = AsyncStorage(Limits(part_size=5 * MiB))
    with Google() as server:
        await storage.upload(tmp_path / "small", "gs://b/k", config=server.google, write_options=IN_GCS)
        (put,) = [asked for asked in server.asked if asked.method == "POST"]
        assert (put.query["predefinedAcl"], put.query["kmsKeyName"]) == (IN_GCS.acl, IN_GCS.kms_key_id)
        assert b'"storageClass": "NEARLINE"' in put.body
    with Google() as server:
        await storage.upload(tmp_path / "large", "gs://b/k", config=server.google, write_options=IN_GCS)
        parts = [asked for asked in server.asked if asked.query.get("uploadType") == "media"]
        assert [asked.query["kmsKeyName"] for asked in parts] == [IN_GCS.kms_key_id] * 3
        (compose,) = [asked for asked in server.asked if asked.path.endswith("/compose")]
        assert compose.query["destinationPredefinedAcl"] == IN_GCS.acl
        assert compose.query["kmsKeyName"] == IN_GCS.kms_key_id
        assert json.loads(compose.body)["destination"]["storageClass"] == "NEARLINE"


async def test_a_copy_inside_google() -> None:
    storage = AsyncStorage()
    with Google() as server:
        await storage.copy("gs://b/k", "gs://b/copy", config=server.google, verify=False)
        rewrite = server.asked[-1]
        assert (rewrite.body, set(rewrite.query)) == (b"", {"sourceGeneration"})
        await storage.copy("gs://b/k", "gs://b/copy", config=server.google, verify=False, write_options=IN_GCS)
        rewrite = server.asked[-1]
        assert rewrite.query["destinationPredefinedAcl"] == IN_GCS.acl
        assert rewrite.query["destinationKmsKeyName"] == IN_GCS.kms_key_id
        # The resource replaces that of the source.
        assert json.loads(rewrite.body) == {
            "contentType": "text/csv",
            "metadata": {"a": "b"},
            "storageClass": "NEARLINE",
        }
        options = WriteOptions(acl="private")
        await storage.copy("gs://b/k", "gs://b/copy", config=server.google, verify=False, write_options=options)
        assert server.asked[-1].body == b""


async def test_azure_s_headers(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"bytes")
    (tmp_path / "large").write_bytes(LARGE)
    storage, options = (
        AsyncStorage(Limits(part_size=5 * MiB)),
        WriteOptions(storage_class="Cool", encryption_scope="models"),
    )
    with FakeS3({}, instead=lambda asked: Reply(201, headers={"ETag": '"1"'})) as server:
        config = AzureConfig("models", sas_token="sv=1&sig=2", endpoint_url=f"{server.endpoint}/models")
        for name in ("small", "large"):
            await storage.upload(tmp_path / name, "azure://container/k", config=config, write_options=options)
        puts = [asked for asked in server.asked if asked.method == "PUT"]
        kinds = [asked.query.get("comp") for asked in puts]
        assert sorted(map(str, kinds)) == ["None", "block", "block", "block", "blocklist"]
        assert {asked.headers["x-ms-encryption-scope"] for asked in puts} == {"models"}
        tiers = {kind: asked.headers.get("x-ms-access-tier") for kind, asked in zip(kinds, puts, strict=True)}
        assert tiers == {None: "Cool", "block": None, "blocklist": "Cool"}
