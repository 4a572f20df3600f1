"""A directory like that of a large model: shards of random bytes, and two small JSON files."""

import hashlib
import json
import os
from pathlib import Path

__all__ = ["digests", "write_weights"]

_SHARDS = 3
_CHUNK = 8 << 20


def write_weights(directory: Path, amount: int) -> None:
    """Write the directory.

    Args:
        directory: The directory to create.
        amount: Total size of the shards in bytes.
    """
    directory.mkdir()
    for number in range(_SHARDS):
        left = amount // _SHARDS + (1 if number < amount % _SHARDS else 0)
        with (directory / f"model-{number + 1:05}-of-{_SHARDS:05}.bin").open("wb") as shard:
            while left:
                left -= shard.write(os.urandom(min(left, _CHUNK)))
    vocabulary = {os.urandom(6).hex(): number for number in range(8_000)}
    (directory / "tokenizer.json").write_text(json.dumps({"model": {"type": "BPE", "vocab": vocabulary}}))
    (directory / "config.json").write_text(json.dumps({"model_type": "random", "vocab_size": len(vocabulary)}))


def digests(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of each file in a directory, by relative path."""
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                found[path.relative_to(directory).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
