"""oci:// URIs: images and artifacts in container registries, named as in docker and podman."""

import re

from ..errors import InvalidURI
from .location import Location
from .redaction import holds_credentials, redacted

__all__ = ["parse_oci", "registry_and_repository"]

_FORM = "oci://registry/repository[:tag][/path]"
_DEFAULT_TAG = "latest"
_HUB = "docker.io"
# https://github.com/distribution/reference/blob/main/reference.go
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:]+\])(?::[0-9]{{1,5}})?")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"(?P<name>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>[a-z0-9+._-]+:[0-9A-Fa-f]{32,}))?(?:/(?P<key>.*))?",
    re.DOTALL,
)


def parse_oci(text: str, rest: str) -> Location:
    """Parse an oci:// URI.

    A name without a registry belongs to Docker Hub. A path in the image or artifact can only follow a tag or a digest,
    as it would otherwise be part of the repository's name. With both, the digest counts.

    Args:
        text: The whole URI.
        rest: The part after "://".

    Raises:
        InvalidURI: The registry, the repository, the tag or the digest is not valid, or the URI contains credentials.
    """
    registry, image = _split(rest)
    matched = _IMAGE.fullmatch(image)
    if matched is None or not _HOST.fullmatch(registry):
        # The port of a registry and the digest of an image look like a password, too.
        if holds_credentials(rest) and not re.search(r"@\w+:[0-9A-Fa-f]*(/|$)", rest):
            hint = "OCIConfig(username=…, password=…), or docker login"
            raise InvalidURI("credentials do not belong in a URI", hint=hint, uri=redacted(text))
        raise InvalidURI(_reason(registry, image), hint=f"{_FORM}, or @sha256:… for the tag", uri=redacted(text))
    name, revision, key = matched["name"], matched["digest"] or matched["tag"], matched["key"] or ""
    if key and revision is None:
        first = key.partition("/")[0]
        if first in {".", ".."} or ":" in first or "@" in first:
            raise InvalidURI(_reason(registry, image), hint=f"{_FORM}, or @sha256:… for the tag", uri=redacted(text))
        hint = f"write the tag: oci://{registry}/{name}:{_DEFAULT_TAG}/{key}"
        raise InvalidURI("the path must follow a tag or a digest", hint=hint, uri=redacted(text))
    if registry == _HUB and "/" not in name:
        name = f"library/{name}"
    return Location("oci", f"{registry}/{name}", key, revision=None if revision == _DEFAULT_TAG else revision)


def registry_and_repository(root: str) -> tuple[str, str]:
    """Split the root of a location into the registry's host with its port, and the repository.

    Example:
        >>> registry_and_repository("ghcr.io/team/model")
        ('ghcr.io', 'team/model')
    """
    registry, _, repository = root.partition("/")
    return registry, repository


def _split(rest: str) -> tuple[str, str]:
    """Split a reference into registry and image; the first segment is a registry if it looks like a host."""
    first, slash, image = rest.partition("/")
    is_host = any(mark in first for mark in ".:[") or first.lower() == "localhost"
    if not slash or not is_host:
        return _HUB, rest
    registry = first.lower()
    return (_HUB if registry == f"index.{_HUB}" else registry), image


def _reason(registry: str, image: str) -> str:
    if not image:
        return "the repository is missing"
    # Neither is quoted: it may contain a password.
    if not _HOST.fullmatch(registry):
        return "the registry is not a valid host"
    return "the repository, tag or digest is not valid"
