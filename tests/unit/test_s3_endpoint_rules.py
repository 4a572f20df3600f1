"""Where requests go and how they are signed: compared with the endpoint rules that botocore ships, over a grid.

The rules are evaluated twice: here from their file, with the parameters that a configuration stands for, and by
`resolve`, from a configuration as a user writes it.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError
from botocore.loaders import Loader

from sealift import InvalidConfig, Limits, S3Config
from sealift.backends.s3.identity import resolve
from sealift.resources import Resources

REGIONS = ("us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1")
STYLES = ("auto", "path", "virtual")
KINDS = {
    "plain": "models",
    "dotted": "my.models",
    "legacy": "My_Models",
    "directory": "models--use1-az4--x-s3",
    "directory access point": "readers--use1-az4--xa-s3",
    "access point ARN": "arn:aws:s3:eu-west-1:123456789012:accesspoint/readers",
    "access point ARN with colons": "arn:aws:s3:eu-west-1:123456789012:accesspoint:readers",
    "access point ARN of China": "arn:aws-cn:s3:cn-north-1:123456789012:accesspoint/readers",
    "access point alias": "readers-a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5-s3alias",
    "object lambda ARN": "arn:aws:s3-object-lambda:eu-west-1:123456789012:accesspoint/readers",
    "object lambda alias": "readers-a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5--ol-s3",
    "outposts ARN": "arn:aws:s3-outposts:eu-west-1:123456789012:outpost/op-01234567890123456/accesspoint/readers",
    "outposts ARN with colons": (
        "arn:aws:s3-outposts:eu-west-1:123456789012:outpost:op-01234567890123456:accesspoint:readers"
    ),
    "outposts alias": "test-accessp-o0b1d075431d83bebde8xz5w8ijx1qzlbp3i3kuse10--op-s3",
    "multi-Region ARN": "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap",
    "multi-Region ARN with colons": "arn:aws:s3::123456789012:accesspoint:mfzwi23gnjvgw.mrap",
}
REFUSED = "refused"
# Buckets that sealift does not support, and what it should say of them.
UNSUPPORTED: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Case:
    region: str
    kind: str
    fips: bool
    dual_stack: bool
    accelerate: bool
    style: str

    @property
    def bucket(self) -> str:
        return KINDS[self.kind]

    @property
    def profile(self) -> str:
        return f"p{self.fips:d}{self.dual_stack:d}{self.accelerate:d}"


def cases() -> Iterator[Case]:
    flags = (False, True)
    return itertools.starmap(Case, itertools.product(REGIONS, KINDS, flags, flags, flags, STYLES))


@cache
def rules() -> EndpointProvider:
    loader = Loader()
    return EndpointProvider(loader.load_service_model("s3", "endpoint-rule-set-1"), loader.load_data("partitions"))


def expected(case: Case) -> object:
    """What the rules say: the URL before a key, the signing scheme, its region or regions, and the service's name."""
    # The SDK takes a path style for a wish that some buckets cannot be given; the rules refuse it for these.
    path = case.style == "path" and not case.accelerate and not case.bucket.startswith("arn:")
    # No host can have such a name.
    path = path or (case.kind == "legacy")
    parameters: dict[str, Any] = {
        "Bucket": case.bucket,
        "Region": case.region,
        "UseFIPS": case.fips,
        "UseDualStack": case.dual_stack,
        "Accelerate": case.accelerate,
        "ForcePathStyle": path,
        "UseArnRegion": True,
        "UseGlobalEndpoint": case.region == "us-east-1",
        "DisableMultiRegionAccessPoints": False,
    }
    try:
        found = rules().resolve_endpoint(**parameters)
    except EndpointProviderError:
        return REFUSED
    scheme = found.properties["authSchemes"][0]
    region = scheme["signingRegion"] if "signingRegion" in scheme else ",".join(scheme["signingRegionSet"])
    return found.url, scheme["name"], region, scheme["signingName"]


async def resolved(case: Case, resources: Resources) -> object:
    config = S3Config(profile=case.profile, region=case.region, addressing_style=case.style)  # type: ignore[arg-type]
    try:
        found = await resolve(case.bucket, config, resources)
    except InvalidConfig:
        return REFUSED
    url = f"{found.origin.scheme}://{found.origin.netloc}{found.path}"
    return url, found.scheme, found.region, found.service


def profiles() -> str:
    sections = []
    for fips, dual_stack, accelerate in itertools.product(("false", "true"), repeat=3):
        name = "".join("01"[flag == "true"] for flag in (fips, dual_stack, accelerate))
        sections.append(
            f"[profile p{name}]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = secret\n"
            f"use_fips_endpoint = {fips}\nuse_dualstack_endpoint = {dual_stack}\n"
            f"s3 =\n  use_accelerate_endpoint = {accelerate}\n"
        )
    return "\n".join(sections)


@pytest.mark.anyio
async def test_the_same_endpoint_and_signature_as_the_rules_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(profiles())
    environ = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "HOME": str(tmp_path)}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    different, supported = [], set()
    async with Resources(Limits(), environ) as resources:
        for case in cases():
            ours, theirs = await resolved(case, resources), expected(case)
            if ours != theirs:
                different.append((case, ours, theirs))
            elif ours != REFUSED:
                supported.add(case.kind)
    assert not different
    assert set(KINDS) - supported == set(UNSUPPORTED)
