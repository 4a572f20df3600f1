"""What is transferred. A scenario is data: a server, an object or a prefix, and the unit its rate is told in."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

KiB, MiB, GiB = 1 << 10, 1 << 20, 1 << 30


class Origin(StrEnum):
    """The server a scenario downloads from."""

    NGINX = "nginx"
    NGINX_TLS = "nginx, TLS"
    RCLONE = "rclone serve s3"


class Unit(StrEnum):
    """How a scenario's speed is told; MB are 1e6 bytes."""

    MEGABYTES = "MB/s"
    OBJECTS = "objects/s"
    MILLISECONDS = "ms"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing to download.

    `key` is an object, or a prefix where it ends in `/`. `sizes` gives the objects (bytes, by path below the folder of
    the key), `quick` the same for a smoke run.
    """

    letter: str
    title: str
    origin: Origin
    key: str
    unit: Unit
    sizes: Mapping[str, int]
    quick: Mapping[str, int]

    def smoke(self) -> "Scenario":
        """The same, small: whether it works, and nothing about speed."""
        return replace(self, title=f"{self.title} (smoke run, small sizes)", sizes=self.quick)

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


_LARGE, _LARGE_QUICK = {"object.bin": 2 * GiB}, {"object.bin": 64 * MiB}

SCENARIOS = (
    Scenario("a", "one 2 GiB object", Origin.NGINX, "large/object.bin", Unit.MEGABYTES, _LARGE, _LARGE_QUICK),
    Scenario(
        "b", "one 2 GiB object over TLS", Origin.NGINX_TLS, "large/object.bin", Unit.MEGABYTES, _LARGE, _LARGE_QUICK
    ),
    Scenario(
        "c",
        "20,000 objects of 10 KiB",
        Origin.RCLONE,
        "many/",
        Unit.OBJECTS,
        _small_objects(20_000),
        _small_objects(1_000),
    ),
    Scenario(
        "d",
        "a model: 6 shards of 256 MiB, 12 small files",
        Origin.RCLONE,
        "model/",
        Unit.MEGABYTES,
        _model(256 * MiB),
        _model(16 * MiB),
    ),
    # From the server that lists, since one of the peers asks for a listing before it reads an object.
    Scenario(
        "f",
        "cold start: a new process downloads 1 KiB",
        Origin.RCLONE,
        "tiny/object.bin",
        Unit.MILLISECONDS,
        {"object.bin": KiB},
        {"object.bin": KiB},
    ),
)
