"""Download with kserve-storage, as the init container of KServe does: `kserve_download.py URI DIRECTORY`."""

import sys

from kserve_storage import Storage

# It starts worker processes by fork; the guard costs nothing and keeps other start methods possible.
if __name__ == "__main__":
    Storage.download(sys.argv[1], sys.argv[2])
