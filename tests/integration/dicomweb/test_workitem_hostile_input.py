"""Whatever stands in a workitem, it is kept as it can be read again, or refused with a reason."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.models import StorageSpace, Workitem
from tests.integration.dicomweb.web_client import make_token
from tests.integration.dicomweb.workitem_client import UID, WorklistClient
from tests.workitems import WORKITEM, build_workitem

pytestmark = pytest.mark.django_db

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
NAMES = st.dictionaries(st.sampled_from(["Alphabetic", "Phonetic", "x"]), st.text(max_size=8))
TAGS = st.sampled_from([*WORKITEM, "00091001", "00080005", "00080201", "0020000D", "00000002"])
VRS = st.sampled_from(["CS", "DA", "DT", "LO", "LT", "PN", "SQ", "UI", "DS", "UN", "OB", "ZZ"])
ATTRIBUTES = st.recursive(
    st.fixed_dictionaries(
        {"vr": VRS},
        optional={
            "Value": st.lists(SCALARS | NAMES, max_size=3),
            "InlineBinary": st.text(max_size=8),
            "BulkDataURI": st.text(max_size=8),
        },
    )
    | SCALARS,
    lambda inner: st.fixed_dictionaries(
        {"vr": VRS, "Value": st.lists(st.dictionaries(TAGS, inner, max_size=3), max_size=2)}
    ),
    max_leaves=8,
)
CHANGES = st.dictionaries(TAGS, ATTRIBUTES, max_size=4)


@settings(max_examples=50)
@given(created=CHANGES, updated=CHANGES)
def test_any_attributes_are_kept_or_refused(
    space: StorageSpace, created: dict[str, Any], updated: dict[str, Any]
) -> None:
    Workitem.objects.all().delete()
    worklist = worklist_client()
    content = json.dumps(build_workitem() | created).encode()
    answer = worklist.send("POST", f"/workitems?{UID}", content)
    assert answer.status_code in (201, 400, 413), answer.content
    if answer.status_code != 201:
        assert json.loads(answer.content)["detail"]
        assert worklist.create().status_code == 201
    before = worklist.retrieve()
    changed = worklist.send("POST", f"/workitems/{UID}", json.dumps(updated).encode())
    assert changed.status_code in (200, 400, 409, 413), changed.content
    after = worklist.retrieve()
    assert (after == before) or changed.status_code == 200
    empty_or_not = {"0020000D": {"vr": "UI"}, "00404034": {"vr": "SQ"}}
    assert worklist.search("includefield=all") == [empty_or_not | after]
    for path in (f"/workitems/{UID}", "/workitems"):
        xml = 'multipart/related; type="application/dicom+xml"'
        assert worklist.send("GET", path, accept=xml).status_code == 200


def worklist_client() -> WorklistClient:
    """A client with a token of its own, for the test's transaction holds many examples."""
    return WorklistClient(make_token(may_store=True, all_spaces=True))
