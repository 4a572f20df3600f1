"""The same models in all services, for the comparison of `kserve_storage` with the original."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.kserve.archives import TAR, ZIP, linked, tar, zipped
from tests.kserve.repositories import repositories
from tests.kserve.web_pages import served
from tests.services import azurite
from tests.services import gcs as gcs_server
from tests.services import s3 as s3_server
from tests.services.azurite import ACCOUNT, AzureService
from tests.services.gcs import GCSService
from tests.services.http_server import OddServer
from tests.services.s3 import S3Service

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
    "asked/model?1.bin": b"weights",
    "filled-marker/": b"not empty",
    "filled-marker/w.bin": b"weights",
    "clash/a": b"a file",
    "clash/a/b": b"below it",
    "linked/model.tar": linked("model.bin", "alias.bin"),
    "escaping/model.tar": linked("../../out.bin", "alias.bin"),
    "nested/model.zip": zipped(inner_zip=ZIP),
}
# What is in a bucket of its own.
WHOLE: Mapping[str, bytes] = {"model.bin": b"weights", "sub/params.json": b"params"}


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
def world(s3: S3Service, weed: S3Service, gcs: GCSService, azure: AzureService, directory: Path) -> Iterator[World]:
    """Store the models, and serve those of the web and of repositories during the block.

    Args:
        s3: A service that has objects beside prefixes of their names.
        weed: A service that verifies signatures, with a public bucket.
        gcs: Google Cloud Storage.
        azure: Azure Blob Storage.
        directory: For files.
    """
    host = f"{ACCOUNT}.blob.core.windows.net"
    container = azurite.new_container(azure)
    azurite.put_objects(azure, container, {key: data for key, data in OBJECTS.items() if ".." not in key})
    bucket = s3_server.new_bucket(s3, "models")
    s3_server.put_objects(s3, bucket, OBJECTS)
    google = gcs_server.new_bucket(gcs, "models")
    gcs_server.put_objects(gcs, google, OBJECTS)
    roots = [azurite.new_container(azure), s3_server.new_bucket(s3, "whole"), gcs_server.new_bucket(gcs, "whole")]
    public = azurite.new_container(azure, public=True)
    for each in (roots[0], public):
        azurite.put_objects(azure, each, WHOLE)
    s3_server.put_objects(s3, roots[1], WHOLE)
    gcs_server.put_objects(gcs, roots[2], WHOLE)
    closed = s3_server.new_bucket(weed, "models")
    for bucket_of_weed in (weed.public_bucket, closed):
        s3_server.put_objects(weed, str(bucket_of_weed), {"kserve/model.bin": b"weights"})
    credentials = directory / "credentials"
    keys = f"aws_access_key_id = {weed.access_key}\naws_secret_access_key = {weed.secret_key}\n"
    credentials.write_text(f"[default]\n{keys}[other]\n{keys}")
    local = directory / "local"
    for path, data in {**OBJECTS, "hidden/.secret": b"hidden", "hidden/model.bin": b"seen"}.items():
        if ".." not in path and path not in {"both", "hollow", "clash/a"} and not path.endswith("/"):
            (local / path).parent.mkdir(parents=True, exist_ok=True)
            (local / path).write_bytes(data)
    (local / "nothing").mkdir()

    with OddServer(served) as web, repositories(directory, TAR, s3.endpoint) as (others, environ_of_others):
        places = {
            **others,
            "s3": f"s3://{bucket}",
            "gs": f"gs://{google}",
            "azure": f"https://{host}/{container}",
            "azure_sas": azurite.signature(azure, container, "rl"),
            "web": web.url,
            "local": str(local),
            "s3_endpoint": s3.endpoint,
            "web_host": web.url.removeprefix("http://"),
            "azure_root": f"https://{host}/{roots[0]}",
            "azure_public": f"https://{host}/{public}",
            "s3_root": f"s3://{roots[1]}",
            "gs_root": f"gs://{roots[2]}",
            "weed": weed.endpoint,
            "weed_key": weed.access_key,
            "weed_file": str(credentials),
            "public": f"s3://{weed.public_bucket}",
            "closed": f"s3://{closed}",
        }
        environ = {
            "AWS_ACCESS_KEY_ID": s3.access_key,
            "AWS_SECRET_ACCESS_KEY": s3.secret_key,
            "AWS_ENDPOINT_URL": s3.endpoint,
            "AWS_DEFAULT_REGION": s3.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "STORAGE_EMULATOR_HOST": gcs.endpoint,
            **environ_of_others,
            "NO_GCE_CHECK": "true",
            "AZURE_STORAGE_ACCESS_KEY": azure.keys[ACCOUNT],
            "AZURE_STORAGE_SERVICE_ENDPOINT": azure.endpoint(),  # only sealift reads it
        }
        if azure.ca_file is not None:
            environ["SSL_CERT_FILE"] = azure.ca_file
        yield World(places, environ, local, {host: urlsplit(azure.url).port or 443})
