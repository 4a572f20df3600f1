"""s3://, gs:// and pvc://: a name, then a key that is taken verbatim."""

import re

from ..errors import InvalidURI
from .location import Location
from .refusal import holds_credentials, shown

__all__ = ["named", "parse_s3"]

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; compatible services allow more,
# but a server would read dot segments as another bucket.
_BUCKET = r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,255}"
_CLAIM = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"
_NAMES = {"s3": ("bucket", _BUCKET), "gs": ("bucket", _BUCKET), "pvc": ("claim", _CLAIM)}
# Access points, Object Lambda and multi-region access points, then Outposts. The resource separator is "/" or ":":
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html#amazons3-resources-for-iam-policies
_ARN = re.compile(
    r"(arn:aws[a-z0-9-]*:"
    r"(?:(?:s3|s3-object-lambda):[a-z0-9-]*:[0-9]{12}:accesspoint[/:][A-Za-z0-9.-]{1,63}"
    r"|s3-outposts:[a-z0-9-]+:[0-9]{12}:outpost[/:][A-Za-z0-9-]{1,63}[/:]accesspoint[/:][A-Za-z0-9-]{1,63}))"
    r"(?:/(.*))?",
    re.DOTALL,
)
_ARN_FORM = "s3://arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME/key"


def parse_s3(text: str, rest: str) -> Location:
    """Parse what follows s3://, the name of a bucket or the ARN of an access point.

    Args:
        text: The whole URI.
        rest: The part after "://".

    Raises:
        InvalidURI: There is no such name at its beginning.
    """
    if not rest.startswith("arn:"):
        return named("s3", text, rest)
    if found := _ARN.fullmatch(rest):
        return Location("s3", found[1], found[2] or "")
    if bucket := re.fullmatch(r"arn:aws[a-z0-9-]*:s3:::([^/]+)(?:/.*)?", rest, re.DOTALL):
        raise InvalidURI("the ARN of a bucket is not part of a URI", hint=f"s3://{bucket[1]}/key", uri=shown(text))
    raise InvalidURI("this is not the ARN of an access point", hint=_ARN_FORM, uri=shown(text))


def named(scheme: str, text: str, rest: str) -> Location:
    """Parse the name of a bucket or claim, then the key.

    Args:
        scheme: "s3", "gs" or "pvc".
        text: The whole URI.
        rest: The part after "://".

    Raises:
        InvalidURI: It begins with no such name, or with credentials.
    """
    noun, pattern = _NAMES[scheme]
    root, _, key = rest.partition("/")
    form = f"{scheme}://{noun}/path"
    if not root:
        raise InvalidURI(f"the {noun}'s name is missing", hint=form, uri=text)
    if not re.fullmatch(pattern, root):
        if holds_credentials(rest):
            hint = "pass them in a configuration, such as S3Config"
            raise InvalidURI("credentials do not belong in a URI", hint=hint, uri=shown(text))
        raise InvalidURI(f"{root!r} is not the name of a {noun}", hint=form, uri=text)
    return Location(scheme, root, key)
