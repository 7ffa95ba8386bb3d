"""The product's own web server, and dicomweb-client for Python that speaks to it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from django.conf import settings

from ingestion.models import Backend
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
