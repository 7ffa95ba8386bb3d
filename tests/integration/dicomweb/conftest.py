"""A storage space in a folder, tokens, and a client that speaks DICOMweb to the views."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from ingestion.models import Backend, StorageSpace
from tests.integration.dicomweb.web_client import WebClient, make_token
from tests.integration.dicomweb.web_process import RunningWeb, running_web
from tests.receipts import make_space


@pytest.fixture(autouse=True)
def static_folder() -> None:
    """WhiteNoise warns when the folder of static files is not there."""
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)


@pytest.fixture
def space(db: None, tmp_path: Path) -> StorageSpace:
    return make_space("main", backend=Backend.FILESYSTEM, options={"root": str(tmp_path / "main")})


@pytest.fixture
def other_space(db: None, tmp_path: Path) -> StorageSpace:
    return make_space(
        "other", backend=Backend.FILESYSTEM, options={"root": str(tmp_path / "other")}
    )


@pytest.fixture
def web(space: StorageSpace) -> WebClient:
    """May do everything in every space."""
    return WebClient(make_token(may_store=True, all_spaces=True))


@pytest.fixture(scope="session")
def server(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWeb]:
    """The product's own web server."""
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
    with running_web(tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.fixture
def served_space(transactional_db: None, tmp_path: Path) -> StorageSpace:
    """A space that the web server sees: its row is committed."""
    return make_space("main", backend=Backend.FILESYSTEM, options={"root": str(tmp_path / "main")})


@pytest.fixture
def token(served_space: StorageSpace) -> str:
    """May do everything in every space, at the web server too."""
    return make_token(may_store=True, all_spaces=True)
