"""What operators can change: spaces without seeing secrets, tokens shown once, retries."""

import json
import re
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from ingestion.models import AccessToken, Outcome, Receipt, StorageSpace, Study
from ingestion.models.access_token import token_digest
from tests.integration.admin.conftest import SECRET
from tests.receipts import make_receipt

SPACE = {
    "name": "Folder",
    "slug": "folder",
    "backend": "filesystem",
    "prefix": "",
    "duplicate_policy": "replace",
    "quiet_seconds": "30",
    "max_wait_seconds": "600",
    "retention_days": "30",
    "accepts_new_objects": "on",
}
RECEIPTS = reverse("admin:ingestion_receipt_changelist")


def save_space(browser: Client, *arguments: object, **fields: str) -> str:
    view = "change" if arguments else "add"
    url = reverse(f"admin:ingestion_storagespace_{view}", args=arguments)
    return browser.post(url, SPACE | fields, follow=True).content.decode()


def test_saving_a_space_tests_its_store(administrator: Client, tmp_path: Path) -> None:
    page = save_space(administrator, new_options=json.dumps({"root": str(tmp_path / "objects")}))
    assert "the store works" in page
    assert StorageSpace.objects.get().options == {"root": str(tmp_path / "objects")}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("{}", "No store can be made"),
        ("[]", "Give a JSON object"),
        ("root=/data", "This is not JSON"),
        (json.dumps({"root": "/data", "colour": "red"}), "No store can be made"),
    ],
)
def test_options_that_make_no_store_are_refused(
    administrator: Client, options: str, complaint: str
) -> None:
    assert complaint in save_space(administrator, new_options=options)
    assert not StorageSpace.objects.exists()


def test_two_spaces_never_share_a_place(administrator: Client, tmp_path: Path) -> None:
    """Each would remove what the other one needs."""
    here = json.dumps({"root": str(tmp_path / "objects")})
    again = json.dumps({"root": f"{tmp_path}/objects/"})
    save_space(administrator, new_options=here, prefix="a")
    other = {"name": "Other", "slug": "other"}
    page = save_space(administrator, new_options=again, prefix="a/", **other)
    assert "Folder keeps its objects in the same place" in page
    assert "the store works" in save_space(administrator, new_options=here, prefix="b", **other)
    first, second = StorageSpace.objects.order_by("pk")
    assert "same place" in save_space(administrator, second.pk, prefix="a", **other)
    assert "the store works" in save_space(administrator, first.pk, prefix="a")


def test_options_that_are_not_given_stay(administrator: Client, space: StorageSpace) -> None:
    fields = {"name": "Other", "slug": "main", "backend": "s3"}
    page = save_space(
        administrator, space.pk, new_options=json.dumps({"bucket": "other"}), **fields
    )
    assert SECRET not in page
    space.refresh_from_db()
    assert space.name == "Other"
    assert (space.options["bucket"], space.options["secret_key"]) == ("other", SECRET)


@pytest.mark.parametrize(
    "changes",
    [
        {"prefix": "elsewhere"},
        {"new_options": json.dumps({"bucket": "elsewhere"})},
        {
            "backend": "filesystem",
            "new_options": json.dumps(
                {"root": "/x", "bucket": None, "endpoint_url": None}
                | {"access_key": None, "secret_key": None}
            ),
        },
    ],
    ids=["prefix", "bucket", "backend"],
)
def test_space_that_holds_objects_stays_where_it_is(
    administrator: Client, space: StorageSpace, changes: dict[str, str]
) -> None:
    make_receipt(space)
    fields = {"slug": "main", "name": "Main", "backend": "s3"}
    before = (space.backend, space.prefix, space.options)
    assert "Objects rest here" in save_space(administrator, space.pk, **(fields | changes))
    space.refresh_from_db()
    assert (space.backend, space.prefix, space.options) == before


def test_space_that_holds_objects_may_get_other_keys(
    administrator: Client, space: StorageSpace
) -> None:
    make_receipt(space)
    options = json.dumps({"secret_key": "another", "endpoint_url": "http://127.0.0.1:10"})
    save_space(administrator, space.pk, slug="main", backend="s3", new_options=options)
    space.refresh_from_db()
    assert space.options["secret_key"] == "another"


def test_option_is_removed_by_null(administrator: Client, space: StorageSpace) -> None:
    fields = {"slug": "main", "backend": "s3"}
    save_space(
        administrator,
        space.pk,
        new_options=json.dumps({"access_key": None, "secret_key": None}),
        **fields,
    )
    space.refresh_from_db()
    assert sorted(space.options) == ["bucket", "endpoint_url"]


def test_store_that_does_not_answer_is_reported_without_its_secret(
    administrator: Client, space: StorageSpace
) -> None:
    url = reverse("admin:ingestion_storagespace_changelist")
    choice = {"action": "test_store", "_selected_action": [space.pk]}
    page = administrator.post(url, choice, follow=True).content.decode()
    assert "object-store-unavailable" in page
    assert SECRET not in page


def test_token_is_shown_once(administrator: Client, space: StorageSpace) -> None:
    url = reverse("admin:ingestion_accesstoken_add")
    fields = {"name": "viewer", "may_read": "on", "is_enabled": "on", "spaces": [space.pk]}
    page = administrator.post(url, fields, follow=True).content.decode()
    shown = re.search(r"ing_[\w-]{43}", page)
    assert shown is not None
    token = AccessToken.objects.get()
    assert bytes(token.digest) == token_digest(shown[0])
    assert list(token.spaces.all()) == [space]
    again = administrator.get(reverse("admin:ingestion_accesstoken_change", args=[token.pk]))
    assert "ing_" not in again.content.decode()


def test_changing_a_token_keeps_it_valid(administrator: Client, held: Study) -> None:
    token = AccessToken.objects.get()
    digest = bytes(token.digest)
    url = reverse("admin:ingestion_accesstoken_change", args=[token.pk])
    administrator.post(url, {"name": "renamed", "may_read": "on"})
    token.refresh_from_db()
    assert (token.name, bytes(token.digest)) == ("renamed", digest)


def test_retry_makes_failed_and_quarantined_receipts_due(
    administrator: Client, held: Study
) -> None:
    chosen = [str(pk) for pk in Receipt.objects.values_list("pk", flat=True)]
    administrator.post(RECEIPTS, {"action": "retry", "_selected_action": chosen})
    assert Receipt.objects.filter(outcome=Outcome.PENDING).count() == 2
    assert not Receipt.objects.filter(outcome__in=(Outcome.FAILED, Outcome.QUARANTINED)).exists()
    assert Receipt.objects.filter(outcome=Outcome.REGISTERED).count() == 3


def test_retry_wants_the_permission_to_change_receipts(client: Client, held: Study) -> None:
    viewer = get_user_model().objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_receipt"))
    client.force_login(viewer, backend="django.contrib.auth.backends.ModelBackend")
    failed = Receipt.objects.get(outcome=Outcome.FAILED)
    client.post(RECEIPTS, {"action": "retry", "_selected_action": [str(failed.pk)]})
    failed.refresh_from_db()
    assert failed.outcome == Outcome.FAILED


def test_sidebar_shows_only_what_the_user_may_see(client: Client, held: Study) -> None:
    viewer = get_user_model().objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_study"))
    client.force_login(viewer, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(reverse("admin:index")).content.decode()
    assert reverse("admin:ingestion_study_changelist") in page
    assert RECEIPTS not in page
