import pytest

from sealift.types.byte_sizes import format_size, parse_size


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


@pytest.mark.parametrize("size", [0, 1, 1000, 1024, 1536, 64 << 20, 3 << 30, 1 << 40, (1 << 20) + 1, 1_500_000])
def test_a_size_that_is_written_is_read_again(size: int) -> None:
    assert parse_size(format_size(size)) == size
