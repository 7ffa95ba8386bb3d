"""One decoded frame as a picture of 8 bits: grey `L` or colour `RGB`.

Overlays, graphic annotations and presentation states are not drawn. Source: PS3.4 N.2.
"""

from PIL import Image

from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.pixels.decoding import Decoded, ImagePixel
from ingestion.dicom.rendering.colour import rgb_levels
from ingestion.dicom.rendering.grey import grey_levels
from ingestion.dicom.rendering.header_values import ReadBulkData
from ingestion.dicom.rendering.windows import Window

_GREY = ("MONOCHROME1", "MONOCHROME2")


def picture_of(
    decoded: Decoded,
    image: ImagePixel,
    *,
    data_set: JsonDataSet,
    frame_number: int,
    window: Window | None,
    read_bulk_data: ReadBulkData,
) -> Image.Image:
    """The frame as it is to be shown, in its own size. A window has no effect on colours.

    `read_bulk_data` gives the value that the header names as bulk data by its path.
    Raises `UnreadablePixelData`.
    """
    if decoded.photometric_interpretation in _GREY:
        levels = grey_levels(
            decoded.pixels,
            image,
            data_set=data_set,
            frame_number=frame_number,
            window=window,
            read_bulk_data=read_bulk_data,
        )
    else:
        levels = rgb_levels(decoded, image, data_set=data_set, read_bulk_data=read_bulk_data)
    return Image.fromarray(levels)
