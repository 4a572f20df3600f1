"""How long each import or call stops all other threads of a process, because it holds the interpreter lock.

    python -m bench.lock_holds [NAME …]

Each runs in a process of its own, while a thread sleeps for 1 ms in a loop and records the longest delay.
"""

import argparse
import statistics
import subprocess
import sys

_RUNS = 7
# Python hands the lock over every 5 ms, so delays of up to that are shared fairly; longer ones are single C calls.
_WATCH = """
import sys, threading, time
longest, running = 0.0, True
def watch():
    global longest
    last = time.perf_counter()
    while running:
        time.sleep(0.001)
        now = time.perf_counter()
        longest, last = max(longest, now - last - 0.001), now
{setup}
thread = threading.Thread(target=watch)
thread.start()
time.sleep(0.02)
longest, start = 0.0, time.perf_counter()
{statement}
took = time.perf_counter() - start
time.sleep(0.003)
running = False
thread.join()
print(took, longest)
"""
_S3_LOADER = "import botocore.session; loader = botocore.session.get_session().get_component('data_loader')"
# Name → what is loaded before, what is measured.
CASES = {
    "nothing": ("", "time.sleep(0.05)"),
    "import awscrt": ("", "import awscrt.checksums"),
    "CRC functions": ("from sealift.integrity import checksums", "checksums.digest('crc64nvme', b'1')"),
    "import asyncio": ("", "import asyncio"),
    "import uvloop": ("import asyncio", "import uvloop; uvloop.new_event_loop().close()"),
    "import AsyncStorage": ("import asyncio", "import sealift.api.async_storage"),
    "import a download": ("import sealift.api.async_storage", "import sealift.operations.download"),
    "import a sync": ("import sealift.api.async_storage", "import sealift.operations.sync"),
    "import the S3 backend": ("import sealift.operations.download", "import sealift.backends.s3.upload"),
    "import anyio's backend": ("import asyncio", "import anyio._backends._asyncio"),
    "TLS, the system's certificates": ("import ssl", "ssl.create_default_context()"),
    "TLS, certificates of a file": (
        "import ssl, certifi; ssl.create_default_context().get_ca_certs()",
        "ssl.create_default_context(cafile=certifi.where())",
    ),
    "import sqlite3": ("", "import sqlite3"),
    "import XML": ("", "import xml.etree.ElementTree"),
    "import botocore": ("import asyncio", "import botocore.session"),
    "import aiobotocore": ("import botocore.session", "import aiobotocore.session"),
    "botocore: S3 service model": (_S3_LOADER, "loader.load_service_model('s3', 'service-2')"),
    "botocore: S3 endpoint rules": (_S3_LOADER, "loader.load_service_model('s3', 'endpoint-rule-set-1')"),
    "botocore: endpoints": (_S3_LOADER, "loader.load_data('endpoints')"),
    "import gcloud": ("import asyncio", "import gcloud.aio.auth"),
    "import Azure's identity": ("import asyncio", "import azure.identity.aio"),
    "import Azure's blobs": ("import asyncio", "import azure.storage.blob"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases, by the start of their names; none: all")
    chosen = parser.parse_args().names
    print(f"{'medians of':30} {'takes':>10} {'longest delay':>16}")
    for name, (setup, statement) in CASES.items():
        if not chosen or name.startswith(tuple(chosen)):
            took, longest = _measure(setup, statement)
            print(f"{name:30} {took * 1e3:7.1f} ms {longest * 1e3:13.1f} ms")


def _measure(setup: str, statement: str) -> tuple[float, float]:
    program = _WATCH.format(setup=setup, statement=statement)
    samples = []
    for _ in range(_RUNS):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        samples.append([float(number) for number in done.stdout.split()])
    took, longest = (statistics.median(column) for column in zip(*samples, strict=True))
    return took, longest


if __name__ == "__main__":
    main()
