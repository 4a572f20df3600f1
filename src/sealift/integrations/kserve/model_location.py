"""The URIs of models as kserve-storage reads them. No I/O."""

import re
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from ...errors import InvalidURI
from ...uri import Location, parse
from ...uris.redaction import redacted

__all__ = ["decoded", "location_of", "uri_of"]

_WEB = ("http://", "https://")
_HUBS = ("hf://", "modelscope://")


def location_of(uri: str) -> Location:
    """Parse the URI of a model.

    Spaces in URLs need not be encoded. The name of a blob on Azure is that in the URI; see `decoded`. An empty
    revision of a hub is none. Slashes at the beginning of a key are removed, on Azure also at its end.

    Raises:
        InvalidURI: It is not a storage URI, or is a path that does not exist.

    Example:
        >>> location_of("https://example.com/my model.bin").name
        'my model.bin'
    """
    text = uri.replace(" ", "%20") if uri.startswith(_WEB) else uri
    if uri.startswith(_HUBS):
        text = text.removesuffix(":")
    try:
        location = parse(text)
    except InvalidURI as error:
        shown = error.uri or redacted(uri)
        raise InvalidURI(f"Cannot recognize storage type for {shown}: {error.cause}", hint=error.hint) from None
    match location.scheme:
        case "file":
            raise InvalidURI(f"Cannot recognize storage type for {uri}: it is not a URI, and no such path exists")
        case "s3":
            return replace(location, key=location.key.lstrip("/"))
        case "hf" if "/" not in location.root and not location.key and re.match(r"hf://[^/:@]*/", text):
            raise InvalidURI(f"the name of the model is missing in {uri}", hint="hf://owner/model")
        case "http" | "https" if " " in uri:
            return replace(location, key=urlsplit(uri).path.removeprefix("/"))
        case "azure" if uri.startswith(_WEB):
            return replace(location, key=urlsplit(uri).path.lstrip("/").partition("/")[2].strip("/"))
        case "azure":
            return replace(location, key=location.key.strip("/"))
    return location


def decoded(location: Location) -> Location:
    """The location of a blob whose name is percent-encoded in its URI, as the portal of Azure shows it.

    Example:
        >>> decoded(location_of("https://models.blob.core.windows.net/models/my%20model")).key
        'my model'
    """
    key = unquote(location.key) if location.scheme == "azure" and location.account else location.key
    return location if key == location.key else replace(location, key=key)


def uri_of(location: Location) -> str:
    """The URI of a location, with its query, which may be a signature."""
    uri = f"{location}?{location.query}" if location.query else str(location)
    return uri.replace(" ", "%20") if location.scheme in {"http", "https"} else uri
