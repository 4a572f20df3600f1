"""The version of this package; the build reads it."""

__version__ = "0.1.0"
