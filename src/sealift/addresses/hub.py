"""hf://: repositories of the Hugging Face Hub, as huggingface_hub and KServe write them."""

import re
from urllib.parse import unquote

from ..errors import InvalidURI
from .location import SPECIAL_REFS, Location
from .refusal import holds_credentials, shown

__all__ = ["parse_hub"]

_FORM = "hf://owner/name[@revision][/path]"
_KINDS = ("models", "datasets", "spaces")
# First segments that huggingface_hub reads as something else, so that no owner can be meant.
_RESERVED = {"buckets", "kernels", "bucket", "dataset", "kernel", "model", "space"}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_REVISION = re.compile(rf"({SPECIAL_REFS}|[^/]+)(?:/(.*))?", re.DOTALL)


def parse_hub(text: str, rest: str) -> Location:
    """Parse what follows hf://.

    Args:
        text: The whole URI.
        rest: The part after "://".

    Raises:
        InvalidURI: It names no repository, a revision that Git cannot have, or holds credentials.
    """
    kind, slash, below = rest.partition("/")
    if slash and kind in _RESERVED:
        hint = f"write hf://{kind}s/…" if f"{kind}s" in _KINDS else "models, datasets and spaces can be read"
        raise InvalidURI(f"hf://{kind}/ is not a kind of repository", hint=hint, uri=f"hf://{kind}/…")
    if slash and kind in _KINDS:
        rest = below
    else:
        kind = "models"
    head, separator, tail = _split(rest)
    if separator:
        names = head.split("/")
        revision, key = _revision(text, separator, tail)
    else:
        names, revision = rest.split("/", 2), None
        key = names.pop() if len(names) > 2 else ""
    if len(names) == 2 and not names[1] and not key:
        names.pop()
    # An "@" behind a single name would be a user's.
    if len(names) == 1 and (separator == "@" or holds_credentials(rest)):
        hint = f"HFConfig(token=…); for a revision, {_FORM} or hf://name:revision"
        raise InvalidURI("credentials do not belong in a URI", hint=hint, uri=shown(text))
    if not all(_NAME.fullmatch(name) and ".." not in name for name in names):
        raise InvalidURI(f"{'/'.join(names)!r} is not the name of a repository", hint=_FORM, uri=shown(text))
    return Location("hf", "/".join(names), key, revision=revision, kind=kind)


def _split(rest: str) -> tuple[str, str, str]:
    """Split at the "@" or ":" behind the repository's name; one in a path belongs to it."""
    found = re.match(r"([^/:@]*(?:/[^/:@]*)?)([:@])(.*)", rest, re.DOTALL)
    return (found[1], found[2], found[3]) if found else (rest, "", "")


def _revision(text: str, separator: str, tail: str) -> tuple[str, str]:
    """The decoded revision and the path behind it."""
    found = _REVISION.fullmatch(tail)
    if found is None:
        raise InvalidURI(f"the revision after the {separator!r} is empty", hint=_FORM, uri=shown(text))
    try:
        revision = unquote(found[1], errors="strict")
    except UnicodeDecodeError:
        revision = "\0"
    # https://git-scm.com/docs/git-check-ref-format; a server would read dot segments as another address.
    if re.search(r"[\0-\x20\x7f\ud800-\udfff]|\.\.|(^|/)(\.|/|$)", revision):
        hint = f"{_FORM}, and %2F for a slash in the revision"
        raise InvalidURI("Git has no revision of this name", hint=hint, uri=repr(shown(text)))
    return revision, found[2] or ""
