"""Azurite, Microsoft's emulator of Azure Storage, with two accounts. Over TLS it also accepts identity tokens.

It comes from npm: `azurite-blob` on PATH, otherwise `npm ci` installs it once, from the lock file in `azurite/`, into
the user's cache directory.

Observed behavior of version 3.37 that matters to a client:

- Signatures of keys and of SAS are verified. Of a token, only its times, issuer and audience are checked, and that it
  was sent over https.
- A wrong CRC64 or MD5 of a body is rejected. The MD5 of an object sent in one request is stored, and returned by HEAD,
  GET and listings.
- A block list drops all other blocks of the same name (400 InvalidBlockList if they are named later). Block IDs of
  different lengths are 400 InvalidBlobOrBlock. Uncommitted blocks stay while the server runs.
- A condition on an object that does not exist is a 412, not a 404.
- A copy is complete when its request is answered. The condition and the signature of its source are checked.
- A SAS of a container is refused for a snapshot: the time of the snapshot is part of what the server signs.
- A backslash in a name becomes `/`. Names are not `Encoded` in listings: some control characters cause a 500.
"""

import base64
import contextlib
import functools
import hashlib
import os
import secrets
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme
from azure.storage.blob import (
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    ContentSettings,
    generate_container_sas,
)

from sealift import AzureConfig
from sealift.demo.seaweedfs import HOST, ServerError
from tests.services.process import serve

ACCOUNT, OTHER_ACCOUNT = "models", "archive"
_LOCK = Path(__file__).with_name("azurite")
# Read on import, because tests change HOME.
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sealift-tests"
_INSTALL_SECONDS = 100


@dataclass(frozen=True, slots=True)
class AzureService:
    """A Blob service on loopback.

    Attributes:
        url: URL of the server; the first path segment is the account.
        keys: Account → key.
        ca_file: The CA certificate of the server; None: plain HTTP.
    """

    url: str
    keys: Mapping[str, str] = field(repr=False, hash=False)
    ca_file: str | None = None

    def endpoint(self, account: str = ACCOUNT) -> str:
        return f"{self.url}/{account}"

    def config(self, account: str = ACCOUNT, **options: Any) -> AzureConfig:
        """The configuration with the account key, or with other credentials."""
        credentials = options or {"account_key": self.keys[account]}
        return AzureConfig(account, endpoint_url=self.endpoint(account), verify_ssl=self.ca_file or True, **credentials)


@contextlib.contextmanager
def start(directory: Path, *, tls: bool = False) -> Iterator[AzureService]:
    """Run the server during the block."""
    program = executable()
    keys = {account: base64.b64encode(secrets.token_bytes(32)).decode() for account in (ACCOUNT, OTHER_ACCOUNT)}
    environment = {
        "PATH": os.environ["PATH"],
        "AZURITE_ACCOUNTS": ";".join(f"{account}:{key}" for account, key in keys.items()),
    }
    options: list[str] = []
    authority = directory / "authority.pem"
    if tls:
        ca = trustme.CA()
        certificate = ca.issue_cert(HOST, f"{ACCOUNT}.blob.core.windows.net")
        ca.cert_pem.write_to_path(authority)
        certificate.cert_chain_pems[0].write_to_path(directory / "certificate.pem")
        certificate.private_key_pem.write_to_path(directory / "key.pem")
        options = ["--cert", "certificate.pem", "--key", "key.pem", "--oauth", "basic"]

    def command(port: int) -> list[str]:
        quiet = ["--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        return [program, "--blobHost", HOST, "--blobPort", str(port), *quiet, *options]

    with serve("azurite", command, directory, environment=environment) as port:
        yield AzureService(f"{'https' if tls else 'http'}://{HOST}:{port}", keys, str(authority) if tls else None)


def executable() -> str:
    """The program, installed if necessary."""
    found = shutil.which("azurite-blob")
    if found is not None:
        return found
    version = hashlib.sha256((_LOCK / "package-lock.json").read_bytes()).hexdigest()[:12]
    directory = _CACHE / f"azurite-{version}"
    program = directory / "node_modules" / ".bin" / "azurite-blob"
    if not program.exists():
        _install(directory)
    return str(program)


def _install(directory: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise ServerError("Azurite is not installed: npm install -g azurite, or install Node and npm")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent) as temporary:
        work = Path(temporary) / "azurite"
        shutil.copytree(_LOCK, work)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        try:
            done = subprocess.run(
                command, cwd=work, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise ServerError(f"npm did not install Azurite within {_INSTALL_SECONDS} s") from None
        if done.returncode:
            last = done.stderr.strip().splitlines() or ["no output"]
            raise ServerError(f"npm could not install Azurite: {last[0]}")
        with contextlib.suppress(OSError):  # another session has installed it
            work.rename(directory)


@functools.cache
def client(service: AzureService, account: str = ACCOUNT) -> BlobServiceClient:
    """An SDK client without retries, which stores up to 64 MiB in one request."""
    return BlobServiceClient(
        service.endpoint(account),
        credential=service.keys[account],
        retry_total=0,
        connection_verify=service.ca_file or True,
        use_env_settings=False,
    )


def new_container(service: AzureService, account: str = ACCOUNT, *, public: bool = False) -> str:
    """A new empty container; a public one can be read and listed without credentials."""
    name = f"c-{uuid.uuid4().hex}"
    client(service, account).create_container(name, public_access="container" if public else None)
    return name


def container_client(service: AzureService, container: str, account: str = ACCOUNT) -> ContainerClient:
    return client(service, account).get_container_client(container)


def put_objects(
    service: AzureService, container: str, objects: Mapping[str, bytes], account: str = ACCOUNT, **options: Any
) -> None:
    """Store objects with the SDK."""
    target = container_client(service, container, account)
    for key, data in objects.items():
        target.upload_blob(key, data, overwrite=True, **options)


def put_described(service: AzureService, container: str, key: str, data: bytes) -> None:
    """Store an object with a content type and metadata."""
    settings = ContentSettings(content_type="application/x-model")
    put_objects(
        service, container, {key: data}, content_settings=settings, metadata={"owner": "me", "two": "words here"}
    )


def get_object(service: AzureService, container: str, key: str, account: str = ACCOUNT) -> bytes:
    body: bytes = container_client(service, container, account).download_blob(key).readall()
    return body


def get_objects(service: AzureService, container: str, account: str = ACCOUNT) -> dict[str, bytes]:
    """All objects in a container: key → bytes."""
    names = list(container_client(service, container, account).list_blob_names())
    return {name: get_object(service, container, name, account) for name in names}


def delete_object(service: AzureService, container: str, key: str) -> None:
    container_client(service, container).delete_blob(key)


def signature(service: AzureService, container: str, permission: str, *, hours: float = 1) -> str:
    """A shared access signature for a container."""
    query: str = generate_container_sas(
        ACCOUNT,
        container,
        account_key=service.keys[ACCOUNT],
        permission=ContainerSasPermissions.from_string(permission),
        expiry=datetime.now(UTC) + timedelta(hours=hours),
    )
    return query
