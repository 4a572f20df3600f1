"""The certificate authority of the HTTP tests."""

from tests.wire.conftest import authority, ca_file  # noqa: F401 - fixtures
