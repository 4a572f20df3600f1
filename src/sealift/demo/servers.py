"""The two kinds of code that wait for a model: a sync `load()`, and a server in an event loop."""

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

_BEAT = 0.005


class LegacyModel:
    """A model class as sync model servers know it: `load()` returns when the model is there.

    Args:
        uri: Of the model's file.
        directory: Receives the file.
        config: How to sign in.
    """

    def __init__(self, uri: str, directory: Path, config: S3Config) -> None:
        self._uri = uri
        self._directory = directory
        self._config = config
        self._model: Any = None

    def load(self) -> None:
        """Bring the model here and open it."""
        path = Storage.download(self._uri, f"{self._directory}/", self._config)
        self._model = joblib.load(path)

    def predict(self, rows: Any) -> Any:
        """What the model says of each row."""
        return self._model.predict(rows)


class AsyncServer:
    """An inference server that goes on answering while its weights arrive.

    Args:
        uri: Of the weights' directory.
        directory: Receives the files.
        config: How to sign in.

    Attributes:
        longest_gap: Seconds, between two beats of the loop, at most, while the weights arrived.
        seconds: How long that took.
    """

    def __init__(self, uri: str, directory: Path, config: S3Config) -> None:
        self._uri = uri
        self._directory = directory
        self._config = config
        self.longest_gap = 0.0
        self.seconds = 0.0

    async def load(self) -> None:
        """Bring the weights here."""
        start = time.perf_counter()
        async with self._heartbeat():
            await AsyncStorage().download(self._uri, self._directory, self._config)
        self.seconds = time.perf_counter() - start

    @asynccontextmanager
    async def _heartbeat(self) -> AsyncGenerator[None]:
        """Stands for the requests of others: a task that wants to run every 5 ms, and notes when it could not."""

        async def beat() -> None:
            last = time.perf_counter()
            while True:
                await asyncio.sleep(_BEAT)
                now = time.perf_counter()
                self.longest_gap = max(self.longest_gap, now - last)
                last = now

        task = asyncio.create_task(beat())
        try:
            yield
        finally:
            task.cancel()
