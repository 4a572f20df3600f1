"""The steps of the demo: upload, download in two ways, compare; each is measured."""

import asyncio
import os
import time
from pathlib import Path

from ..api.blocking import Storage
from ..config import S3Config
from ..runtime.event_loop import loop_factory
from .bucket import create_bucket
from .iris import TestSet, accuracy, train
from .model_servers import AsyncServer, LegacyModel
from .report import DemoError, megabytes, print_line
from .weights import digests, write_weights

__all__ = ["run_steps"]


def run_steps(directory: Path, bucket: str, config: S3Config, amount: int) -> None:
    """Upload to a new bucket, download everything, and compare.

    Args:
        directory: A temporary directory.
        bucket: The bucket to create.
        config: Credentials and endpoint of the server.
        amount: Size of the weights in bytes.

    Raises:
        DemoError: A downloaded file differs from the uploaded one.
        StorageError: A download failed.
    """
    source, model, weights = directory / "source", directory / "model", directory / "weights"
    source.mkdir()
    test_set = train(source / "iris.joblib")
    write_weights(source / "weights", amount)
    expected = digests(source)

    with asyncio.Runner(loop_factory=loop_factory(os.environ)) as runner:
        runner.run(create_bucket(bucket, config))
        _upload(source, bucket, config)
        _load_sync(LegacyModel(f"s3://{bucket}/iris.joblib", model, config), test_set)
        server = AsyncServer(f"s3://{bucket}/weights/", weights, config)
        runner.run(server.load())
    _report_async(server, weights)

    downloaded = digests(model) | {f"weights/{path}": digest for path, digest in digests(weights).items()}
    different = sorted(
        path for path in expected.keys() | downloaded.keys() if expected.get(path) != downloaded.get(path)
    )
    if different:
        raise DemoError(f"these downloaded files differ from the uploaded ones: {', '.join(different)}")
    print_line("verified", f"all {len(downloaded)} files have the SHA-256 of their source")


def _upload(source: Path, bucket: str, config: S3Config) -> None:
    total = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
    start = time.perf_counter()
    Storage.upload(source, f"s3://{bucket}/", config=config)
    seconds = time.perf_counter() - start
    print_line("bucket", "uploaded an iris classifier and a directory of weights with Storage.upload:")
    print_line("", f"{megabytes(total)} in {seconds:.2f} s, {total / seconds / 1e6:,.0f} MB/s")


def _load_sync(model: LegacyModel, test_set: TestSet) -> None:
    start = time.perf_counter()
    model.load()
    seconds = time.perf_counter() - start
    measurements, classes = test_set
    correct = accuracy(model.predict(measurements), classes)
    print_line("sync", f"a synchronous load() with Storage.download took {seconds * 1000:.0f} ms;")
    print_line("", f"the model classifies {correct:.0%} of {len(classes)} flowers of the test set correctly")


def _report_async(server: AsyncServer, weights: Path) -> None:
    size = sum(path.stat().st_size for path in weights.rglob("*") if path.is_file())
    rate = size / server.seconds / 1e6
    print_line(
        "async",
        f"a server awaited AsyncStorage().download: {megabytes(size)} in {server.seconds:.2f} s, {rate:,.0f} MB/s;",
    )
    print_line("", f"its event loop kept running; the longest pause was {server.longest_gap * 1000:.0f} ms")
