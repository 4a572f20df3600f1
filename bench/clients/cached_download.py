"""Download to the cache, or find it there, as a program that needs a model does: `cached_download.py URI`."""

import sys

from sealift import Storage

Storage.download(sys.argv[1])
