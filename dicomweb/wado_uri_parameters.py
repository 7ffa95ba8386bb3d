"""Query parameters of WADO-URI, told in the words of rendered resources where those have them.

Source: PS3.18 9.1.2, 9.4.1.2, 9.4.2.4, 9.5.1.2.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, floor

from dicomweb.rendering_parameters import (
    VIEWPORT_EDGE_MAX,
    RenderingParameters,
    parse_rendering,
)
from ingestion.dicom.identifiers import is_valid_uid
from ingestion.dicom.rendering.viewport import Viewport
from ingestion.errors import InvalidQuery

REQUIRED = ("requestType", "studyUID", "seriesUID", "objectUID")
REFUSED = {
    "anonymize": "objects are never changed here",
    "presentationUID": "presentation states are not applied here",
    "presentationSeriesUID": "presentation states are not applied here",
}
_NOT_ASKED = {"anonymize": ("", "no")}

_AS_IT_IS = RenderingParameters()
_NUMBER = re.compile(r"0*[1-9][0-9]{0,8}")
_FRACTION = re.compile(r"(?:[01]?\.[0-9]{1,12}|[01]\.?)")


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the image, as fractions of its width and height."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class UriParameters:
    """What a request names. `width`, `height` None: as the other demands, or the image's own."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    media_types: str = ""
    transfer_syntax_uid: str = ""
    frame_number: int | None = None
    width: int | None = None
    height: int | None = None
    region: Region | None = None
    rendering: RenderingParameters = _AS_IT_IS

    def rendering_of(self, rows: int, columns: int) -> RenderingParameters:
        """How an image of this size shall look."""
        if self.width is None and self.height is None and self.region is None:
            return self.rendering
        region = self.region or Region(0.0, 0.0, 1.0, 1.0)
        left, top = floor(region.left * columns), floor(region.top * rows)
        viewport = Viewport(
            self.width or VIEWPORT_EDGE_MAX,
            self.height or VIEWPORT_EDGE_MAX,
            left,
            top,
            max(1, ceil(region.right * columns) - left),
            max(1, ceil(region.bottom * rows) - top),
            may_enlarge=bool(self.width or self.height),
        )
        return replace(self.rendering, viewport=viewport)


def parse_uri(query: Mapping[str, str]) -> UriParameters:
    """The parameters of a request; unknown ones are ignored (8.3). Raises `InvalidQuery`."""
    for name in REQUIRED:
        if not query.get(name, "").strip():
            raise InvalidQuery(f"WADO-URI needs the parameter {name}")
    if query["requestType"].strip().upper() != "WADO":
        raise InvalidQuery("requestType is WADO")
    for name, reason in REFUSED.items():
        if query.get(name, "").strip() not in _NOT_ASKED.get(name, ("",)):
            raise InvalidQuery(f"{name} is not supported: {reason}")
    return UriParameters(
        study_instance_uid=query["studyUID"].strip(),
        series_instance_uid=query["seriesUID"].strip(),
        sop_instance_uid=query["objectUID"].strip(),
        media_types=query.get("contentType", ""),
        transfer_syntax_uid=_transfer_syntax(query),
        frame_number=_number(query, "frameNumber"),
        width=_edge(query, "columns"),
        height=_edge(query, "rows"),
        region=_region(query),
        rendering=parse_rendering(_in_other_words(query)),
    )


def _in_other_words(query: Mapping[str, str]) -> dict[str, str]:
    """What rendered resources call by another name (8.3.5.1)."""
    center, width = (query.get(name, "").strip() for name in ("windowCenter", "windowWidth"))
    if bool(center) != bool(width):
        raise InvalidQuery("windowCenter and windowWidth come together")
    words = {
        "window": f"{center},{width}" if center else "",
        "quality": query.get("imageQuality", "").strip(),
        "annotation": query.get("annotation", "").strip(),
    }
    return {name: value for name, value in words.items() if value}


def _transfer_syntax(query: Mapping[str, str]) -> str:
    """One UID, or `*` as in media types; '' when there is none (9.4.2.4)."""
    text = query.get("transferSyntax", "").strip()
    if text not in ("", "*") and not is_valid_uid(text):
        raise InvalidQuery("transferSyntax is the UID of a transfer syntax")
    return text


def _number(query: Mapping[str, str], name: str) -> int | None:
    """A positive integer; None when there is none."""
    text = query.get(name, "").strip()
    if text and not _NUMBER.fullmatch(text):
        raise InvalidQuery(f"{name} is a positive integer")
    return int(text) if text else None


def _edge(query: Mapping[str, str], name: str) -> int | None:
    edge = _number(query, name)
    if edge is not None and edge > VIEWPORT_EDGE_MAX:
        raise InvalidQuery(f"{name} is at most {VIEWPORT_EDGE_MAX}")
    return edge


def _region(query: Mapping[str, str]) -> Region | None:
    """`xmin,ymin,xmax,ymax`, each from 0 to 1 (9.5.1.2.5)."""
    text = query.get("region", "").strip()
    if not text:
        return None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 4 and all(_FRACTION.fullmatch(part) for part in parts):
        region = Region(*map(float, parts))
        if region.left < region.right <= 1 and region.top < region.bottom <= 1:
            return region
    raise InvalidQuery("region is xmin,ymin,xmax,ymax from 0 to 1, a minimum below its maximum")
