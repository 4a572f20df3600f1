"""Upload with sealift, as a program that stores a model does: `sealift_upload.py PATH URI`."""

import sys

from sealift import Storage

Storage.upload(sys.argv[1], sys.argv[2])
