"""Which representation answers a request, and in which transfer syntaxes.

Source: PS3.18 8.7.4 (acceptable media types), 8.7.5 (the accept query parameter, which stands
in for the header), 8.7.3.5.2 (transfer-syntax parameter).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dicomweb.media_types import AcceptedRange, MediaType, parse_accept
from ingestion.errors import NotAcceptable

_UNACCEPTABLE = (0.0, 0, 0)


@dataclass(frozen=True, slots=True)
class Representation:
    """A form in which an answer can be made. `part_type` is the type of multipart's parts."""

    content_type: str
    part_type: str = ""
    also_known_as: str = ""


DICOM_JSON = Representation("application/dicom+json", also_known_as="application/json")
DICOM_XML = Representation("application/dicom+xml", also_known_as="application/xml")
DICOM_FILE = Representation("application/dicom")
DICOM_FILES = Representation("multipart/related", part_type="application/dicom")
# Clients ask for the type of the parts alone, and read the parts that they get.
DICOM_XMLS = Representation(
    "multipart/related",
    part_type="application/dicom+xml",
    also_known_as="application/dicom+xml",
)
DICOM_ZIP = Representation("application/zip")
OCTET_PARTS = Representation("multipart/related", part_type="application/octet-stream")


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen. `transfer_syntaxes`, best first, are UIDs, `*`, and '' for none named."""

    representation: Representation
    transfer_syntaxes: tuple[str, ...] = ("",)


def choose(header: str, parameter: str, offers: Sequence[Representation]) -> Choice:
    """The offer that the client likes best; the first offer when it does not say.

    Among equally liked ones the client's order decides, then ours. Raises `NotAcceptable`.
    """
    text = _accepted_text(header, parameter)
    if not text.strip():
        return Choice(offers[0])
    accepted = parse_accept(text)
    likings = [_liking(accepted, offer) for offer in offers]
    best = max(likings)
    if best == _UNACCEPTABLE:
        made = ", ".join(_described(offer) for offer in offers)
        raise NotAcceptable(f"nothing that Accept names can be made; this resource has: {made}")
    representation = offers[likings.index(best)]
    return Choice(representation, _transfer_syntaxes(accepted, representation))


def accepted_ranges(header: str, parameter: str) -> tuple[AcceptedRange, ...]:
    """What the client accepts, in its order; () when it does not say."""
    return parse_accept(_accepted_text(header, parameter))


def _accepted_text(header: str, parameter: str) -> str:
    """An unescaped plus sign of `accept=application/dicom+json` arrives as a space."""
    return parameter.replace("dicom ", "dicom+") if parameter.strip() else header


def _liking(accepted: Sequence[AcceptedRange], offer: Representation) -> tuple[float, int, int]:
    """Quality by the most specific range that matches, then the range's place."""
    found = [
        (_specificity(item.media_type, offer), -place, item.quality)
        for place, item in enumerate(accepted)
    ]
    specificity, place, quality = max(found, default=(0, 0, 0.0))
    return (quality, place, specificity) if specificity and quality else _UNACCEPTABLE


def _specificity(wanted: MediaType, offer: Representation) -> int:
    """0 when the range does not match; more for a narrower range."""
    if wanted.name == "*/*":
        return 1
    if wanted.name == f"{offer.content_type.partition('/')[0]}/*":
        return 2
    if wanted.name not in (offer.content_type, offer.also_known_as):
        return 0
    part_type = wanted.parameters.get("type", "").lower()
    if not offer.part_type or part_type in ("", "*", "*/*"):
        return 3
    if part_type == offer.part_type:
        return 4
    return 3 if part_type == f"{offer.part_type.partition('/')[0]}/*" else 0


def _transfer_syntaxes(accepted: Sequence[AcceptedRange], offer: Representation) -> tuple[str, ...]:
    ranges = [item for item in accepted if item.quality and _specificity(item.media_type, offer)]
    best_first = sorted(ranges, key=lambda item: -item.quality)
    named = (item.media_type.parameters.get("transfer-syntax", "") for item in best_first)
    return tuple(dict.fromkeys(named))


def _described(offer: Representation) -> str:
    return (
        f'{offer.content_type}; type="{offer.part_type}"'
        if offer.part_type
        else (offer.content_type)
    )
