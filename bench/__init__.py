"""Benchmarks: sealift beside the tools a user would otherwise pick. Start at `__main__.py`, or read `README.md`."""
