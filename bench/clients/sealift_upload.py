"""Upload with sealift, as a program would that only wants its model stored: `sealift_upload.py PATH URI`."""

import sys

from sealift import Storage

Storage.upload(sys.argv[1], sys.argv[2])
