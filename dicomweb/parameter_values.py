"""Values of query parameters that several transactions have. Source: PS3.18 8.3.4."""

import re

from ingestion.errors import InvalidQuery

_NUMBER = re.compile(r"[0-9]{1,18}")
_BOOLEANS = {"true": True, "false": False}


def unsigned_integer(name: str, value: str) -> int:
    """The number that the parameter `name` has. Raises `InvalidQuery`."""
    if not _NUMBER.fullmatch(value.strip()):
        raise InvalidQuery(f"{name} must be an unsigned integer")
    return int(value)


def true_or_false(name: str, value: str) -> bool:
    """What the parameter `name` says. Raises `InvalidQuery`."""
    try:
        return _BOOLEANS[value.strip().lower()]
    except KeyError:
        raise InvalidQuery(f"{name} must be true or false") from None
