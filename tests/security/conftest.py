"""An environment without accounts, as the tests of the API have it."""

from tests.api.conftest import bare_environment, what_may_block

__all__ = ["bare_environment", "what_may_block"]
