"""A storage space in a folder, tokens, and a client that speaks DICOMweb to the views."""

from pathlib import Path

import pytest
from django.conf import settings

from ingestion.models import Backend, StorageSpace
from tests.integration.dicomweb.web_client import WebClient, make_token
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
