"""Limits of an object's own structure, as STOW-RS tells them: its neighbour is stored.

Other limits are hit beside what they limit; that none is forgotten is proved here.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from ingestion.environment import Limits
from ingestion.models import Instance
from tests.builders import build_ct, part10_bytes
from tests.integration.dicomweb.web_client import WebClient, multipart, value

TESTS = Path(__file__).parents[2]
CANNOT_UNDERSTAND = 0xC000  # PS3.18 Table I.2-2


@pytest.mark.parametrize(
    ("limit", "syntax"),
    [
        ({"header_bytes_max": 100_000}, ExplicitVRLittleEndian),
        ({"header_elements_max": 100}, ExplicitVRLittleEndian),
        ({"sequence_depth_max": 1}, ExplicitVRLittleEndian),
        ({"inflated_bytes_max": 50_000}, DeflatedExplicitVRLittleEndian),
    ],
    ids=str,
)
def test_an_object_beyond_a_limit_fails_alone(
    web: WebClient, settings: Any, limit: dict[str, int], syntax: str
) -> None:
    settings.LIMITS = settings.LIMITS.model_copy(update=limit)
    inner = Dataset()
    inner.ReferencedStudySequence = Sequence([Dataset()])
    many = [(0x00091001 + number, "LT", "x" * 1000) for number in range(150)]
    beyond = build_ct(
        transfer_syntax_uid=syntax,
        extra=[(0x00090010, "LO", "X"), *many, (0x00081140, "SQ", [inner])],
    )
    response = web.post(multipart(part10_bytes(beyond), part10_bytes(build_ct())))
    assert response.status_code == 202
    (failed,) = json.loads(response.content)["00081198"]["Value"]
    assert value(failed, "00081197") == CANNOT_UNDERSTAND
    assert Instance.objects.count() == 1


def test_every_limit_is_in_a_test() -> None:
    texts = [path.read_text() for path in TESTS.rglob("test_*.py")]
    unproved = {name for name in Limits.model_fields if not any(name in text for text in texts)}
    assert unproved == set()
