"""What a STOW-RS origin server says became of each instance.

Sources: PS3.18 10.5.3 (status codes, response payload), its Table 10.5.3-1 and I.2 (failure and
warning reasons), PS3.18 F.2 (DICOM JSON), PS3.19 A.1 (Native DICOM Model).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, ParseError, XMLParser, fromstring

import orjson

from bindings.models import OutcomeClass

REFERENCED_SOP_SEQUENCE = "00081199"
FAILED_SOP_SEQUENCE = "00081198"
REFERENCED_SOP_INSTANCE_UID = "00081155"
FAILURE_REASON = "00081197"

# PS3.18 I.2.2 and PS3.7 C; Azure's conformance statement for 0xB00E.
REASONS: Mapping[int, OutcomeClass] = {
    0x0000: OutcomeClass.TRANSIENT,  # no reason given
    0x0110: OutcomeClass.TRANSIENT,  # processing failure
    0x0111: OutcomeClass.DELIVERED,  # duplicate SOP instance
    0x0124: OutcomeClass.TRANSIENT,  # not authorized: the subscription's fault
    0x0213: OutcomeClass.TRANSIENT,  # resource limitation
    0xB00E: OutcomeClass.DELIVERED,  # already stored
}
OUT_OF_RESOURCES = range(0xA700, 0xA800)


@dataclass(frozen=True, slots=True)
class InstanceAnswer:
    """What became of one instance. `reason` is the Failure Reason, in hex; empty when stored."""

    outcome: OutcomeClass
    reason: str = ""


def read_response(content_type: str, body: bytes) -> dict[str, InstanceAnswer]:
    """Answers by SOP Instance UID; empty when the payload is neither JSON nor XML we know."""
    try:
        items = list(_xml_items(body) if "xml" in content_type else _json_items(body))
    except (ParseError, orjson.JSONDecodeError, AttributeError, TypeError, ValueError, KeyError):
        return {}
    return {uid: _answer(tag, reason) for tag, uid, reason in items}


def _answer(sequence: str, reason: int) -> InstanceAnswer:
    if sequence == REFERENCED_SOP_SEQUENCE:  # a warning reason may be there: it is stored
        return InstanceAnswer(OutcomeClass.DELIVERED)
    return InstanceAnswer(outcome_of_reason(reason), f"{reason:04X}")


def outcome_of_reason(reason: int) -> OutcomeClass:
    """Whether sending the instance again could help."""
    if reason in OUT_OF_RESOURCES:
        return OutcomeClass.TRANSIENT
    return REASONS.get(reason, OutcomeClass.PERMANENT)


def _json_items(body: bytes) -> Iterator[tuple[str, str, int]]:
    document = orjson.loads(body)
    for data_set in document if isinstance(document, list) else [document]:
        for tag in (REFERENCED_SOP_SEQUENCE, FAILED_SOP_SEQUENCE):
            for item in data_set.get(tag, {}).get("Value", ()):
                uid = str(_first(item, REFERENCED_SOP_INSTANCE_UID) or "")
                yield tag, uid, int(_first(item, FAILURE_REASON) or 0)


def _first(item: Mapping[str, Any], tag: str) -> Any:
    values = item.get(tag, {}).get("Value") or [None]
    return values[0]


def _xml_items(body: bytes) -> Iterator[tuple[str, str, int]]:
    if b"<!DOCTYPE" in body:  # entities could grow without bound
        return
    root = fromstring(body, XMLParser())  # noqa: S314  # no document type, hence no entities
    for tag in (REFERENCED_SOP_SEQUENCE, FAILED_SOP_SEQUENCE):
        for sequence in _attributes(root, tag):
            for item in sequence:
                uid = _text(item, REFERENCED_SOP_INSTANCE_UID)
                yield tag, uid, int(_text(item, FAILURE_REASON) or 0)


def _attributes(parent: Element, tag: str) -> Iterator[Element]:
    return (child for child in parent.iter() if child.get("tag", "").upper() == tag)


def _text(item: Element, tag: str) -> str:
    for attribute in _attributes(item, tag):
        for value in attribute:
            return (value.text or "").strip()
    return ""
