"""All cases there are."""

from collections.abc import Iterable

from .case import Case
from .harm import Direction
from .kinds import KINDS

__all__ = ["PLACES", "cases", "sample", "seeds_of"]

# "plain": a web server without ranges and versions, whose files are read in order.
PLACES: dict[str, tuple[Direction, ...]] = {
    "s3": ("download", "upload"),
    "gcs": ("download", "upload"),
    "azure": ("download", "upload"),
    "http": ("download",),
    "plain": ("download",),
    "hub": ("download",),
}


def cases(seeds: Iterable[int]) -> list[Case]:
    """Each fault in each place and direction where it makes sense, for each seed."""
    return [
        Case(fault, place, direction, seed)
        for seed in seeds
        for place, directions in PLACES.items()
        for direction in directions
        for fault, kind in KINDS.items()
        if direction in kind.where and not (kind.ranges and place == "plain")
    ]


def sample() -> list[Case]:
    """Each fault in each place once; which way, where there are two, takes turns."""
    ways: dict[tuple[str, str], list[Case]] = {}
    for case in cases([1]):
        ways.setdefault((case.fault, case.place), []).append(case)
    return [found[number % len(found)] for number, found in enumerate(ways.values())]


def seeds_of(text: str) -> range:
    """
    Example:
        >>> list(seeds_of("3-5"))
        [3, 4, 5]
    """
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)
