"""Under which media type and in which transfer syntax Pixel Data goes out.

What is named and needs no work comes first; who leaves everything open gets uncompressed octets.
Source: PS3.18 8.7.3.3 (bulk data media types), 8.7.3.5.2 (transfer-syntax parameter), 8.7.8.1
(selected media type: the default one for a wildcard).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from dicomweb.media_types import AcceptedRange, MediaType
from ingestion.dicom.pixels.frame_media_types import (
    OCTET_STREAM,
    media_type_of,
    transfer_syntaxes_of,
)
from ingestion.dicom.pixels.transcoding import DEFAULT_SYNTAX, can_transcode, goes_as_stored
from ingestion.dicom.transfer_syntaxes import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    transfer_syntax,
)
from ingestion.errors import NotAcceptable

ANY = MediaType("*/*")

_ANY_PART = ("", "*", "*/*")
_ANY_SYNTAX = ("", "*")
# What differs between these is outside the frames.
_SAME_FRAMES = dict.fromkeys(
    (IMPLICIT_VR_LITTLE_ENDIAN, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN
)


@dataclass(frozen=True, slots=True)
class PixelForm:
    """A form of Pixel Data: frames alone in one transfer syntax, in parts or a single one."""

    media_type: str
    transfer_syntax_uid: str
    is_multipart: bool

    @property
    def content_type(self) -> str:
        """The Content-Type of a frame."""
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax_uid}"


def choose_pixel_form(
    accepted: Sequence[AcceptedRange],
    stored_syntax_uid: str,
    *,
    is_single: Callable[[str], bool],
    can_make: Callable[[str], bool],
) -> PixelForm:
    """The form that the client likes best; if there are several, what is stored, then its first.

    Who leaves type and syntax open gets what is stored where the default cannot be made of it.
    `stored_syntax_uid` is Explicit VR Little Endian for all native frames. `is_single` tells
    whether in a transfer syntax all of it is one part, so that it may go out alone; `can_make`,
    asked last, whether there is a way to another one.
    Raises `NotAcceptable`.
    """
    wanted = accepted or [AcceptedRange(ANY, 1.0)]
    forms = [
        (is_last, -item.quality, form.transfer_syntax_uid != stored_syntax_uid, place, form)
        for is_last, ranges in enumerate((wanted, _as_stored(wanted)))
        for place, item in enumerate(ranges)
        if item.quality
        for form in _forms(item.media_type, stored_syntax_uid)
        if form.is_multipart or is_single(form.transfer_syntax_uid)
    ]
    for *_, form in sorted(forms, key=lambda candidate: candidate[:4]):
        syntax = form.transfer_syntax_uid
        is_little_endian = syntax != EXPLICIT_VR_BIG_ENDIAN  # as native frames always are
        if syntax == stored_syntax_uid or (is_little_endian and can_make(syntax)):
            return form
    raise NotAcceptable(
        "nothing that Accept names can be made of these frames; they are stored as "
        f"{media_type_of(stored_syntax_uid)}; transfer-syntax={stored_syntax_uid}"
    )


def choose_parts_form(accepted: Sequence[AcceptedRange], stored_syntax_uid: str) -> PixelForm:
    """The same for several instances, of which only the transfer syntax is known."""
    return choose_pixel_form(
        accepted,
        stored_syntax_uid,
        is_single=lambda _: False,
        can_make=partial(can_transcode, stored_syntax_uid),
    )


def _as_stored(wanted: Sequence[AcceptedRange]) -> list[AcceptedRange]:
    """The ranges that leave everything open, with any transfer syntax."""
    return [
        AcceptedRange(MediaType(name, {**parameters, "transfer-syntax": "*"}), item.quality)
        for item in wanted
        for name, parameters in [(item.media_type.name, item.media_type.parameters)]
        if _part_type(item.media_type) in _ANY_PART and not parameters.get("transfer-syntax")
    ]


def _forms(wanted: MediaType, stored: str) -> Iterator[PixelForm]:
    syntax = wanted.parameters.get("transfer-syntax", "")
    for media_type, transfer_syntax_uid in _typed(_part_type(wanted), syntax, stored=stored):
        for is_multipart in _packagings(wanted):
            yield PixelForm(media_type, transfer_syntax_uid, is_multipart)


def _part_type(wanted: MediaType) -> str:
    """The type of the frames themselves."""
    if wanted.name in ("multipart/related", "multipart/*"):
        return wanted.parameters.get("type", "").lower()
    return wanted.name


def _packagings(wanted: MediaType) -> tuple[bool, ...]:
    """In parts, or alone; `*/*` leaves both open, and parts are the default (PS3.18 8.6.1)."""
    if wanted.name == "*/*":
        return (True, False)
    return (wanted.main_type == "multipart",)


def _typed(part_type: str, syntax: str, *, stored: str) -> Iterator[tuple[str, str]]:
    """Media types and transfer syntaxes that a part type and a syntax, if named, leave open."""
    natural = stored if syntax in _ANY_SYNTAX else syntax
    if part_type in _ANY_PART:
        uid = natural if syntax else _default(stored)
        yield media_type_of(uid), uid
    elif part_type in (OCTET_STREAM, "application/*"):
        yield from ((OCTET_STREAM, uid) for uid in _octets(syntax, stored=stored))
    elif part_type.endswith("/*"):
        if media_type_of(natural).startswith(part_type[:-1]):
            yield media_type_of(natural), natural
    else:
        syntaxes = transfer_syntaxes_of(part_type)
        if natural in syntaxes:
            yield part_type, natural
        elif syntaxes and syntax in _ANY_SYNTAX:
            yield part_type, syntaxes[0]


def _default(stored: str) -> str:
    """Uncompressed, but for what is lossy or nobody can decode (8.7.3.3)."""
    return stored if goes_as_stored(stored, (DEFAULT_SYNTAX,)) else EXPLICIT_VR_LITTLE_ENDIAN


def _octets(syntax: str, *, stored: str) -> tuple[str, ...]:
    """Uncompressed where no syntax is named (8.7.3.3), but a film is as it is."""
    if syntax == "*" or (syntax == "" and transfer_syntax(stored).is_video):
        return (stored,)
    return (_SAME_FRAMES.get(syntax, syntax) or EXPLICIT_VR_LITTLE_ENDIAN,)
