"""The repositories of the world: hubs, registries and Git servers; and servers with TLS."""

import base64
import contextlib
import json
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

import trustme

from tests.kserve.tls_front import tls_front
from tests.services import git_server, modelscope
from tests.services.http_server import Asked, OddServer, Reply, good
from tests.services.hub import FakeHub
from tests.services.registry import INDEX, PASSWORD, USER, FakeRegistry, gzipped, tar_of

__all__ = ["IMAGE", "REPOSITORY", "repositories"]

# In a repository of the hub.
REPOSITORY: Mapping[str, bytes] = {
    "config.json": b"{}",
    "model.safetensors": b"weights",
    "onnx/model.onnx": b"onnx",
    "onnx/sub/extra.bin": b"extra",
    "README.md": b"about it",
}
# In an image, below its directory /models.
IMAGE: Mapping[str, bytes] = {"config.json": b"{}", "onnx/model.onnx": b"onnx", "packed.tar": b"not unpacked"}


@contextlib.contextmanager
def repositories(directory: Path, archive: bytes, s3: str) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Serve them during the block.

    Args:
        directory: For files.
        archive: The only file of a repository.
        s3: Address of a service without TLS, which gets another address with TLS.

    Yields:
        Names of places → what they stand for, and environment variables for all situations.
    """
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    bundle = directory / "bundle"
    bundle.mkdir()
    authority.cert_pem.write_to_path(bundle / "cabundle.crt")
    with contextlib.ExitStack() as stack:
        web = stack.enter_context(OddServer(_served, tls=tls))
        hub, modelscope_hub = stack.enter_context(FakeHub()), stack.enter_context(modelscope.running())
        hub.repo("owner/model", REPOSITORY)
        hub.repos["models", "owner/model"].commit({"old.bin": b"old"}, "v1")
        hub.repo("owner/archived", {"model.tar.gz": archive})
        hub.repo("owner/gated", {"model.bin": b"secret"}, access="gated")
        modelscope_hub.repo("owner/model", REPOSITORY).put({"old.bin": b"old"}, "v1")
        modelscope_hub.repo("owner/private", {"model.bin": b"secret"}, private=True)
        registry, private = stack.enter_context(FakeRegistry()), stack.enter_context(FakeRegistry("token"))
        _put_images(registry)
        _put_images(private)
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        docker_config = directory / "docker.json"
        docker_config.write_text(json.dumps({"auths": {private.host(): {"auth": login}}}))
        (directory / "git").mkdir()
        git = stack.enter_context(git_server.running(directory / "git", tls))
        git_server.Repository(git, "owner/model").put({"config.json": b"{}", "sub/model.bin": b"weights"})
        places = {
            "tls": web.url,
            "s3_tls": stack.enter_context(tls_front(s3, tls)),
            "ca": str(bundle / "cabundle.crt"),
            "ca_directory": str(bundle),
            "registry": f"oci://{registry.host()}",
            "private_registry": f"oci://{private.host()}",
            "docker_config": str(docker_config),
            "git": git.url,
            "git_with_user": git.url.replace("https://", "https://robot:ignored@"),
        }
        environ = {
            "HF_ENDPOINT": hub.endpoint,
            "HF_HUB_DISABLE_XET": "1",
            "MODELSCOPE_ENDPOINT": modelscope_hub.url,
            "MODELSCOPE_DOWNLOAD_INTRA_CLOUD": "false",
            "KSERVE_OCI_INSECURE_REGISTRY": "true",
        }
        yield places, environ


def _served(asked: Asked) -> Reply:
    return good(asked, b"weights", Content_Type="application/octet-stream")


def _put_images(registry: FakeRegistry) -> None:
    repository = registry.repository("team/model")
    base = gzipped(tar_of({"etc/passwd": b"root", "models/config.json": b"old"}))
    models = tar_of({"models": None, "models/onnx": None, **{f"models/{path}": data for path, data in IMAGE.items()}})
    image = repository.put_image([base, models], suffixes=["+gzip"])
    platforms = [("linux", "arm64"), ("linux", "amd64"), ("unknown", "unknown")]
    others = [{**image, "platform": {"os": system, "architecture": machine}} for system, machine in platforms]
    repository.add_manifest({"schemaVersion": 2, "mediaType": INDEX, "manifests": others}, "platforms")
    windows = [{**image, "platform": {"os": "windows", "architecture": "amd64"}}]
    repository.add_manifest({"schemaVersion": 2, "mediaType": INDEX, "manifests": windows}, "windows")
    deleted = tar_of({"models/onnx/.wh.model.onnx": b""})
    repository.put_image([base, models, deleted], "deleted", ["+gzip"])
    repository.put_image([tar_of({"etc/passwd": b"root"})], "empty")
