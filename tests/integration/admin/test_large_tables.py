"""Lists of large tables: bounded counts, searches that fit, and an end to waiting."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse

from ingestion.admin.bounded_count import COUNT_MAX, PAGES_MAX, BoundedPaginator
from ingestion.admin.large_tables import LargeRecordAdmin
from ingestion.models import Receipt, StorageSpace, Study

STUDIES = reverse("admin:ingestion_study_changelist")


def pages(**lookups: Any) -> BoundedPaginator:
    return BoundedPaginator(Study.objects.filter(**lookups).order_by("-pk"), 50)


def found(browser: Client, url: str, **query: str) -> list[str]:
    response = browser.get(url, query)
    assert response.status_code == 200
    return [str(row) for row in response.context["cl"].result_list]


def test_small_table_is_counted_exactly(many_studies: Callable[[int], None]) -> None:
    many_studies(70)
    paginator = pages()
    assert (paginator.count, paginator.num_pages, paginator.count_text) == (70, 2, "70")


def test_large_table_is_estimated(many_studies: Callable[[int], None]) -> None:
    many_studies(COUNT_MAX + 500)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE ingestion_study")
    paginator = pages()
    assert paginator.count == COUNT_MAX + 500
    assert paginator.count_text == "about 1,500"
    assert len(paginator.page(30).object_list) == 50


def test_large_table_that_was_never_analyzed_is_more_than_the_bound(
    many_studies: Callable[[int], None],
) -> None:
    many_studies(COUNT_MAX + 500)
    paginator = pages()
    assert paginator.count > COUNT_MAX
    assert paginator.num_pages <= PAGES_MAX


def test_filtered_list_says_more_than(many_studies: Callable[[int], None]) -> None:
    many_studies(COUNT_MAX + 500)
    assert pages(patient_id__startswith="M").count_text == "more than 1,000"
    assert pages(patient_id="M-7").count_text == "1"


@pytest.mark.parametrize(
    "text", ["1.2.3", "1.2.", "P-1", "A-1", "doe", "DOE", "Doe^Jane", " jane ", "Döe"]
)
def test_study_is_found_by(administrator: Client, held: Study, text: str) -> None:
    assert found(administrator, STUDIES, q=text) == ["1.2.3"]


@pytest.mark.parametrize("text", ["1.3.", "P-2", "do", "%", "_oe", "x" * 100])
def test_study_is_not_found_by(administrator: Client, held: Study, text: str) -> None:
    assert found(administrator, STUDIES, q=text) == []


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ({"modality": "CT"}, True),
        ({"modality": "MR"}, False),
        ({"state": "conflicting"}, True),
        ({"state": "settling"}, False),
        ({"days": "1"}, False),
        ({"days": "no number"}, True),
    ],
)
def test_studies_are_filtered(
    administrator: Client, held: Study, query: dict[str, str], is_found: bool
) -> None:
    assert ("1.2.3" in found(administrator, STUDIES, **query)) is is_found


@pytest.mark.parametrize("days", ["1", "7", "30"])
def test_receipts_are_filtered_by_the_time_in_their_id(
    administrator: Client, held: Study, days: str
) -> None:
    url = reverse("admin:ingestion_receipt_changelist")
    assert len(found(administrator, url, days=days)) == Receipt.objects.count()


def test_receipt_is_found_by_its_id(administrator: Client, held: Study) -> None:
    receipt = Receipt.objects.order_by("pk")[0]
    url = reverse("admin:ingestion_receipt_changelist")
    assert found(administrator, url, q=str(receipt.pk)) == [str(receipt)]


class SlowSpaces(LargeRecordAdmin[StorageSpace]):
    """A list whose filtered query takes longer than any operator waits."""

    milliseconds_max = 100

    def get_queryset(self, request: HttpRequest) -> Any:
        spaces = super().get_queryset(request)
        return spaces.extra(where=["pg_sleep(60) IS NULL"]) if request.GET else spaces


@pytest.mark.django_db
def test_list_that_takes_too_long_is_given_up(
    rf: Any, administrator: Client, space: StorageSpace
) -> None:
    request = administrator.get(STUDIES).wsgi_request
    slow = rf.get(STUDIES, {"p": "1"})
    for name in ("user", "session", "_messages"):
        setattr(slow, name, getattr(request, name))
    response = SlowSpaces(StorageSpace, admin.site).changelist_view(slow)
    assert response.status_code == 302
    assert response["Location"] == STUDIES
