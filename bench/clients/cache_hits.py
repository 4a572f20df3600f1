"""Measure hits in a cache: `cache_hits.py OBJECT PREFIX COUNT`, with two URIs of S3, and how often each is measured.

Writes medians in milliseconds to `report.json`: a hit of the object; a plain HEAD of it on a connection that stays
open, measured in turns with the hits; a hit of the prefix; and one offline. And the requests that a hit of each sends.
"""

import http.client
import json
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from sealift import Storage


class Counter(logging.Handler):
    """Counts the requests of sealift."""

    count = 0

    def emit(self, _: logging.LogRecord) -> None:
        self.count += 1


def requests_of(call: Callable[[], object]) -> int:
    """How many requests a call sends."""
    log, counter = logging.getLogger("sealift.requests"), Counter()
    log.addHandler(counter)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    call()
    log.removeHandler(counter)
    log.setLevel(logging.NOTSET)
    return counter.count


def milliseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - start)


one, many, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
server, at = urlsplit(os.environ["AWS_ENDPOINT_URL"]), urlsplit(one)
connection = http.client.HTTPConnection(server.netloc)


def head() -> None:
    connection.request("HEAD", f"/{at.netloc}{at.path}")
    connection.getresponse().read()


calls: dict[str, Callable[[], object]] = {
    "head": head,
    "object": lambda: Storage.download(one),
    "prefix": lambda: Storage.download(many),
    "offline": lambda: Storage.download(many, offline=True),
}
for each in calls.values():  # fills the cache, and imports what a hit needs
    each()
    each()
samples: dict[str, list[float]] = {name: [] for name in calls}
for _ in range(count):
    for name, call in calls.items():
        samples[name].append(milliseconds(call))
report = {f"{name}_ms": statistics.median(found) for name, found in samples.items()}
report |= {f"{name}_requests": float(requests_of(calls[name])) for name in ("object", "prefix", "offline")}
Path("report.json").write_text(json.dumps(report))
