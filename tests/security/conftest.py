"""Fixtures shared with tests/api: an environment without accounts, and the calls that may block a loop."""

from tests.api.conftest import bare_environment, what_may_block

__all__ = ["bare_environment", "what_may_block"]
