"""The same models in all services, for the comparison of `kserve_storage` with the original."""

import contextlib
import io
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.services import azurite
from tests.services import gcs as gcs_server
from tests.services import s3 as s3_server
from tests.services.azurite import ACCOUNT, AzureService
from tests.services.gcs import GCSService
from tests.services.http_server import Asked, OddServer, Reply, good
from tests.services.hub import FakeHub
from tests.services.s3 import S3Service


def tar(mode: str = "w:gz", **files: bytes) -> bytes:
    """A tar archive; in the names of files, "_" stands for "."."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name.replace("_", "."))
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def zipped(**files: bytes) -> bytes:
    """A zip archive, named likewise."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("_", "."), data)
    return buffer.getvalue()


TAR = tar(model_bin=b"of the tar", config_json=b"{}")
PAGE = b"<!doctype html><title>Please log in</title>"
ZIP = zipped(model_bin=b"of the zip")
# In buckets.
OBJECTS: Mapping[str, bytes] = {
    "iris/model.joblib": b"model",
    "iris/sub/params.json": b"params",
    "iris-2/other.bin": b"another model",
    "iris.md": b"about it",
    "one/model.bin": b"weights",
    "both": b"the object",
    "both/x.bin": b"below it",
    "tarred/model.tar.gz": TAR,
    "tarred/plain/model.tar": tar("w:", model_bin=b"plain"),
    "packed.zip": ZIP,
    "alone/model.tgz": TAR,
    "deep/sub/model.tgz": TAR,
    "two/a.tar.gz": TAR,
    "two/b.bin": b"beside it",
    "broken/model.tar.gz": b"this is not an archive",
    "checkpoint/model.pth.tar": b"PK of PyTorch",
    "empty-file/config": b"",
    "empty-file/w.bin": b"weights",
    "marked/": b"",
    "marked/w.bin": b"weights",
    "hollow": b"",
    "hollow/w.bin": b"weights",
    "only-marker/": b"",
    "only-empty": b"",
    "odd/with space+plus%41.bin": b"odd",
    "odd/ünï.bin": b"unicode",
    "climbing/../../out.bin": b"outside",
    "bzip2/model.tar.bz2": tar("w:bz2", model_bin=b"of bzip2"),
    "no-entries/model.tar": tar("w:"),
    "upper/MODEL.ZIP": ZIP,
    "gzip/model.bin.gz": b"\x1f\x8b of gzip",
    "doubled//sub//model.bin": b"weights",
    "dotted/.hidden": b"hidden",
    "dotted/model.bin": b"weights",
    "hashed/model#1.bin": b"weights",
}
# On the web server.
PAGES: Mapping[str, tuple[str, bytes]] = {
    "/m/model.joblib": ("application/octet-stream", b"model"),
    "/m/model.tar.gz": ("application/gzip", TAR),
    "/m/model.tgz": ("application/x-gzip", TAR),
    "/m/model.tar": ("application/x-tar", tar("w:", model_bin=b"plain")),
    "/m/model.zip": ("application/zip", ZIP),
    "/m/my%20model.bin": ("application/octet-stream", b"spaced"),
    "/m/params.json": ("application/json", b'{"a": 1}'),
    "/m/login": ("text/html", PAGE),
    "/m/login.bin": ("text/html", PAGE),
    "/m/broken.tar.gz": ("application/gzip", b"this is not an archive"),
    "/m/weights.bin.gz": ("application/octet-stream", b"\x1f\x8b of gzip"),
    "/download": ("application/gzip", TAR),
    "/repo.git-mirror/model.bin": ("application/octet-stream", b"not a repository"),
    "/m/": ("application/octet-stream", b"without a name"),
}
TOKEN = "the-token-of-the-header"
# In a repository of the hub.
REPOSITORY: Mapping[str, bytes] = {
    "config.json": b"{}",
    "model.safetensors": b"weights",
    "onnx/model.onnx": b"onnx",
    "onnx/sub/extra.bin": b"extra",
    "README.md": b"about it",
}
ARCHIVED: Mapping[str, bytes] = {"model.tar.gz": TAR}


@dataclass(frozen=True, slots=True)
class World:
    """Where the services are.

    Attributes:
        places: Names in braces in the URIs of rows → what they stand for.
        environ: Environment variables with which both packages find the services.
        local: Directory of local models.
        addresses: Host names that stand for ports of this machine.
    """

    places: Mapping[str, str]
    environ: Mapping[str, str]
    local: Path
    addresses: Mapping[str, int]

    def fill(self, text: str) -> str:
        """Replace the names of places in braces."""
        for name, place in self.places.items():
            text = text.replace(f"{{{name}}}", place)
        return text


@contextlib.contextmanager
def world(s3: S3Service, gcs: GCSService, azure: AzureService, directory: Path) -> Iterator[World]:
    """Store the models, and serve those of the web and the hub during the block."""
    host = f"{ACCOUNT}.blob.core.windows.net"
    container = azurite.new_container(azure)
    azurite.put_objects(azure, container, {key: data for key, data in OBJECTS.items() if ".." not in key})
    bucket = s3_server.new_bucket(s3, "models")
    s3_server.put_objects(s3, bucket, OBJECTS)
    google = gcs_server.new_bucket(gcs, "models")
    gcs_server.put_objects(gcs, google, OBJECTS)
    local = directory / "local"
    for path, data in {**OBJECTS, "hidden/.secret": b"hidden", "hidden/model.bin": b"seen"}.items():
        if ".." not in path and path not in {"both", "hollow"} and not path.endswith("/"):
            (local / path).parent.mkdir(parents=True, exist_ok=True)
            (local / path).write_bytes(data)
    (local / "nothing").mkdir()

    def answer(asked: Asked) -> Reply:
        if asked.path == "/m/broken-server.bin":
            return Reply(500)
        if asked.path == "/m/guarded.bin":
            allowed = asked.headers.get("x-token") == TOKEN
            return good(asked, b"guarded", Content_Type="application/octet-stream") if allowed else Reply(401)
        kind, data = PAGES.get(asked.path, ("", b""))
        return good(asked, data, Content_Type=kind) if kind else Reply(404)

    with OddServer(answer) as web, FakeHub() as hub:
        hub.repo("owner/model", REPOSITORY)
        hub.repos["models", "owner/model"].commit({"old.bin": b"old"}, "v1")
        hub.repo("owner/archived", ARCHIVED)
        hub.repo("owner/gated", {"model.bin": b"secret"}, access="gated")
        places = {
            "s3": f"s3://{bucket}",
            "gs": f"gs://{google}",
            "azure": f"https://{host}/{container}",
            "azure_sas": azurite.signature(azure, container, "rl"),
            "web": web.url,
            "local": str(local),
            "s3_endpoint": s3.endpoint,
        }
        environ = {
            "AWS_ACCESS_KEY_ID": s3.access_key,
            "AWS_SECRET_ACCESS_KEY": s3.secret_key,
            "AWS_ENDPOINT_URL": s3.endpoint,
            "AWS_DEFAULT_REGION": s3.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "STORAGE_EMULATOR_HOST": gcs.endpoint,
            "HF_ENDPOINT": hub.endpoint,
            "HF_HUB_DISABLE_XET": "1",
            "NO_GCE_CHECK": "true",
            "AZURE_STORAGE_ACCESS_KEY": azure.keys[ACCOUNT],
            "AZURE_STORAGE_SERVICE_ENDPOINT": azure.endpoint(),  # only sealift reads it
        }
        if azure.ca_file is not None:
            environ["SSL_CERT_FILE"] = azure.ca_file
        yield World(places, environ, local, {host: urlsplit(azure.url).port or 443})
