"""Benchmarks: sealift compared with other tools. Read `README.md` or start at `__main__.py`."""
