"""`dataclass(frozen=True, slots=True)` for classes that are defined while a program starts.

The decorator of the standard library compiles seven methods per class, 0.6 to 0.9 ms each class; a download needs some
forty classes. This one compiles `__init__`, and the other methods are closures. The classes are dataclasses in every
other respect (`fields`, `replace`, `asdict`, `match`, pickling), and type checkers see the decorator of the standard
library. A class that derives from one of them needs the decorator of the standard library.
"""

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["dataclass"]

T = TypeVar("T")

_without_methods = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)


class _Factory:
    """The default of a parameter whose value is made by a `default_factory`."""

    def __repr__(self) -> str:
        return "<factory>"


_FACTORY = _Factory()


def _frozen_with_slots(*, frozen: bool, slots: bool, repr: bool = True) -> Callable[[type[T]], type[T]]:  # noqa: A002, ARG001 - as in the standard library
    """Make a class a frozen dataclass with slots.

    Args:
        frozen: Must be True.
        slots: Must be True.
        repr: Whether to add a `__repr__`.

    Example:
        >>> @dataclass(frozen=True, slots=True)
        ... class Point:
        ...     x: int
        ...     y: int = 0
        >>> Point(1)
        Point(x=1, y=0)
    """

    def make(cls: type[T]) -> type[T]:
        made: Any = _without_methods(cls)
        fields = dataclasses.fields(made)
        methods = {"__init__": _init(made, fields), **_comparison(fields), **_immutability(fields)}
        if repr:
            methods["__repr__"] = _repr(fields)
        for name, method in methods.items():
            if name not in made.__dict__:
                method.__module__, method.__qualname__ = made.__module__, f"{made.__qualname__}.{name}"
                setattr(made, name, method)
        made.__dataclass_params__.frozen = True  # a frozen dataclass may derive only from frozen ones
        frozen_class: type[T] = made
        return frozen_class

    return make


def _init(cls: type[Any], fields: tuple["dataclasses.Field[Any]", ...]) -> Callable[..., None]:
    """Compile `__init__`. It sets the slots directly, since assignment is not allowed."""
    scope: dict[str, Any] = {"__name__": cls.__module__, "factory": _FACTORY}
    parameters, body = ["self"], []
    for field in fields:
        name, value = field.name, field.name
        scope[f"set_{name}"] = getattr(cls, name).__set__
        if field.default_factory is not dataclasses.MISSING:
            scope[f"new_{name}"] = field.default_factory
            parameters.append(f"{name}=factory")
            value = f"new_{name}() if {name} is factory else {name}"
        elif field.default is not dataclasses.MISSING:
            scope[f"default_{name}"] = field.default
            parameters.append(f"{name}=default_{name}")
        else:
            parameters.append(name)
        body.append(f"set_{name}(self, {value})")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n {'; '.join(body)}", scope)  # noqa: S102 - as the standard library does
    init: Callable[..., None] = scope["__init__"]
    init.__annotations__ = {**{field.name: field.type for field in fields}, "return": None}
    return init


def _comparison(fields: tuple["dataclasses.Field[Any]", ...]) -> dict[str, Callable[..., Any]]:
    compared = _values([field.name for field in fields if field.compare])
    hashed = _values([field.name for field in fields if (field.compare if field.hash is None else field.hash)])

    def __eq__(self: object, other: object) -> bool:  # noqa: N807 - becomes a method
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: object) -> int:  # noqa: N807
        return hash(hashed(self))

    return {"__eq__": __eq__, "__hash__": __hash__}


def _values(names: list[str]) -> Callable[[object], Any]:
    return attrgetter(*names) if names else lambda _: ()


def _repr(fields: tuple["dataclasses.Field[Any]", ...]) -> Callable[[object], str]:
    names = [field.name for field in fields if field.repr]

    @recursive_repr()
    def __repr__(self: object) -> str:  # noqa: N807
        values = ", ".join([f"{name}={getattr(self, name)!r}" for name in names])
        return f"{self.__class__.__qualname__}({values})"

    return __repr__


def _immutability(fields: tuple["dataclasses.Field[Any]", ...]) -> dict[str, Callable[..., Any]]:
    names = [field.name for field in fields]

    def __setattr__(self: object, name: str, value: object) -> None:  # noqa: N807
        if name in names or "__dataclass_fields__" in type(self).__dict__:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        object.__setattr__(self, name, value)  # a derived class that is not a dataclass may have more attributes

    def __delattr__(self: object, name: str) -> None:  # noqa: N807
        if name in names or "__dataclass_fields__" in type(self).__dict__:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        object.__delattr__(self, name)

    def __getstate__(self: Any) -> list[Any]:  # noqa: N807
        return [getattr(self, field.name) for field in dataclasses.fields(self)]

    def __setstate__(self: Any, state: list[Any]) -> None:  # noqa: N807
        for field, value in zip(dataclasses.fields(self), state, strict=True):
            object.__setattr__(self, field.name, value)

    return {
        "__setattr__": __setattr__,
        "__delattr__": __delattr__,
        "__getstate__": __getstate__,
        "__setstate__": __setstate__,
    }


if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    dataclass = _frozen_with_slots
