"""hf:// URIs: repositories of the Hugging Face Hub, in the syntax of huggingface_hub and KServe."""

import re
from urllib.parse import unquote

from ..errors import InvalidURI
from .location import SPECIAL_REFS, Location
from .redaction import holds_credentials, redacted

__all__ = ["is_revision", "parse_hub"]

_FORM = "hf://owner/name[@revision][/path]"
_KINDS = ("models", "datasets", "spaces")
# First segments with another meaning in huggingface_hub; they cannot be owners.
_RESERVED = {"buckets", "kernels", "bucket", "dataset", "kernel", "model", "space"}
_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_REVISION = rf"({SPECIAL_REFS}|[^/]+)(?:/(.*))?"


def parse_hub(text: str, rest: str) -> Location:
    """Parse an hf:// URI.

    Args:
        text: The whole URI.
        rest: The part after "://".

    Raises:
        InvalidURI: The repository or the revision is not valid, or the URI contains credentials.
    """
    kind, slash, below = rest.partition("/")
    if slash and kind in _RESERVED:
        hint = f"write hf://{kind}s/…" if f"{kind}s" in _KINDS else "supported: models, datasets and spaces"
        raise InvalidURI(f"hf://{kind}/ is not a supported repository kind", hint=hint, uri=f"hf://{kind}/…")
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
    # An "@" after a single name would separate credentials from a host.
    if len(names) == 1 and (separator == "@" or holds_credentials(rest)):
        hint = f"HFConfig(token=…); for a revision, {_FORM} or hf://name:revision"
        raise InvalidURI("credentials do not belong in a URI", hint=hint, uri=redacted(text))
    if not all(re.fullmatch(_NAME, name) and ".." not in name for name in names):
        raise InvalidURI(f"{'/'.join(names)!r} is not a valid repository name", hint=_FORM, uri=redacted(text))
    return Location("hf", "/".join(names), key, revision=revision, kind=kind)


def is_revision(text: str) -> bool:
    """Whether a text can be the name of a branch, a tag or a commit.

    Source: https://git-scm.com/docs/git-check-ref-format; besides, servers normalize dot segments.
    """
    return not re.search(r"[\0-\x20\x7f\ud800-\udfff]|\.\.|(^|/)(\.|/|$)", text)


def _split(rest: str) -> tuple[str, str, str]:
    """Split at the "@" or ":" after the repository name; in the path these characters are literal."""
    matched = re.match(r"([^/:@]*(?:/[^/:@]*)?)([:@])(.*)", rest, re.DOTALL)
    return (matched[1], matched[2], matched[3]) if matched else (rest, "", "")


def _revision(text: str, separator: str, tail: str) -> tuple[str, str]:
    """Return the decoded revision and the path after it."""
    matched = re.fullmatch(_REVISION, tail, re.DOTALL)
    if matched is None:
        raise InvalidURI(f"the revision after the {separator!r} is empty", hint=_FORM, uri=redacted(text))
    try:
        revision = unquote(matched[1], errors="strict")
    except UnicodeDecodeError:
        revision = "\0"
    if not is_revision(revision):
        hint = f"{_FORM}, and %2F for a slash in the revision"
        raise InvalidURI("the revision is not a valid Git name", hint=hint, uri=repr(redacted(text)))
    return revision, matched[2] or ""
