"""Query parameters of rendered resources and thumbnails.

Source: PS3.18 8.3.5. A window may leave its function out, which is then linear.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ingestion.dicom.rendering.encoding import QUALITY
from ingestion.dicom.rendering.viewport import Viewport
from ingestion.dicom.rendering.windows import Window, WindowFunction
from ingestion.errors import InvalidQuery

VIEWPORT_EDGE_MAX = 8192
THUMBNAIL_EDGE = 128
NUMBERS_MAX = 6

_ANNOTATIONS = frozenset(("patient", "technique"))
_ICC_PROFILES = frozenset(("no", "yes", "srgb", "adobergb", "rommrgb", "displayp3"))
_FUNCTIONS = {
    "linear": WindowFunction.LINEAR,
    "linear-exact": WindowFunction.LINEAR_EXACT,
    "sigmoid": WindowFunction.SIGMOID,
}
_DECIMAL = re.compile(r"[+-]?(?:\d{1,12}\.?\d{0,12}|\.\d{1,12})(?:[eE][+-]?\d{1,2})?")


@dataclass(frozen=True, slots=True)
class RenderingParameters:
    """What was asked; `unapplied` names what has no effect here, for a warning."""

    viewport: Viewport | None = None
    window: Window | None = None
    quality: int = QUALITY
    unapplied: tuple[str, ...] = ()


def parse_rendering(query: Mapping[str, str]) -> RenderingParameters:
    """The parameters of a rendered resource. Raises `InvalidQuery`."""
    return RenderingParameters(
        viewport=_viewport(query["viewport"]) if "viewport" in query else None,
        window=_window(query["window"]) if "window" in query else None,
        quality=_quality(query["quality"]) if "quality" in query else QUALITY,
        unapplied=_unapplied(query),
    )


def parse_thumbnail(query: Mapping[str, str]) -> Viewport:
    """The viewport of a thumbnail, which is never larger than its image (8.3.5.2)."""
    if "viewport" not in query:
        return Viewport(THUMBNAIL_EDGE, THUMBNAIL_EDGE, may_enlarge=False)
    asked = _viewport(query["viewport"])
    return Viewport(asked.width, asked.height, may_enlarge=False)


def _viewport(text: str) -> Viewport:
    """`vw,vh[,sx,sy,sw,sh]`, of which the last four may be left empty (8.3.5.1.3)."""
    given = [part.strip() for part in text.split(",")]
    if not 2 <= len(given) <= NUMBERS_MAX:
        raise InvalidQuery("viewport is vw,vh or vw,vh,sx,sy,sw,sh")
    width, height = (_edge(part) for part in given[:2])
    region = [_decimal(part, "viewport") if part else None for part in given[2:]]
    left, top, region_width, region_height = region + [None] * (4 - len(region))
    if 0 in (region_width, region_height):
        raise InvalidQuery("viewport: sw and sh are not zero")
    return Viewport(width, height, abs(left or 0.0), abs(top or 0.0), region_width, region_height)


def _edge(text: str) -> int:
    number = _decimal(text, "viewport")
    if not 1 <= number <= VIEWPORT_EDGE_MAX:
        raise InvalidQuery(f"viewport: vw and vh are 1 to {VIEWPORT_EDGE_MAX}")
    return int(number)


def _window(text: str) -> Window:
    """`center,width,function` (8.3.5.1.4)."""
    center, width, function = ([*text.split(","), "linear"] + [""] * 3)[:3]
    named = _FUNCTIONS.get(function.strip().lower())
    if named is None or text.count(",") not in (1, 2):
        raise InvalidQuery(f"window is center,width,function; functions are {_listed(_FUNCTIONS)}")
    window = Window(_decimal(center, "window"), _decimal(width, "window"), named)
    if not window.is_usable:
        raise InvalidQuery("window: a linear width is at least 1, any other is above 0")
    return window


def _quality(text: str) -> int:
    if not re.fullmatch(r"\s*0*(?:[1-9][0-9]?|100)\s*", text, re.ASCII):
        raise InvalidQuery("quality is an integer from 1 to 100")
    return int(text)


def _unapplied(query: Mapping[str, str]) -> tuple[str, ...]:
    """Nothing is drawn onto pixels, and no profile is applied or attached."""
    names = []
    if "annotation" in query:
        asked = {part.strip().lower() for part in query["annotation"].split(",")}
        if not asked <= _ANNOTATIONS:
            raise InvalidQuery(f"annotation is a list of {_listed(_ANNOTATIONS)}")
        names.append("annotation")
    if (profile := query.get("iccprofile", "no").strip().lower()) != "no":
        if profile not in _ICC_PROFILES:
            raise InvalidQuery(f"iccprofile is one of {_listed(_ICC_PROFILES)}")
        names.append("iccprofile")
    return tuple(names)


def _decimal(text: str, name: str) -> float:
    text = text.strip()
    number = float(text) if _DECIMAL.fullmatch(text) else math.nan
    if not math.isfinite(number):
        raise InvalidQuery(f"{name} has numbers between its commas")
    return number


def _listed(names: Mapping[str, object] | frozenset[str]) -> str:
    return ", ".join(sorted(names))
