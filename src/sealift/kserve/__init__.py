"""The import path `sealift.kserve` of `sealift.integrations.kserve`."""

from ..integrations.kserve import install

__all__ = ["install"]
