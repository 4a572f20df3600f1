"""Compare the S3 SDK with sealift's own code: parsing a listing, signing a request, importing the package.

Run ``python -m bench.sdk_cost`` in an environment with sealift. Prints the best of several rounds.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as SDKCredentials
from botocore.parsers import create_parser
from botocore.session import get_session

from sealift.backends.s3.listing_page import parse_listing
from sealift.backends.s3.signature import Credentials, sign

ENTRY = (
    "<Contents><Key>models/iris/{:06}.bin</Key><LastModified>2026-11-22T12:00:00.000Z</LastModified>"
    "<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>10240</Size>"
    "<StorageClass>STANDARD</StorageClass></Contents>"
)
LISTING = (
    '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    f"<IsTruncated>false</IsTruncated>{''.join(map(ENTRY.format, range(1000)))}</ListBucketResult>"
).encode()


def best(function: Callable[[], object], rounds: int, repeat: int = 1) -> float:
    """Seconds per call, in the fastest of several rounds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(repeat):
            function()
        times.append((time.perf_counter() - start) / repeat)
    return min(times)


def imported(module: str) -> float:
    """Seconds that a new interpreter takes to import a module."""
    code = f"import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
    return min(float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5))


def main() -> None:
    shape = get_session().get_service_model("s3").operation_model("ListObjectsV2").output_shape
    parser = create_parser("rest-xml")
    reply = {"body": LISTING, "headers": {}, "status_code": 200}
    signer = S3SigV4Auth(SDKCredentials("access", "secret"), "s3", "us-east-1")
    credentials, now = Credentials("access", "secret"), datetime.now(UTC)
    headers = [("host", "127.0.0.1:9000"), ("range", "bytes=0-9")]

    def sdk_sign() -> None:
        signer.add_auth(AWSRequest("GET", "http://127.0.0.1:9000/bucket/key", headers={"range": "bytes=0-9"}))

    def own_sign() -> None:
        sign("GET", "/bucket/key", headers, credentials=credentials, region="us-east-1", service="s3", now=now)

    rows = [
        (
            "a page of 1,000 keys, ms",
            best(lambda: parser.parse(reply, shape), 5),
            best(lambda: parse_listing(LISTING), 5),
            1e3,
        ),
        ("a signature, µs", best(sdk_sign, 5, 200), best(own_sign, 5, 200), 1e6),
        ("import, ms (aiobotocore.session; sealift)", imported("aiobotocore.session"), imported("sealift"), 1e3),
    ]
    for name, sdk, own, unit in rows:
        print(f"{name:45} SDK {sdk * unit:8.1f}   sealift {own * unit:8.1f}   ratio {sdk / own:5.1f}")


if __name__ == "__main__":
    main()
