"""Which snapshot a URI was when it was last checked, to find it without a connection; blocking."""

import hashlib
import json
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress

from ..config import StorageConfig
from ..frozen_dataclass import dataclass
from ..operations.call_options import CallOptions
from ..types import Revalidate
from ..uri import Location
from .directory import CacheDirectory, is_id

__all__ = ["Request", "is_fixed", "request_id"]

# What the address of a service, or the reply of a web server, depends on besides the URI. Only a hash is kept.
_FIELDS = ("endpoint", "endpoint_url", "account_name", "profile", "headers", "revision")
_VARIABLES = (
    "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AZURE_STORAGE_ACCOUNT",
    "AZURE_STORAGE_CONNECTION_STRING", "HF_ENDPOINT", "STORAGE_EMULATOR_HOST",
)  # fmt: skip
_COMMIT = r"[0-9a-f]{40}"


def is_fixed(location: Location, options: CallOptions) -> bool:
    """Whether a call names a version that cannot change: a commit, a generation or the ID of a version."""
    return options.version_id is not None or bool(re.fullmatch(_COMMIT, location.revision or ""))


def request_id(
    location: Location, config: StorageConfig | None, environ: Mapping[str, str], options: CallOptions
) -> str:
    """Identifies a call by what its result depends on: URI, address of the service, and options."""
    address = [(name, str(getattr(config, name, None))) for name in _FIELDS]
    variables = [(name, environ.get(name)) for name in _VARIABLES]
    wanted = (options.patterns, options.unpack_limits, options.verify, options.version_id)
    text = "\0".join(map(str, (location, location.query, address, variables, *wanted)))
    return hashlib.blake2b(text.encode(errors="backslashreplace"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Request:
    """What is known about a call.

    Attributes:
        snapshot: The snapshot.
        age: Seconds since the service was asked; None: the clock has been set back since.
        fixed: Whether the call names a version that cannot change.
        versioned: Whether the service says in which version the objects are. If not, the snapshot is of no use to
            others.
    """

    snapshot: str
    age: float | None
    fixed: bool
    versioned: bool = True

    @classmethod
    def read(cls, cache: CacheDirectory, request: str) -> "Request | None":
        """Read what is known; None: nothing."""
        try:
            with open(cache.file("requests", f"{request}.json"), "rb") as file:
                checked, facts = os.fstat(file.fileno()).st_mtime, json.load(file)
            snapshot, fixed, versioned = str(facts["snapshot"]), bool(facts["fixed"]), bool(facts["versioned"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        age = time.time() - checked
        return cls(snapshot, age if age >= 0 else None, fixed, versioned) if is_id(snapshot) else None

    def is_fresh(self, revalidate: Revalidate) -> bool:
        """Whether the service need not be asked."""
        if self.fixed or revalidate == "never":
            return True
        return revalidate != "always" and self.age is not None and self.age < revalidate

    def write(self, cache: CacheDirectory, request: str, uri: str) -> None:
        """Note that the service has just been asked."""
        path = cache.file("requests", f"{request}.json")
        known = Request.read(cache, request)
        if known is not None and known.snapshot == self.snapshot:
            with suppress(OSError):  # another user's: it is replaced
                os.utime(path)
                return
        facts = {"snapshot": self.snapshot, "uri": uri, "fixed": self.fixed, "versioned": self.versioned}
        cache.write(path, json.dumps(facts))
