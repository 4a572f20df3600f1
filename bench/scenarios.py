"""The scenarios. Each one is a server, an object or a prefix, a direction, and the unit of its speed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

KiB, MiB, GiB = 1 << 10, 1 << 20, 1 << 30


class Service(StrEnum):
    """The server at the other end of a scenario."""

    NGINX = "nginx"
    NGINX_TLS = "nginx, TLS"
    RCLONE = "rclone serve s3"
    NGINX_PUT = "nginx's PUT"
    SEAWEEDFS = "SeaweedFS"
    GCS = "fake-gcs-server"
    AZURE = "Azurite"
    HUB = "a hub and nginx"

    @property
    def scheme(self) -> str:
        """The scheme of the URIs that sealift and other clients use."""
        return _SCHEMES.get(self, "s3")


_SCHEMES = {Service.GCS: "gs", Service.AZURE: "az", Service.HUB: "hf"}
S3_SERVICES = frozenset(Service) - frozenset(_SCHEMES)


class Direction(StrEnum):
    """Download or upload."""

    DOWNLOAD = "download"
    UPLOAD = "upload"


class Page(StrEnum):
    """The page that shows the results; also the name of its files."""

    DOWNLOAD = "download"
    UPLOAD = "upload"
    CLOUDS = "clouds"

    @property
    def heading(self) -> str:
        return "Downloads from clouds and a hub" if self is Page.CLOUDS else f"{self.capitalize()}s"


class Unit(StrEnum):
    """The unit of a scenario's speed; MB are 1e6 bytes."""

    MEGABYTES = "MB/s"
    OBJECTS = "objects/s"
    MILLISECONDS = "ms"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing to transfer.

    `key` is an object, or a prefix if it ends in `/`. `sizes` lists the objects (bytes, by path relative to the folder
    of the key), `quick` those of a smoke run.
    """

    letter: str
    title: str
    service: Service
    key: str
    unit: Unit
    sizes: Mapping[str, int]
    quick: Mapping[str, int]
    direction: Direction = Direction.DOWNLOAD

    def smoke(self) -> "Scenario":
        """The same scenario with small sizes, to check that it works; the speed means nothing."""
        return replace(self, title=f"{self.title} (smoke run, small sizes)", sizes=self.quick)

    @property
    def heading(self) -> str:
        way = "from" if self.direction is Direction.DOWNLOAD else "to"
        return f"({self.letter}) {self.title}, {way} {self.service}"

    @property
    def page(self) -> Page:
        return Page(self.direction) if self.service in S3_SERVICES else Page.CLOUDS

    @property
    def is_prefix(self) -> bool:
        return self.key.endswith("/")

    @property
    def folder(self) -> str:
        return self.key.rpartition("/")[0]


def _small_objects(count: int) -> dict[str, int]:
    return {f"{number // 1000:03}/{number:05}.bin": 10 * KiB for number in range(count)}


def _model(shard: int) -> dict[str, int]:
    shards = {f"model-{number:05}-of-00006.safetensors": shard for number in range(1, 7)}
    return shards | {
        "README.md": 11 * KiB,
        "config.json": 683,
        "generation_config.json": 187,
        "model.safetensors.index.json": 24 * KiB,
        "special_tokens_map.json": 296,
        "tokenizer.json": 2 * MiB + 311,
        "tokenizer_config.json": 51 * KiB,
        "vocab.json": 780 * KiB,
        "merges.txt": 446 * KiB,
        "preprocessor_config.json": 342,
        "modules.json": 349,
        "1_Pooling/config.json": 190,
    }


def _files(count: int) -> dict[str, int]:
    return {f"{number:03}.bin": 8 * MiB for number in range(count)}


def _shards(size: int) -> dict[str, int]:
    return {f"model-{number:05}-of-00004.safetensors": size for number in range(1, 5)}


_LARGE, _LARGE_QUICK = {"object.bin": 2 * GiB}, {"object.bin": 64 * MiB}
_GIGABYTE = {"object.bin": GiB}

SCENARIOS = (
    Scenario("a", "one 2 GiB object", Service.NGINX, "large/object.bin", Unit.MEGABYTES, _LARGE, _LARGE_QUICK),
    Scenario(
        "b", "one 2 GiB object over TLS", Service.NGINX_TLS, "large/object.bin", Unit.MEGABYTES, _LARGE, _LARGE_QUICK
    ),
    Scenario(
        "c",
        "20,000 objects of 10 KiB",
        Service.RCLONE,
        "many/",
        Unit.OBJECTS,
        _small_objects(20_000),
        _small_objects(1_000),
    ),
    Scenario(
        "d",
        "a model: 6 shards of 256 MiB, 12 small files",
        Service.RCLONE,
        "model/",
        Unit.MEGABYTES,
        _model(256 * MiB),
        _model(16 * MiB),
    ),
    # On the server that can list, because one of the peers requests a listing before it reads an object.
    Scenario(
        "f",
        "cold start: a new process downloads 1 KiB",
        Service.RCLONE,
        "tiny/object.bin",
        Unit.MILLISECONDS,
        {"object.bin": KiB},
        {"object.bin": KiB},
    ),
    # nginx does not support multipart uploads, so the same gigabyte is split into files of the size of a part.
    Scenario(
        "e1",
        "128 files of 8 MiB",
        Service.NGINX_PUT,
        "files/",
        Unit.MEGABYTES,
        _files(128),
        _files(8),
        Direction.UPLOAD,
    ),
    Scenario(
        "e2",
        "one file of 1 GiB",
        Service.SEAWEEDFS,
        "gigabyte/object.bin",
        Unit.MEGABYTES,
        {"object.bin": GiB},
        {"object.bin": 64 * MiB},
        Direction.UPLOAD,
    ),
    Scenario(
        "e3",
        "2,000 files of 10 KiB",
        Service.SEAWEEDFS,
        "few/",
        Unit.OBJECTS,
        _small_objects(2_000),
        _small_objects(200),
        Direction.UPLOAD,
    ),
    Scenario(
        "e4",
        "2,000 files of 10 KiB",
        Service.NGINX_PUT,
        "few/",
        Unit.OBJECTS,
        _small_objects(2_000),
        _small_objects(200),
        Direction.UPLOAD,
    ),
    Scenario("g1", "one 1 GiB object", Service.GCS, "gigabyte/object.bin", Unit.MEGABYTES, _GIGABYTE, _LARGE_QUICK),
    Scenario("g2", "one 1 GiB object", Service.AZURE, "gigabyte/object.bin", Unit.MEGABYTES, _GIGABYTE, _LARGE_QUICK),
    Scenario(
        "h",
        "a repository: 4 files of 256 MiB",
        Service.HUB,
        "model/",
        Unit.MEGABYTES,
        _shards(256 * MiB),
        _shards(16 * MiB),
    ),
)
