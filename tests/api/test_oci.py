"""Container registries through the API, and a real client against the fake registry that the tests use."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from sealift import (
    AccessDenied,
    ArchiveError,
    AsyncStorage,
    Event,
    IncompleteError,
    IntegrityError,
    Limits,
    ModelMissingError,
    OCIConfig,
    ServiceError,
    TransportError,
    UnsafeKey,
    UnsupportedOperation,
)
from sealift.backends.oci import image
from sealift.backends.oci.credentials import FILE_VARIABLES
from sealift.backends.oci.registry import origin_of
from sealift.types import MiB
from sealift.uri import parse
from tests.api.helpers import files_in
from tests.api.servers import pattern
from tests.services.registry import (
    IDENTITY,
    INDEX,
    LAYER,
    PASSWORD,
    USER,
    Asked,
    FakeRegistry,
    Reply,
    digest_of,
    gzipped,
    tar_of,
)

FILES = {
    "config.json": b'{"model_type": "iris"}',
    "model.safetensors": pattern(3 * MiB + 5),
    "onnx/model.onnx": pattern(50_000),
    "onnx/läs mig?.txt": b"read me",
    "empty.txt": b"",
}
SIGNED_IN = OCIConfig(USER, PASSWORD)
QUICK = Limits(part_size=MiB, attempts=2, backoff_initial=0.01)


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*FILE_VARIABLES, "REGISTRY_AUTH_FILE", "KSERVE_OCI_INSECURE_REGISTRY"):
        if name not in {"HOME", "PATH"}:
            monkeypatch.delenv(name, raising=False)


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry(storage=True) as registry:
        yield registry


@pytest.fixture
def private() -> Iterator[FakeRegistry]:
    with FakeRegistry("token", storage=True) as registry:
        registry.repository("team/model").put_model(FILES)
        yield registry


def in_models(files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"models/{key}": data for key, data in files.items()}


def zstd(data: bytes) -> bytes:
    """Compressed with zstd, in two frames."""
    compressor = zstandard.ZstdCompressor()
    return compressor.compress(data[: len(data) // 2]) + compressor.compress(data[len(data) // 2 :])


_REAL_CLIENT = """
import os, sys
import oras.client
host, directory = sys.argv[1:]
client = oras.client.OrasClient(hostname=host, insecure=True)
client.login(username=USER, password=PASSWORD, hostname=host)
os.chdir(directory)
files = ["config.json", "model.safetensors", "onnx"]
client.push(files=files, target=f"{host}/team/pushed:v1", disable_path_validation=True)
client.pull(target=f"{host}/team/pushed:v1", outdir="pulled")
"""


@pytest.mark.anyio
async def test_the_real_client_pushes_to_the_fake_and_pulls_from_it(tmp_path: Path) -> None:
    there, dest = tmp_path / "there", tmp_path / "model"
    for name, data in FILES.items():
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).write_bytes(data)
    del_empty = {name: data for name, data in FILES.items() if name != "empty.txt"}
    with FakeRegistry("token") as registry:
        script = _REAL_CLIENT.replace("USER", repr(USER)).replace("PASSWORD", repr(PASSWORD))
        ran = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script, registry.host(), str(there)],
            env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert files_in(there / "pulled") == del_empty
        await AsyncStorage(QUICK).download(registry.uri("team/pushed:v1"), dest, config=SIGNED_IN)
    assert files_in(dest) == del_empty


@pytest.mark.anyio
class TestDownloads:
    async def test_an_artifact_becomes_a_directory(self, registry: FakeRegistry, tmp_path: Path) -> None:
        registry.repository("team/model").put_model(FILES)
        events: list[Event] = []
        path = await AsyncStorage(QUICK).download(registry.uri("team/model"), tmp_path / "m", on_event=events.append)
        assert path == str(tmp_path / "m")
        assert files_in(tmp_path / "m") == FILES
        verified = {event.key: event.verified for event in events if event.kind == "object"}
        assert {key for key in FILES if verified[key] != "sha256"} <= {"empty.txt"}

    @pytest.mark.parametrize(
        ("compress", "suffix"), [(bytes, ""), (gzipped, "+gzip"), (zstd, "+zstd")], ids=["plain", "gzip", "zstd"]
    )
    async def test_the_models_of_an_image(
        self, registry: FakeRegistry, tmp_path: Path, compress: Callable[[bytes], bytes], suffix: str
    ) -> None:
        base = tar_of({"bin/sh": b"#!", "models": None, "models/config.json": b"old"})
        layer = tar_of({"etc/passwd": b"root"} | in_models(FILES))
        registry.repository("team/car").put_image(map(compress, (base, layer)), "v1", [suffix, suffix])
        events: list[Event] = []
        storage, uri = AsyncStorage(QUICK), registry.uri("team/car:v1")
        await storage.download(uri, tmp_path / "m", on_event=events.append)
        assert files_in(tmp_path / "m") == FILES
        verified = {event.key: event.verified for event in events if event.kind == "object"}
        assert {key for key in FILES if verified[key] != "sha256"} <= {"empty.txt"}
        assert await storage.read(f"{uri}/onnx/model.onnx", 100, 10) == FILES["onnx/model.onnx"][100:110]
        assert sorted(await storage.list_objects(f"{uri}/onnx/")) == ["läs mig?.txt", "model.onnx"]
        assert not await storage.exists(f"{uri}/bin/sh")

    async def test_compressed_layers_are_read_twice_and_not_once_per_file(
        self, registry: FakeRegistry, tmp_path: Path
    ) -> None:
        files = {f"{number:03}": pattern(30_000 + number) for number in range(60)}
        files |= {"020": pattern(3 * MiB), "021": pattern(MiB), "040": b"", "041": b"x"}
        layer = gzipped(tar_of(in_models(files)))
        registry.repository("team/car").put_image([layer])
        await AsyncStorage(QUICK).download(registry.uri("team/car"), tmp_path / "m")
        assert files_in(tmp_path / "m") == files
        digest = digest_of(layer)
        asked = [each for each in registry.blobs_asked() if each.origin == "storage" and digest in each.path]
        windows = -(-len(layer) // MiB)
        assert len(asked) == 2 * windows

    async def test_a_large_file_is_read_in_parts(self, registry: FakeRegistry, tmp_path: Path) -> None:
        registry.repository("team/car").put_image([tar_of(in_models(FILES))])
        uri = registry.uri("team/car:latest/model.safetensors")
        await AsyncStorage(QUICK).download(uri, f"{tmp_path}/")
        assert files_in(tmp_path) == {"model.safetensors": FILES["model.safetensors"]}

    async def test_an_artifact_with_archives(self, registry: FakeRegistry, tmp_path: Path) -> None:
        repository = registry.repository("team/model")
        layers = [
            repository.add_blob(zstd(tar_of({"code/run.py": b"run"})), "application/vnd.cncf.model.code.v1.tar+zstd"),
            repository.add_blob(tar_of({"docs/a.md": b"docs"}), "application/vnd.cncf.model.doc.v1.tar"),
            repository.add_blob(b"raw", "application/octet-stream", {"org.opencontainers.image.title": "./w/raw.bin"}),
            repository.add_blob(b"attestation", "application/vnd.in-toto+json"),
        ]
        repository.put_artifact(layers)
        await AsyncStorage(QUICK).download(registry.uri("team/model"), tmp_path / "m")
        assert files_in(tmp_path / "m") == {"code/run.py": b"run", "docs/a.md": b"docs", "w/raw.bin": b"raw"}

    async def test_a_manifest_by_its_digest(self, registry: FakeRegistry) -> None:
        repository = registry.repository("team/model")
        old = repository.put_model({"a": b"old"})
        repository.put_model({"a": b"new"})
        storage = AsyncStorage(QUICK)
        assert await storage.read(registry.uri(f"team/model@{old['digest']}/a")) == b"old"
        assert await storage.read(registry.uri("team/model:latest/a")) == b"new"

    async def test_the_platform_of_an_index(self, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
        repository = registry.repository("team/car")
        manifests = []
        for platform in ("linux/amd64", "linux/arm64", "linux/arm/v7", "windows/amd64", "unknown/unknown"):
            system, architecture, *variant = platform.split("/")
            described = {"os": system, "architecture": architecture} | ({"variant": variant[0]} if variant else {})
            made = repository.put_image([tar_of({"models/platform": platform.encode()})], tag=None)
            manifests.append(made | {"platform": described})
        repository.add_manifest({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
        storage, uri = AsyncStorage(QUICK), registry.uri("team/car:latest/platform")
        monkeypatch.setattr("platform.machine", lambda: "aarch64")
        assert await storage.read(uri) == b"linux/arm64"
        assert await storage.read(uri, config=OCIConfig(platform="linux/arm")) == b"linux/arm/v7"
        monkeypatch.setenv("DOCKER_DEFAULT_PLATFORM", "linux/amd64")
        assert await AsyncStorage(QUICK).read(uri) == b"linux/amd64"
        with pytest.raises(
            UnsupportedOperation, match=r"no manifest for linux/s390x, only for: linux/amd64, .*windows"
        ):
            await storage.read(uri, config=OCIConfig(platform="linux/s390x"))

    async def test_an_interrupted_download_resumes(self, registry: FakeRegistry, tmp_path: Path) -> None:
        registry.repository("team/model").put_model(FILES)
        large = digest_of(FILES["model.safetensors"])
        registry.instead = lambda asked: (
            Reply(403)
            if asked.origin == "storage" and large in asked.path and "bytes=3" in asked.headers["range"]
            else None
        )
        storage, uri = AsyncStorage(QUICK), registry.uri("team/model")
        with pytest.raises(AccessDenied):
            await storage.download(uri, tmp_path / "m")
        registry.instead = lambda asked: None
        registry.asked.clear()
        await storage.download(uri, tmp_path / "m")
        assert files_in(tmp_path / "m") == FILES
        assert [asked.headers["range"][:7] for asked in registry.blobs_asked() if asked.origin == "storage"] == [
            "bytes=3"
        ]

    async def test_it_cannot_be_written(self, registry: FakeRegistry, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"x")
        with pytest.raises(UnsupportedOperation, match="oci:// can only be read"):
            await AsyncStorage(QUICK).upload(tmp_path / "file", registry.uri("team/model:v1/file"))


@pytest.mark.anyio
class TestLayers:
    async def model(self, registry: FakeRegistry, *layers: bytes) -> dict[str, bytes]:
        registry.repository("team/car").put_image(layers)
        storage, uri = AsyncStorage(QUICK), registry.uri("team/car")
        return {key: await storage.read(f"{uri}:latest/{key}") for key in await storage.list_objects(uri)}

    async def test_whiteouts(self, registry: FakeRegistry) -> None:
        lower = tar_of(
            in_models({"kept": b"1", "gone": b"2", "dir/gone": b"3", "opaque/old": b"4", "opaque/a/old": b"5"})
        )
        upper = tar_of(
            in_models(
                {".wh.gone": b"", ".wh.dir": b"", "opaque/new": b"6", "opaque/.wh..wh..opq": b"", ".wh..wh.aufs": b""}
            )
        )
        assert await self.model(registry, lower, upper) == {"kept": b"1", "opaque/new": b"6"}

    async def test_links(self, registry: FakeRegistry) -> None:
        lower = tar_of({"opt/weights.bin": b"weights", "models/blobs/abc": b"blob"})
        upper = tar_of(
            {
                "models/v1/model.bin": "-> ../blobs/abc",
                "models/hard.bin": "=> models/blobs/abc",
                "models/absolute.bin": "-> /opt/weights.bin",
                "models/latest": "-> v1",
                "models/outside": "-> ../../../../../opt/weights.bin",
                "models/broken": "-> nowhere",
            }
        )
        assert await self.model(registry, lower, upper) == {
            "blobs/abc": b"blob",
            "v1/model.bin": b"blob",
            "hard.bin": b"blob",
            "absolute.bin": b"weights",
            "latest/model.bin": b"blob",
            "outside": b"weights",
        }

    @pytest.mark.parametrize(
        ("files", "error", "cause"),
        [
            ({"models/../../etc/passwd": b"x"}, UnsafeKey, "leads out of the image"),
            ({"models/a": "-> b", "models/b": "-> a"}, IncompleteError, "leads back to itself"),
            ({"models/a": "-> ."}, IncompleteError, "leads to a directory above it"),
            ({"models/a": "=> models/none"}, ArchiveError, "a hard link to a file that does not exist"),
            ({"usr/bin/sh": b"x"}, ModelMissingError, "no directory /models, only: usr"),
            ({"/".join(["models", *("d" * 300)]): b"x"}, ArchiveError, "200 directories deep"),
        ],
    )
    async def test_what_is_refused(
        self, registry: FakeRegistry, files: dict[str, bytes | str | None], error: type[Exception], cause: str
    ) -> None:
        with pytest.raises(error, match=cause):
            await self.model(registry, tar_of(files))

    async def test_links_that_multiply(self, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
        """They lead nowhere, but on 2 ** 30 ways."""
        monkeypatch.setattr(image, "_MAX_LINKS", 1000)
        links = {f"models/{level}/{name}": f"-> /models/{level + 1}" for level in range(30) for name in "ab"}
        with pytest.raises(ArchiveError, match="more than 1,000 links"):
            await self.model(registry, tar_of({**links, "models/30/broken": "-> nowhere"}))

    @pytest.mark.parametrize(
        "data",
        [b"no archive" * 100, gzipped(b"no archive" * 100), tar_of({"models/a": b"x" * 5000})[:3000]],
        ids=["no archive", "no archive, compressed", "truncated"],
    )
    async def test_a_damaged_layer(self, registry: FakeRegistry, data: bytes) -> None:
        with pytest.raises(ArchiveError, match="damaged"):
            await self.model(registry, data)

    async def test_a_bomb(self, registry: FakeRegistry) -> None:
        with pytest.raises(ArchiveError, match="expands to more than 200 times its size"):
            await self.model(registry, zstd(tar_of({"models/zeros": bytes(80 * MiB)})))

    async def test_long_names(self, registry: FakeRegistry) -> None:
        files = in_models({f"{'d' * 120}/{'ä' * 90}": b"long"})
        found = await self.model(registry, tar_of(files), tar_of({f"models/{'g' * 150}": b"gnu"}, format=1))
        assert found == {f"{'d' * 120}/{'ä' * 90}": b"long", "g" * 150: b"gnu"}

    @pytest.mark.parametrize("kind", ["image", "model"])
    async def test_other_bytes_than_the_digest_s(self, registry: FakeRegistry, kind: str, tmp_path: Path) -> None:
        repository = registry.repository("team/car")
        data = tar_of({"models/a": b"a" * 3000}) if kind == "image" else b"a" * 3000
        repository.put_image([data]) if kind == "image" else repository.put_model({"a": data})
        repository.blobs[digest_of(data)] = data.replace(b"aaaa", b"aaab", 1)
        with pytest.raises(IntegrityError):
            await AsyncStorage(QUICK).download(registry.uri("team/car"), tmp_path / "m")
        assert files_in(tmp_path) == {}

    async def test_another_manifest_than_the_digest_s(self, registry: FakeRegistry) -> None:
        repository = registry.repository("team/model")
        digest = repository.put_model({"a": b"x"})["digest"]
        repository.manifests[digest] = repository.manifests[repository.put_model({"a": b"y"})["digest"]]
        with pytest.raises(IntegrityError, match="the registry sent a manifest with the digest sha256:"):
            await AsyncStorage(QUICK).read(registry.uri(f"team/model@{digest}/a"))

    @pytest.mark.parametrize("compress", [bytes, gzipped])
    async def test_a_registry_without_ranges(self, tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
        with FakeRegistry(ranges=False) as registry:
            registry.repository("team/car").put_image([compress(tar_of(in_models(FILES)))])
            registry.repository("team/model").put_model(FILES)
            for name in ("car", "model"):
                if name == "model" or compress is gzipped:
                    await AsyncStorage(QUICK).download(registry.uri(f"team/{name}"), tmp_path / name)
                    assert files_in(tmp_path / name) == FILES
            if compress is bytes:
                with pytest.raises(TransportError, match="the whole layer instead of a range"):
                    await AsyncStorage(QUICK).download(registry.uri("team/car"), tmp_path / "car")


@pytest.mark.anyio
class TestSigningIn:
    async def test_a_password_and_a_token(self, private: FakeRegistry, tmp_path: Path) -> None:
        await AsyncStorage(QUICK).download(private.uri("team/model"), tmp_path / "m", config=SIGNED_IN)
        assert files_in(tmp_path / "m") == FILES
        tokens = [asked for asked in private.asked if asked.origin == "token"]
        assert len(tokens) == 1  # for all requests
        assert "scope=repository%3Ateam%2Fmodel%3Apull" in tokens[0].target
        assert not any("authorization" in asked.headers for asked in private.asked if asked.origin == "storage")

    async def test_basic(self) -> None:
        with FakeRegistry("basic") as registry:
            registry.repository("team/model").put_model({"a": b"x"})
            assert await AsyncStorage(QUICK).read(registry.uri("team/model:latest/a"), config=SIGNED_IN) == b"x"

    async def test_a_token_of_the_registry(self, private: FakeRegistry) -> None:
        config = OCIConfig(token=private.token)
        assert await AsyncStorage(QUICK).read(private.uri("team/model:latest/empty.txt"), config=config) == b""

    async def test_a_public_repository(self, private: FakeRegistry) -> None:
        private.public = True
        assert await AsyncStorage(QUICK).exists(private.uri("team/model:latest/config.json"))

    async def test_what_expires_is_renewed(self, private: FakeRegistry, tmp_path: Path) -> None:
        asked: list[Asked] = []

        def expire(request: Asked) -> None:
            if request.origin == "storage":
                asked.append(request)
                if len(asked) == 5:
                    private.expire()

        private.instead = expire
        await AsyncStorage(QUICK).download(private.uri("team/model"), tmp_path / "m", config=SIGNED_IN)
        assert files_in(tmp_path / "m") == FILES
        assert private.token != "token-0"

    async def test_without_credentials(self, private: FakeRegistry) -> None:
        with pytest.raises(AccessDenied, match="the token service .* refused") as caught:
            await AsyncStorage(QUICK).list_objects(private.uri("team/model"))
        assert "docker login" in str(caught.value)

    async def test_wrong_credentials(self, private: FakeRegistry) -> None:
        config = OCIConfig("someone", "wrong-password")
        with pytest.raises(AccessDenied, match="refused the credentials of the configuration") as caught:
            await AsyncStorage(QUICK).list_objects(private.uri("team/model"), config=config)
        assert "wrong-password" not in str(caught.value)

    @pytest.mark.parametrize(
        ("form", "variable"),
        [
            *((form, "DOCKER_CONFIG") for form in ("auth", "fields", "repository", "identity", "helper", "store")),
            *(("auth", name) for name in ("REGISTRY_AUTH_FILE", "KSERVE_OCI_DOCKER_CONFIG", "XDG_RUNTIME_DIR", "HOME")),
        ],
    )
    async def test_docker_s_configuration(
        self, private: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, variable: str
    ) -> None:
        import base64

        host, both = private.host(), base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        helper = tmp_path / "bin" / "docker-credential-of-the-test"
        helper.parent.mkdir()
        answer = json.dumps({"ServerURL": host, "Username": USER, "Secret": PASSWORD})
        helper.write_text(f"#!/bin/sh\nread server\n[ \"$server\" = {host} ] && [ $1 = get ] && echo '{answer}'\n")
        helper.chmod(0o755)
        monkeypatch.setenv("PATH", f"{helper.parent}{os.pathsep}{os.environ['PATH']}")
        document = {
            "auth": {"auths": {host: {"auth": both}}},
            "fields": {"auths": {f"https://{host}/v2/": {"username": USER, "password": PASSWORD}}},
            "repository": {"auths": {host: {"auth": "d3Jvbmc6d3Jvbmc="}, f"{host}/team/model": {"auth": both}}},
            "identity": {"auths": {host: {"identitytoken": IDENTITY}}},
            "helper": {"credHelpers": {host: "of-the-test"}, "auths": {host: {}}},
            "store": {"credsStore": "of-the-test", "auths": {host: {}}},
        }[form]
        places = {"XDG_RUNTIME_DIR": "containers/auth.json", "HOME": ".docker/config.json"}
        file = tmp_path / places.get(variable, "config.json")
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(document))
        monkeypatch.setenv(
            variable, str(file if variable in {"REGISTRY_AUTH_FILE", "KSERVE_OCI_DOCKER_CONFIG"} else tmp_path)
        )
        assert await AsyncStorage(QUICK).read(private.uri("team/model:latest/config.json")) == FILES["config.json"]

    async def test_credentials_that_cannot_be_read(
        self, private: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        uri = private.uri("team/model")
        with pytest.raises(AccessDenied, match="none.json cannot be read: No such file"):
            await AsyncStorage(QUICK).list_objects(uri, config=OCIConfig(auth_file=tmp_path / "none.json"))
        (tmp_path / "config.json").write_text('{"credsStore": "missing-of-the-test"}')
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        with pytest.raises(AccessDenied, match="docker-credential-missing-of-the-test failed: No such file"):
            await AsyncStorage(QUICK).list_objects(uri)
        (tmp_path / "config.json").write_text('{"auths": {"secret-of-the-user" ')
        with pytest.raises(AccessDenied, match="it is not a JSON object") as caught:
            await AsyncStorage(QUICK).list_objects(uri)
        assert "secret-of-the-user" not in str(caught.value)


@pytest.mark.anyio
class TestTrouble:
    async def test_what_does_not_exist(self, registry: FakeRegistry) -> None:
        registry.repository("team/model").put_model({"a": b"x"})
        storage = AsyncStorage(QUICK)
        with pytest.raises(ModelMissingError, match="does not have the tag 'v9'"):
            await storage.list_objects(registry.uri("team/model:v9"))
        with pytest.raises(ModelMissingError, match=r"does not have the repository .*/team/none"):
            await storage.list_objects(registry.uri("team/none"))
        with pytest.raises(ModelMissingError, match="'b' does not exist in the image"):
            await storage.read(registry.uri("team/model:latest/b"))

    async def test_a_registry_that_is_busy(self, registry: FakeRegistry) -> None:
        registry.repository("team/model").put_model({"a": b"x"})
        busy = [Reply(429, headers={"Retry-After": "0"}), Reply(503)]
        registry.instead = lambda asked: busy.pop(0) if busy else None
        with pytest.raises(ServiceError, match="the registry answered 503"):
            await AsyncStorage(QUICK).read(registry.uri("team/model:latest/a"))
        assert await AsyncStorage(QUICK).read(registry.uri("team/model:latest/a")) == b"x"

    async def test_no_plain_http_to_another_host(self) -> None:
        for registry, scheme in (
            ("ghcr.io", "https"),
            ("10.0.0.1:5000", "https"),
            ("localhost.example:5000", "https"),
            ("localhost:5000", "http"),
            ("127.0.0.1:5000", "http"),
            ("[::1]:5000", "http"),
        ):
            location = parse(f"oci://{registry}/team/model")
            assert origin_of(location, insecure=None).scheme == scheme
            assert origin_of(location, insecure=False).scheme == "https"
            assert origin_of(location, insecure=True).scheme == "http"

    @pytest.mark.parametrize(
        ("document", "cause"),
        [
            (b"[]", "not a JSON object"),
            (b"[" * 200_000, "not a JSON object"),
            (b'{"layers": [{"mediaType": "x", "annotations": 3, "digest": 4}]}', "no layers with files"),
            (b'{"schemaVersion": 1}', "a manifest of the type"),
            (b'{"layers": [1]}', "without a list of layers"),
            (b'{"layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar"}]}', "no valid digest or size"),
            (
                json.dumps({"layers": [{"mediaType": LAYER, "digest": f"sha512:{'0' * 128}", "size": 1}]}).encode(),
                "only sha256 is supported",
            ),
            (b'{"layers": []}', "no layers with files"),
        ],
    )
    async def test_manifests_that_are_none(self, registry: FakeRegistry, document: bytes, cause: str) -> None:
        repository = registry.repository("team/model")
        repository.manifests[digest_of(document)] = document, "application/vnd.oci.image.manifest.v1+json"
        repository.tags["latest"] = digest_of(document)
        with pytest.raises((ServiceError, UnsupportedOperation, ModelMissingError), match=cause):
            await AsyncStorage(QUICK).list_objects(registry.uri("team/model"))
