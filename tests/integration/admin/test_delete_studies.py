"""Studies are deleted from their list: after a question, and by whoever may."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from ingestion.models import Event, EventType, Study

pytestmark = pytest.mark.django_db

LIST = "admin:ingestion_study_changelist"


def act(client: Client, study: Study, **fields: str) -> Any:
    chosen = {"action": "delete_studies", "_selected_action": [str(study.pk)]}
    return client.post(reverse(LIST), chosen | fields, follow=True)


def test_it_asks_before_it_deletes(administrator: Client, held: Study) -> None:
    page = act(administrator, held).content.decode()
    assert held.study_instance_uid in page
    assert "Doe, Jane" in page
    assert "3 instances" in page
    held.refresh_from_db()
    assert held.deleted_at is None


def test_once_confirmed_the_study_is_gone_and_told(administrator: Client, held: Study) -> None:
    page = act(administrator, held, confirmed="yes").content.decode()
    assert "3 instances are deleted." in page
    held.refresh_from_db()
    assert held.deleted_at is not None
    assert Event.objects.filter(type=EventType.DICOM_DELETED).count() == 1
    assert "0 instances are deleted." in act(administrator, held, confirmed="yes").content.decode()


def test_whoever_may_only_look_cannot_delete(held: Study) -> None:
    user = get_user_model().objects.create_user("looker", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_study"))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    assert "delete_studies" not in client.get(reverse(LIST)).content.decode()
    act(client, held, confirmed="yes")
    held.refresh_from_db()
    assert held.deleted_at is None
