"""Branches and tags whose name contains a slash, written without %2F."""

from collections.abc import Iterable

from ...errors import InvalidURI
from ...uri import Location

__all__ = ["rest_of_branch"]


def rest_of_branch(location: Location, names: Iterable[str]) -> str | None:
    """Find the branch or tag that a URI refers to, if its revision is only the first segment of that name.

    In "hf://owner/name@feature/x/config.json" the revision is "feature" and the key "x/config.json". In a repository
    without a revision "feature" but with a branch "feature/x", it refers to the file "config.json" of that branch.

    Args:
        location: Location with a revision and a key.
        names: All branches and tags of the repository.

    Returns:
        The part of the name that the key begins with; None if no name matches.

    Raises:
        InvalidURI: Several names match.

    Example:
        >>> rest_of_branch(Location("hf", "o/n", "x/config.json", revision="feature"), ["main", "feature/x"])
        'x'
    """
    first = f"{location.revision}/"
    matching = {name for name in names if f"{first}{location.key}/".startswith(f"{name}/") and name.startswith(first)}
    if len(matching) > 1:
        choices = " or ".join(sorted(name.replace("/", "%2F") for name in matching))
        hint = f"choose one, with its slash encoded: {choices}"
        raise InvalidURI(f"several branches or tags match {first}{location.key}", hint=hint)
    return next(iter(matching)).removeprefix(first) if matching else None
