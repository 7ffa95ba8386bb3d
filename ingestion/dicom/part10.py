"""Reads and writes what stands before the data set of a DICOM file: preamble and file meta.

Senders leave out the preamble, the group length or the whole of it; each is read if it can be.
Source: PS3.10 7.1.
"""

import struct
from dataclasses import dataclass

from ingestion.dicom.transfer_syntaxes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    transfer_syntax,
)
from ingestion.errors import MalformedDataSet, NotDicom, ObjectTooComplex

IMPLEMENTATION_CLASS_UID = "2.25.306296393459513183569469396756406789336"
IMPLEMENTATION_VERSION_NAME = "IMG_INGEST_1"
FILE_META_BYTES_MAX = 1 << 20

_PREAMBLE_BYTES = 128
_PREFIX = b"DICM"
_META_GROUP = b"\x02\x00"
_LONG_VRS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT"))
# A data set of a composite object begins with one of these groups (PS3.6 6), seen little endian.
_FIRST_GROUPS = frozenset((0x0008, 0x0009, 0x0010, 0x0012, 0x0018, 0x0020))
_FIRST_LENGTH_MAX = 1 << 16
_UNDEFINED_LENGTH = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class FileMeta:
    """Where the data set begins and what the file says of it; texts are '' when not said."""

    data_set_offset: int
    transfer_syntax_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    source_ae_title: str


def read_file_meta(prefix: bytes | memoryview) -> FileMeta | None:
    """Return what stands before the data set, or None when `prefix` must be longer to tell.

    At the end of an object None means that it was cut off. Without a transfer syntax in the file
    it is guessed from the first element. Raises NotDicom, MalformedDataSet, ObjectTooComplex.
    """
    head = bytes(prefix[:FILE_META_BYTES_MAX])
    if head[_PREAMBLE_BYTES : _PREAMBLE_BYTES + 4] == _PREFIX:
        meta = _read_group(head, _PREAMBLE_BYTES + 4)
    elif head[:2] == _META_GROUP and head[3:4] == b"\0":
        meta = _read_group(head, 0)
    elif len(head) < _PREAMBLE_BYTES + 4:
        meta = None
    else:
        meta = FileMeta(0, _guess_transfer_syntax(head, 0), "", "", "")
    if meta is None and len(head) == FILE_META_BYTES_MAX:
        raise ObjectTooComplex(f"file meta information exceeds {FILE_META_BYTES_MAX} bytes")
    return meta


def encode_file_meta(
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    source_ae_title: str = "",
) -> bytes:
    """Return preamble, prefix and complete file meta information, to stand before a data set."""
    elements = [
        _element(0x0001, b"OB", b"\x00\x01"),
        _element(0x0002, b"UI", _padded(sop_class_uid, b"\0")),
        _element(0x0003, b"UI", _padded(sop_instance_uid, b"\0")),
        _element(0x0010, b"UI", _padded(transfer_syntax_uid, b"\0")),
        _element(0x0012, b"UI", _padded(IMPLEMENTATION_CLASS_UID, b"\0")),
        _element(0x0013, b"SH", _padded(IMPLEMENTATION_VERSION_NAME, b" ")),
    ]
    if source_ae_title:
        elements.append(_element(0x0016, b"AE", _padded(source_ae_title, b" ")))
    group = b"".join(elements)
    length = _element(0x0000, b"UL", struct.pack("<I", len(group)))
    return bytes(_PREAMBLE_BYTES) + _PREFIX + length + group


def _read_group(head: bytes, position: int) -> FileMeta | None:
    texts: dict[int, str] = {}
    declared_end = -1
    while True:
        is_whole = position == declared_end
        if is_whole and transfer_syntax(texts.get(0x0010, "")).is_deflated:
            break  # what follows is compressed: its first bytes must not be read as an element
        if len(head) < position + 2:
            if is_whole and texts.get(0x0010):
                break
            return None
        if head[position : position + 2] != _META_GROUP:
            break
        element = _read_element(head, position)
        if element is None:
            return None
        number, value, position = element
        if number == 0 and len(value) == 4:
            declared_end = position + int.from_bytes(value, "little")
        texts[number] = value[:1024].decode("latin-1").strip("\0 ")
    return _file_meta(head, position, texts=texts)


def _read_element(head: bytes, position: int) -> tuple[int, bytes, int] | None:
    """Return the element number, the value and the next position; None when `head` is short."""
    if len(head) < position + 8:
        return None
    number = int.from_bytes(head[position + 2 : position + 4], "little")
    vr = head[position + 4 : position + 6]
    if not vr.isalpha():  # some writers use implicit VR here too
        length, start = struct.unpack_from("<I", head, position + 4)[0], position + 8
    elif vr in _LONG_VRS:
        length, start = int.from_bytes(head[position + 8 : position + 12], "little"), position + 12
    else:
        length, start = struct.unpack_from("<H", head, position + 6)[0], position + 8
    if length == _UNDEFINED_LENGTH:
        raise MalformedDataSet("file meta information has an element of undefined length")
    if length > FILE_META_BYTES_MAX:
        raise ObjectTooComplex(f"file meta information exceeds {FILE_META_BYTES_MAX} bytes")
    if len(head) < start + length:
        return None
    return number, head[start : start + length], start + length


def _file_meta(head: bytes, position: int, *, texts: dict[int, str]) -> FileMeta | None:
    syntax_uid = texts.get(0x0010, "")
    if not syntax_uid:
        if len(head) < position + 8:
            return None
        syntax_uid = _guess_transfer_syntax(head, position)
    return FileMeta(
        data_set_offset=position,
        transfer_syntax_uid=syntax_uid,
        sop_class_uid=texts.get(0x0002, ""),
        sop_instance_uid=texts.get(0x0003, ""),
        source_ae_title=texts.get(0x0016, ""),
    )


def _guess_transfer_syntax(head: bytes, position: int) -> str:
    """Tell the encoding by the first element; raise NotDicom if it cannot be one."""
    group, _, vr = struct.unpack_from("<HH2s", head, position)
    if vr.isalpha() and vr.isupper():
        if group in _FIRST_GROUPS:
            return EXPLICIT_VR_LITTLE_ENDIAN
        if int.from_bytes(head[position : position + 2], "big") in _FIRST_GROUPS:
            return EXPLICIT_VR_BIG_ENDIAN
    length = struct.unpack_from("<I", head, position + 4)[0]
    is_plausible = length < _FIRST_LENGTH_MAX or length == _UNDEFINED_LENGTH
    if group in _FIRST_GROUPS and is_plausible:
        return IMPLICIT_VR_LITTLE_ENDIAN
    raise NotDicom("the bytes begin neither with file meta information nor with a data set")


def _element(number: int, vr: bytes, value: bytes) -> bytes:
    layout = "<HH2sxxI" if vr in _LONG_VRS else "<HH2sH"
    return struct.pack(layout, 0x0002, number, vr, len(value)) + value


def _padded(text: str, padding: bytes) -> bytes:
    value = text.encode("ascii", "replace")
    return value + padding * (len(value) % 2)
