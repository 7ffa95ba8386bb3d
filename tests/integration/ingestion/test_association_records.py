"""The log of associations keeps what is young and not too much."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from ingestion.models import AssociationRecord
from ingestion.use_cases.keep_association_records import (
    add_association_records,
    trim_association_records,
)
from tests.association_records import make_record
from workers.tasks import keep_house

pytestmark = pytest.mark.django_db

MANY = 1_000_000


def kept() -> list[str]:
    return list(AssociationRecord.objects.order_by("id").values_list("association_id", flat=True))


def test_records_are_added_together() -> None:
    now = timezone.now()
    records = [
        AssociationRecord(
            association_id=str(number), direction="accepted", started_at=now, ended_at=now
        )
        for number in range(3)
    ]
    add_association_records(records)
    assert kept() == ["0", "1", "2"]


def test_old_records_go() -> None:
    now = timezone.now()
    for days in (0, 29, 31, 400):
        make_record(association_id=f"{days}", ended_at=now - timedelta(days=days))
    removed = trim_association_records(ended_before=now - timedelta(days=30), records_max=MANY)
    assert (removed, kept()) == (2, ["0", "29"])


def test_records_beyond_the_limit_go_oldest_first() -> None:
    for number in range(5):
        make_record(association_id=f"{number}")
    long_ago = timezone.now() - timedelta(days=30)
    assert trim_association_records(ended_before=long_ago, records_max=2) == 3
    assert kept() == ["3", "4"]


def test_empty_log_is_left_alone() -> None:
    assert trim_association_records(ended_before=timezone.now(), records_max=1) == 0


@pytest.mark.django_db(transaction=True)
def test_housekeeping_trims_by_the_settings(settings: Settings) -> None:
    settings.LIMITS = settings.LIMITS.model_copy(update={"association_records_max": 1})
    make_record(association_id="many")
    make_record(association_id="old", ended_at=timezone.now() - timedelta(days=31))
    make_record(association_id="young")
    keep_house()
    assert kept() == ["young"]
