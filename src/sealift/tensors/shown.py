"""Names and other values of untrusted files in error messages: their repr, shortened."""

import reprlib

__all__ = ["shown"]

_REPR = reprlib.Repr()
_REPR.maxstring = 200


def shown(value: object) -> str:
    """The repr of a value, at most a few hundred characters: a file may have names of millions.

    Args:
        value: A string, or anything else that JSON can express.
    """
    return _REPR.repr(value)
