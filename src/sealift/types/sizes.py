"""Binary units, in bytes."""

__all__ = ["GiB", "KiB", "MiB"]

KiB = 1 << 10
MiB = 1 << 20
GiB = 1 << 30
