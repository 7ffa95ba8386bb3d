"""The form in which an instance goes to a peer: as stored, or with the same pixels otherwise."""

from collections.abc import Iterator
from io import BytesIO

import pytest
from django.utils import timezone
from pydicom import dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from ingestion.dimse.database_use import close_idle_connections
from ingestion.dimse.protocol.outgoing_data_sets import OutgoingInstance, opened_data_set
from ingestion.dimse.requestor.presented_instances import instance_in
from ingestion.errors import NotAcceptable, ObjectMissing, UnreadablePixelData
from ingestion.models import Instance, StorageSpace
from tests.builders import build_ct, data_set_bytes, part10_bytes
from tests.held_instances import hold


@pytest.fixture(autouse=True)
def _connections_end() -> Iterator[None]:
    yield
    close_idle_connections()


def sent_bytes(instance: OutgoingInstance) -> bytes:
    with opened_data_set(instance) as data_set:
        return b"".join(data_set)


def test_stored_syntax_goes_out_to_the_byte(space: StorageSpace) -> None:
    dataset = build_ct()
    held = hold(space, part10_bytes(dataset))
    assert instance_in(held, [ImplicitVRLittleEndian, ExplicitVRLittleEndian]) is held
    assert sent_bytes(held) == data_set_bytes(dataset)


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ([ImplicitVRLittleEndian], ImplicitVRLittleEndian),
        ([RLELossless, ImplicitVRLittleEndian], ImplicitVRLittleEndian),
        ([DeflatedExplicitVRLittleEndian], DeflatedExplicitVRLittleEndian),
        ([JPEGBaseline8Bit, RLELossless], RLELossless),
        ([JPEGLSLossless], JPEGLSLossless),
    ],
)
def test_other_syntaxes_carry_the_same_pixels(
    space: StorageSpace, accepted: list[str], chosen: str
) -> None:
    pixels = b"".join(number.to_bytes(2, "little") for number in range(64))
    dataset = build_ct(extra=[(0x7FE00010, "OW", pixels)])
    held = hold(space, part10_bytes(dataset))
    made = instance_in(held, accepted)
    assert (made.transfer_syntax_uid, made.sop_instance_uid) == (chosen, held.sop_instance_uid)
    file = dcmread(BytesIO(b"".join(made.read())))
    assert file.file_meta.TransferSyntaxUID == chosen
    assert (file.pixel_array == dataset.pixel_array).all()
    assert b"".join(made.read()).endswith(sent_bytes(made))
    assert len(sent_bytes(made)) == made.size_bytes - made.data_set_offset
    if chosen == ImplicitVRLittleEndian:
        assert sent_bytes(made) == data_set_bytes(dataset, ImplicitVRLittleEndian)


def test_lossy_syntaxes_are_never_made(space: StorageSpace) -> None:
    held = hold(space, part10_bytes(build_ct()))
    with pytest.raises(NotAcceptable):
        instance_in(held, [JPEGBaseline8Bit])
    with pytest.raises(NotAcceptable):
        instance_in(held, [])


def test_pixels_that_cannot_be_decoded_are_said_so(space: StorageSpace) -> None:
    held = hold(space, part10_bytes(build_ct(transfer_syntax_uid=JPEG2000Lossless)))
    with pytest.raises(UnreadablePixelData):
        instance_in(held, [ExplicitVRLittleEndian])


def test_missing_object_is_said_so_in_either_form(space: StorageSpace) -> None:
    held = hold(space, part10_bytes(build_ct()))
    held.store.delete(held.location)
    with pytest.raises(ObjectMissing):
        sent_bytes(instance_in(held, [ExplicitVRLittleEndian]))
    with pytest.raises(ObjectMissing):
        instance_in(held, [ImplicitVRLittleEndian])


def test_instance_deleted_meanwhile_is_not_sent_in_a_syntax_nobody_takes(
    space: StorageSpace,
) -> None:
    held = hold(space, part10_bytes(build_ct()))
    Instance.objects.update(deleted_at=timezone.now())
    with pytest.raises(NotAcceptable):
        instance_in(held, [ImplicitVRLittleEndian])
