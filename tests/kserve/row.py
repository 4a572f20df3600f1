"""A situation in which `kserve_storage` is called, and what sealift's makes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """One situation.

    Attributes:
        name: What it shows.
        uri: URI; {s3}, {gs}, {azure}, {web} and {local} stand for the places of the world.
        files: What is in the directory afterwards. None: the call fails.
        error: For a call that fails: a part of the message.
        allow: `allow_patterns`.
        ignore: `ignore_patterns`.
        environ: Additional environment variables, with places as in `uri`.
        before: Files that the directory has before.
        links: Paths in the directory that must be symbolic links.
        out_dir: Whether a directory is given; if not, a new one is returned, or the local path.
        returns: For a local path without a directory, what is returned.
        better: What kserve-storage makes of it, if that is something else. "": the same.
    """

    name: str
    uri: str
    files: Mapping[str, bytes] | None = None
    error: str = ""
    allow: Sequence[str] | None = None
    ignore: Sequence[str] | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, bytes] = field(default_factory=dict)
    links: frozenset[str] = frozenset()
    out_dir: bool = True
    returns: str = ""
    better: str = ""
