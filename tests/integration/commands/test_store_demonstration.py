"""The demonstration comes in once, and is what a viewer can show."""

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from ingestion.management.demonstration_studies import STUDIES, demonstration_instances
from ingestion.models import Instance, Study
from tests.receipts import make_space

pytestmark = pytest.mark.django_db(transaction=True)


def run() -> str:
    output = StringIO()
    call_command("store_demonstration", stdout=output)
    return output.getvalue()


def test_it_is_stored_once(tmp_path: Path) -> None:
    make_space("default", backend="filesystem", options={"root": str(tmp_path / "objects")})
    assert run().startswith("88 demonstration instances stored")
    assert run().startswith("0 demonstration instances stored")
    assert Instance.objects.count() == 88
    studies = Study.objects.order_by("study_date")
    assert [study.patient_id for study in studies] == [study.patient_id for study in STUDIES]
    assert [study.number_of_series for study in studies] == [1, 2]


def test_it_wants_a_space(db: None) -> None:
    with pytest.raises(CommandError, match="no storage space default"):
        run()


def test_slices_are_a_volume_that_shows_something() -> None:
    slices = [item for item in demonstration_instances() if item.Modality == "CT"]
    positions = [float(item.ImagePositionPatient[2]) for item in slices]
    assert len(set(np.diff(positions))) == 1
    middle = slices[len(slices) // 2]
    pixels = np.frombuffer(middle.PixelData, "<i2").reshape(middle.Rows, middle.Columns)
    assert pixels.min() == -1000
    assert pixels.max() > 100
    assert 0.2 < np.mean(pixels > -900) < 0.6
