"""dicomweb-client for Python asks for pictures, and for whole entities piece by piece."""

from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from pydicom.dataset import Dataset

from tests.builders import build_ct, new_uid

STILLS = [("image/jpeg", "JPEG"), ("image/png", "PNG"), ("image/gif", "GIF")]


@pytest.fixture
def series(client: Any) -> list[Dataset]:
    study, series = new_uid(), new_uid()
    datasets = [
        build_ct(
            study_instance_uid=study,
            series_instance_uid=series,
            rows=32,
            columns=32,
            extra=[(0x00200013, "IS", number)],
        )
        for number in ("1", "2", "3")
    ]
    client.store_instances(datasets)
    return datasets


def address(dataset: Dataset) -> dict[str, str]:
    return {
        "study_instance_uid": dataset.StudyInstanceUID,
        "series_instance_uid": dataset.SeriesInstanceUID,
        "sop_instance_uid": dataset.SOPInstanceUID,
    }


def opened(encoded: bytes) -> Image.Image:
    picture = Image.open(BytesIO(encoded))
    picture.load()
    return picture


@pytest.mark.parametrize(("media_type", "kind"), STILLS)
def test_a_rendered_instance_and_frame(
    client: Any, series: list[Dataset], media_type: str, kind: str
) -> None:
    place = address(series[0])
    for encoded in (
        client.retrieve_instance_rendered(**place, media_types=(media_type,)),
        client.retrieve_instance_frames_rendered(
            **place, frame_numbers=[1], media_types=(media_type,)
        ),
    ):
        picture = opened(encoded)
        assert (picture.format, picture.size) == (kind, (32, 32))


def test_parameters_of_a_rendered_instance(client: Any, series: list[Dataset]) -> None:
    encoded = client.retrieve_instance_rendered(
        **address(series[0]),
        media_types=("image/jpeg",),
        params={"quality": 40, "viewport": "16,16", "window": "40,400,linear"},
    )
    assert opened(encoded).size == (16, 16)


def test_a_rendered_instance_without_a_wish_is_a_jpeg(client: Any, series: list[Dataset]) -> None:
    assert opened(client.retrieve_instance_rendered(**address(series[0]))).format == "JPEG"


def test_series_and_studies_come_instance_by_instance(client: Any, series: list[Dataset]) -> None:
    place = address(series[0])
    expected = [one.SOPInstanceUID for one in series]
    study = client.iter_study(place["study_instance_uid"])
    assert [one.SOPInstanceUID for one in study] == expected
    found = client.iter_series(place["study_instance_uid"], place["series_instance_uid"])
    assert [one.SOPInstanceUID for one in found] == expected


def test_bulk_data_come_part_by_part(client: Any, series: list[Dataset]) -> None:
    metadata = client.retrieve_instance_metadata(**address(series[0]))
    (only,) = client.iter_bulkdata(metadata["7FE00010"]["BulkDataURI"])
    assert only == series[0].PixelData
