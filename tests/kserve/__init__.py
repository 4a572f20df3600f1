"""With the real KServe installed; `tox -e kserve` runs with_kserve.py, which pytest does not collect by itself."""
