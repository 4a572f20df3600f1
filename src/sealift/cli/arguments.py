"""What the ends of a command are called: as the user has called them."""

import os
from dataclasses import dataclass

from ..config import PVCConfig
from ..types import Event
from ..uri import Location, parse

__all__ = ["Place", "Target"]


def _below(text: str) -> str:
    return text if not text or text.endswith("/") else f"{text}/"


@dataclass(frozen=True, slots=True)
class Place:
    """An object or a prefix.

    Attributes:
        text: The URI or path that was given; of a `file://` URI its path.
        location: The same, parsed; of a volume, its place on this machine.

    Example:
        >>> Place.of("s3://ml-models/iris").name("iris/model.joblib")
        's3://ml-models/iris/model.joblib'
    """

    text: str
    location: Location

    @classmethod
    def of(cls, text: str) -> "Place":
        """Read what was given.

        Raises:
            InvalidURI: It is no storage URI.
            ModelMissingError: It names a volume that is not mounted.
        """
        location = parse(text)
        if location.scheme == "pvc":  # a directory of this machine, whatever the user calls it
            from ..backends.pvc import mount_of  # noqa: PLC0415 - not for --help

            mounts = PVCConfig.from_env(os.environ).mounts
            return cls(text, parse(os.path.join(mount_of(location.root, mounts), location.key)))
        if location.query:
            text = str(location)  # a query may be a signature
        is_uri = location.scheme == "file" and text.lower().startswith("file:")
        return cls(f"/{location.key}" if is_uri else text, location)

    def path(self, key: str) -> str:
        """The path of an object relative to this place; "" for the object that this place is."""
        return "" if key == self.location.key else key[len(_below(self.location.key)) :]

    def name(self, key: str) -> str:
        """An object at this place, or below it."""
        path = self.path(key)
        return _below(self.text) + path if path else self.text


@dataclass(frozen=True, slots=True)
class Target:
    """Where objects go to, each under a name of its own.

    Attributes:
        place: The destination.
        source: Where they come from.
        into: Whether the destination is a local directory that is there.
    """

    place: Place
    source: Place
    into: bool

    @classmethod
    def of(cls, place: Place, source: Place) -> "Target":
        """Look what is at the destination now."""
        local = place.location.scheme == "file"
        return cls(place, source, local and (place.text.endswith("/") or os.path.isdir(f"/{place.location.key}")))

    def name(self, event: Event) -> str:
        """Where an object is copied to."""
        if self.place.location.scheme != "file":
            return self.place.name(event.target)
        one = event.key == self.source.location.key and not self.into
        return self.place.text if one else _below(self.place.text) + event.target

    def final(self, copied_to: str) -> str:
        """What `AsyncStorage.copy` returned, as the user would call it."""
        if self.place.location.scheme != "file":
            return copied_to
        there = copied_to.rstrip("/") == f"/{self.place.location.key.rstrip('/')}".rstrip("/")
        return self.place.text if there else _below(self.place.text) + os.path.basename(copied_to)
