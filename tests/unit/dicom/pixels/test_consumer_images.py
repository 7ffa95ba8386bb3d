"""PNG and GIF files as native frames: hostile ones raise our errors alone."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ingestion.dicom.pixels.consumer_images import ConsumerImage, open_consumer_image
from ingestion.errors import IngestionError, LimitExceeded, UnsupportedTransferSyntax

BYTES_MAX = 1 << 20


def file_of(name: str, mode: str, *, frames: int = 1) -> bytes:
    noise = np.random.default_rng(5).integers(0, 256, (frames, 20, 30, 3), np.uint8)
    pictures = [Image.fromarray(one).convert(mode) for one in noise]
    more = {"save_all": True, "append_images": pictures[1:]} if frames > 1 else {}
    buffer = BytesIO()
    pictures[0].save(buffer, name, **more)
    return buffer.getvalue()


FILES = [
    ("image/png", file_of("PNG", "RGB")),
    ("image/png", file_of("PNG", "P")),
    ("image/png", file_of("PNG", "L", frames=3)),
    ("image/gif", file_of("GIF", "P")),
    ("image/gif", file_of("GIF", "P", frames=3)),
]


def opened(media_type: str, content: bytes, *, frame_bytes_max: int = BYTES_MAX) -> ConsumerImage:
    return open_consumer_image(content, media_type=media_type, frame_bytes_max=frame_bytes_max)


@given(
    file=st.sampled_from(FILES),
    cut=st.integers(0, 3000),
    changes=st.dictionaries(st.integers(0, 1500), st.integers(0, 255), max_size=6),
)
def test_a_damaged_file_is_decoded_or_refused(
    file: tuple[str, bytes], cut: int, changes: dict[int, int]
) -> None:
    media_type, whole = file
    content = bytearray(whole[: len(whole) - cut] if cut < len(whole) else whole)
    for place, byte in changes.items():
        content[place % len(content)] = byte
    try:
        image = opened(media_type, bytes(content))
        frames = list(image.frames())
    except IngestionError:
        return
    assert {len(frame) for frame in frames} == {image.frame_bytes}
    assert len(frames) == max(image.description.frames, 1)


@pytest.mark.parametrize(("media_type", "content"), FILES)
def test_no_pixel_is_decoded_beyond_the_limit(media_type: str, content: bytes) -> None:
    with pytest.raises(LimitExceeded):
        opened(media_type, content, frame_bytes_max=500)


def test_sixteen_bits_of_colours_are_not_halved() -> None:
    """Pillow would, and the transformation shall be lossless."""
    lines = zlib.compress(b"".join(b"\0" + bytes(range(12)) for _ in range(3)))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 2, 3, 16, 2, 0, 0, 0)),
        (b"IDAT", lines),
        (b"IEND", b""),
    ]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(one)) + name + one + struct.pack(">I", zlib.crc32(name + one))
        for name, one in chunks
    )
    with pytest.raises(UnsupportedTransferSyntax):
        opened("image/png", content)


def test_a_canvas_of_billions_of_pixels_is_not_made() -> None:
    content = bytearray(FILES[4][1])
    content[6:10] = b"\xff" * 4
    with pytest.raises(LimitExceeded):
        opened("image/gif", bytes(content))


def test_the_pictures_of_an_animated_png_are_one() -> None:
    """PS3.18 Table 10.5.2-1, note 3: the media type has no animation."""
    media_type, content = FILES[2]
    image = opened(media_type, content)
    assert image.description.frames == 0
    assert len(list(image.frames())) == 1
