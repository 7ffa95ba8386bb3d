"""Procedure steps are kept as long, and as many, as the settings say."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from ingestion.models import PerformedProcedureStep, StorageSpace
from ingestion.use_cases.keep_procedure_steps import trim_procedure_steps
from ingestion.use_cases.record_procedure_steps import create_step
from tests.procedure_steps import begun
from tests.receipts import make_space
from workers.tasks import keep_house

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 1_000_000


@pytest.fixture
def space() -> StorageSpace:
    return make_space()


def step(space: StorageSpace, uid: str, *, days: int = 0) -> None:
    """A step that changed so many days ago."""
    create_step(space, begun(), sop_instance_uid=uid)
    changed_at = timezone.now() - timedelta(days=days)
    PerformedProcedureStep.objects.filter(sop_instance_uid=uid).update(changed_at=changed_at)


def trimmed(*, days: int = 30, steps_max: int = MANY) -> int:
    changed_before = timezone.now() - timedelta(days=days)
    return trim_procedure_steps(changed_before=changed_before, steps_max=steps_max)


def kept() -> list[str]:
    steps = PerformedProcedureStep.objects.order_by("pk")
    return list(steps.values_list("sop_instance_uid", flat=True))


def test_steps_that_changed_long_ago_go(space: StorageSpace) -> None:
    for days in (0, 29, 31, 400):
        step(space, f"1.{days}", days=days)
    assert (trimmed(), kept()) == (2, ["1.0", "1.29"])


def test_steps_beyond_the_limit_go_oldest_first(space: StorageSpace) -> None:
    for number in range(1, 6):
        step(space, f"1.{number}")
    assert (trimmed(steps_max=2), kept()) == (3, ["1.4", "1.5"])
    assert trimmed(steps_max=2) == 0


def test_keys_that_were_given_in_vain_count_for_nothing(space: StorageSpace) -> None:
    step(space, "1.1")
    step(space, "1.2")
    PerformedProcedureStep.objects.filter(sop_instance_uid="1.1").delete()
    step(space, "1.3")
    PerformedProcedureStep.objects.filter(sop_instance_uid="1.2").update(id=1_000_000_000)
    assert (trimmed(steps_max=2), len(kept())) == (0, 2)


def test_without_steps_nothing_goes() -> None:
    assert trimmed(days=0, steps_max=1) == 0


def test_housekeeping_trims_by_the_settings(space: StorageSpace, settings: Settings) -> None:
    settings.LIMITS = settings.LIMITS.model_copy(update={"procedure_steps_max": 1})
    step(space, "1.1")
    step(space, "1.2", days=366)
    step(space, "1.3", days=364)
    keep_house()
    assert kept() == ["1.3"]
