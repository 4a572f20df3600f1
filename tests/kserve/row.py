"""A situation in which `kserve_storage` is called, and what sealift's makes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """One situation.

    Attributes:
        name: What it shows.
        uri: URI; {s3}, {gs}, {azure}, {web}, {local} and others stand for the places of the world.
        files: What is in the directory afterwards. None: the call fails.
        error: For a call that fails: a part of the message.
        allow: `allow_patterns`.
        ignore: `ignore_patterns`.
        environ: Additional environment variables, with places as in `uri`.
        before: Files that the directory has before.
        links: Paths in the directory that must be symbolic links.
        out_dir: Whether a directory is given, or a path relative to the working directory; if none is, a new one is
            returned, or the local path.
        returns: For a local path without a directory, what is returned.
        more: For a call of `download_files`: URIs, each with a directory below that of the call. `uri` is not used.
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
    out_dir: bool | str = True
    returns: str = ""
    better: str = ""
    more: Sequence[tuple[str, str | None]] | None = None
