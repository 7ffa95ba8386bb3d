"""The viewer's files are for anybody, its pages and its token for staff who may see studies."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings as Settings
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ingestion.models import AccessToken, StorageSpace, Study
from ingestion.models.access_token import token_digest
from ingestion.use_cases.issue_viewer_token import (
    issue_viewer_token,
    remove_expired_viewer_tokens,
)
from tests.builders import build_ct
from tests.integration.dicomweb.paths import study_path
from tests.integration.dicomweb.web_client import WebClient, content, make_token

INDEX = b"<html><script>window.PUBLIC_URL='/viewer/'</script><script src='/viewer/app.js'></script>"


@pytest.fixture
def installed(tmp_path: Path, settings: Settings) -> Path:
    """A viewer of three files."""
    folder = tmp_path / "viewer"
    folder.mkdir()
    (folder / "index.html").write_bytes(INDEX)
    (folder / "app.bundle.0123456789abcdef.js").write_text("start();")
    (folder / "0123456789abcdef.wasm").write_bytes(b"\0asm")
    settings.VIEWER_FOLDER = folder
    return folder


@pytest.fixture
def radiographer(db: None) -> User:
    """Staff who may see studies."""
    user = User.objects.create_user("radiographer", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_study"))
    return user


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def token_of(client: Client) -> str:
    """The token that the viewer is given."""
    response = client.get("/viewer/app-config.js")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/javascript")
    found = re.search(r'"token": "([^"]+)"', response.content.decode())
    assert found is not None
    return found[1]


def test_without_a_viewer_there_is_a_word_on_how_to_get_one(
    settings: Settings, tmp_path: Path, radiographer: User
) -> None:
    settings.VIEWER_FOLDER = tmp_path / "none"
    response = signed_in(radiographer).get("/viewer/")
    assert response.status_code == 404
    assert b"make demo" in response.content


@pytest.mark.parametrize("path", ["/viewer/", "/viewer/viewer?StudyInstanceUIDs=1.2.3"])
def test_pages_are_one_and_want_a_session(installed: Path, radiographer: User, path: str) -> None:
    refused = Client().get(path)
    assert refused.status_code == 302
    assert refused.headers["Location"].startswith("/admin/login/?next=/viewer/")
    response = signed_in(radiographer).get(path)
    assert response.status_code == 200
    assert response.content == INDEX


def test_files_have_their_types_and_need_no_session(installed: Path) -> None:
    script = Client().get("/viewer/app.bundle.0123456789abcdef.js")
    assert script.status_code == 200
    assert content(script) == b"start();"
    assert script.headers["Content-Type"].startswith("text/javascript")
    assert "immutable" in script.headers["Cache-Control"]
    module = Client().get("/viewer/0123456789abcdef.wasm")
    assert content(module) == b"\0asm"
    assert module.headers["Content-Type"] == "application/wasm"
    assert Client().get("/viewer/missing.js").status_code == 404
    assert Client().get("/viewer/../manage.py").status_code == 404
    assert Client().post("/viewer/").status_code == 405


def test_the_page_shares_memory_with_its_workers_and_asks_only_us(
    installed: Path, radiographer: User
) -> None:
    headers = signed_in(radiographer).get("/viewer/").headers
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    policy = dict(
        directive.split(" ", 1) for directive in headers["Content-Security-Policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert "'unsafe-inline'" not in policy["script-src"]
    assert "'sha256-" in policy["script-src"]
    assert policy["connect-src"].split() == ["'self'", "data:", "blob:"]
    assert "Content-Security-Policy" not in Client().get("/admin/login/").headers


@pytest.mark.parametrize("kind", ["nobody", "no staff", "no permission"])
def test_the_token_is_for_staff_who_may_see_studies(
    installed: Path, radiographer: User, kind: str
) -> None:
    if kind == "no staff":
        radiographer.is_staff = False
        radiographer.save()
    if kind == "no permission":
        radiographer.user_permissions.clear()
    client = Client() if kind == "nobody" else signed_in(radiographer)
    response = client.get("/viewer/app-config.js")
    assert response.status_code == 403
    assert b"ing_" not in response.content
    assert not AccessToken.objects.exists()


def test_films_and_documents_are_fetched_as_elements_of_a_page_send_no_token(
    installed: Path, radiographer: User
) -> None:
    script = signed_in(radiographer).get("/viewer/app-config.js").content.decode()
    assert '"singlepart": "bulkdata"' in script


def test_the_token_reads_and_does_no_more(
    installed: Path, radiographer: User, space: StorageSpace
) -> None:
    dataset = build_ct()
    WebClient(make_token(may_store=True, all_spaces=True)).store(dataset)
    viewer = WebClient(token_of(signed_in(radiographer)))
    assert len(viewer.json("/dicomweb/studies")) == 1
    assert viewer.post(b"").status_code == 403
    study = study_path(dataset)
    assert viewer.get(study, method="DELETE").status_code in (403, 405)


def test_the_script_that_holds_the_token_is_kept_nowhere_and_lent_to_no_other_page(
    installed: Path, radiographer: User
) -> None:
    headers = signed_in(radiographer).get("/viewer/app-config.js").headers
    assert "no-store" in headers["Cache-Control"]
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_session_has_one_token_and_another_session_another(
    installed: Path, radiographer: User
) -> None:
    client = signed_in(radiographer)
    first, again, other = token_of(client), token_of(client), token_of(signed_in(radiographer))
    assert first == again != other
    names = AccessToken.objects.values_list("name", flat=True)
    assert len(names) == 2
    assert all(name.startswith("viewer of radiographer, ") for name in names)


def test_the_token_ends_with_the_right_to_sign_in(radiographer: User, space: StorageSpace) -> None:
    token = issue_viewer_token(radiographer, "a-session")
    radiographer.is_active = False
    radiographer.save()
    assert WebClient(token).get("/dicomweb/studies").status_code == 401


def test_a_token_that_was_disabled_stays_so(radiographer: User, space: StorageSpace) -> None:
    token = issue_viewer_token(radiographer, "a-session")
    AccessToken.objects.update(is_enabled=False)
    assert issue_viewer_token(radiographer, "a-session") == token
    assert WebClient(token).get("/dicomweb/studies").status_code == 401


def test_expired_tokens_of_viewers_are_removed_and_no_others(radiographer: User) -> None:
    expired = timezone.now() - timedelta(seconds=1)
    gone = issue_viewer_token(radiographer, "a-session")
    AccessToken.objects.update(expires_at=expired)
    kept = [issue_viewer_token(radiographer, "another"), make_token(expires_at=expired)]
    assert remove_expired_viewer_tokens() == 1
    left = {bytes(digest) for digest in AccessToken.objects.values_list("digest", flat=True)}
    assert left == {token_digest(token) for token in kept}
    assert token_digest(gone) not in left


def test_the_study_page_leads_to_the_viewer_where_there_is_one(
    installed: Path, radiographer: User, space: StorageSpace
) -> None:
    study = Study.objects.create(storage_space=space, study_instance_uid="1.2.3")
    page = reverse("admin:ingestion_study_change", args=[study.pk])
    link = "/viewer/viewer?StudyInstanceUIDs=1.2.3"
    assert link in signed_in(radiographer).get(page).content.decode()
    (installed / "index.html").unlink()
    assert link not in signed_in(radiographer).get(page).content.decode()
