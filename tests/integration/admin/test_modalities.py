"""What modalities report and ask for, as operators see it."""

import pytest
from django.test import Client
from django.urls import reverse

from ingestion.admin.data_set_tree import ELEMENTS_MAX, ITEMS_MAX, data_set_tree
from ingestion.dicom.json_model import element
from ingestion.models import (
    CommitmentRequest,
    CommitmentState,
    PerformedProcedureStep,
    StorageCommitment,
    Study,
)
from tests.procedure_steps import begun, ended


def page(
    browser: Client, row: PerformedProcedureStep | StorageCommitment | CommitmentRequest
) -> str:
    name = f"admin:ingestion_{row._meta.model_name}_change"
    return browser.get(reverse(name, args=[row.pk])).content.decode()


def test_step_is_a_readable_tree_with_its_study(administrator: Client, held: Study) -> None:
    text = page(administrator, PerformedProcedureStep.objects.get())
    assert "(0040,0252) Performed Procedure Step Status" in text
    assert "DOE, JANE" in text
    assert "(0008,1155) Referenced SOP Instance UID" in text
    assert "Completed" in text
    assert "&#x27;Completed&#x27;" not in text  # of a tuple
    assert reverse("admin:ingestion_study_change", args=[held.pk]) in text
    assert "not yet" not in text  # both images are here


@pytest.mark.parametrize("query", ["1.2.826.0.1", "1.2.3", "P1"])
def test_step_is_found(administrator: Client, held: Study, query: str) -> None:
    url = reverse("admin:ingestion_performedprocedurestep_changelist")
    assert "PPS1" in administrator.get(url, {"q": query}).content.decode()
    assert "PPS1" not in administrator.get(url, {"q": f"{query}.9"}).content.decode()


def test_commitment_shows_what_is_not_committed(administrator: Client, held: Study) -> None:
    text = page(administrator, StorageCommitment.objects.get())
    assert "1 of 2" in text
    assert "&#x27;Reported&#x27;" not in text
    assert "No such object instance" in text


def test_commitment_that_we_asked_for_shows_what_the_peer_left_out(
    administrator: Client, held: Study
) -> None:
    text = page(administrator, CommitmentRequest.objects.get())
    assert "Processing failure" in text


def test_operator_has_a_commitment_reported_once_more(administrator: Client, held: Study) -> None:
    StorageCommitment.objects.update(state=CommitmentState.GIVEN_UP, next_attempt_at=None)
    commitment = StorageCommitment.objects.get()
    url = reverse("admin:ingestion_storagecommitment_changelist")
    chosen = {"action": "redrive", "_selected_action": [str(commitment.pk)]}
    text = administrator.post(url, chosen, follow=True).content.decode()
    assert "1 commitments are due again." in text
    again = StorageCommitment.objects.get()
    assert (again.state, again.judged_at) == ("pending", None)
    assert again.next_attempt_at is not None


def test_tree_escapes_and_cuts_what_is_long() -> None:
    assert "<b>" not in data_set_tree({"00400254": element("LO", "<b>")})
    many = {f"0009{number:04X}": element("LO", "x") for number in range(ELEMENTS_MAX + 7)}
    assert "7 more" in data_set_tree(many)
    step = begun() | ended(*(f"1.{number}" for number in range(ITEMS_MAX + 5)))
    assert "5 more items" in data_set_tree(step)
