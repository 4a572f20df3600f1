"""`sealift cp` from every scheme to every writable scheme with little memory, and archives from every scheme."""

import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sealift.types import MiB
from tests.api.servers import pattern
from tests.api.stores import objects_in
from tests.services import azurite as microsoft
from tests.services import gcs as google
from tests.services.azurite import AzureService
from tests.services.gcs import GCSService
from tests.services.http_server import files as served
from tests.services.hub import FakeHub
from tests.services.registry import FakeRegistry, tar_of
from tests.services.s3 import S3Service, new_bucket, put_objects

from .conftest import Invoke, files, tree
from .program import environ_for

MODEL = {"config.json": b"{}", "deep/er/weights.bin": pattern(11 * MiB + 7), "empty": b""}
# HTTP has no prefixes, only files.
FILE = "deep/er/weights.bin"
# Parts are at least 5 MiB, so this allows only two in flight.
MEMORY_LIMIT = ("--memory", "11MiB")
WRITABLE = ("s3", "gs", "azure", "pvc", "file")
READABLE = (*WRITABLE, "http", "hf", "oci")


@dataclass(frozen=True)
class Prefix:
    """A prefix of one scheme.

    Attributes:
        uri: Ends in "/"; contains `model/` and `model.tar.gz`.
        content: Lists the files under a path, with another client.
    """

    uri: str
    content: Callable[[str], dict[str, bytes]] | None = None


@pytest.fixture(scope="module")
def stored() -> dict[str, bytes]:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        for path, data in MODEL.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return {f"model/{path}": data for path, data in MODEL.items()} | {"model.tar.gz": packed.getvalue()}


@pytest.fixture(scope="module")
def prefixes(
    stored: dict[str, bytes],
    seaweedfs: S3Service,
    gcs: GCSService,
    azurite: AzureService,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[dict[str, Prefix], dict[str, str]]]:
    """A prefix with files for each scheme, and the environment variables to access them."""
    bucket, gcs_bucket, container = (
        new_bucket(seaweedfs, "any"),
        google.new_bucket(gcs),
        microsoft.new_container(azurite),
    )
    put_objects(seaweedfs, bucket, stored, checksum="CRC64NVME")
    google.put_objects(gcs, gcs_bucket, stored)
    microsoft.put_objects(azurite, container, stored)
    claim, local = tmp_path_factory.mktemp("claim"), tmp_path_factory.mktemp("here")
    tree(claim, stored)
    tree(local, stored)
    environ = {
        **environ_for(seaweedfs),
        **gcs.environ,
        "AZURE_STORAGE_ACCOUNT": microsoft.ACCOUNT,
        "AZURE_STORAGE_KEY": azurite.keys[microsoft.ACCOUNT],
        "AZURE_STORAGE_SERVICE_ENDPOINT": azurite.endpoint(),
        "SEALIFT_PVC_MOUNTS": f"claim={claim}",
    }

    def below(found: dict[str, bytes], path: str) -> dict[str, bytes]:
        return {key.removeprefix(path): data for key, data in found.items() if key.startswith(path)}

    with served(local) as web, FakeHub() as hub, FakeRegistry() as registry:
        hub.repo("owner/name", stored)
        registry.repository("owner/name").put_image([tar_of({f"models/{path}": data for path, data in stored.items()})])
        yield (
            {
                "s3": Prefix(f"s3://{bucket}/", lambda path: below(objects_in(seaweedfs, bucket, path), path)),
                "gs": Prefix(f"gs://{gcs_bucket}/", lambda path: below(google.get_objects(gcs, gcs_bucket), path)),
                "azure": Prefix(
                    f"azure://{container}/", lambda path: below(microsoft.get_objects(azurite, container), path)
                ),
                "pvc": Prefix("pvc://claim/", lambda path: files(claim / path)),
                "file": Prefix(f"file://{local}/", lambda path: files(local / path)),
                "http": Prefix(f"{web}/"),
                "hf": Prefix("hf://owner/name/"),
                "oci": Prefix(registry.uri("owner/name:latest/")),
            },
            environ | {"HF_ENDPOINT": hub.endpoint},
        )


Everywhere = tuple[dict[str, Prefix], dict[str, str]]


@pytest.mark.parametrize("target", WRITABLE)
@pytest.mark.parametrize("source", READABLE)
def test_a_copy(invoke: Invoke, prefixes: Everywhere, source: str, target: str) -> None:
    places, environ = prefixes
    path = f"from-{source}/"
    if source == "http":
        arguments, expected = (
            (f"{places[source].uri}model/{FILE}", f"{places[target].uri}{path}"),
            {Path(FILE).name: MODEL[FILE]},
        )
    else:
        arguments, expected = ("-r", f"{places[source].uri}model/", f"{places[target].uri}{path}"), MODEL
    done = invoke("cp", *MEMORY_LIMIT, *arguments, **environ)
    assert done.exit_code == 0, done.stderr
    assert path in done.stdout
    content = places[target].content
    assert content is not None
    assert content(path) == expected


@pytest.mark.parametrize("source", READABLE)
def test_an_archive(invoke: Invoke, prefixes: Everywhere, source: str, tmp_path: Path) -> None:
    places, environ = prefixes
    done = invoke("cp", "--unpack", *MEMORY_LIMIT, f"{places[source].uri}model.tar.gz", "unpacked", **environ)
    assert done.exit_code == 0, done.stderr
    assert files(tmp_path) == {f"unpacked/{path}": data for path, data in MODEL.items()}


@pytest.mark.parametrize("source", READABLE)
def test_the_other_commands(invoke: Invoke, prefixes: Everywhere, source: str) -> None:
    places, environ = prefixes
    uri = f"{places[source].uri}model/config.json"
    assert invoke("cat", uri, **environ).stdout == "{}"
    assert invoke("ls", uri, **environ).stdout == "config.json\n"
    assert uri in invoke("stat", uri, **environ).stdout
