"""How griffe, which reads the source for mkdocstrings, should understand it.

https://mkdocstrings.github.io/griffe/guide/users/extending/
"""

import re
from typing import Any

from griffe import Alias, Extension, Module, Object


class FrozenDataclasses(Extension):
    """`sealift.frozen_dataclass.dataclass` is the decorator of the standard library.

    Without this, the parameters of its classes are unknown.
    """

    def on_module_members(self, *, mod: Module, **_: Any) -> None:
        """Replace its import, before the dataclasses of the module are handled."""
        found = mod.members.get("dataclass")
        if isinstance(found, Alias) and found.target_path == "sealift.frozen_dataclass.dataclass":
            mod.members["dataclass"] = Alias("dataclass", "dataclasses.dataclass", parent=mod)


class Examples(Extension):
    """`Example:` is a section with code, as `Examples:` is."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        """Replace the heading in a docstring."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"^( *)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE)
