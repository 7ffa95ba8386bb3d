"""Small images for rendering, and how answers with pictures are read."""

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset

from tests.builders import build_ct
from tests.integration.dicomweb.web_client import content

BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"


def gradient(rows: int = 4, columns: int = 6, *, start: int = 0) -> Any:
    return (start + np.arange(rows * columns)).reshape(rows, columns).astype("<u2")


def image(*frames: Any, number: int = 1, **uids: Any) -> Dataset:
    """An instance with these frames, their values shown from -1024 on."""
    rows, columns = frames[0].shape
    extra: list[tuple[int, str, object]] = [
        (0x00200013, "IS", str(number)),
        (0x7FE00010, "OW", b"".join(frame.tobytes() for frame in frames)),
    ]
    if len(frames) > 1:
        extra.append((0x00280008, "IS", str(len(frames))))
    return build_ct(rows=rows, columns=columns, extra=extra, **uids)


def picture(response: Any) -> Image.Image:
    assert response.status_code == 200, content(response)
    found = Image.open(BytesIO(content(response)))
    assert response["Content-Type"] == Image.MIME[found.format or ""]
    return found


def levels(response: Any) -> list[int]:
    return [int(level) for level in np.asarray(picture(response)).ravel()]


def without_pixels(sop_class_uid: str, *extra: tuple[int, str, object]) -> Dataset:
    return build_ct(
        extra=[(0x00080016, "UI", sop_class_uid), (0x7FE00010, "OW", None), *extra],
    )
