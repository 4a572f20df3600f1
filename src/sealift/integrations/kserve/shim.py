"""Installs sealift's names in the modules `kserve.storage`, `kserve.errors` and `kserve_storage`."""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

from ... import errors
from . import kserve_storage, storage
from .kserve_storage import kserve_storage as _kserve_storage_module
from .kserve_storage import logging as _kserve_storage_logging

__all__ = ["install"]


def install() -> None:
    """Make `kserve.storage`, `kserve_storage` and the names that `kserve.errors` lacks resolve to sealift.

    If KServe is installed, it is imported here and its other modules stay unchanged. The `kserve.storage` of an old
    version is replaced, but not names that were imported from it before. If KServe is not installed, `kserve` has only
    these two modules. `kserve_storage`, the package of KServe 0.16 and later, is replaced by sealift's, whose
    `Storage.download` returns the directory, as the original does. May be called more than once.

    If KServe has an error of the same name, its class stays in place, because KServe's server compares identities, and
    becomes a base class of sealift's: `except kserve.errors.ModelMissingError` catches a `sealift.ModelMissingError`,
    and `except kserve.errors.InvalidInput` a `sealift.InvalidURI`.

    Example:
        >>> import sealift.kserve
        >>> sealift.kserve.install()
        >>> from kserve.storage import Storage
        >>> Storage.is_local("pvc://models/iris")
        True
    """
    package = _import("kserve") or _add("kserve", ModuleType("kserve", __doc__))
    package.__dict__.setdefault("__path__", [])
    theirs = _import("kserve.errors")
    if theirs is None:
        _add("kserve.errors", errors)
        package.__dict__["errors"] = errors
    elif theirs is not errors:
        _adopt(theirs)
    _add("kserve.storage", storage)
    vars(package).update(storage=storage, Storage=storage.Storage)  # KServe has the latter up to version 0.15
    # The package of KServe 0.16 and later. It is replaced, also if it is installed.
    sys.modules["kserve_storage"] = kserve_storage
    sys.modules["kserve_storage.kserve_storage"] = _kserve_storage_module
    sys.modules["kserve_storage.logging"] = _kserve_storage_logging


def _import(name: str) -> ModuleType | None:
    """Import a module. None: it is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:  # it is installed, but one of its dependencies is not
            raise
        return None


def _add(name: str, module: ModuleType) -> ModuleType:
    sys.modules[name] = module
    if module.__spec__ is None:  # without one, importlib.util.find_spec fails
        module.__spec__ = ModuleSpec(name, None, origin=__file__, is_package=True)
    return module


def _adopt(theirs: ModuleType) -> None:
    """Add sealift's errors to `kserve.errors`; errors that it already has become base classes of sealift's."""
    ours_all = {name: getattr(errors, name) for name in errors.__all__}
    kinds: dict[str, type[Exception]] = {
        name: kind for name, kind in ours_all.items() if isinstance(kind, type) and issubclass(kind, Exception)
    }
    raised = [kind for kind in kinds.values() if issubclass(kind, errors.StorageError)]
    for name, ours in kinds.items():
        base = getattr(theirs, name, errors.StorageError)
        if issubclass(base, errors.StorageError) or ours is errors.StorageError:
            setattr(theirs, name, ours)
            continue
        for kind in raised:
            if issubclass(kind, ours) and not issubclass(kind, base):
                kind.__bases__ += (base,)
