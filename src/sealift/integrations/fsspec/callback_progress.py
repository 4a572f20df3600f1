"""Progress events for fsspec's callbacks: https://filesystem-spec.readthedocs.io/en/latest/features.html#callbacks"""

from fsspec.callbacks import Callback

from ...types import Event

__all__ = ["CallbackProgress"]


class CallbackProgress:
    """Passes the progress of one object on to an fsspec callback.

    Args:
        callback: The callback.
    """

    def __init__(self, callback: Callback) -> None:
        self._callback = callback

    def __call__(self, event: Event) -> None:
        if event.kind == "listed":
            self._callback.set_size(event.size)
        elif event.kind == "progress":
            self._callback.relative_update(event.size)
