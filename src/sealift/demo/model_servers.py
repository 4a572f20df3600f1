"""Two kinds of model servers: one with a synchronous `load()`, and one in an event loop."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import joblib

from ..api.async_storage import AsyncStorage
from ..api.blocking import Storage
from ..config import S3Config

__all__ = ["AsyncServer", "LegacyModel"]

_HEARTBEAT = 0.005  # seconds


class LegacyModel:
    """A model class of a synchronous model server: `load()` returns when the model is loaded.

    Args:
        uri: The URI of the model file.
        directory: The directory to download to.
        config: Credentials and endpoint.
    """

    def __init__(self, uri: str, directory: Path, config: S3Config) -> None:
        self._uri = uri
        self._directory = directory
        self._config = config
        self._model: Any = None

    def load(self) -> None:
        """Download and open the model."""
        path = Storage.download(self._uri, f"{self._directory}/", config=self._config)
        self._model = joblib.load(path)

    def predict(self, rows: Any) -> Any:
        """Return the prediction for each row."""
        return self._model.predict(rows)


class AsyncServer:
    """An inference server that keeps answering while its weights are downloaded.

    Args:
        uri: The URI of the directory of weights.
        directory: The directory to download to.
        config: Credentials and endpoint.

    Attributes:
        longest_gap: Longest pause of the event loop during the download, in seconds.
        seconds: Duration of the download.
    """

    def __init__(self, uri: str, directory: Path, config: S3Config) -> None:
        self._uri = uri
        self._directory = directory
        self._config = config
        self.longest_gap = 0.0
        self.seconds = 0.0

    async def load(self) -> None:
        """Download the weights."""
        start = time.perf_counter()
        async with self._heartbeat():
            await AsyncStorage().download(self._uri, self._directory, config=self._config)
        self.seconds = time.perf_counter() - start

    @asynccontextmanager
    async def _heartbeat(self) -> AsyncGenerator[None]:
        """Measure pauses of the event loop with a task that runs every 5 ms, in the place of other requests."""

        async def beat() -> None:
            last = time.perf_counter()
            while True:
                await asyncio.sleep(_HEARTBEAT)
                now = time.perf_counter()
                self.longest_gap = max(self.longest_gap, now - last)
                last = now

        task = asyncio.create_task(beat())
        try:
            yield
        finally:
            task.cancel()
