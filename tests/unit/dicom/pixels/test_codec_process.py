"""Codecs in a process apart: what they do to it, nobody else notices."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pydicom.pixels.utils import pixel_array

from ingestion.dicom.pixels.codec_process import CodecProcess, run_codec_apart
from ingestion.dicom.pixels.codecs import CodecCall
from ingestion.dicom.pixels.decoding import decode_frame, image_pixel
from ingestion.errors import Unavailable, UnreadablePixelData
from tests.bundled_files import BUNDLED_FILES
from tests.image_frames import StoredImage, stored_image

JPEG_LS = "1.2.840.10008.1.2.4.80"
OPTIONS = {
    "rows": 2,
    "columns": 2,
    "samples_per_pixel": 1,
    "photometric_interpretation": "MONOCHROME2",
    "bits_allocated": 8,
    "bits_stored": 8,
    "pixel_representation": 0,
    "planar_configuration": 0,
    "number_of_frames": 1,
    "pixel_keyword": "PixelData",
}
NATIVE = CodecCall("1.2.840.10008.1.2.1", OPTIONS)


def jpeg_ls() -> StoredImage:
    path = next(path for path in BUNDLED_FILES if path.name == "MR_small_jpeg_ls_lossless.dcm")
    stored = stored_image(path)
    assert stored is not None
    return stored


def test_pixels_come_back_and_errors_too() -> None:
    process = CodecProcess()
    for _ in range(2):
        pixels, photometric = process.run(b"\1\2\3\4", NATIVE, seconds_max=60)
        assert (pixels.tolist(), photometric) == ([[1, 2], [3, 4]], "MONOCHROME2")
        with pytest.raises(UnreadablePixelData, match="decoded"):
            process.run(b"nothing", CodecCall(JPEG_LS, OPTIONS), seconds_max=60)
    process.close()
    process.close()


def test_a_process_that_takes_too_long_is_replaced() -> None:
    process = CodecProcess()
    with pytest.raises(UnreadablePixelData, match="too long"):
        process.run(bytes(1 << 20), NATIVE, seconds_max=0)
    pixels, _ = process.run(b"\1\2\3\4", NATIVE, seconds_max=60)
    assert pixels.tolist() == [[1, 2], [3, 4]]
    process.close()


def test_callers_do_not_wait_for_ever() -> None:
    """A code stream that nobody can read: here it is the wait that ends at once."""
    with ThreadPoolExecutor(max_workers=8) as threads:
        waiting = [threads.submit(run_codec_apart, b"", NATIVE, seconds_max=0) for _ in range(8)]
    for answer in waiting:
        with pytest.raises((Unavailable, UnreadablePixelData)):
            answer.result()


def test_many_threads_share_the_processes() -> None:
    stored = jpeg_ls()
    told, expected = image_pixel(stored.header), pixel_array(stored.dataset, raw=True)
    frames = [stored.frames[0], b"\xff\xd8\xff damaged"] * 12

    def decoded(frame: bytes) -> bool:
        try:
            found = decode_frame(frame, told, transfer_syntax_uid=stored.transfer_syntax_uid)
        except UnreadablePixelData:
            return False
        np.testing.assert_array_equal(found.pixels, expected)
        return True

    with ThreadPoolExecutor(max_workers=8) as threads:
        assert list(threads.map(decoded, frames)) == [True, False] * 12
