"""The scenarios. Each one is a server, an object or a prefix, a direction, and the unit of its speed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bench.datasets import GiB, KiB, MiB, files, model, shards, small_objects


class Service(StrEnum):
    """The server at the other end of a scenario."""

    NGINX = "nginx"
    NGINX_TLS = "nginx, TLS 1.3"
    NGINX_TLS12 = "nginx, TLS 1.2"
    NGINX_S3 = "nginx with listings"
    NGINX_CRC = "nginx with listings and CRCs"
    NGINX_30 = "nginx with listings and CRCs, 30 ms away"
    NGINX_100 = "nginx with listings and CRCs, 100 ms away"
    NGINX_PUT = "nginx's PUT"
    SEAWEEDFS = "SeaweedFS"
    GCS = "fake-gcs-server"
    AZURE = "Azurite"
    HUB = "a hub and nginx"

    @property
    def scheme(self) -> str:
        """The scheme of the URIs that sealift and other clients use."""
        return _SCHEMES.get(self, "s3")


SERVES_OBJECTS = frozenset({Service.NGINX, Service.NGINX_TLS, Service.NGINX_TLS12})
ROUND_TRIPS = {Service.NGINX_30: 0.03, Service.NGINX_100: 0.1}
"""Seconds, for servers at the other end of a link."""
LISTS = frozenset({Service.NGINX_S3, Service.NGINX_CRC, *ROUND_TRIPS})
_SCHEMES = {Service.GCS: "gs", Service.AZURE: "az", Service.HUB: "hf"}
S3_SERVICES = frozenset(Service) - frozenset(_SCHEMES)


class Direction(StrEnum):
    """Download or upload."""

    DOWNLOAD = "download"
    UPLOAD = "upload"


class FileSystem(StrEnum):
    """Where a scenario writes its files."""

    DISK = "disk"
    TMPFS = "tmpfs"


class Page(StrEnum):
    """The page that shows the results; also the name of its files."""

    DOWNLOAD = "download"
    UPLOAD = "upload"
    CLOUDS = "clouds"
    SERVER = "server"
    WAN = "wan"

    @property
    def heading(self) -> str:
        return {
            Page.DOWNLOAD: "Downloads",
            Page.UPLOAD: "Uploads",
            Page.CLOUDS: "Downloads from clouds and a hub",
            Page.SERVER: "Downloads inside an asyncio server, and worker processes",
            Page.WAN: "Downloads from distant servers",
        }[self]


class Unit(StrEnum):
    """The unit of a scenario's speed; MB are 1e6 bytes."""

    MEGABYTES = "MB/s"
    OBJECTS = "objects/s"
    MILLISECONDS = "ms"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing to transfer.

    `key` is an object, or a prefix if it ends in `/`. `sizes` lists the objects (bytes, by path relative to the folder
    of the key), `quick` those of a smoke run. `file_systems` are those it runs on unless the command line names others;
    none if it writes no files. `peers` names the clients that it compares; None: all that can use the server. `work_ms`
    is the Python work of the asyncio server in which the client runs, in milliseconds of every 5; None: no server.
    """

    letter: str
    title: str
    service: Service
    key: str
    unit: Unit
    sizes: Mapping[str, int]
    quick: Mapping[str, int]
    direction: Direction = Direction.DOWNLOAD
    file_systems: Sequence[FileSystem] = (FileSystem.DISK,)
    file_system: FileSystem | None = None
    peers: Collection[str] | None = None
    work_ms: int | None = None

    @property
    def id(self) -> str:
        """The letter, followed by the file system if that is not the disk."""
        return f"{self.letter}-{self.file_system}" if self.file_system is FileSystem.TMPFS else self.letter

    def on(self, chosen: Sequence[FileSystem] | None) -> "list[Scenario]":
        """This scenario on each chosen file system; None: on its own."""
        if not self.file_systems:
            return [self]
        return [replace(self, file_system=one) for one in (self.file_systems if chosen is None else chosen)]

    def smoke(self) -> "Scenario":
        """The same scenario with small sizes, to check that it works; the speed means nothing."""
        return replace(self, title=f"{self.title} (smoke run, small sizes)", sizes=self.quick)

    @property
    def heading(self) -> str:
        way = "from" if self.direction is Direction.DOWNLOAD else "to"
        where = "" if self.file_system is None else f", files on {self.file_system}"
        return f"({self.id}) {self.title}, {way} {self.service}{where}"

    @property
    def page(self) -> Page:
        if self.service in ROUND_TRIPS:
            return Page.WAN
        if self.peers is not None:
            return Page.SERVER
        return Page(self.direction) if self.service in S3_SERVICES else Page.CLOUDS

    @property
    def is_prefix(self) -> bool:
        return self.key.endswith("/")

    @property
    def folder(self) -> str:
        return self.key.rpartition("/")[0]


_LARGE, _LARGE_QUICK = {"object.bin": 2 * GiB}, {"object.bin": 64 * MiB}
_GIGABYTE = {"object.bin": GiB}
_BOTH = (FileSystem.DISK, FileSystem.TMPFS)
_WAN_PEERS = ("sealift", "sealift-unverified", "s5cmd", "rclone")
# With the numbers of worker processes in `peers.py`.
WORKERS = (0, 1, 2, 4)

SCENARIOS = (
    Scenario(
        "a",
        "one 2 GiB object",
        Service.NGINX,
        "large/object.bin",
        Unit.MEGABYTES,
        _LARGE,
        _LARGE_QUICK,
        file_systems=_BOTH,
    ),
    Scenario(
        "b",
        "one 2 GiB object over TLS 1.3",
        Service.NGINX_TLS,
        "large/object.bin",
        Unit.MEGABYTES,
        _LARGE,
        _LARGE_QUICK,
        file_systems=_BOTH,
    ),
    Scenario(
        "b2",
        "one 2 GiB object over TLS 1.2",
        Service.NGINX_TLS12,
        "large/object.bin",
        Unit.MEGABYTES,
        _LARGE,
        _LARGE_QUICK,
        file_systems=_BOTH,
    ),
    Scenario(
        "c",
        "20,000 objects of 10 KiB",
        Service.NGINX_S3,
        "many/",
        Unit.OBJECTS,
        small_objects(20_000),
        small_objects(2_000),
        file_systems=_BOTH,
    ),
    Scenario(
        "d",
        "a model whose ETags are MD5s: 6 shards of 256 MiB, 12 small files",
        Service.NGINX_S3,
        "model/",
        Unit.MEGABYTES,
        model(256 * MiB),
        model(16 * MiB),
        file_systems=_BOTH,
    ),
    Scenario(
        "d2",
        "a model with CRC64NVME checksums: 6 shards of 256 MiB, 12 small files",
        Service.NGINX_CRC,
        "model/",
        Unit.MEGABYTES,
        model(256 * MiB),
        model(16 * MiB),
        file_systems=_BOTH,
    ),
    # On the server that can list, because one of the peers requests a listing before it reads an object.
    Scenario(
        "f",
        "cold start: a new process downloads 1 KiB",
        Service.NGINX_S3,
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
        files(128),
        files(8),
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
        file_systems=(),
    ),
    Scenario(
        "e3",
        "2,000 files of 10 KiB",
        Service.SEAWEEDFS,
        "few/",
        Unit.OBJECTS,
        small_objects(2_000),
        small_objects(200),
        Direction.UPLOAD,
        file_systems=(),
    ),
    Scenario(
        "e4",
        "2,000 files of 10 KiB",
        Service.NGINX_PUT,
        "few/",
        Unit.OBJECTS,
        small_objects(2_000),
        small_objects(200),
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
        shards(256 * MiB),
        shards(16 * MiB),
    ),
    *(
        Scenario(
            letter,
            f"one 2 GiB object, inside an asyncio server with {work_ms} ms of Python work every 5 ms",
            Service.NGINX,
            "large/object.bin",
            Unit.MEGABYTES,
            _LARGE,
            _LARGE_QUICK,
            peers=("sealift", "sealift-asyncio", "s5cmd", "rclone", "obstore", "boto3"),
            work_ms=work_ms,
        )
        for letter, work_ms in (("i1", 1), ("i2", 4))
    ),
    Scenario(
        "j",
        "one 2 GiB object, with and without worker processes",
        Service.NGINX,
        "large/object.bin",
        Unit.MEGABYTES,
        _LARGE,
        _LARGE_QUICK,
        file_systems=_BOTH,
        peers=("sealift", *(f"sealift-processes-{count}" for count in WORKERS)),
    ),
    Scenario(
        "w1",
        "one 2 GiB object",
        Service.NGINX_30,
        "large/object.bin",
        Unit.MEGABYTES,
        _LARGE,
        _LARGE_QUICK,
        peers=_WAN_PEERS,
    ),
    Scenario(
        "w2",
        "2,000 objects of 100 KiB",
        Service.NGINX_30,
        "hundred/",
        Unit.MEGABYTES,
        small_objects(2_000, 100 * KiB),
        small_objects(200, 100 * KiB),
        peers=_WAN_PEERS,
    ),
    Scenario(
        "w3",
        "2,000 objects of 100 KiB",
        Service.NGINX_100,
        "hundred/",
        Unit.MEGABYTES,
        small_objects(2_000, 100 * KiB),
        small_objects(200, 100 * KiB),
        peers=_WAN_PEERS,
    ),
    Scenario(
        "w4",
        "100 files of 9 MiB with CRC64NVME checksums",
        Service.NGINX_100,
        "nine/",
        Unit.MEGABYTES,
        files(100, 9 * MiB),
        files(4, 9 * MiB),
        peers=_WAN_PEERS,
    ),
)
