"""Objects with all the properties a service stores beside the bytes, written and read with the services' own SDKs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from azure.storage.blob import ContentSettings

from sealift.config import StorageConfig
from tests.api.helpers import config_of
from tests.services import azurite as azure_sdk
from tests.services import gcs as google_sdk
from tests.services.azurite import AzureService
from tests.services.gcs import GCSService
from tests.services.s3 import S3Service, client

HEADERS = {
    "content_type": "text/csv",
    "content_encoding": "gzip",
    "content_language": "de",
    "content_disposition": 'attachment; filename="t.csv"',
    "cache_control": "no-store",
}
METADATA = {"owner": "me", "note": "two words"}
TAGS = {"team": "a b", "stage": "dev/1"}
EXPIRES = "Wed, 21 Oct 2026 07:28:00 GMT"


class Described(ABC):
    """A bucket or container.

    Attributes:
        uri: URI of the root, with a trailing "/".
        config: Credentials and endpoint.
        expires: Whether the service supports Expires.
        tags: Whether the service supports tags.
    """

    expires = False
    tags = False

    def __init__(self, uri: str, config: StorageConfig | None) -> None:
        self.uri = uri
        self.config = config

    @abstractmethod
    def put(self, key: str, data: bytes, metadata: Mapping[str, str] = METADATA) -> None:
        """Store an object with `HEADERS`, `EXPIRES`, `TAGS` and metadata, as far as the service supports them."""

    @abstractmethod
    def told(self, key: str) -> dict[str, Any]:
        """The properties the service stores beside the bytes."""

    @abstractmethod
    def content(self, key: str) -> bytes:
        """The stored bytes."""

    def expected(self, source: "Described") -> dict[str, Any]:
        """The properties that a copy from `source` has."""
        return {
            **HEADERS,
            "expires": EXPIRES if self.expires and source.expires else None,
            "metadata": METADATA,
            "tags": TAGS if self.tags and source.tags else {},
        }

    def dropped(self, source: "Described") -> set[str]:
        """The properties that such a copy loses, as named in its event."""
        names = {"Expires": (source.expires, self.expires), "tags": (source.tags, self.tags)}
        return {name for name, (has, takes) in names.items() if has and not takes}


class InS3(Described):
    expires = tags = True

    def __init__(self, service: S3Service, bucket: str) -> None:
        super().__init__(f"s3://{bucket}/", config_of(service))
        self._client, self._bucket = client(service), bucket

    def put(self, key: str, data: bytes, metadata: Mapping[str, str] = METADATA) -> None:
        fields = {"".join(word.title() for word in name.split("_")): value for name, value in HEADERS.items()}
        tagging = "team=a+b&stage=dev%2F1"
        self._client.put_object(
            Bucket=self._bucket, Key=key, Body=data, Metadata=metadata, Tagging=tagging, Expires=EXPIRES, **fields
        )

    def told(self, key: str) -> dict[str, Any]:
        head = self._client.head_object(Bucket=self._bucket, Key=key)
        headers = head["ResponseMetadata"]["HTTPHeaders"]
        tags = self._client.get_object_tagging(Bucket=self._bucket, Key=key)["TagSet"]
        fields = {name: headers.get(name.replace("_", "-")) for name in HEADERS} | {
            "expires": head.get("ExpiresString")
        }
        return {**fields, "metadata": head["Metadata"], "tags": {tag["Key"]: tag["Value"] for tag in tags}}

    def content(self, key: str) -> bytes:
        body: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return body


class InGCS(Described):
    def __init__(self, service: GCSService, bucket: str) -> None:
        super().__init__(f"gs://{bucket}/", None)
        self._bucket = google_sdk.client(service).bucket(bucket)

    def put(self, key: str, data: bytes, metadata: Mapping[str, str] = METADATA) -> None:
        blob = self._bucket.blob(key)
        for name, value in HEADERS.items():
            setattr(blob, name, value)
        blob.metadata = dict(metadata)
        blob.upload_from_string(data, HEADERS["content_type"], checksum="crc32c")

    def told(self, key: str) -> dict[str, Any]:
        blob = self._bucket.get_blob(key)
        fields = {name: getattr(blob, name) for name in HEADERS}
        return {**fields, "expires": None, "metadata": blob.metadata or {}, "tags": {}}

    def content(self, key: str) -> bytes:
        data: bytes = self._bucket.blob(key).download_as_bytes(raw_download=True)
        return data


class InAzure(Described):
    tags = True

    def __init__(self, service: AzureService, container: str) -> None:
        super().__init__(f"azure://{container}/", service.config())
        self._container = azure_sdk.container_client(service, container)

    def put(self, key: str, data: bytes, metadata: Mapping[str, str] = METADATA) -> None:
        settings = ContentSettings(**HEADERS)
        self._container.upload_blob(
            key, data, overwrite=True, content_settings=settings, metadata=dict(metadata), tags=TAGS
        )

    def told(self, key: str) -> dict[str, Any]:
        blob = self._container.get_blob_client(key)
        found = blob.get_blob_properties()
        fields = {name: getattr(found.content_settings, name) for name in HEADERS}
        return {**fields, "expires": None, "metadata": found.metadata, "tags": blob.get_blob_tags()}

    def content(self, key: str) -> bytes:
        data: bytes = self._container.download_blob(key, decompress=False).readall()
        return data
