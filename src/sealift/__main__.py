"""`python -m sealift`: the command line."""

from .cli import main

main()
