"""`python -m sealift.kserve.initializer SRC DEST [SRC DEST …]`: KServe's storage initializer."""

from ..integrations.kserve.initializer import main

if __name__ == "__main__":
    main()
