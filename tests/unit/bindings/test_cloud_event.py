"""The envelope: CloudEvents 1.0.2, HTTP protocol binding 3.1 and 3.2."""

import json
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from bindings.cloud_event import CloudEvent, binary_message, structured_message, subject_of

EVENT = CloudEvent(
    id="3f0c",
    source="imaging-ingestion",
    type="StudyRevisionEvent",
    time="2026-01-01T00:00:00+00:00",
    subject="studies/1.2.3",
    data={"revision": 0, "name": "Müller"},
)


def test_binary_mode_puts_attributes_in_headers_as_the_original_spelled_them() -> None:
    headers, body = binary_message(EVENT)
    assert dict(headers) == {
        "Ce-Specversion": "1.0",
        "Ce-Id": "3f0c",
        "Ce-Source": "imaging-ingestion",
        "Ce-Type": "StudyRevisionEvent",
        "Ce-Time": "2026-01-01T00:00:00+00:00",
        "Ce-Subject": "studies/1.2.3",
        "Content-Type": "application/json",
    }
    assert json.loads(body) == {"revision": 0, "name": "Müller"}


def test_structured_mode_puts_everything_in_the_body() -> None:
    headers, body = structured_message(EVENT)
    assert dict(headers) == {"Content-Type": "application/cloudevents+json; charset=utf-8"}
    assert json.loads(body) == {
        "specversion": "1.0",
        "id": "3f0c",
        "source": "imaging-ingestion",
        "type": "StudyRevisionEvent",
        "time": "2026-01-01T00:00:00+00:00",
        "subject": "studies/1.2.3",
        "datacontenttype": "application/json",
        "data": {"revision": 0, "name": "Müller"},
    }


@given(st.text(st.characters(codec="utf-8")))
def test_header_values_are_printable_ascii_and_can_be_read_back(source: str) -> None:
    event = CloudEvent(id="1", source=source, type="t", time="", subject="", data={})
    value = dict(binary_message(event)[0])["Ce-Source"]
    assert value.isascii()
    assert value.isprintable()
    assert not set(value) & set(' "')
    assert unquote(value) == source


def test_subject_is_the_path_below_the_root() -> None:
    assert subject_of("1.2", "", "") == "studies/1.2"
    assert subject_of("1.2", "1.3", "1.4") == "studies/1.2/series/1.3/instances/1.4"
