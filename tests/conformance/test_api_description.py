"""schemathesis asks every operation that the API's description has, of the product's own server.

Nothing fails the server, each status and media type is described, and so is the form of JSON.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from django.core.management import call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ingestion.models import Backend
from tests.builders import build_ct, part10_bytes
from tests.integration.dicomweb.web_client import BOUNDARY, STOW_TYPE, make_token, multipart
from tests.integration.dicomweb.web_process import RunningWeb
from tests.receipts import make_space
from tests.workitems import build_workitem

EXAMPLES = 8
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
PATIENT = "Doe^Jane"
WORKITEM_UID = "1.2.826.0.1.3680043.8.498.1"

_FILE = part10_bytes(build_ct())
_PART = st.sampled_from((_FILE, _FILE[:500], _FILE[132:], b"", b"[{}]", b"<NativeDicomModel/>"))
schemathesis.openapi.media_type(
    "multipart/related", st.lists(_PART, max_size=3).map(lambda parts: multipart(*parts))
)
schemathesis.openapi.media_type("application/dicom+xml", _PART)


def test_the_description_is_valid_and_leaves_nothing_to_guess(tmp_path: Path) -> None:
    written = tmp_path / "schema.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(written))
    assert written.stat().st_size > 10_000


@pytest.fixture
def session(
    transactional_db: None, server: RunningWeb, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[requests.Session]:
    """A client that may do everything; afterwards the server's log tells no secrets."""
    root = str(tmp_path_factory.mktemp("space"))
    make_space("main", backend=Backend.FILESYSTEM, options={"root": root})
    token = make_token(may_store=True, may_delete=True, all_spaces=True)
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        yield session
    log = server.log.read_text()
    for unwanted in ("Traceback", PATIENT, token):
        assert unwanted not in log


@pytest.fixture
def identifiers(server: RunningWeb, session: requests.Session) -> dict[str, str]:
    """What paths name: an image and a workitem that are held."""
    dataset = build_ct(patient_name=PATIENT)
    stored = session.post(
        f"{server.url}/dicomweb/studies",
        multipart(part10_bytes(dataset)),
        headers={"Content-Type": STOW_TYPE},
    )
    assert stored.status_code == 200, stored.text
    created = session.post(
        f"{server.url}/dicomweb/workitems?{WORKITEM_UID}",
        json.dumps([build_workitem()]),
        headers={"Content-Type": "application/dicom+json"},
    )
    assert created.status_code == 201, created.text
    return {
        "space_slug": "main",
        "study_instance_uid": str(dataset.StudyInstanceUID),
        "series_instance_uid": str(dataset.SeriesInstanceUID),
        "sop_instance_uid": str(dataset.SOPInstanceUID),
        "frame_list": "1",
        "tag_path": "7FE00010",
        "workitem_uid": WORKITEM_UID,
        "ae_title": "WATCHER",
    }


@pytest.mark.parametrize("mode", GenerationMode)
def test_every_operation_answers_as_described(
    server: RunningWeb,
    session: requests.Session,
    identifiers: dict[str, str],
    mode: GenerationMode,
) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/api/schema?format=json")
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    # What deletes comes last, or there would be nothing left to ask for.
    for operation in sorted(operations, key=lambda found: found.method == "delete"):
        ask(operation, session, identifiers=identifiers, mode=mode)


def ask(
    operation: APIOperation[Any, Any, Any, Any],
    session: requests.Session,
    *,
    identifiers: dict[str, str],
    mode: GenerationMode,
) -> None:
    """Some requests of one operation, half of which name what is held."""

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(mode), names_what_is_held=st.booleans())
    def send(case: Case[Any], *, names_what_is_held: bool) -> None:
        if names_what_is_held:
            held = {name: identifiers[name] for name in case.path_parameters or {}}
            case.path_parameters = held
        headers = {}
        if str(case.media_type).startswith("multipart/related"):
            headers["Content-Type"] = f"{case.media_type}; boundary={BOUNDARY}"
        response = case.call(session=session, headers=headers)
        case.validate_response(response, checks=CHECKS)

    send()
