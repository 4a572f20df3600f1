"""Download with sealift, as a program would that only wants its model: `sealift_download.py URI DEST`."""

import sys

from sealift import Storage

Storage.download(sys.argv[1], sys.argv[2])
