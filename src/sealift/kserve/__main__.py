"""`python -m sealift.kserve SCRIPT ARGS…`: run a program with sealift in place of KServe's storage."""

from ..integrations.kserve.__main__ import main

if __name__ == "__main__":
    main()
