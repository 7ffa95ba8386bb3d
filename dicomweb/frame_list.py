"""The list of frame numbers in an address. Source: PS3.18 10.4.1.1.6; ranges are our addition."""

import re
from itertools import chain

from ingestion.errors import InvalidQuery

FRAMES_MAX = 10_000

_NUMBERS = re.compile(r"([1-9][0-9]{0,8})(?:-([1-9][0-9]{0,8}))?")


def parse_frame_list(text: str) -> tuple[int, ...]:
    """The numbers of `1`, `1,3,5` and `2-5`, as asked; raises `InvalidQuery`."""
    spans = []
    for part in text.split(","):
        found = _NUMBERS.fullmatch(part.strip(" "))
        if found is None:
            raise InvalidQuery("frames are numbers from 1, separated by commas, or ranges of them")
        first = int(found[1])
        spans.append(range(first, int(found[2] or first) + 1))
    if not all(spans) or sum(map(len, spans)) > FRAMES_MAX:
        raise InvalidQuery(f"a list has at most {FRAMES_MAX} frames, and no range runs backwards")
    return tuple(chain.from_iterable(spans))
