"""A storage space in a folder of the test's own."""

from pathlib import Path

import pytest

from ingestion.models import StorageSpace
from tests.receipts import make_space


@pytest.fixture
def folder_space(db: None, tmp_path: Path) -> StorageSpace:
    """A space that keeps its objects below the test's folder."""
    return make_space(backend="filesystem", options={"root": str(tmp_path / "objects")})
