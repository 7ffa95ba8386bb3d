"""The envelope of what webhooks are told.

Sources: CloudEvents 1.0.2 (attributes), its HTTP protocol binding 3.1 (binary) and 3.2
(structured), its JSON format 3. Types are named as the original names them.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

SPEC_VERSION = "1.0"
JSON = "application/json"
STRUCTURED_JSON = "application/cloudevents+json; charset=utf-8"

Message = tuple[tuple[tuple[str, str], ...], bytes]


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """One event: required attributes, time, subject, and data that is JSON."""

    id: str
    source: str
    type: str
    time: str
    subject: str
    data: dict[str, Any]


def binary_message(event: CloudEvent) -> Message:
    """Headers and body with the attributes in the headers."""
    attributes = tuple(
        (f"Ce-{name.capitalize()}", _escaped(text)) for name, text in _attributes(event)
    )
    return (*attributes, ("Content-Type", JSON)), orjson.dumps(event.data)


def structured_message(event: CloudEvent) -> Message:
    """Headers and body with the attributes in the body."""
    document = {**dict(_attributes(event)), "datacontenttype": JSON, "data": event.data}
    return (("Content-Type", STRUCTURED_JSON),), orjson.dumps(document)


def subject_of(study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str) -> str:
    """The path of what the event is about, below the DICOMweb root; empty parts are left out."""
    parts = (
        ("studies", study_instance_uid),
        ("series", series_instance_uid),
        ("instances", sop_instance_uid),
    )
    return "/".join(f"{name}/{uid}" for name, uid in parts if uid)


def _attributes(event: CloudEvent) -> list[tuple[str, str]]:
    return [
        ("specversion", SPEC_VERSION),
        ("id", event.id),
        ("source", event.source),
        ("type", event.type),
        ("time", event.time),
        ("subject", event.subject),
    ]


def _escaped(text: str) -> str:
    """Header values percent-encode space, quote, percent and what is not printable (3.1.3.2)."""
    return quote(text, safe="!#$&'()*+,/:;<=>?@[]^_`{|}~-.\\")
