"""Fixtures: an environment without accounts, and the calls that may block here."""

from tests.api.conftest import bare_environment, what_may_block
from tests.facade.conftest import the_facade_may_block

__all__ = ["bare_environment", "the_facade_may_block", "what_may_block"]
