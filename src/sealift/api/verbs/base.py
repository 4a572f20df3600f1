"""What all verbs share."""

from ..lifetime import Lifetime

__all__ = ["Verbs"]


class Verbs:
    """Base of the classes whose methods are those of `AsyncStorage`, which sets the lifetime."""

    _lifetime: Lifetime
