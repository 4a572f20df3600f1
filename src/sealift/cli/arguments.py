"""URI and path arguments, and the names of objects as the user writes them."""

import os
from dataclasses import dataclass

from ..config import PVCConfig
from ..types import Event
from ..uri import Location, parse

__all__ = ["Argument", "Destination"]


def _with_slash(text: str) -> str:
    return text if not text or text.endswith("/") else f"{text}/"


@dataclass(frozen=True, slots=True)
class Argument:
    """A URI or path argument: an object, a file, a prefix or a directory.

    Attributes:
        text: The argument as written; the path of a `file://` URI.
        location: The parsed argument; for a `pvc://` URI, the path in the mounted volume.

    Example:
        >>> Argument.of("s3://ml-models/iris").name("iris/model.joblib")
        's3://ml-models/iris/model.joblib'
    """

    text: str
    location: Location

    @classmethod
    def of(cls, text: str) -> "Argument":
        """Parse an argument.

        Raises:
            InvalidURI: The argument is not a storage URI.
            ModelMissingError: The volume of a `pvc://` URI is not mounted.
        """
        location = parse(text)
        if location.scheme == "pvc":  # a local directory, but messages keep the URI
            from ..backends.pvc import mount_of  # noqa: PLC0415 - keeps --help fast

            mounts = PVCConfig.from_env(os.environ).mounts
            return cls(text, parse(os.path.join(mount_of(location.root, mounts), location.key)))
        if location.query or location.login:
            text = str(location)  # the query may hold a signature; str() hides it, and a password
        is_uri = location.scheme == "file" and text.lower().startswith("file:")
        return cls(f"/{location.key}" if is_uri else text, location)

    def relative_path(self, key: str) -> str:
        """The path of an object relative to this argument; "" if the argument names the object itself."""
        return "" if key == self.location.key else key[len(_with_slash(self.location.key)) :]

    def name(self, key: str) -> str:
        """The name of an object at or below this argument, as the user would write it."""
        path = self.relative_path(key)
        return _with_slash(self.text) + path if path else self.text


@dataclass(frozen=True, slots=True)
class Destination:
    """The destination of a copy.

    Attributes:
        argument: The DEST argument.
        source: The SRC argument.
        into: Whether DEST is a local directory that receives a single object under the object's own name.
    """

    argument: Argument
    source: Argument
    into: bool

    @classmethod
    def of(cls, argument: Argument, source: Argument) -> "Destination":
        """Check whether the destination is an existing directory."""
        local = argument.location.scheme == "file"
        return cls(
            argument, source, local and (argument.text.endswith("/") or os.path.isdir(f"/{argument.location.key}"))
        )

    def name(self, event: Event) -> str:
        """The name of the copy that an event reports."""
        if self.argument.location.scheme != "file":
            return self.argument.name(event.target)
        single_file = event.key == self.source.location.key and not self.into
        return self.argument.text if single_file else _with_slash(self.argument.text) + event.target

    def returned_name(self, copied_to: str) -> str:
        """The result of `AsyncStorage.copy`, as the user would write it."""
        if self.argument.location.scheme != "file":
            return copied_to
        same = copied_to.rstrip("/") == f"/{self.argument.location.key.rstrip('/')}".rstrip("/")
        return self.argument.text if same else _with_slash(self.argument.text) + os.path.basename(copied_to)
