"""What is transferred: the size of each object in bytes, by its path."""

KiB, MiB, GiB = 1 << 10, 1 << 20, 1 << 30


def small_objects(count: int, size: int = 10 * KiB) -> dict[str, int]:
    """Objects of `size` bytes in folders of 1,000."""
    return {f"{number // 1000:03}/{number:05}.bin": size for number in range(count)}


def model(shard: int) -> dict[str, int]:
    """A model directory: 6 shards of `shard` bytes, and small files."""
    shards = {f"model-{number:05}-of-00006.safetensors": shard for number in range(1, 7)}
    return shards | {
        "README.md": 11 * KiB,
        "config.json": 683,
        "generation_config.json": 187,
        "model.safetensors.index.json": 24 * KiB,
        "special_tokens_map.json": 296,
        "tokenizer.json": 2 * MiB + 311,
        "tokenizer_config.json": 51 * KiB,
        "vocab.json": 780 * KiB,
        "merges.txt": 446 * KiB,
        "preprocessor_config.json": 342,
        "modules.json": 349,
        "1_Pooling/config.json": 190,
    }


def files(count: int, size: int = 8 * MiB) -> dict[str, int]:
    """Files of `size` bytes."""
    return {f"{number:03}.bin": size for number in range(count)}


def shards(size: int) -> dict[str, int]:
    """The shards of a model, each of `size` bytes."""
    return {f"model-{number:05}-of-00004.safetensors": size for number in range(1, 5)}
