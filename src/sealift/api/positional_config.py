"""Configurations that are passed by position, as before they were keyword-only: deprecated, but accepted."""

import warnings
from collections.abc import Callable
from functools import wraps
from types import FunctionType
from typing import Any, TypeVar

from ..config import AzureConfig, GCSConfig, HFConfig, HTTPConfig, OCIConfig, PVCConfig, S3Config

__all__ = ["accepts_positional_config"]

T = TypeVar("T")

_CONFIGS = (S3Config, GCSConfig, AzureConfig, HTTPConfig, HFConfig, OCIConfig, PVCConfig, type(None))
_NAMES = ("config", "dest_config")
_COROUTINE = 0x80  # inspect.CO_COROUTINE, without importing inspect


def accepts_positional_config(cls: type[T]) -> type[T]:
    """Let the methods of a class accept configurations after their positional arguments, with a DeprecationWarning."""
    for name, member in list(vars(cls).items()):
        function = member.__func__ if isinstance(member, staticmethod) else member
        inner = getattr(function, "__wrapped__", function)
        if isinstance(inner, FunctionType) and "config" in (inner.__kwdefaults__ or {}):
            accepting = _accepting(function, inner)
            setattr(cls, name, staticmethod(accepting) if isinstance(member, staticmethod) else accepting)
    return cls


def _accepting(function: Callable[..., Any], inner: FunctionType) -> Callable[..., Any]:
    count = inner.__code__.co_argcount

    def keywords(args: tuple[Any, ...]) -> dict[str, Any]:
        configs = args[count:]
        if not all(isinstance(each, _CONFIGS) for each in configs) or len(configs) > len(_NAMES):
            function(*args)  # raises a TypeError that says what is wrong
        message = f"pass the configuration of {inner.__name__} as config=…; by position it is deprecated"
        warnings.warn(message, DeprecationWarning, stacklevel=3)
        return dict(zip(_NAMES, configs, strict=False))

    if inner.__code__.co_flags & _COROUTINE:

        @wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            named = keywords(args) if len(args) > count else {}
            return await function(*args[:count], **named, **kwargs)

        return call

    @wraps(function)
    def call_plain(*args: Any, **kwargs: Any) -> Any:
        named = keywords(args) if len(args) > count else {}
        return function(*args[:count], **named, **kwargs)

    return call_plain
