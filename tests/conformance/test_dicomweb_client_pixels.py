"""dicomweb-client for Python fetches frames and bulk data from the real server."""

from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless

from tests.builders import build_ct

OCTETS = "application/octet-stream"
FRAMES = [bytes([number, 0]) * 64 for number in range(1, 5)]


@pytest.fixture
def native(client: Any) -> Dataset:
    dataset = build_ct(
        extra=[
            (0x00280008, "IS", str(len(FRAMES))),
            (0x00420011, "OB", b"%PDF" * 1000),
            (0x7FE00010, "OW", b"".join(FRAMES)),
        ]
    )
    client.store_instances([dataset])
    return dataset


@pytest.fixture
def compressed(client: Any) -> tuple[Dataset, list[bytes]]:
    dataset = build_ct(
        extra=[(0x00280008, "IS", str(len(FRAMES))), (0x7FE00010, "OW", b"".join(FRAMES))]
    )
    dataset.compress(JPEGLSLossless, generate_instance_uid=False)
    client.store_instances([dataset])
    return dataset, list(generate_frames(dataset.PixelData, number_of_frames=len(FRAMES)))


def address(dataset: Dataset) -> dict[str, str]:
    return {
        "study_instance_uid": dataset.StudyInstanceUID,
        "series_instance_uid": dataset.SeriesInstanceUID,
        "sop_instance_uid": dataset.SOPInstanceUID,
    }


@pytest.mark.parametrize("media_types", [None, (OCTETS,), ((OCTETS, ExplicitVRLittleEndian),)])
def test_native_frames(client: Any, native: Dataset, media_types: Any) -> None:
    found = client.retrieve_instance_frames(
        **address(native), frame_numbers=[3, 1], media_types=media_types
    )
    assert found == [FRAMES[2], FRAMES[0]]
    streamed = client.iter_instance_frames(
        **address(native), frame_numbers=[1, 2, 3, 4], media_types=media_types
    )
    assert list(streamed) == FRAMES


@pytest.mark.parametrize("media_types", [("image/jls",), (("image/jls", JPEGLSLossless),)])
def test_compressed_frames_as_stored(
    client: Any, compressed: tuple[Dataset, list[bytes]], media_types: Any
) -> None:
    dataset, streams = compressed
    found = client.retrieve_instance_frames(
        **address(dataset), frame_numbers=[2, 4], media_types=media_types
    )
    assert found == [streams[1], streams[3]]


@pytest.mark.parametrize("media_types", [None, (OCTETS,), ((OCTETS, ExplicitVRLittleEndian),)])
def test_compressed_frames_decoded(
    client: Any, compressed: tuple[Dataset, list[bytes]], media_types: Any
) -> None:
    found = client.retrieve_instance_frames(
        **address(compressed[0]), frame_numbers=[2, 4], media_types=media_types
    )
    assert found == [FRAMES[1], FRAMES[3]]


@pytest.mark.parametrize("media_types", [None, (OCTETS,)])
def test_bulk_data_by_the_uri_of_metadata(client: Any, native: Dataset, media_types: Any) -> None:
    metadata = client.retrieve_instance_metadata(**address(native))
    for tag, expected in (("00420011", b"%PDF" * 1000), ("7FE00010", b"".join(FRAMES))):
        uri = metadata[tag]["BulkDataURI"]
        assert client.retrieve_bulkdata(uri, media_types=media_types) == [expected]


def test_bulk_data_of_compressed_pixels_is_frames(
    client: Any, compressed: tuple[Dataset, list[bytes]]
) -> None:
    dataset, streams = compressed
    metadata = client.retrieve_instance_metadata(**address(dataset))
    uri = metadata["7FE00010"]["BulkDataURI"]
    assert client.retrieve_bulkdata(uri) == [b"".join(FRAMES)]
    assert list(client.iter_bulkdata(uri, media_types=("image/jls",))) == streams
