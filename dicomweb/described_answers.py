"""Answers that many transactions have, as the API's description tells them.

Source: OpenAPI 3.0.3, Responses Object; RFC 9110 13 (conditions), 14 (ranges); PS3.18 F.2.
"""

from collections.abc import Mapping

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse

from ingestion.dicom.pixels.frame_media_types import FRAME_MEDIA_TYPES

Described = Mapping[int | tuple[int, str], object]

DATA_SET = {
    "type": "object",
    "description": "DICOM JSON: elements by their tag, eight hexadecimal digits.",
    "additionalProperties": {
        "type": "object",
        "properties": {"vr": {"type": "string"}},
        "required": ["vr"],
    },
}
DATA_SETS = {"type": "array", "items": DATA_SET}

CONDITIONAL: Described = {
    304: OpenApiResponse(description="Unchanged since the version that If-None-Match names."),
    412: OpenApiResponse(description="Not the version that If-Match names."),
}


def parts_of(*media_types: str) -> tuple[str, ...]:
    """The multipart types whose parts are of these."""
    return tuple(f'multipart/related; type="{media_type}"' for media_type in media_types)


def binary(*media_types: str) -> Described:
    """Answers of these types, which are not JSON."""
    return {(200, media_type): OpenApiTypes.BINARY for media_type in media_types}


def ranged(*media_types: str) -> Described:
    """Answers of these types, alone, so that any range of them can be had."""
    return {
        **binary(*media_types),
        **{(206, media_type): OpenApiTypes.BINARY for media_type in media_types},
        416: OpenApiResponse(description="No byte is in the range; Content-Range tells the size."),
        **CONDITIONAL,
    }


FRAMES_IN_PARTS = binary(*parts_of(*FRAME_MEDIA_TYPES))
XML_DATA_SETS = binary(*parts_of("application/dicom+xml"))
