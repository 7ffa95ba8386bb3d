"""Speaks UPS-RS to the views as PS3.18 11 writes its requests."""

import json
from typing import Any

from tests.integration.dicomweb.web_client import WebClient, content
from tests.workitems import JsonDataSet, build_workitem, performed, text

JSON_TYPE = "application/dicom+json"
UID = "1.2.826.0.1.3680043.8.498.1"
LOCK = "1.2.826.0.1.3680043.8.498.99"


class WorklistClient(WebClient):
    """A client of the worklist below `root`."""

    root = "/dicomweb"

    def send(
        self,
        method: str,
        path: str,
        data_set: JsonDataSet | bytes | None = None,
        *,
        content_type: str = JSON_TYPE,
        accept: str = "",
    ) -> Any:
        """One request; a data set goes as JSON."""
        body = data_set if isinstance(data_set, bytes) else b""
        if isinstance(data_set, dict):
            body = json.dumps([data_set]).encode()
        headers = self._headers | ({"Accept": accept} if accept else {})
        return self._client.generic(
            method,
            f"{self.root}{path}",
            body,
            content_type,
            headers=headers,
            CONTENT_TYPE=content_type,
        )

    def create(self, uid: str = UID, **attributes: Any) -> Any:
        """Create a complete workitem."""
        return self.send("POST", f"/workitems?{uid}", build_workitem(**attributes))

    def change_state(self, state: str, *, lock: str = LOCK, uid: str = UID) -> Any:
        """Ask for a state; without a lock no Transaction UID is sent."""
        asked = {"00741000": text("CS", state)}
        if lock:
            asked["00081195"] = text("UI", lock)
        return self.send("PUT", f"/workitems/{uid}/state", asked)

    def retrieve(self, uid: str = UID) -> JsonDataSet:
        """The workitem."""
        response = self.send("GET", f"/workitems/{uid}")
        assert response.status_code == 200, response.content
        (workitem,) = json.loads(content(response))
        assert isinstance(workitem, dict)
        return workitem

    def found(self, query: str = "") -> list[str]:
        """UIDs of the workitems that a search finds, in their order."""
        return [item["00080018"]["Value"][0] for item in self.search(query)]

    def search(self, query: str = "") -> list[JsonDataSet]:
        """The results of a search."""
        response = self.send("GET", f"/workitems?{query}")
        assert response.status_code == 200, response.content
        results = json.loads(content(response))
        assert isinstance(results, list)
        return results

    def bring_to(self, state: str, *, uid: str = UID, lock: str = LOCK) -> None:
        """Create a workitem and bring it there."""
        assert self.create(uid).status_code == 201
        if state == "SCHEDULED":
            return
        assert self.change_state("IN PROGRESS", uid=uid, lock=lock).status_code == 200
        if state == "COMPLETED":
            update = self.send("POST", f"/workitems/{uid}?{lock}", performed())
            assert update.status_code == 200, update.content
        if state != "IN PROGRESS":
            assert self.change_state(state, uid=uid, lock=lock).status_code == 200
