"""Every screen opens with rows, in a fixed number of statements, and shows no secret."""

import re

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ingestion.models import (
    AccessToken,
    AssociationRecord,
    CommitmentRequest,
    Event,
    Instance,
    LocalApplicationEntity,
    PerformedProcedureStep,
    Receipt,
    RemoteApplicationEntity,
    RetiredObject,
    Series,
    StorageCommitment,
    StorageSpace,
    Study,
    StudyRevision,
    Workitem,
    WorklistSubscription,
)
from tests.integration.admin.conftest import LOCK, SECRET, TOKEN

# Statements of the list, statements of a page; both include session and user.
STATEMENTS: dict[type[Model], tuple[int, int]] = {
    Study: (6, 7),
    Series: (5, 5),
    Instance: (6, 8),
    Receipt: (6, 4),
    AssociationRecord: (6, 4),
    StudyRevision: (5, 4),
    Event: (5, 4),
    RetiredObject: (6, 4),
    StorageSpace: (5, 8),
    LocalApplicationEntity: (5, 4),
    RemoteApplicationEntity: (5, 5),
    AccessToken: (6, 5),
    Workitem: (6, 5),
    WorklistSubscription: (6, 4),
    PerformedProcedureStep: (6, 6),
    StorageCommitment: (6, 4),
    CommitmentRequest: (6, 4),
}
SCREENS = list(STATEMENTS)
BIG = (
    Study,
    Series,
    Instance,
    Receipt,
    StudyRevision,
    Event,
    RetiredObject,
    Workitem,
    AssociationRecord,
)


def address(model: type[Model], view: str, *arguments: object) -> str:
    return reverse(f"admin:ingestion_{model._meta.model_name}_{view}", args=arguments)


def open_page(browser: Client, url: str, **query: str) -> tuple[str, list[str]]:
    """The page and the SQL that it took."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        response = browser.get(url, query)
        assert response.status_code == 200, response
    text = response.content.decode()
    assert SECRET not in text
    assert TOKEN not in text
    assert LOCK not in text
    return text, [query["sql"] for query in captured.captured_queries]


def work(statements: list[str]) -> list[str]:
    """Without transactions' own statements, and content types, which are cached."""
    return [
        sql
        for sql in statements
        if not re.match(r"(RELEASE )?SAVEPOINT|BEGIN|COMMIT", sql)
        and 'FROM "django_content_type"' not in sql
    ]


def assert_counts_are_bounded(statements: list[str]) -> None:
    tables = [model._meta.db_table for model in BIG]
    for sql in statements:
        if "COUNT(" in sql.upper() and any(f'"{table}"' in sql for table in tables):
            assert "LIMIT" in sql, f"counts without a bound: {sql}"


@pytest.mark.parametrize("model", SCREENS)
def test_list_opens(administrator: Client, held: Study, model: type[Model]) -> None:
    row = model._default_manager.order_by("-pk").first()
    assert row is not None
    text, statements = open_page(administrator, address(model, "changelist"))
    assert address(model, "change", row.pk) in text
    assert_counts_are_bounded(statements)
    assert len(work(statements)) == STATEMENTS[model][0], "\n".join(work(statements))


@pytest.mark.parametrize("model", SCREENS)
def test_page_opens(administrator: Client, held: Study, model: type[Model]) -> None:
    row = model._default_manager.order_by("pk").first()
    assert row is not None
    text, statements = open_page(administrator, address(model, "change", row.pk))
    assert str(row) in text
    assert_counts_are_bounded(statements)
    assert len(work(statements)) == STATEMENTS[model][1], "\n".join(work(statements))


@pytest.mark.parametrize("model", BIG)
def test_records_can_be_neither_added_nor_edited_nor_deleted(
    administrator: Client, held: Study, model: type[Model]
) -> None:
    row = model._default_manager.order_by("pk").first()
    assert row is not None
    assert administrator.get(address(model, "add")).status_code == 403
    assert administrator.post(address(model, "change", row.pk), {}).status_code == 403
    assert administrator.get(address(model, "delete", row.pk)).status_code == 403


def test_storage_space_cannot_be_deleted(administrator: Client, held: Study) -> None:
    url = address(StorageSpace, "delete", held.storage_space_id)
    assert administrator.post(url, {"post": "yes"}).status_code == 403


def test_list_of_many_rows_takes_as_many_statements_as_one_of_few(
    administrator: Client, held: Study, many_studies: object
) -> None:
    assert callable(many_studies)
    few = open_page(administrator, address(Study, "changelist"))[1]
    many_studies(60)
    many = open_page(administrator, address(Study, "changelist"))[1]
    assert len(few) == len(many)


def test_study_page_leads_to_series_revisions_and_conflicts(
    administrator: Client, held: Study
) -> None:
    text, _ = open_page(administrator, address(Study, "change", held.pk))
    for model in (Series, StudyRevision):
        row = model._default_manager.filter(study=held).first()
        assert row is not None
        assert address(model, "change", row.pk) in text
    assert "Doe, Jane" in text
    assert "Roe^Jane" in text


def test_instance_page_shows_receipts_and_retired_versions(
    administrator: Client, held: Study
) -> None:
    instance = Instance.objects.get(sop_instance_uid="1.1")
    text, _ = open_page(administrator, address(Instance, "change", instance.pk))
    assert address(Receipt, "change", instance.receipt_id) in text
    retired = RetiredObject.objects.get(sop_instance_uid="1.1")
    assert address(RetiredObject, "change", retired.pk) in text


def test_every_screen_of_the_sidebar_exists(administrator: Client) -> None:
    text, _ = open_page(administrator, reverse("admin:index"))
    for model in SCREENS:
        assert address(model, "changelist") in text


def test_every_model_of_ours_has_a_screen_or_is_part_of_one() -> None:
    registered = {model for model in admin.site._registry if model._meta.app_label == "ingestion"}
    assert registered == set(SCREENS)


def test_screens_want_a_session(held: Study, client: Client) -> None:
    response = client.get(address(Study, "change", held.pk))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("admin:login"))
