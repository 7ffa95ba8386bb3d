"""A new installation gets what it needs, once, and keeps what operators change."""

from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command

from ingestion.models import AccessToken, LocalApplicationEntity, StorageSpace
from ingestion.models.access_token import token_digest
from ingestion.use_cases.bootstrap import bootstrap
from ingestion.use_cases.storage_spaces import open_space_store

pytestmark = pytest.mark.django_db

PASSWORD = "a password of the tests"
TOKEN = "ing_a-token-of-the-tests"


def test_everything_is_made(tmp_path: Path) -> None:
    made = bootstrap(tmp_path / "objects", admin_password=PASSWORD, token=TOKEN)
    assert len(made) == 4
    assert not any(PASSWORD in line or TOKEN in line for line in made)
    space = StorageSpace.objects.get()
    assert (space.slug, space.quiet_seconds, space.max_wait_seconds) == ("default", 30, 600)
    open_space_store(space).check()
    entity = LocalApplicationEntity.objects.get()
    assert (entity.ae_title, entity.storage_space, entity.is_enabled) == ("INGEST", space, True)
    admin = get_user_model().objects.get(username="admin")
    assert admin.check_password(PASSWORD)
    assert admin.is_superuser
    token = AccessToken.objects.get(name="default")
    assert bytes(token.digest) == token_digest(TOKEN)
    assert (token.may_read, token.may_store, token.may_delete) == (True, True, True)
    assert token.all_spaces


def test_repeat_makes_nothing(tmp_path: Path) -> None:
    bootstrap(tmp_path, admin_password=PASSWORD, token=TOKEN)
    assert bootstrap(tmp_path, admin_password=PASSWORD, token=TOKEN) == []


def test_what_operators_changed_stays(tmp_path: Path) -> None:
    bootstrap(tmp_path, admin_password=PASSWORD, token=TOKEN)
    StorageSpace.objects.update(slug="archive")
    LocalApplicationEntity.objects.update(ae_title="ARCHIVE")
    admin = get_user_model().objects.get()
    admin.set_password("theirs")
    admin.save()
    AccessToken.objects.update(may_delete=False)
    assert bootstrap(tmp_path, admin_password=PASSWORD, token=TOKEN) == []
    assert get_user_model().objects.get().check_password("theirs")
    assert not AccessToken.objects.get().may_delete


def test_token_follows_the_environment(tmp_path: Path) -> None:
    bootstrap(tmp_path, admin_password=None, token=TOKEN)
    bootstrap(tmp_path, admin_password=None, token=TOKEN + "2")
    assert bytes(AccessToken.objects.get().digest) == token_digest(TOKEN + "2")


def test_without_secrets_there_is_no_user_and_no_token(tmp_path: Path) -> None:
    bootstrap(tmp_path, admin_password=None, token=None)
    assert not get_user_model().objects.exists()
    assert not AccessToken.objects.exists()


def test_command_tells_what_it_made(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("bootstrap")
    assert "storage space default" in capsys.readouterr().out
    call_command("bootstrap")
    assert "nothing to do" in capsys.readouterr().out
