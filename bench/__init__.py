"""Benchmarks: sealift compared with the tools a user would otherwise choose. Read `README.md` or start at `__main__.py`."""
