"""The log of associations on the screen: found, filtered, explained, linked to its receipts."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ingestion.models import AssociationRecord, Receipt, SenderKind, StorageSpace
from tests.association_records import make_record
from tests.receipts import make_receipt

LIST = reverse("admin:ingestion_associationrecord_changelist")
RECEIPTS = reverse("admin:ingestion_receipt_changelist")


def found(browser: Client, url: str = LIST, **query: str | int) -> list[object]:
    response = browser.get(url, query)
    assert response.status_code == 200
    return [row.pk for row in response.context["cl"].result_list]


def page(browser: Client, record: AssociationRecord) -> str:
    url = reverse("admin:ingestion_associationrecord_change", args=[record.pk])
    return browser.get(url).content.decode()


def context(sop_class_uid: str, result: int, transfer_syntax_uid: str = "") -> dict[str, object]:
    return {
        "sop_class_uid": sop_class_uid,
        "transfer_syntax_uid": transfer_syntax_uid,
        "result": result,
    }


def test_list_tells_what_happened(administrator: Client) -> None:
    make_record(
        operations={"C-STORE": 1200, "C-ECHO": 1},
        instances_received=1199,
        instances_refused=1,
        bytes_received=2 * 1024 * 1024,
    )
    make_record(outcome="refused", called_ae_title="NOBODY", reason="no such title", repeats=9979)
    text = administrator.get(LIST).content.decode().replace("\xa0", " ")
    for shown in (
        "MODALITY → INGEST",
        "1 × C-ECHO, 1,200 × C-STORE",
        "1,199 received, 1 refused",
        "2.0 MB",
        "2.0 s",
        "MODALITY → NOBODY",
        "no such title; 9,979 more associations like it",
    ):
        assert shown in text, shown


def test_record_is_found_by_title_and_by_id(administrator: Client) -> None:
    one = make_record(calling_ae_title="CT 1", association_id="a" * 32)
    two = make_record(called_ae_title="PACS", association_id="b" * 32)
    assert found(administrator, q="CT 1") == [one.pk]
    assert found(administrator, q="PACS") == [two.pk]
    assert found(administrator, q="b" * 32) == [two.pk]
    assert found(administrator, q="CT") == []


def test_records_are_filtered(administrator: Client) -> None:
    released = make_record()
    refused = make_record(outcome="refused", direction="requested")
    old = make_record(ended_at=timezone.now() - timedelta(days=20))
    assert found(administrator, outcome="refused") == [refused.pk]
    assert found(administrator, outcome="released") == [old.pk, released.pk]
    assert found(administrator, outcome="nonsense") == [old.pk, refused.pk, released.pk]
    assert found(administrator, direction__exact="requested") == [refused.pk]
    assert found(administrator, days="7") == [refused.pk, released.pk]


def test_page_names_contexts_and_says_why_they_were_refused(administrator: Client) -> None:
    contexts = [
        context("1.2.840.10008.5.1.4.1.1.2", 0, "1.2.840.10008.1.2"),
        context("1.2.840.10008.5.1.4.1.1.2", 0, "1.2.840.10008.1.2.1"),
        context("1.2.3.4", 3),
        context("1.2.840.10008.5.1.4.1.1.4", 4),
        context("1.2.840.10008.1.1", 99),
    ]
    text = page(administrator, make_record(contexts=contexts))
    for shown in (
        "CT Image Storage (1.2.840.10008.5.1.4.1.1.2)",
        "Implicit VR Little Endian (1.2.840.10008.1.2), Explicit VR Little Endian",
        "1.2.3.4",
        "SOP Class not supported",
        "none of the transfer syntaxes supported",
        "99",
    ):
        assert shown in text, shown


def test_page_shows_as_many_contexts_as_there_can_be(administrator: Client) -> None:
    contexts = [context(f"1.2.3.{number}", number % 4) for number in range(128)]
    text = page(administrator, make_record(contexts=contexts))
    assert all(f'<td class="px-3 py-2">1.2.3.{number}</td>' in text for number in range(128))
    assert text.index("SOP Class not supported") < text.index("accepted")
    assert "Only the first" not in text


@pytest.mark.django_db
def test_page_leads_to_the_receipts_of_the_association(
    administrator: Client, space: StorageSpace
) -> None:
    mine = make_receipt(space, sop="1.1", conversation_id="a" * 32, sender_kind=SenderKind.DIMSE)
    make_receipt(space, sop="1.2", conversation_id="b" * 32)
    record = make_record(association_id="a" * 32, instances_received=1)
    assert f"{RECEIPTS}?association={record.pk}" in page(administrator, record)
    assert found(administrator, RECEIPTS, association=record.pk) == [mine]
    assert found(administrator, RECEIPTS, association="0") == []
    assert found(administrator, RECEIPTS, association="x") == []
    receipt = Receipt.objects.get(pk=mine)
    url = reverse("admin:ingestion_receipt_change", args=[receipt.pk])
    assert f"{LIST}?q={'a' * 32}" in administrator.get(url).content.decode()


def test_page_of_an_association_without_instances_leads_to_no_receipts(
    administrator: Client,
) -> None:
    assert "association=" not in page(administrator, make_record(outcome="refused"))
