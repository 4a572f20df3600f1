"""All combinations of faults, storages and directions."""

from collections.abc import Iterable

from .case import Case
from .injection import Direction
from .kinds import KINDS

__all__ = ["STORAGES", "cases", "sample", "seeds_of"]

# "plain": a web server without ranges and versions, whose files are read in order.
STORAGES: dict[str, tuple[Direction, ...]] = {
    "s3": ("download", "upload"),
    "gcs": ("download", "upload"),
    "azure": ("download", "upload"),
    "http": ("download",),
    "plain": ("download",),
    "hub": ("download",),
    "registry": ("download",),
}


def cases(seeds: Iterable[int]) -> list[Case]:
    """Each fault on each storage, in each direction that it applies to, for each seed."""
    return [
        Case(fault, storage, direction, seed)
        for seed in seeds
        for storage, directions in STORAGES.items()
        for direction in directions
        for fault, kind in KINDS.items()
        if direction in kind.where and not (kind.ranges and storage == "plain")
    ]


def sample() -> list[Case]:
    """Each fault on each storage once; where there are two directions, they alternate."""
    ways: dict[tuple[str, str], list[Case]] = {}
    for case in cases([1]):
        ways.setdefault((case.fault, case.storage), []).append(case)
    return [found[number % len(found)] for number, found in enumerate(ways.values())]


def seeds_of(text: str) -> range:
    """The seeds in a text such as "17" or "0-99".

    Example:
        >>> list(seeds_of("3-5"))
        [3, 4, 5]
    """
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)
