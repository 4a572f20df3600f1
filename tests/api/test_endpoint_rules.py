"""Endpoints and signing, compared over a grid of cases with the endpoint rules that botocore ships.

The rules are evaluated twice: here, from their file, with the parameters equivalent to a configuration, and by
`resolve_access`, from the configuration as a user writes it.
"""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError
from botocore.loaders import Loader

from sealift import InvalidConfig, Limits, S3Config
from sealift.backends.s3.access import resolve_access
from sealift.config.s3 import AddressingStyle
from sealift.instance import Instance

REGIONS = ("us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1")
# Other services, and Amazon S3 at its private network address.
ENDPOINTS = (
    "http://127.0.0.1:9000",
    "https://storage.example.com",
    "https://storage.example.com/s3",
    "http://storage.example.com",
    "https://bucket.vpce-0a1b2c3d4e5f6a7b8-abcd1234.s3.eu-west-1.vpce.amazonaws.com",
)
STYLES: tuple[AddressingStyle, ...] = ("auto", "path", "virtual")
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
# Unsupported buckets.
UNSUPPORTED: set[str] = set()


@dataclass(frozen=True, slots=True)
class Case:
    """A bucket and a configuration."""

    kind: str
    region: str
    style: AddressingStyle
    fips: bool = False
    dual_stack: bool = False
    accelerate: bool = False
    endpoint: str | None = None

    @property
    def bucket(self) -> str:
        return KINDS[self.kind]

    @property
    def profile(self) -> str:
        return f"p{self.fips:d}{self.dual_stack:d}{self.accelerate:d}"

    @property
    def config(self) -> S3Config:
        return S3Config(
            "AKIAEXAMPLE", "secret", region=self.region, addressing_style=self.style, endpoint_url=self.endpoint
        )

    @property
    def path_style(self) -> bool:
        """Whether the SDK requests path style from the rules: never for ARNs, always if no virtual host is possible."""
        if self.bucket.startswith("arn:"):
            return False
        if self.kind == "legacy":
            return True
        if self.endpoint is not None:
            return self.style != "virtual"
        return self.style == "path" and not self.accelerate


def grid(region: str) -> list[Case]:
    flags = itertools.product((False, True), repeat=3)
    return [Case(*each[:3], *each[3]) for each in itertools.product(KINDS, [region], STYLES, flags)]


def at_endpoints(region: str) -> list[Case]:
    return [
        Case(kind, region, style, endpoint=endpoint)
        for kind, style, endpoint in itertools.product(KINDS, STYLES, ENDPOINTS)
    ]


@cache
def rules() -> EndpointProvider:
    loader = Loader()
    return EndpointProvider(loader.load_service_model("s3", "endpoint-rule-set-1"), loader.load_data("partitions"))


def expected(case: Case) -> object:
    """The result of the rules: base URL before the key, signing scheme, signing region or regions, and service name."""
    parameters: dict[str, Any] = {
        "Bucket": case.bucket,
        "Region": case.region,
        "UseFIPS": case.fips,
        "UseDualStack": case.dual_stack,
        "Accelerate": case.accelerate,
        "ForcePathStyle": case.path_style,
        "UseArnRegion": True,
        "UseGlobalEndpoint": case.region == "us-east-1",
        "DisableMultiRegionAccessPoints": False,
    }
    if case.endpoint is not None:
        parameters["Endpoint"] = case.endpoint
    try:
        found = rules().resolve_endpoint(**parameters)
    except EndpointProviderError:
        return REFUSED
    scheme = found.properties["authSchemes"][0]
    region = scheme["signingRegion"] if "signingRegion" in scheme else ",".join(scheme["signingRegionSet"])
    return found.url, scheme["name"], region, scheme["signingName"]


async def resolved(case: Case, instance: Instance) -> object:
    """The same result from sealift."""
    try:
        found = await resolve_access(case.bucket, case.config, instance)
    except InvalidConfig:
        return REFUSED
    url = f"{found.origin.scheme}://{found.origin.netloc}{found.path}"
    return url, found.scheme, found.region, found.service


def profiles() -> str:
    """Write the configuration file with the profiles of all cases."""
    return "".join(
        f"[profile p{fips:d}{dual_stack:d}{accelerate:d}]\n"
        f"use_fips_endpoint = {fips}\nuse_dualstack_endpoint = {dual_stack}\n"
        f"s3 =\n  use_accelerate_endpoint = {accelerate}\n"
        for fips, dual_stack, accelerate in itertools.product((False, True), repeat=3)
    )


@pytest.fixture
def compared(tmp_path: Path) -> Callable[[list[Case]], set[str]]:
    """Compare all cases. Returns the kinds of buckets that can be reached."""
    (tmp_path / "config").write_text(profiles())
    environ = {"AWS_CONFIG_FILE": str(tmp_path / "config")}

    async def compare(cases: list[Case]) -> set[str]:
        found = {}
        for profile, group in itertools.groupby(sorted(cases, key=profile_of), profile_of):
            async with Instance(Limits(), {**environ, "AWS_PROFILE": profile}) as instance:
                found |= {case: (await resolved(case, instance), expected(case)) for case in group}
        assert {case: pair for case, pair in found.items() if pair[0] != pair[1]} == {}
        return {case.kind for case, (ours, _) in found.items() if ours != REFUSED}

    return lambda cases: asyncio.run(compare(cases))


profile_of = attrgetter("profile")


def of(arn: str, region: str) -> bool:
    """Whether an ARN is in the partition of a region."""
    partition = {"us-gov-west-1": "aws-us-gov", "cn-north-1": "aws-cn"}.get(region, "aws")
    return arn.split(":")[1] == partition


@pytest.mark.parametrize("region", REGIONS)
def test_amazon_s_endpoints(region: str, compared: Callable[[list[Case]], set[str]]) -> None:
    reached = compared(grid(region))
    # An ARN is in one partition, and can be reached from its regions only.
    elsewhere = {kind for kind, bucket in KINDS.items() if bucket.startswith("arn:") and not of(bucket, region)}
    assert set(KINDS) - reached == elsewhere | UNSUPPORTED


def test_given_endpoints(compared: Callable[[list[Case]], set[str]]) -> None:
    compared(at_endpoints("eu-west-1"))


def test_accelerate_in_the_configuration() -> None:
    config = S3Config("AKIAEXAMPLE", "secret", region="eu-west-1", accelerate=True)

    async def host() -> str:
        async with Instance(Limits(), {}) as instance:
            return (await resolve_access("plain-bucket", config, instance)).origin.host

    assert asyncio.run(host()) == "plain-bucket.s3-accelerate.amazonaws.com"
