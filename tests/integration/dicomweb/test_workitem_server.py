"""The request lines of PS3.18 11.4 to 11.12, one after the other over one connection."""

import http.client
import json
from collections.abc import Iterable
from urllib.parse import urlsplit

import pytest

from ingestion.models import StorageSpace
from tests.integration.dicomweb.web_client import make_token
from tests.integration.dicomweb.web_process import RunningWeb
from tests.workitems import JsonDataSet, build_workitem, performed, text

UID, OTHER, LOCK = "1.2.826.0.1.1", "1.2.826.0.1.2", "1.2.826.0.1.9"
ALL = "1.2.840.10008.5.1.4.34.5"
CLAIM = {"00741000": text("CS", "IN PROGRESS"), "00081195": text("UI", LOCK)}
COMPLETE = {"00741000": text("CS", "COMPLETED"), "00081195": text("UI", LOCK)}
CREATE = build_workitem()

# Method, target, data set, status. None as data set sends no body and no Content-Type.
CONVERSATION: list[tuple[str, str, JsonDataSet | None, int]] = [
    ("POST", f"/workitems/{ALL}/subscribers/WATCHER?deletionlock=true", None, 201),
    ("POST", f"/workitems?{UID}", CREATE, 201),
    ("POST", "/workitems", {**CREATE, "00080018": text("UI", OTHER)}, 201),
    ("GET", "/workitems?ProcedureStepState=SCHEDULED&limit=1&offset=0", None, 200),
    ("PUT", f"/workitems/{UID}/state", CLAIM, 200),
    ("PUT", f"/workitems/{UID}/state", CLAIM, 409),
    ("POST", f"/workitems/{UID}?{LOCK}", performed(), 200),
    ("POST", f"/workitems/{UID}/cancelrequest", None, 409),
    ("PUT", f"/workitems/{UID}/state", COMPLETE, 200),
    ("GET", f"/workitems/{UID}", None, 200),
    ("POST", f"/workitems/{OTHER}/cancelrequest", None, 202),
    ("POST", f"/workitems/{ALL}/subscribers/WATCHER/suspend", None, 200),
    ("DELETE", f"/workitems/{UID}/subscribers/WATCHER", None, 200),
    ("DELETE", f"/workitems/{ALL}/subscribers/WATCHER", None, 200),
    ("DELETE", f"/workitems/{ALL}/subscribers/WATCHER", None, 404),
    ("HEAD", "/workitems", None, 200),
]


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with a length", "chunked"])
def test_a_conversation(
    server: RunningWeb, served_space: StorageSpace, *, is_chunked: bool
) -> None:
    address = urlsplit(server.url)
    assert address.hostname is not None
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    headers = {"Authorization": f"Bearer {make_token(may_store=True, all_spaces=True)}"}
    for method, target, data_set, status in CONVERSATION:
        body: bytes | Iterable[bytes] | None = None
        more = {}
        if data_set is not None:
            content = json.dumps([data_set]).encode()
            body = iter((content[:50], content[50:])) if is_chunked else content
            more = {"Content-Type": "application/dicom+json"}
        connection.request(method, f"/dicomweb{target}", body, headers | more)
        response = connection.getresponse()
        answer = response.read()
        assert response.status == status, (method, target, answer)
    connection.close()
