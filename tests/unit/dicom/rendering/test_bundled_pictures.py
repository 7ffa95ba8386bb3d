"""Pictures of pydicom's bundled files, against pydicom's own decoding and PS3.3's formulas."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.pixels.utils import pixel_array

from ingestion.dicom.pixels.decoding import decode_frame, image_pixel
from ingestion.dicom.rendering.picture import picture_of
from tests.bundled_files import BUNDLED_FILES, TWELVE_BITS, bundled_name
from tests.image_frames import BIG_ENDIAN, stored_image
from tests.unit.dicom.rendering.reference_pictures import reference

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


@pytest.mark.parametrize("path", BUNDLED_FILES, ids=bundled_name)
def test_a_picture_is_what_the_formulas_say(path: Path) -> None:
    stored = stored_image(path)
    if stored is None or stored.transfer_syntax_uid == BIG_ENDIAN or path.name in TWELVE_BITS:
        return
    told = image_pixel(stored.header)
    decoded = decode_frame(stored.frames[0], told, transfer_syntax_uid=stored.transfer_syntax_uid)
    picture = picture_of(
        decoded,
        told,
        data_set=stored.header,
        frame_number=1,
        window=None,
        read_bulk_data=stored.bulk_data,
    )
    frame = pixel_array(stored.dataset, index=0)
    assert picture.size == (frame.shape[1], frame.shape[0])
    found = np.asarray(picture).astype(int)
    expected, tolerance = reference(stored.dataset, frame)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance
