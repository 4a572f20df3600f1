"""The Hugging Face Hub through the API, and the real client against the fake Hub that the tests use."""

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import anyio
import pytest

from sealift import (
    AccessDenied,
    AsyncStorage,
    DeadlineExceeded,
    Event,
    HFConfig,
    IntegrityError,
    InvalidConfig,
    InvalidURI,
    Limits,
    ModelMissingError,
    S3Config,
    ServiceError,
    UnsupportedOperation,
)
from sealift.types import MiB
from sealift.uri import parse
from tests.api.helpers import all_in, config_of, files_in, shows
from tests.api.servers import pattern
from tests.api.stores import objects_in
from tests.services.hub import FIRST_COMMIT, GRANTED, READER, Asked, FakeHub, Reply, git_hash
from tests.services.s3 import MakeBucket, S3Service, client

FILES = {
    "config.json": b'{"model_type": "iris"}',
    "model.safetensors": pattern(3 * MiB + 5),
    "onnx/model.onnx": pattern(50_000),
    "onnx/notes/läs mig?.txt": b"read me",
    "empty.txt": b"",
    ".gitattributes": b"*.safetensors filter=lfs",
}
URI = "hf://owner/name"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub(page=3) as hub:
        hub.repo("owner/name", FILES)
        yield hub


# Paths after hf://, compared with the parser of huggingface_hub.
PATHS = [
    "owner/name", "owner/name/onnx/model.onnx", "models/owner/name@main/onnx", "owner/name@v1",
    "owner/name@feature%2Fx", "owner/name@feature%2Fx/of-x", "owner/name@refs/pr/1/config.json",
    "owner/name@refs%2Fpr%2F1/config.json",
    "owner/name@refs/convert/parquet/of-parquet", "datasets/owner/data@main/a.bin", "owner/name/a@b.bin",
]  # fmt: skip

_REAL_CLIENT = """
import json, sys
from huggingface_hub import HfApi, HfFileSystem, hf_hub_download, snapshot_download
api, directory = HfApi(), sys.argv[1]

def name_of_failure(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except Exception as error:
        return type(error).__name__

def tree(name, **kwargs):
    return {entry.path: [entry.size, entry.blob_id, entry.lfs and entry.lfs.sha256]
            for entry in api.list_repo_tree(name, recursive=True, **kwargs) if hasattr(entry, "blob_id")}

info = api.model_info("owner/name")
refs = api.list_repo_refs("owner/name")
told = {
    "sha": info.sha,
    "modified": info.last_modified.isoformat(),
    "siblings": sorted(sibling.rfilename for sibling in info.siblings),
    "expanded": api.model_info("owner/name", revision="main", expand=["sha"]).sha,
    "tree": tree("owner/name"),
    "below": [entry.path for entry in api.list_repo_tree("owner/name", "onnx")],
    "request": tree("owner/name", revision="refs/pr/1"),
    "dataset": tree("owner/data", repo_type="dataset"),
    "one": open(hf_hub_download("owner/data", "a.bin", repo_type="dataset"), "rb").read().decode(),
    "old": open(hf_hub_download("gpt2", "config.json"), "rb").read().decode(),
    "refs": {kind: sorted(ref.name for ref in getattr(refs, kind)) for kind in ("branches", "tags", "converts")},
    "with a slash": tree("owner/name", revision="feature/x"),
    "paths": [
        {"revision": path.revision, "path": path.path_in_repo}
        for path in map(HfFileSystem().resolve_path, PATHS)
    ],
    "failures": [
        name_of_failure(api.model_info, "owner/none"),
        name_of_failure(api.model_info, "owner/none", token="TOKEN"),
        name_of_failure(api.model_info, "owner/private"),
        name_of_failure(api.model_info, "owner/name", revision="v9"),
        name_of_failure(hf_hub_download, "owner/name", "none.bin"),
        name_of_failure(hf_hub_download, "owner/gated", "a.bin"),
        name_of_failure(hf_hub_download, "owner/gated", "a.bin", token="TOKEN"),
        name_of_failure(lambda: list(api.list_repo_tree("owner/name", "none"))),
        name_of_failure(api.model_info, "owner/name", token="mistyped"),
    ],
}
snapshot_download("owner/name", local_dir=directory)
print(json.dumps(told))
"""


def test_the_real_client_is_content_with_the_fake(hub: FakeHub, tmp_path: Path) -> None:
    repo = hub.repos["models", "owner/name"]
    repo.commit({"config.json": b"{}"}, "refs/pr/1")
    repo.commit({"of-x": b"x"}, "feature/x")
    repo.commit({"of-parquet": b"x"}, "refs/convert/parquet")
    repo.commit({"of-v1": b"x"}, "v1")
    repo.tags.add("v1")
    hub.repo("owner/data", {"a.bin": b"large", "b.csv": b"small"}, kind="datasets")
    hub.repo("gpt2", {"config.json": b"old"})
    hub.repo("owner/gated", {"a.bin": b"x"}, access="gated")
    hub.repo("owner/private", {"a.bin": b"x"}, access="private")
    limited = [Reply(429, headers={"RateLimit": '"api";r=0;t=0'})]
    hub.instead = lambda asked: limited.pop() if limited and "/tree/" in asked.path else None
    environ = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    script = _REAL_CLIENT.replace("TOKEN", READER).replace("PATHS", repr(PATHS))
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "there")],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout)
    large = {"model.safetensors", "onnx/model.onnx"}
    assert told["sha"] == told["expanded"] == repo.refs["main"]
    assert told["modified"] == FIRST_COMMIT.isoformat()
    assert told["siblings"] == sorted(FILES)
    assert told["tree"] == {
        key: [len(value), git_hash(value), hashlib.sha256(value).hexdigest() if key in large else None]
        for key, value in FILES.items()
    }
    assert told["below"] == ["onnx/model.onnx", "onnx/notes"]
    assert set(told["request"]) == {"config.json"}
    assert told["refs"] == {"branches": ["feature/x", "main"], "tags": ["v1"], "converts": ["parquet"]}
    assert set(told["with a slash"]) == {"of-x"}
    ours = [parse(f"hf://{path}") for path in PATHS]
    assert told["paths"] == [{"revision": place.revision or "main", "path": place.key} for place in ours]
    assert set(told["dataset"]) == {"a.bin", "b.csv"}
    assert (told["one"], told["old"]) == ("large", "old")
    assert told["failures"] == [
        *["RepositoryNotFoundError"] * 3, "RevisionNotFoundError", "RemoteEntryNotFoundError",
        "GatedRepoError", "GatedRepoError", "RemoteEntryNotFoundError", "HfHubHTTPError",
    ]  # fmt: skip
    there = {path: data for path, data in files_in(tmp_path / "there").items() if not path.startswith(".cache/")}
    assert there == FILES


@pytest.mark.anyio
class TestVerbs:
    async def test_a_repository_becomes_a_directory(self, hub: FakeHub, tmp_path: Path) -> None:
        events: list[Event] = []
        storage = AsyncStorage(Limits(part_size=MiB))
        path = await storage.download(URI, tmp_path / "model", config=hub.config, on_event=events.append)
        assert path == str(tmp_path / "model")
        assert files_in(tmp_path / "model") == FILES
        assert {event.key: event.verified for event in events if event.kind == "object"} == {
            key: "sha256" if key.endswith((".safetensors", ".onnx")) else "size-only" for key in FILES
        }

    @pytest.mark.parametrize("size", [2 * MiB + 5, 2 * MiB + 300_000])
    async def test_a_file_of_git_in_several_parts(self, hub: FakeHub, tmp_path: Path, size: int) -> None:
        hub.repo("owner/git", {"tokenizer.json": pattern(size)})
        uri = "hf://owner/git/tokenizer.json"
        await AsyncStorage(Limits(part_size=MiB)).download(uri, tmp_path / "file", config=hub.config)
        assert (tmp_path / "file").read_bytes() == pattern(size)

    async def test_a_file_of_a_revision(self, hub: FakeHub, tmp_path: Path) -> None:
        hub.repos["models", "owner/name"].commit({"config.json": b"of the request"}, "refs/pr/1")
        storage = AsyncStorage()
        path = await storage.download(f"{URI}:refs/pr/1/config.json", f"{tmp_path}/", config=hub.config)
        assert path == f"{tmp_path}/config.json"
        assert files_in(tmp_path) == {"config.json": b"of the request"}

    @pytest.mark.parametrize("form", ["@feature%2Fx", ":feature%2Fx", "@feature/x", ":feature/x"])
    async def test_a_branch_with_a_slash(self, hub: FakeHub, tmp_path: Path, form: str) -> None:
        files = {"config.json": b"of x", "onnx/model.onnx": b"large of x"}
        hub.repos["models", "owner/name"].commit(files, "feature/x")
        storage, uri = AsyncStorage(), f"{URI}{form}"
        await storage.download(uri, tmp_path / "all", config=hub.config)
        await storage.download(f"{uri}/onnx", tmp_path / "onnx", config=hub.config)
        await storage.download(f"{uri}/config.json", f"{tmp_path}/", config=hub.config)
        assert files_in(tmp_path / "all") == files
        assert files_in(tmp_path / "onnx") == {"model.onnx": b"large of x"}
        assert files_in(tmp_path)["config.json"] == b"of x"
        assert sorted(await storage.list_objects(uri, config=hub.config)) == sorted(files)
        assert await storage.list_objects(f"{uri}/onnx/", config=hub.config) == ["model.onnx"]
        assert await storage.read(f"{uri}/onnx/model.onnx", 6, 4, config=hub.config) == b"of x"
        assert b"".join([chunk async for chunk in storage.stream(f"{uri}/config.json", config=hub.config)]) == b"of x"
        with pytest.raises(ModelMissingError):
            await storage.read(f"{uri}/none", config=hub.config)

    async def test_a_revision_that_exists_is_not_the_beginning_of_another(self, hub: FakeHub) -> None:
        """The rule is that of huggingface_hub; branches are listed only if the revision does not exist."""
        repo = hub.repos["models", "owner/name"]
        repo.commit({"x/config.json": b"of the tag"}, "feature")
        repo.tags.add("feature")
        repo.commit({"config.json": b"of the branch"}, "feature/x")
        assert await AsyncStorage().read(f"{URI}@feature/x/config.json", config=hub.config) == b"of the tag"
        assert await AsyncStorage().read(f"{URI}@feature%2Fx/config.json", config=hub.config) == b"of the branch"
        assert not [asked for asked in hub.asked if asked.path.endswith("/refs")]

    async def test_a_name_that_two_branches_fit_is_refused(self, hub: FakeHub) -> None:
        repo = hub.repos["models", "owner/name"]
        repo.commit({"y/config.json": b"of the tag"}, "feature/x")
        repo.tags.add("feature/x")
        repo.commit({"config.json": b"of the branch"}, "feature/x/y")
        with pytest.raises(InvalidURI, match="feature%2Fx or feature%2Fx%2Fy"):
            await AsyncStorage().read(f"{URI}@feature/x/y/config.json", config=hub.config)

    @pytest.mark.parametrize("form", ["@none/config.json", "@feat/x", "@feature/xx/config.json", "@feature/"])
    async def test_no_branch_of_that_name(self, hub: FakeHub, form: str) -> None:
        hub.repos["models", "owner/name"].commit({"config.json": b"of x"}, "feature/x")
        with pytest.raises(ModelMissingError, match="has no revision"):
            await AsyncStorage().read(f"{URI}{form}", config=hub.config)

    async def test_a_mirror_that_lists_no_branches(self, hub: FakeHub) -> None:
        hub.instead = lambda asked: Reply(404, b"{}") if asked.path.endswith("/refs") else None
        with pytest.raises(ModelMissingError, match="has no revision 'feature'.*%2F"):
            await AsyncStorage().read(f"{URI}@feature/x/config.json", config=hub.config)

    async def test_a_directory_of_it(self, hub: FakeHub, tmp_path: Path) -> None:
        await AsyncStorage().download(f"{URI}/onnx", tmp_path / "onnx", config=hub.config)
        assert files_in(tmp_path / "onnx") == {"model.onnx": FILES["onnx/model.onnx"], "notes/läs mig?.txt": b"read me"}

    @pytest.mark.parametrize("small", ["identity", "gzip", "deflate", "chunked", "chunked gzip", "no ranges"])
    async def test_small_files_come_as_they_like(self, hub: FakeHub, tmp_path: Path, small: str) -> None:
        hub.small = small
        hub.repo("gpt2", FILES)
        storage = AsyncStorage(Limits(part_size=MiB))
        await storage.download(URI, tmp_path / "all", config=hub.config)
        await storage.download("hf://gpt2:main/config.json", f"{tmp_path}/", config=hub.config)
        assert files_in(tmp_path / "all") == FILES
        assert files_in(tmp_path)["config.json"] == FILES["config.json"]
        assert await storage.read("hf://gpt2:main/config.json", 1, 5, config=hub.config) == FILES["config.json"][1:6]

    async def test_a_mirror_below_a_path(self, tmp_path: Path) -> None:
        with FakeHub(page=2, below="/artifacts/hub") as mirror:
            mirror.repo("owner/name", FILES)
            await AsyncStorage().download(URI, tmp_path / "model", config=mirror.signed_in())
        assert files_in(tmp_path / "model") == FILES
        assert all(asked.headers["authorization"] for asked in mirror.requests("hub"))

    async def test_patterns(self, hub: FakeHub, tmp_path: Path) -> None:
        allowed, dest = ["*.json", "*.onnx"], tmp_path / "some"
        await AsyncStorage().download(URI, dest, config=hub.config, allow_patterns=allowed, ignore_patterns="notes/*")
        assert set(files_in(tmp_path / "some")) == {"config.json", "onnx/model.onnx"}

    async def test_questions(self, hub: FakeHub) -> None:
        storage = AsyncStorage()
        assert sorted(await storage.list_objects(URI, config=hub.config)) == sorted(FILES)
        assert await storage.list_objects(f"{URI}/config.json", config=hub.config) == ["config.json"]
        told = await storage.get_object_metadata(f"{URI}/model.safetensors", config=hub.config)
        digest = hashlib.sha256(FILES["model.safetensors"]).hexdigest()
        assert (told["type"], told["size"], told["etag"]) == ("object", 3 * MiB + 5, f'"{digest}"')
        assert told["version"] == hub.repos["models", "owner/name"].refs["main"]
        assert told["modified_time"] == FIRST_COMMIT
        assert told["checksums"] == {"sha256": digest}

    async def test_reading_into_memory(self, hub: FakeHub) -> None:
        uri, data = f"{URI}/model.safetensors", FILES["model.safetensors"]
        async with AsyncStorage(Limits(part_size=MiB)) as storage:
            assert await storage.read(uri, config=hub.config) == data
            assert await storage.read(uri, 5, 100, config=hub.config) == data[5:105]
            assert await storage.read(f"{URI}/config.json", config=hub.config) == FILES["config.json"]
            assert b"".join([chunk async for chunk in storage.stream(uri, config=hub.config)]) == data

    async def test_a_copy_to_a_bucket_goes_through_memory(
        self, hub: FakeHub, seaweedfs: S3Service, make_bucket: MakeBucket
    ) -> None:
        bucket = make_bucket(seaweedfs)
        async with AsyncStorage() as storage:
            await storage.copy(URI, f"s3://{bucket}/models/", config=hub.config, dest_config=config_of(seaweedfs))
        there = await anyio.to_thread.run_sync(objects_in, seaweedfs, bucket)
        assert there == {f"models/{key}": data for key, data in FILES.items()}
        head = await anyio.to_thread.run_sync(
            lambda: client(seaweedfs).head_object(Bucket=bucket, Key="models/config.json")
        )
        assert head["ContentType"] == "text/plain"  # as reported by the Hub

    async def test_what_is_there_already_is_kept(self, hub: FakeHub, tmp_path: Path) -> None:
        storage, dest = AsyncStorage(), str(tmp_path / "model")
        assert (await storage.sync(URI, dest, config=hub.config)).copied == len(FILES)
        again = await storage.sync(URI, dest, config=hub.config)
        assert (again.copied, again.kept) == (0, len(FILES))

    async def test_nothing_can_be_written(self, hub: FakeHub, tmp_path: Path) -> None:
        storage, config = AsyncStorage(), hub.config
        with pytest.raises(UnsupportedOperation):
            await storage.upload(__file__, f"{URI}/new", config=config)
        with pytest.raises(UnsupportedOperation):
            await storage.copy(f"{URI}/config.json", f"{URI}/new", config=config)
        for verb in (storage.delete, storage.delete_object):
            with pytest.raises(UnsupportedOperation):
                await verb(f"{URI}/config.json", config=config)
        assert {asked.method for asked in hub.asked} <= {"GET", "HEAD"}

    @pytest.mark.parametrize("uri", ["hf://owner/none", f"{URI}:v9", f"{URI}/none", f"{URI}/onnx/mod", f"{URI}/../x"])
    async def test_what_is_missing_is_named(self, hub: FakeHub, tmp_path: Path, uri: str) -> None:
        with pytest.raises(ModelMissingError) as caught:
            await AsyncStorage().download(uri, tmp_path / "dest", config=hub.config)
        assert uri in str(caught.value)
        assert all_in(tmp_path) == set()


@pytest.mark.anyio
class TestTrouble:
    async def test_a_failure_among_many_files_is_all_that_is_told(self, tmp_path: Path) -> None:
        """No future is completed twice when the other requests are cancelled: the event loop reports nothing."""
        reported: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
        with FakeHub() as hub:
            hub.repo("owner/many", {f"{number:03}.json": b"%d" % number for number in range(200)})
            hub.instead = lambda asked: Reply(403, b"") if asked.path.endswith("100.json") else None
            for number in range(5):
                with pytest.raises(AccessDenied):
                    await AsyncStorage().download("hf://owner/many", tmp_path / str(number), config=hub.config)
        await anyio.sleep(0)
        assert reported == []
        assert not any((tmp_path / str(number)).exists() for number in range(5))

    async def test_damaged_bytes_are_not_published(self, hub: FakeHub, tmp_path: Path) -> None:
        data = FILES["model.safetensors"]
        digest = hashlib.sha256(data).hexdigest()
        with_an_error = bytearray(data)
        with_an_error[2 * MiB] ^= 1

        def damage(asked: Asked) -> None:
            if asked.origin == "storage":
                hub._blobs[digest] = bytes(with_an_error)

        hub.instead = damage
        uri = f"{URI}/model.safetensors"
        for limits in (Limits(part_size=MiB, attempts=1), Limits(attempts=1)):
            storage = AsyncStorage(limits)
            with pytest.raises(IntegrityError, match="sha256"):
                await storage.download(uri, tmp_path / "model", config=hub.config)
            with pytest.raises(IntegrityError, match="sha256"):
                await storage.read(uri, config=hub.config)
            with pytest.raises(IntegrityError, match="sha256"):
                _ = [chunk async for chunk in storage.stream(uri, config=hub.config)]
        assert all_in(tmp_path) == set()

    async def test_addresses_that_expire_on_the_way_cost_no_attempt(self, hub: FakeHub, tmp_path: Path) -> None:
        def expire(asked: Asked) -> None:
            if asked.origin == "storage" and len(hub.requests("storage")) == 2:
                hub.expire()

        hub.instead = expire
        limits = Limits(part_size=MiB, attempts=1, connections=1)
        await AsyncStorage(limits).download(f"{URI}/model.safetensors", tmp_path / "model", config=hub.config)
        assert files_in(tmp_path) == {"model": FILES["model.safetensors"]}
        assert len([asked for asked in hub.asked if asked.resolves]) == 2

    @pytest.mark.parametrize("uri", [URI, f"{URI}/model.safetensors"])
    @pytest.mark.parametrize("changed", ["README.md", "model.safetensors"])
    async def test_a_download_resumes_at_a_later_commit(
        self, hub: FakeHub, tmp_path: Path, uri: str, changed: str
    ) -> None:
        """Parts of files that are unchanged in the later commit are reused, parts of changed files are not."""

        def refuse(asked: Asked) -> Reply | None:
            return Reply(500) if len(hub.requests("storage")) > 2 and asked.origin == "storage" else None

        hub.instead = refuse
        storage = AsyncStorage(Limits(part_size=MiB, attempts=1, connections=1))
        with pytest.raises(ServiceError):
            await storage.download(uri, tmp_path / "model", config=hub.config)
        hub.instead = lambda _: None
        repo = hub.repos["models", "owner/name"]
        repo.put({changed: bytes(reversed(FILES["model.safetensors"]))})
        events: list[Event] = []
        await storage.download(uri, tmp_path / "model", config=hub.config, on_event=events.append)
        expected = repo.files()
        found = files_in(tmp_path)
        assert found == (
            {f"model/{key}": data for key, data in expected.items()}
            if uri == URI
            else {"model": expected["model.safetensors"]}
        )
        resumed = {event.key for event in events if event.kind == "resumed"}
        assert ("model.safetensors" in resumed) == (changed == "README.md")
        if uri == URI and changed != "README.md":
            assert {"config.json", ".gitattributes"} <= resumed

    async def test_a_limit_of_requests_is_waited_for(self, hub: FakeHub, tmp_path: Path) -> None:
        waits = [{"Retry-After": "0"}, {"RateLimit": '"api";r=0;t=0'}]
        hub.instead = lambda asked: Reply(429, headers=waits.pop()) if waits else None
        await AsyncStorage().download(f"{URI}/config.json", tmp_path / "config", config=hub.config)
        assert files_in(tmp_path) == {"config": FILES["config.json"]}
        assert waits == []

    @pytest.mark.parametrize("status", [408, 429, 500, 503])
    async def test_what_fails_for_a_moment_is_asked_again(self, hub: FakeHub, tmp_path: Path, status: int) -> None:
        """Each request to the Hub and to its file storage fails once."""
        failed: set[tuple[str, str, str]] = set()

        def instead(asked: Asked) -> Reply | None:
            request = asked.origin, asked.method, asked.path
            if request in failed:
                return None
            failed.add(request)
            return Reply(status, headers={"Retry-After": "0"})

        hub.instead = instead
        await AsyncStorage(Limits(attempts=5)).download(URI, tmp_path / "model", config=hub.config)
        assert files_in(tmp_path / "model") == FILES
        assert {origin for origin, _, _ in failed} == {"hub", "storage"}

    async def test_a_limit_that_lasts_too_long_is_an_error(self, hub: FakeHub, tmp_path: Path) -> None:
        hub.instead = lambda asked: Reply(429, headers={"RateLimit": '"api";r=0;t=301'})
        with pytest.raises(ServiceError, match="429.*given up, because the service asks to wait 301 s") as caught:
            await AsyncStorage().download(URI, tmp_path / "model", config=hub.config)
        assert caught.value.retry_after == 301

    async def test_a_quota_is_waited_for_until_the_timeout_of_the_call(self, hub: FakeHub, tmp_path: Path) -> None:
        hub.instead = lambda asked: Reply(429, headers={"RateLimit": '"api";r=0;t=299'})
        events: list[Event] = []
        with pytest.raises(DeadlineExceeded):
            await AsyncStorage().download(
                URI, tmp_path / "model", config=hub.config, timeout=0.5, on_event=events.append
            )
        assert [(event.kind, event.delay > 298) for event in events] == [("paused", True), ("retry", True)]

    async def test_a_gated_repository_and_a_missing_one_are_told_apart(self, hub: FakeHub, tmp_path: Path) -> None:
        hub.repo("owner/gated", {"model.bin": b"x", "config.json": b"{}"}, access="gated")
        for config in (hub.config, hub.signed_in(READER)):
            for uri in ("hf://owner/gated", "hf://owner/gated/model.bin", "hf://owner/gated/config.json"):
                with pytest.raises(AccessDenied, match="'owner/gated' is gated") as caught:
                    await AsyncStorage().download(uri, tmp_path / "dest", config=config)
                assert shows(caught.value, READER) == []
            with pytest.raises(ModelMissingError, match="there is no model repository 'owner/none'"):
                await AsyncStorage().download("hf://owner/none", tmp_path / "dest", config=config)
        await AsyncStorage().download("hf://owner/gated", tmp_path / "dest", config=hub.signed_in())
        assert files_in(tmp_path / "dest") == {"model.bin": b"x", "config.json": b"{}"}

    async def test_no_error_shows_a_token_or_a_signature(self, hub: FakeHub, tmp_path: Path) -> None:
        given: list[str] = []

        def refuse(asked: Asked) -> Reply | None:
            if asked.origin == "hub":
                return None
            given.append(asked.target.partition("Signature=")[2])
            return Reply(403, f"expired: {asked.target}".encode())

        hub.instead = refuse
        with pytest.raises(AccessDenied) as caught:
            await AsyncStorage().download(f"{URI}/model.safetensors", tmp_path / "model", config=hub.signed_in())
        assert given
        assert shows(caught.value, GRANTED, *given) == []


@pytest.mark.anyio
class TestSigningIn:
    @pytest.fixture
    def gated(self, hub: FakeHub) -> str:
        hub.repo("owner/gated", {"model.bin": b"for the chosen"}, access="gated")
        return "hf://owner/gated/model.bin"

    @pytest.mark.parametrize(
        ("environ", "file"),
        [
            ({"HF_TOKEN": GRANTED}, None),
            ({"HUGGING_FACE_HUB_TOKEN": f"{GRANTED}\n"}, None),
            ({"HF_TOKEN_PATH": "/HOME/secret/token"}, "secret/token"),
            ({"HF_TOKEN_PATH": "~/secret"}, "secret"),
            ({"HF_HOME": "/HOME/hf"}, "hf/token"),
            ({"XDG_CACHE_HOME": "/HOME/xdg"}, "xdg/huggingface/token"),
            ({}, ".cache/huggingface/token"),
            ({"HF_TOKEN": GRANTED}, ".cache/huggingface/token"),
        ],
        ids=lambda value: "+".join(value) if isinstance(value, dict) else value,
    )
    async def test_where_the_token_is_found(
        self, hub: FakeHub, gated: str, tmp_path: Path, environ: dict[str, str], file: str | None
    ) -> None:
        if file is not None:
            path = anyio.Path(tmp_path, file)
            await path.parent.mkdir(parents=True, exist_ok=True)
            await path.write_text(READER if "HF_TOKEN" in environ else f"{GRANTED}\n")
        environ = {name: value.replace("/HOME", str(tmp_path)) for name, value in environ.items()}
        storage = AsyncStorage(environ={"HOME": str(tmp_path), "HF_ENDPOINT": hub.endpoint, **environ})
        assert await storage.read(gated) == b"for the chosen"

    async def test_what_the_caller_says_comes_first(self, hub: FakeHub, gated: str, tmp_path: Path) -> None:
        await anyio.Path(tmp_path, "token").write_text(GRANTED)
        storage = AsyncStorage(environ={"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": READER})
        for config in (HFConfig(GRANTED), HFConfig(token_file=f"{tmp_path}/token")):
            assert await storage.read(gated, config=config) == b"for the chosen"
        assert await storage.read(gated, config=HFConfig(GRANTED, endpoint=f"{hub.endpoint}/")) == b"for the chosen"

    @pytest.mark.parametrize("environ", [{"HF_TOKEN": GRANTED}, {"HF_TOKEN_PATH": "/HOME/token"}])
    @pytest.mark.parametrize("own", [None, "http://127.0.0.1:1", "https://127.0.0.1:PORT"])
    async def test_the_environments_token_is_for_the_environments_hub(
        self, hub: FakeHub, gated: str, tmp_path: Path, environ: dict[str, str], own: str | None
    ) -> None:
        await anyio.Path(tmp_path, "token").write_text(GRANTED)
        environ = {name: value.replace("/HOME", str(tmp_path)) for name, value in environ.items()}
        if own is not None:
            environ["HF_ENDPOINT"] = own.replace("PORT", hub.endpoint.rpartition(":")[2])
        storage = AsyncStorage(environ=environ)
        with pytest.raises(AccessDenied, match=r"HFConfig\(token=…\)") as caught:
            await storage.read(gated, config=HFConfig(endpoint=hub.endpoint))
        assert all("authorization" not in asked.headers for asked in hub.asked)
        assert GRANTED not in str(caught.value)
        same = AsyncStorage(environ={**environ, "HF_ENDPOINT": hub.endpoint})
        assert await same.read(gated, config=HFConfig(endpoint=f"{hub.endpoint}/")) == b"for the chosen"

    @pytest.mark.parametrize(
        ("environ", "config"),
        [
            ({"HF_TOKEN": GRANTED}, HFConfig(anonymous=True)),
            ({"HF_TOKEN": GRANTED, "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}, None),
            ({"HF_HOME": "/nonexistent"}, None),
            ({"HF_TOKEN": " "}, None),
        ],
    )
    async def test_without_a_token_none_is_sent(
        self, hub: FakeHub, environ: dict[str, str], config: HFConfig | None
    ) -> None:
        storage = AsyncStorage(environ={"HF_ENDPOINT": hub.endpoint, **environ})
        assert await storage.read(f"{URI}/config.json", config=config) == FILES["config.json"]
        assert all("authorization" not in asked.headers for asked in hub.asked)

    async def test_a_token_file_that_cannot_be_read(self, hub: FakeHub, tmp_path: Path) -> None:
        storage = AsyncStorage(environ={"HF_ENDPOINT": hub.endpoint, "HF_TOKEN_PATH": str(tmp_path)})
        with pytest.raises(AccessDenied, match=f"the token file {tmp_path} cannot be read: Is a directory"):
            await storage.read(f"{URI}/config.json")

    @pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
    async def test_offline_mode(self, hub: FakeHub, name: str) -> None:
        storage = AsyncStorage(environ={"HF_ENDPOINT": hub.endpoint, name: "1"})
        for config in (None, hub.config):
            with pytest.raises(UnsupportedOperation, match="offline mode is on: .*unset HF_HUB_OFFLINE"):
                await storage.read(f"{URI}/config.json", config=config)
        assert hub.asked == []

    async def test_another_services_configuration_is_refused(self) -> None:
        with pytest.raises(InvalidConfig, match="S3Config is not for hf://"):
            await AsyncStorage().read(f"{URI}/config.json", config=S3Config("AKIA", "secret"))

    def test_configurations_that_contradict_themselves(self) -> None:
        with pytest.raises(InvalidConfig, match="a token and anonymous"):
            HFConfig(GRANTED, anonymous=True)
        with pytest.raises(InvalidConfig, match="endpoint='hub.example'"):
            HFConfig(endpoint="hub.example")


def _own(asked: Asked, data: bytes, *, ranges: str = "yes") -> Reply:
    """The reply of a mirror that has an ETag of its own."""
    headers = {"ETag": '"3f786850e387550fdab836ed7e6dc881de23001b"'}
    wanted = asked.headers.get("range", "").removeprefix("bytes=")
    if ranges == "ignored" or not wanted:
        return Reply(200, data, headers)
    if ranges in {"400", "501"}:
        return Reply(int(ranges))
    first, last = map(int, wanted.split("-"))
    if ranges == "no Content-Range":
        return Reply(206, data[first : last + 1], headers)
    return Reply(206, data[first : last + 1], {**headers, "Content-Range": f"bytes {first}-{last}/{len(data)}"})


class TestMirrors:
    """Servers such as Artifactory, which lack extensions of the hub."""

    @pytest.mark.anyio
    @pytest.mark.parametrize("ranges", ["yes", "ignored", "400", "501", "no Content-Range"])
    async def test_etags_of_its_own(self, hub: FakeHub, tmp_path: Path, ranges: str) -> None:
        def instead(asked: Asked) -> Reply | None:
            if "/resolve/" not in asked.path:
                return None
            data = FILES[unquote(asked.path.partition("/resolve/")[2].partition("/")[2])]
            return _own(asked, data, ranges=ranges)

        hub.instead = instead
        async with AsyncStorage(Limits(part_size=MiB)) as storage:
            await storage.download(URI, tmp_path / "all", config=hub.config)
            await storage.download(f"{URI}/model.safetensors", tmp_path / "one", config=hub.config)
        assert await anyio.to_thread.run_sync(files_in, tmp_path / "all") == FILES
        assert (tmp_path / "one").read_bytes() == FILES["model.safetensors"]

    @pytest.mark.anyio
    async def test_other_content_than_listed_is_an_error(self, hub: FakeHub, tmp_path: Path) -> None:
        wrong = bytes(len(FILES["model.safetensors"]))
        hub.instead = lambda asked: _own(asked, wrong) if "model.safetensors" in asked.path else None
        with pytest.raises(IntegrityError):
            await AsyncStorage(Limits(attempts=1)).download(URI, tmp_path / "all", config=hub.config)

    @pytest.mark.anyio
    @pytest.mark.parametrize("status", [400, 404])
    async def test_without_expand(self, hub: FakeHub, tmp_path: Path, status: int) -> None:
        hub.instead = lambda asked: (
            Reply(status, b"{}") if "expand=" in asked.target and "/revision/" in asked.path else None
        )
        await AsyncStorage().download(URI, tmp_path / "all", config=hub.config)
        assert await anyio.to_thread.run_sync(files_in, tmp_path / "all") == FILES

    @pytest.mark.anyio
    async def test_without_trees(self, hub: FakeHub, tmp_path: Path) -> None:
        names = [{"rfilename": name} for name in FILES]

        def instead(asked: Asked) -> Reply | None:
            if "/tree/" in asked.path:
                return Reply(404, b"{}")
            if "/revision/" in asked.path and "expand" not in asked.target:
                return Reply(200, json.dumps({"siblings": names}).encode())
            return None

        hub.instead = instead
        async with AsyncStorage(Limits(part_size=MiB)) as storage:
            await storage.download(URI, tmp_path / "all", config=hub.config)
            await storage.download(f"{URI}/onnx", tmp_path / "onnx", config=hub.config)
        assert await anyio.to_thread.run_sync(files_in, tmp_path / "all") == FILES
        assert sorted(await anyio.to_thread.run_sync(files_in, tmp_path / "onnx")) == [
            "model.onnx",
            "notes/läs mig?.txt",
        ]

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        ("text", "hint"),
        [
            ("Your request to access model owner/g is awaiting a review from the repo authors.", None),
            ("Your request to access model owner/g has been rejected by the repo's authors.", None),
            ("Access to model owner/g is restricted and you are not in the authorized list.", "request access"),
        ],
    )
    async def test_the_hub_s_own_words(self, hub: FakeHub, tmp_path: Path, text: str, hint: str | None) -> None:
        hub.repo("owner/g", {"a": b"x"}, access="gated")
        headers = {"X-Error-Code": "GatedRepo", "X-Error-Message": text}
        hub.instead = lambda asked: Reply(403, b"{}", headers) if "/resolve/" in asked.path else None
        with pytest.raises(AccessDenied, match=text) as caught:
            await AsyncStorage().download("hf://owner/g", tmp_path / "x", config=hub.signed_in(READER))
        assert (caught.value.hint or "").startswith(hint or "")
        assert bool(caught.value.hint) == bool(hint)
