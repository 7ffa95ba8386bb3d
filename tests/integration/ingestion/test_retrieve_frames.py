"""Frames of held instances: only their own bytes are read, and found again where tables lie."""

from dataclasses import replace

import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from ingestion.errors import NotFound, ObjectMissing, UnreadablePixelData
from ingestion.models import Instance, StorageSpace
from ingestion.use_cases.retrieve_frames import FrameSet, open_frames
from tests.builders import build_ct, part10_bytes
from tests.held_instances import CountingStore, hold

pytestmark = pytest.mark.django_db

FRAME_BYTES = 8 * 8 * 2


def multi_frame(
    count: int, *, transfer_syntax_uid: str = ExplicitVRLittleEndian
) -> tuple[Dataset, list[bytes]]:
    """An object of native frames, each of its own number."""
    frames = [index.to_bytes(2, "little") * (FRAME_BYTES // 2) for index in range(count)]
    dataset = build_ct(
        transfer_syntax_uid=transfer_syntax_uid,
        extra=[(0x00280008, "IS", str(count)), (0x7FE00010, "OW", b"".join(frames))],
    )
    return dataset, frames


def compressed(count: int, pixels: bytes, **extra: bytes) -> Dataset:
    dataset = build_ct(transfer_syntax_uid=JPEGBaseline8Bit)
    dataset.NumberOfFrames = count
    dataset.PixelData = pixels
    for keyword, value in extra.items():
        setattr(dataset, keyword, value)
    return dataset


def all_frames(frames: FrameSet) -> list[bytes]:
    return [frames.read(number + 1) for number in range(frames.count)]


@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    ],
)
def test_native_frames_are_explicit_little_endian_however_they_rest(
    folder_space: StorageSpace, syntax: str
) -> None:
    dataset, expected = multi_frame(5, transfer_syntax_uid=syntax)
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = b"".join(frame[::-1] for frame in expected)
    frames = open_frames(hold(folder_space, part10_bytes(dataset)))
    assert (frames.transfer_syntax_uid, frames.is_encapsulated) == (ExplicitVRLittleEndian, False)
    assert all_frames(frames) == expected
    assert b"".join(frames.iterate(3, 3, 6)) == expected[2][3:9]
    assert frames.size(3) == FRAME_BYTES


def test_one_of_500_frames_costs_hardly_more_than_itself(folder_space: StorageSpace) -> None:
    dataset, expected = multi_frame(500)
    instance = hold(folder_space, part10_bytes(dataset))
    store = CountingStore(instance.store)
    frames = open_frames(replace(instance, store=store))
    assert frames.read(250) == expected[249]
    assert store.given_bytes < FRAME_BYTES + 100
    store.given_bytes = 0
    assert open_frames(replace(instance, store=store)).read(499) == expected[498]
    assert store.given_bytes == FRAME_BYTES


CODES = [bytes([65 + index]) * (100_000 + 2 * index) for index in range(40)]


@pytest.mark.parametrize("kind", ["basic", "extended", "none", "lying"])
def test_one_of_many_compressed_frames_by_every_kind_of_table(
    folder_space: StorageSpace, kind: str
) -> None:
    pixels, offsets, lengths = encapsulate_extended(CODES)
    extra = {}
    if kind == "extended":
        extra = {"ExtendedOffsetTable": offsets, "ExtendedOffsetTableLengths": lengths}
    if kind in ("basic", "lying"):
        pixels = encapsulate(CODES, has_bot=True)
    if kind == "lying":
        pixels = pixels[:20] + b"\1" + pixels[21:]
    instance = hold(folder_space, part10_bytes(compressed(len(CODES), pixels, **extra)))
    store = CountingStore(instance.store)
    instance = replace(instance, store=store)
    frames = open_frames(instance)
    assert (frames.transfer_syntax_uid, frames.is_encapsulated) == (JPEGBaseline8Bit, True)
    assert frames.read(30) == CODES[29]
    if kind in ("basic", "extended"):
        assert store.given_bytes < 300_000
    assert all_frames(frames) == CODES
    store.given_bytes = 0
    assert open_frames(instance).read(31) == CODES[30]
    assert store.given_bytes < 300_000


def test_an_extended_table_too_long_for_the_metadata_is_read(folder_space: StorageSpace) -> None:
    codes = [bytes([index % 251, 1]) * 3 for index in range(1, 400)]
    pixels, offsets, lengths = encapsulate_extended(codes)
    dataset = compressed(
        len(codes), pixels, ExtendedOffsetTable=offsets, ExtendedOffsetTableLengths=lengths
    )
    assert all_frames(open_frames(hold(folder_space, part10_bytes(dataset)))) == codes


@pytest.mark.parametrize("number", [0, -1, 6])
def test_a_number_beyond_the_frames_is_not_found(folder_space: StorageSpace, number: int) -> None:
    frames = open_frames(hold(folder_space, part10_bytes(multi_frame(5)[0])))
    with pytest.raises(NotFound):
        frames.read(number)


def test_without_pixel_data_there_are_no_frames(folder_space: StorageSpace) -> None:
    dataset = build_ct(extra=[(0x7FE00010, "OW", None)])
    with pytest.raises(NotFound):
        open_frames(hold(folder_space, part10_bytes(dataset)))


@pytest.mark.parametrize(
    "extra",
    [
        [(0x00280010, "US", None)],
        [(0x00280010, "US", 0)],
        [(0x00280100, "US", 7)],
        [(0x00280004, "CS", "NONSENSE")],
        [(0x00280010, "US", 0xFFFF), (0x00280011, "US", 0xFFFF)],
    ],
)
def test_pixel_data_that_cannot_be_taken_apart_is_told(
    folder_space: StorageSpace, extra: list[tuple[int, str, object]]
) -> None:
    instance = hold(folder_space, part10_bytes(build_ct(extra=extra)))
    with pytest.raises(UnreadablePixelData):
        open_frames(instance).read(1)


def test_bytes_that_were_replaced_or_lost_are_told(folder_space: StorageSpace) -> None:
    instance = hold(folder_space, part10_bytes(multi_frame(2)[0]))
    Instance.objects.update(location="elsewhere/1/2.dcm")
    with pytest.raises(NotFound):
        open_frames(instance)
    Instance.objects.update(location="gone/1/2.dcm")
    with pytest.raises(ObjectMissing):
        open_frames(replace(instance, location="gone/1/2.dcm"))
