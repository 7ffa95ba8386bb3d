"""Private elements that our answers carry, for what the Standard has no attribute.

Source: PS3.5 7.8.1 (private data elements).
"""

from ingestion.dicom.json_model import JsonDataSet, element

CREATOR = "IMAGING INGESTION"
CREATOR_TAG = "00090010"
HOLDING_SPACES = "00091001"  # LO: slugs of the storage spaces that hold a result of a search
FAILURE_TEXT = "00091002"  # LT: why an instance was not stored, in words

_CHARACTERS_MAX = 1000


def failure_text(text: str) -> JsonDataSet:
    """The words that go with a Failure Reason; they name a rule, never a value of a patient."""
    return {
        CREATOR_TAG: element("LO", CREATOR),
        FAILURE_TEXT: element("LT", text[:_CHARACTERS_MAX]),
    }
