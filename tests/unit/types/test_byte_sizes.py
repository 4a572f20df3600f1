import pytest

from sealift.types.byte_sizes import parse_size


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("4096", 4096),
        ("64MiB", 64 << 20),
        ("64mi", 64 << 20),
        ("1.5 GB", 1_500_000_000),
        ("512k", 512_000),
        ("1T", 10**12),
    ],
)
def test_sizes_are_parsed(text: str, number: int) -> None:
    assert parse_size(text) == number


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1XB", "1e3", "1 2"])
def test_invalid_sizes_are_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size in bytes"):
        parse_size(text)
