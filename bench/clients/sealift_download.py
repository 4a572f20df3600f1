"""Download with sealift, as a program that needs a model does: `sealift_download.py URI DEST [--unverified]`."""

import sys

from sealift import Storage

Storage.download(sys.argv[1], sys.argv[2], verify="--unverified" not in sys.argv)
