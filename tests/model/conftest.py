"""An environment without accounts, and what may block a loop here."""

from tests.api.conftest import bare_environment, what_may_block

__all__ = ["bare_environment", "what_may_block"]
