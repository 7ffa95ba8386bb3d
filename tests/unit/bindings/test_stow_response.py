"""Reading STOW-RS responses. Payloads are shaped as PS3.18 F.2 and PS3.19 A.1 show them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindings.stow_response import InstanceAnswer, outcome_of_reason, read_response

JSON_BODY = json.dumps(
    {
        "00081190": {"vr": "UR", "Value": ["https://archive/studies/1.2"]},
        "00081199": {
            "vr": "SQ",
            "Value": [
                {"00081155": {"vr": "UI", "Value": ["1.2.1"]}},
                {
                    "00081155": {"vr": "UI", "Value": ["1.2.2"]},
                    "00081196": {"vr": "US", "Value": [45056]},
                },
            ],
        },
        "00081198": {
            "vr": "SQ",
            "Value": [
                {
                    "00081155": {"vr": "UI", "Value": ["1.2.3"]},
                    "00081197": {"vr": "US", "Value": [43264]},
                },
                {
                    "00081155": {"vr": "UI", "Value": ["1.2.4"]},
                    "00081197": {"vr": "US", "Value": [272]},
                },
            ],
        },
    }
).encode()
XML_BODY = b"""<?xml version="1.0" encoding="utf-8"?>
<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">
 <DicomAttribute tag="00081199" vr="SQ" keyword="ReferencedSOPSequence">
  <Item number="1"><DicomAttribute tag="00081155" vr="UI"><Value number="1">1.2.1</Value>
  </DicomAttribute></Item>
 </DicomAttribute>
 <DicomAttribute tag="00081198" vr="SQ" keyword="FailedSOPSequence">
  <Item number="1">
   <DicomAttribute tag="00081155" vr="UI"><Value number="1">1.2.3</Value></DicomAttribute>
   <DicomAttribute tag="00081197" vr="US"><Value number="1">43264</Value></DicomAttribute>
  </Item>
 </DicomAttribute>
</NativeDicomModel>"""
BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>
<NativeDicomModel>&b;</NativeDicomModel>"""


def test_json_tells_of_each_instance_and_a_warning_is_stored() -> None:
    answers = read_response("application/dicom+json", JSON_BODY)
    assert {uid: str(answer.outcome) for uid, answer in answers.items()} == {
        "1.2.1": "delivered",
        "1.2.2": "delivered",
        "1.2.3": "permanent",
        "1.2.4": "transient",
    }
    assert answers["1.2.3"].reason == "A900"


def test_xml_tells_the_same() -> None:
    answers = read_response("application/dicom+xml; charset=utf-8", XML_BODY)
    assert {uid: str(answer.outcome) for uid, answer in answers.items()} == {
        "1.2.1": "delivered",
        "1.2.3": "permanent",
    }


# PS3.18 I.2.2, PS3.7 C.
@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        (0xA700, "transient"),
        (0xA7FF, "transient"),
        (0xA900, "permanent"),
        (0xC000, "permanent"),
        (0xC122, "permanent"),
        (0x0110, "transient"),
        (0x0122, "permanent"),
        (0x0111, "delivered"),
        (0x0000, "transient"),
    ],
)
def test_failure_reason_decides_whether_to_try_again(reason: int, outcome: str) -> None:
    assert outcome_of_reason(reason) == outcome


@pytest.mark.parametrize("content_type", ["application/dicom+json", "application/dicom+xml", ""])
@given(body=st.binary(max_size=200))
def test_any_other_payload_tells_nothing(content_type: str, body: bytes) -> None:
    assert isinstance(read_response(content_type, body), dict)


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.booleans(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["00081199", "00081198", "Value", "00081155", "00081197"]), inner
            )
        ),
    )
)
def test_json_of_any_shape_raises_nothing(document: object) -> None:
    answers = read_response("application/dicom+json", json.dumps(document).encode())
    assert all(isinstance(answer, InstanceAnswer) for answer in answers.values())


def test_xml_with_a_document_type_is_not_read() -> None:
    assert read_response("application/dicom+xml", BOMB) == {}
