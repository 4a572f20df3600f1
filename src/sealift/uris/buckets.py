"""s3://, gs:// and pvc:// URIs: the name of a bucket or claim, then a verbatim key."""

import re

from ..errors import InvalidURI
from .location import Location
from .redaction import holds_credentials, redacted

__all__ = ["parse_bucket", "parse_s3"]

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; compatible services allow more,
# but servers normalize dot segments, which would address another bucket.
_BUCKET = r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,255}"
_CLAIM = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"
_NAMES = {"s3": ("bucket", _BUCKET), "gs": ("bucket", _BUCKET), "pvc": ("claim", _CLAIM)}
# Access points, Object Lambda and multi-region access points, then Outposts. The resource separator is "/" or ":":
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html#amazons3-resources-for-iam-policies
_ARN = (
    r"(arn:aws[a-z0-9-]*:"
    r"(?:(?:s3|s3-object-lambda):[a-z0-9-]*:[0-9]{12}:accesspoint[/:][A-Za-z0-9.-]{1,63}"
    r"|s3-outposts:[a-z0-9-]+:[0-9]{12}:outpost[/:][A-Za-z0-9-]{1,63}[/:]accesspoint[/:][A-Za-z0-9-]{1,63}))"
    r"(?:/(.*))?"
)
_ARN_FORM = "s3://arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME/key"


def parse_s3(text: str, rest: str) -> Location:
    """Parse an s3:// URI with a bucket name or an access point ARN.

    Args:
        text: The whole URI.
        rest: The part after "://".

    Raises:
        InvalidURI: The URI does not start with a valid bucket name or access point ARN.
    """
    if not rest.startswith("arn:"):
        return parse_bucket("s3", text, rest)
    if matched := re.fullmatch(_ARN, rest, re.DOTALL):
        return Location("s3", matched[1], matched[2] or "")
    if bucket := re.fullmatch(r"arn:aws[a-z0-9-]*:s3:::([^/]+)(?:/.*)?", rest, re.DOTALL):
        raise InvalidURI("a bucket ARN cannot be used in a URI", hint=f"s3://{bucket[1]}/key", uri=redacted(text))
    raise InvalidURI("not a valid access point ARN", hint=_ARN_FORM, uri=redacted(text))


def parse_bucket(scheme: str, text: str, rest: str) -> Location:
    """Parse the name of a bucket or claim, followed by a key.

    Args:
        scheme: "s3", "gs" or "pvc".
        text: The whole URI.
        rest: The part after "://".

    Raises:
        InvalidURI: The name is missing or invalid, or the URI contains credentials.
    """
    noun, pattern = _NAMES[scheme]
    root, _, key = rest.partition("/")
    form = f"{scheme}://{noun}/path"
    if not root:
        raise InvalidURI(f"the {noun} name is missing", hint=form, uri=text)
    if not re.fullmatch(pattern, root):
        if holds_credentials(rest):
            hint = "pass them in a configuration, such as S3Config"
            raise InvalidURI("credentials do not belong in a URI", hint=hint, uri=redacted(text))
        raise InvalidURI(f"{root!r} is not a valid {noun} name", hint=form, uri=text)
    return Location(scheme, root, key)
