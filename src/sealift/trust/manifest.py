"""Which files were signed: the statement in a bundle, once its signature has been verified.

Its form: https://github.com/ossf/model-signing-spec/blob/main/spec/v1.0.md, sections 5 and 6.
"""

import hashlib
import re
from collections.abc import Mapping

from ..errors import SignatureError
from ..frozen_dataclass import dataclass
from ..integrity import signed
from .bundle import field, strict_json

__all__ = ["THE_ONLY_FILE", "Manifest", "SignedFile", "read_manifest"]

_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://model_signing/signature/v1.0"
# Left out by every signer, at the top of the model.
_ALWAYS_IGNORED = frozenset({".git", ".gitignore", ".gitattributes", ".github"})
THE_ONLY_FILE = "."
_SHARD = re.compile(r"(?P<path>.+):(?P<start>0|[1-9][0-9]{0,18}):(?P<end>[1-9][0-9]{0,18})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SignedFile:
    """A file as it was signed.

    Attributes:
        algorithm: As in `integrity.signed`.
        digest: Its digest; of a file that was signed in shards, that of each shard.
        size: Its size in bytes; None: not recorded.
    """

    algorithm: str
    digest: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a model as they were signed.

    Attributes:
        files: Path relative to the model → file.
        ignored: Paths at the model's top that the signer has left out, with what is below them.
        follows_links: Whether symbolic links count as the files that they lead to.
        lists_empty: Whether empty files are listed: a model that was signed in shards has them, but does not list them.
        fingerprint: A hash of the files, which distinguishes them from others.
    """

    files: Mapping[str, SignedFile]
    ignored: frozenset[str] = _ALWAYS_IGNORED
    follows_links: bool = False
    lists_empty: bool = True
    fingerprint: str = ""

    def ignores(self, path: str) -> bool:
        """Whether the signer has left out a path, so that it may exist, but is not part of the model."""
        return any(path == ignored or path.startswith(f"{ignored}/") for ignored in self.ignored)


def read_manifest(payload: bytes) -> Manifest:
    """Read the statement that was signed.

    Args:
        payload: The statement. Its signature has been verified.

    Raises:
        SignatureError: It is not the statement of a model, or it contradicts itself.
    """
    statement = strict_json(payload, "the signed statement")
    for name, expected in (("_type", _STATEMENT), ("predicateType", _PREDICATE)):
        if field(statement, name, str) != expected:
            raise SignatureError(f"the signed statement has the {name} {statement[name]!r}, not {expected!r}")
    predicate = field(statement, "predicate", dict)
    serialization = field(predicate, "serialization", dict)
    hash_type = field(serialization, "hash_type", str)
    if hash_type not in signed.DIGEST_BYTES:
        raise SignatureError(f"the model was signed with digests of an unknown type: {hash_type!r}")
    method = field(serialization, "method", str)
    shard_size = _shard_size(serialization) if method == "shards" else None
    resources = [_resource(each, hash_type, shard_size) for each in field(predicate, "resources", list)]
    _check_root(statement, [digest for _, digest in resources])
    names = [name for name, _ in resources]
    if not names or len(set(names)) != len(names):
        raise SignatureError("the signature lists no file" if not names else "the signature lists a file twice")
    if method == "files":
        algorithm = signed.name(hash_type)
        # Before version 1.1, model-signing called the only file of a model so.
        check = str if names == [THE_ONLY_FILE] else _checked
        files = {check(name): SignedFile(algorithm, digest) for name, digest in resources}
    elif shard_size is not None:
        files = _join_shards(resources, hash_type, shard_size)
    else:
        raise SignatureError(f"the model was signed by an unknown method: {method!r}")
    ignored = {_checked(path) for path in _ignored(serialization)}
    facts = sorted((path, file.algorithm, file.digest) for path, file in files.items())
    return Manifest(
        files,
        _ALWAYS_IGNORED | ignored,
        follows_links=field(serialization, "allow_symlinks", bool),
        lists_empty=method == "files",
        fingerprint=hashlib.sha256(repr(facts).encode()).hexdigest(),
    )


def _shard_size(serialization: Mapping[str, object]) -> int:
    size = field(serialization, "shard_size", (int, float))  # model-signing writes 1000.0
    if not 1 <= size < 1 << 63 or size != int(size):
        raise SignatureError(f"the model was signed in shards of {size!r} bytes")
    return int(size)


def _resource(resource: object, hash_type: str, shard_size: int | None) -> tuple[str, str]:
    name, digest = field(resource, "name", str), field(resource, "digest", str)
    # model-signing adds the shard size, which the specification does not.
    if field(resource, "algorithm", str) not in {hash_type, f"{hash_type}-sharded-{shard_size}"}:
        raise SignatureError(f"the signed digest of {name!r} is not of the type {hash_type!r}")
    if not re.fullmatch(rf"[0-9a-f]{{{2 * signed.DIGEST_BYTES[hash_type]}}}", digest):
        raise SignatureError(f"the signed digest of {name!r} is not one of the type {hash_type!r}")
    return name, digest


def _check_root(statement: Mapping[str, object], digests: list[str]) -> None:
    """Compare the digest of the whole model with those of its files (section 6.5.1)."""
    subjects = field(statement, "subject", list)
    if len(subjects) != 1:
        raise SignatureError(f"the signature is of {len(subjects)} models, not of one")
    root = field(field(subjects[0], "digest", dict), "sha256", str)
    if root != hashlib.sha256(bytes.fromhex("".join(digests))).hexdigest():
        raise SignatureError("the signed digest of the whole model does not fit those of its files")


def _join_shards(resources: list[tuple[str, str]], hash_type: str, shard_size: int) -> dict[str, SignedFile]:
    shards: dict[str, list[tuple[int, int, str]]] = {}
    for name, digest in resources:
        shard = _SHARD.fullmatch(name)
        if shard is None:
            raise SignatureError(f"{name!r} is not the name of a shard")
        shards.setdefault(_checked(shard["path"]), []).append((int(shard["start"]), int(shard["end"]), digest))
    files = {}
    for path, parts in shards.items():
        parts.sort()
        size = parts[-1][1]
        expected = (
            [(start, min(start + shard_size, size)) for start in range(0, size, shard_size)]
            if len(parts) == -(-size // shard_size)
            else []
        )
        if [(start, end) for start, end, _ in parts] != expected:
            raise SignatureError(f"the shards of {path!r} have gaps, overlap, or are of another length")
        digest = "".join(digest for *_, digest in parts)
        files[path] = SignedFile(signed.name(hash_type, shard_size), digest, size)
    return files


def _ignored(serialization: Mapping[str, object]) -> list[str]:
    paths = serialization.get("ignore_paths", [])
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise SignatureError("the signature has no valid 'ignore_paths'")
    return paths


def _checked(path: str) -> str:
    """A path of the manifest: relative, and in the one form that it may have (section 6.1.2)."""
    if any(segment in {"", ".", ".."} for segment in path.split("/")) or "\0" in path:
        raise SignatureError(f"the signature lists {path!r}, which is not a relative path in its shortest form")
    return path
