"""Bodies of Pixel Data in the form that was chosen: single frames, or all of an instance.

Source: PS3.18 8.7.3.3 (compressed frames each alone, uncompressed ones together), 10.4.3.3.6.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain

import structlog

from dicomweb.media_types import AcceptedRange
from dicomweb.payloads import Part, Payload
from dicomweb.pixel_negotiation import PixelForm, choose_pixel_form
from ingestion.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from ingestion.errors import NotAcceptable, UnreadablePixelData
from ingestion.use_cases.retrieve_bulk_data import PIXEL_DATA, BulkData, pixel_data_of
from ingestion.use_cases.retrieve_frames import FrameSet, open_frames
from ingestion.use_cases.retrieve_instances import HeldInstance

log = structlog.get_logger(__name__)

Read = Callable[[int, int], Iterator[bytes]]


def frame_payload(frames: FrameSet, number: int, *, form: PixelForm, location: str) -> Payload:
    """One frame; transcoded at once where it rests otherwise. Raises what `FrameSet` raises."""
    read: Read
    if form.transfer_syntax_uid == frames.transfer_syntax_uid:
        size_bytes, read = frames.size(number), partial(frames.iterate, number)
    else:
        content = frames.read_as(number, form.transfer_syntax_uid)
        size_bytes, read = len(content), partial(_piece, content)
    etag = form_etag(frames.instance, form, str(number))
    return Payload(form.content_type, location, size_bytes, etag, read)


def pixel_payloads(frames: FrameSet, form: PixelForm, *, address: str) -> Iterator[Payload]:
    """All frames of an instance: together when they go out uncompressed, else each alone.

    All have the location of the element (10.4.3.3.6). Raises what `FrameSet` raises.
    """
    location = f"{address}/bulkdata/{PIXEL_DATA}"
    if not frames.is_encapsulated and form.transfer_syntax_uid == frames.transfer_syntax_uid:
        value = pixel_data_of(frames.instance)
        yield bulk_payload(value, form.content_type, f"{address}/bulkdata/{value.path}")
    elif form.transfer_syntax_uid == EXPLICIT_VR_LITTLE_ENDIAN:
        yield _together(frames, form, location)
    else:
        for number in range(1, frames.count + 1):
            yield frame_payload(frames, number, form=form, location=location)


def readable_payloads(
    form: PixelForm,
    payloads_in: Callable[[PixelForm], Iterator[Payload]],
    *,
    as_stored: Callable[[], PixelForm],
) -> tuple[PixelForm, Iterator[Payload]]:
    """Payloads in a form; as stored instead, where the pixels turn out to be broken.

    `as_stored` raises `NotAcceptable` when the client does not take that.
    """
    payloads = payloads_in(form)
    try:
        return form, chain([next(payloads)], payloads)
    except UnreadablePixelData:
        if (stored := as_stored()) == form:
            raise
        payloads = payloads_in(stored)
        return stored, chain([next(payloads)], payloads)


def readable_parts(
    instance: HeldInstance,
    accepted: Sequence[AcceptedRange],
    *,
    address: str,
    left_out: list[str],
) -> Iterator[Part]:
    """Parts of one instance among others, which do not fail with it when it cannot be read.

    It is then left out as a whole, and named; what fails after its first part is raised.
    """
    try:
        frames = open_frames(instance)
        choose = partial(
            choose_pixel_form, accepted, frames.transfer_syntax_uid, is_single=lambda _: False
        )
        _, payloads = readable_payloads(
            choose(can_make=frames.can_be_read_as),
            lambda form: pixel_payloads(frames, form, address=address),
            as_stored=lambda: choose(can_make=lambda _: False),
        )
    except (UnreadablePixelData, NotAcceptable) as error:
        left_out.append(instance.sop_instance_uid)
        log.warning(
            "pixel data left out", sop_instance_uid=instance.sop_instance_uid, reason=str(error)
        )
        return
    yield from map(as_part, payloads)


def bulk_payload(bulk_data: BulkData, content_type: str, location: str) -> Payload:
    """A value as it stands."""
    etag = f'"{bulk_data.instance.data_set_sha256.hex()}-{bulk_data.path.replace("/", ".")}"'
    return Payload(content_type, location, bulk_data.size_bytes, etag, bulk_data.iterate)


def as_part(payload: Payload) -> Part:
    """The payload as a part of multipart."""
    return Part(
        payload.content_type,
        payload.content_location,
        lambda: payload.read(0, payload.size_bytes),
    )


def form_etag(instance: HeldInstance, form: PixelForm, what: str) -> str:
    """The validator of what is made of an instance's bytes; weak, as boundaries of parts differ."""
    prefix = "W/" if form.is_multipart else ""
    media_type = form.media_type.replace("/", ".")
    sha256 = instance.data_set_sha256.hex()
    return f'{prefix}"{sha256}-{what}-{media_type}-{form.transfer_syntax_uid}"'


def _together(frames: FrameSet, form: PixelForm, location: str) -> Payload:
    """All frames decoded, each when its turn comes; they are as large as the first one."""
    frame_bytes = len(frames.read_as(1, form.transfer_syntax_uid))

    def read(offset: int, length: int) -> Iterator[bytes]:
        end = offset + length
        for index in range(offset // frame_bytes, -(-end // frame_bytes)):
            start = index * frame_bytes
            frame = frames.read_as(index + 1, form.transfer_syntax_uid)
            if len(frame) != frame_bytes:
                raise UnreadablePixelData("frames of one instance differ in size")
            yield frame[max(offset - start, 0) : end - start]

    etag = form_etag(frames.instance, form, "all")
    return Payload(form.content_type, location, frame_bytes * frames.count, etag, read)


def _piece(content: bytes, offset: int, length: int) -> Iterator[bytes]:
    return iter([content[offset : offset + length]])
