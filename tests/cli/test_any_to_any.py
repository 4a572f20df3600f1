"""`sealift cp` from every scheme to every one that can be written to, within a small budget; and archives from each."""

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
from tests.services.s3 import S3Service, new_bucket, put_objects

from .conftest import Invoke, files, tree
from .program import environ_for

MODEL = {"config.json": b"{}", "deep/er/weights.bin": pattern(11 * MiB + 7), "empty": b""}
# Of a web server, a file is all that can be named.
FILE = "deep/er/weights.bin"
# No service's parts are smaller than 5 MiB here, so that few of them are under way at once.
WITHIN = ("--memory", "11MiB")
WRITABLE = ("s3", "gs", "azure", "pvc", "file")
READABLE = (*WRITABLE, "http", "hf")


@dataclass(frozen=True)
class Place:
    """A prefix of one scheme.

    Attributes:
        uri: Ends in "/"; in it are `model/` and `model.tar.gz`.
        content: What is below a path there, seen by somebody else's client.
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
def everywhere(
    stored: dict[str, bytes],
    seaweedfs: S3Service,
    gcs: GCSService,
    azurite: AzureService,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[dict[str, Place], dict[str, str]]]:
    """A place of each scheme, filled; and the environment in which they are reached."""
    bucket, google_s, container = new_bucket(seaweedfs, "any"), google.new_bucket(gcs), microsoft.new_container(azurite)
    put_objects(seaweedfs, bucket, stored, checksum="CRC64NVME")
    google.put_objects(gcs, google_s, stored)
    microsoft.put_objects(azurite, container, stored)
    claim, here = tmp_path_factory.mktemp("claim"), tmp_path_factory.mktemp("here")
    tree(claim, stored)
    tree(here, stored)
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

    with served(here) as web, FakeHub() as hub:
        hub.repo("owner/name", stored)
        yield (
            {
                "s3": Place(f"s3://{bucket}/", lambda path: below(objects_in(seaweedfs, bucket, path), path)),
                "gs": Place(f"gs://{google_s}/", lambda path: below(google.get_objects(gcs, google_s), path)),
                "azure": Place(
                    f"azure://{container}/", lambda path: below(microsoft.get_objects(azurite, container), path)
                ),
                "pvc": Place("pvc://claim/", lambda path: files(claim / path)),
                "file": Place(f"file://{here}/", lambda path: files(here / path)),
                "http": Place(f"{web}/"),
                "hf": Place("hf://owner/name/"),
            },
            environ | {"HF_ENDPOINT": hub.endpoint},
        )


Everywhere = tuple[dict[str, Place], dict[str, str]]


@pytest.mark.parametrize("target", WRITABLE)
@pytest.mark.parametrize("source", READABLE)
def test_a_copy(invoke: Invoke, everywhere: Everywhere, source: str, target: str) -> None:
    places, environ = everywhere
    path = f"from-{source}/"
    if source == "http":
        arguments, expected = (
            (f"{places[source].uri}model/{FILE}", f"{places[target].uri}{path}"),
            {Path(FILE).name: MODEL[FILE]},
        )
    else:
        arguments, expected = ("-r", f"{places[source].uri}model/", f"{places[target].uri}{path}"), MODEL
    done = invoke("cp", *WITHIN, *arguments, **environ)
    assert done.exit_code == 0, done.stderr
    assert path in done.stdout
    content = places[target].content
    assert content is not None
    assert content(path) == expected


@pytest.mark.parametrize("source", READABLE)
def test_an_archive(invoke: Invoke, everywhere: Everywhere, source: str, tmp_path: Path) -> None:
    places, environ = everywhere
    done = invoke("cp", "--unpack", *WITHIN, f"{places[source].uri}model.tar.gz", "unpacked", **environ)
    assert done.exit_code == 0, done.stderr
    assert files(tmp_path) == {f"unpacked/{path}": data for path, data in MODEL.items()}


@pytest.mark.parametrize("source", READABLE)
def test_the_other_commands(invoke: Invoke, everywhere: Everywhere, source: str) -> None:
    places, environ = everywhere
    uri = f"{places[source].uri}model/config.json"
    assert invoke("cat", uri, **environ).stdout == "{}"
    assert invoke("ls", uri, **environ).stdout == "config.json\n"
    assert uri in invoke("stat", uri, **environ).stdout
