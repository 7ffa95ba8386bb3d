"""The product's own web server, dicomweb-client for Python, and a bare socket to it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from django.conf import settings

from ingestion.models import Backend
from tests.builders import build_ct, new_uid
from tests.conformance.wire import Wire, stow_of_ohif
from tests.integration.dicomweb.web_client import make_token
from tests.integration.dicomweb.web_process import RunningWeb, running_web
from tests.receipts import make_space


@pytest.fixture(scope="module")
def server(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWeb]:
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
    with running_web(tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.fixture
def client(transactional_db: None, server: RunningWeb, tmp_path: Path) -> Iterator[Any]:
    make_space("main", backend=Backend.FILESYSTEM, options={"root": str(tmp_path / "main")})
    token = make_token(may_store=True, may_delete=True, all_spaces=True)
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        yield DICOMwebClient(f"{server.url}/dicomweb", session=session)


@pytest.fixture
def wire(transactional_db: None, server: RunningWeb, tmp_path: Path) -> Wire:
    make_space("main", backend=Backend.FILESYSTEM, options={"root": str(tmp_path / "main")})
    study, series = new_uid(), new_uid()
    first, second = (
        build_ct(
            study_instance_uid=study,
            series_instance_uid=series,
            extra=[(0x00200013, "IS", number), (0x00081030, "LO", "CT abdomen")],
        )
        for number in ("1", "2")
    )
    wire = Wire(server, make_token(may_store=True, all_spaces=True), (first, second))
    assert stow_of_ohif(wire, first, second).status == 200
    return wire
