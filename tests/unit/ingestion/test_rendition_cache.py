"""What was rendered is remembered within a bound."""

from ingestion.use_cases.rendition_cache import RenditionCache


def test_what_was_put_is_got() -> None:
    cache = RenditionCache(1000)
    cache.put("a", b"picture")
    assert cache.get("a") == b"picture"
    assert cache.get("b") is None


def test_the_least_recently_used_goes_first() -> None:
    cache = RenditionCache(1000)
    for number in range(8):
        cache.put(number, bytes(125))
    cache.get(0)
    cache.put(8, bytes(125))
    assert cache.get(0) is not None
    assert cache.get(1) is None


def test_one_large_picture_drives_out_nothing() -> None:
    cache = RenditionCache(1000)
    cache.put("small", bytes(100))
    cache.put("large", bytes(126))
    assert cache.get("large") is None
    assert cache.get("small") is not None


def test_nothing_is_remembered_without_room() -> None:
    """`rendered_cache_bytes_max` may be 0."""
    cache = RenditionCache(0)
    cache.put("a", b"picture")
    assert cache.get("a") is None
