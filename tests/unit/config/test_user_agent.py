import sys

import pytest

import sealift
from sealift.config.user_agent import user_agent
from sealift.errors import InvalidConfig
from sealift.version import __version__

OWN = f"sealift/{__version__} python/{sys.version_info[0]}.{sys.version_info[1]}.{sys.version_info[2]} ({sys.platform})"


@pytest.mark.parametrize(
    ("suffix", "whole"),
    [
        (None, OWN),
        ("", OWN),
        ("  ", OWN),
        ("x", f"{OWN} x"),
        (" my-server/2.1 (team a) ", f"{OWN} my-server/2.1 (team a)"),
    ],
)
def test_what_the_environment_adds(suffix: str | None, whole: str) -> None:
    assert user_agent({} if suffix is None else {"SEALIFT_USER_AGENT": suffix}) == whole


@pytest.mark.parametrize("suffix", ["a\r\nX-Injected: 1", "a\n", "\tb", "a\0", "café", "a\x7f"])
def test_no_other_header(suffix: str) -> None:
    with pytest.raises(InvalidConfig, match="SEALIFT_USER_AGENT"):
        user_agent({"SEALIFT_USER_AGENT": suffix})


def test_the_version_of_the_package() -> None:
    from importlib.metadata import version

    assert version("sealift") == sealift.__version__ == __version__
