"""What the demo does with its bucket, step by step, each with what was measured."""

import asyncio
import os
import time
from pathlib import Path

from ..api.blocking import Storage
from ..config import S3Config
from ..runtime.event_loop import loop_factory
from .bucket import make_bucket
from .iris import Flowers, accuracy, train
from .report import DemoError, megabytes, say
from .servers import AsyncServer, LegacyModel
from .weights import digests, write_weights

__all__ = ["tell"]


def tell(directory: Path, bucket: str, config: S3Config, amount: int) -> None:
    """Fill the bucket, bring everything back in two ways, and compare.

    Args:
        directory: For the files.
        bucket: Made here.
        config: How to sign in to the service.
        amount: Bytes of weights.

    Raises:
        DemoError: A file is not what was put there.
        StorageError: A download failed.
    """
    source, model, weights = directory / "source", directory / "model", directory / "weights"
    source.mkdir()
    unseen = train(source / "iris.joblib")
    write_weights(source / "weights", amount)
    expected = digests(source)

    with asyncio.Runner(loop_factory=loop_factory(os.environ)) as runner:
        runner.run(make_bucket(bucket, config))
        _fill(source, bucket, config)
        _load(LegacyModel(f"s3://{bucket}/iris.joblib", model, config), unseen)
        server = AsyncServer(f"s3://{bucket}/weights/", weights, config)
        runner.run(server.load())
    _tell_of(server, weights)

    found = digests(model) | {f"weights/{path}": digest for path, digest in digests(weights).items()}
    wrong = sorted(path for path in expected.keys() | found.keys() if expected.get(path) != found.get(path))
    if wrong:
        raise DemoError(f"these files are not what was put there: {', '.join(wrong)}")
    say("verified", f"all {len(found)} files have the SHA-256 of their source")


def _fill(source: Path, bucket: str, config: S3Config) -> None:
    total = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
    start = time.perf_counter()
    Storage.upload(source, f"s3://{bucket}/", config)
    seconds = time.perf_counter() - start
    say("bucket", "an iris classifier and a directory of weights, put there by Storage.upload:")
    say("", f"{megabytes(total)} in {seconds:.2f} s, {total / seconds / 1e6:,.0f} MB/s")


def _load(model: LegacyModel, unseen: Flowers) -> None:
    start = time.perf_counter()
    model.load()
    seconds = time.perf_counter() - start
    measures, kinds = unseen
    right = accuracy(model.predict(measures), kinds)
    say("sync", f"a legacy load() called Storage.download and had its model after {seconds * 1000:.0f} ms;")
    say("", f"it names {right:.0%} of {len(kinds)} flowers right that it had not seen")


def _tell_of(server: AsyncServer, weights: Path) -> None:
    moved = sum(path.stat().st_size for path in weights.rglob("*") if path.is_file())
    rate = moved / server.seconds / 1e6
    say(
        "async",
        f"a server awaited AsyncStorage().download: {megabytes(moved)} in {server.seconds:.2f} s, {rate:,.0f} MB/s;",
    )
    say("", f"its event loop went on meanwhile; the longest pause was {server.longest_gap * 1000:.0f} ms")
