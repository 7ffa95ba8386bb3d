"""Who may ask what, from where, and what errors look like."""

import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import Client, RequestFactory, override_settings
from django.utils import timezone

from dicomweb.cross_origin import CrossOriginMiddleware
from dicomweb.problems import failed
from ingestion.models import AccessToken, StorageSpace
from tests.builders import build_ct, part10_bytes
from tests.integration.dicomweb.web_client import WebClient, make_token, multipart

pytestmark = pytest.mark.django_db

EVERY_KIND = ["/dicomweb/studies", "/dicomweb/studies/1.2", "/dicomweb/studies/1.2/metadata"]


@pytest.mark.parametrize("path", EVERY_KIND)
@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer wrong", "Basic YTpi"])
def test_without_a_valid_token_nothing_is_told(path: str, authorization: str) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    response = Client().get(path, headers=headers)
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert json.loads(response.content)["code"] == "not-authenticated"


@pytest.mark.parametrize(
    "fields",
    [{"is_enabled": False}, {"expires_at": timezone.now()}],
    ids=["disabled", "expired"],
)
def test_tokens_that_ended_open_nothing(fields: dict[str, object]) -> None:
    assert WebClient(make_token(**fields)).get("/dicomweb/studies").status_code == 401


def test_reading_and_storing_are_permitted_apart(space: StorageSpace) -> None:
    body = multipart(part10_bytes(build_ct()))
    reader = WebClient(make_token(may_read=True, all_spaces=True))
    assert reader.get("/dicomweb/studies").status_code == 200
    assert reader.post(body).status_code == 403
    writer = WebClient(make_token(may_read=False, may_store=True, all_spaces=True))
    assert writer.get("/dicomweb/studies").status_code == 403
    assert writer.post(body).status_code == 200


def test_an_unknown_space_and_another_ones_look_the_same(
    space: StorageSpace, other_space: StorageSpace
) -> None:
    web = WebClient(make_token(may_store=True, spaces=[space]))
    answers = [web.get(f"/dicomweb/spaces/{slug}/studies") for slug in ("other", "no-such-space")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    for slug in ("other", "no-such-space"):
        path = f"/dicomweb/spaces/{slug}/studies"
        assert web.post(multipart(part10_bytes(build_ct())), path=path).status_code == 404


def test_a_token_is_looked_up_once_in_a_while(space: StorageSpace) -> None:
    web = WebClient(make_token(all_spaces=True))
    assert web.get("/dicomweb/studies").status_code == 200
    AccessToken.objects.all().delete()
    assert web.get("/dicomweb/studies").status_code == 200


@pytest.mark.parametrize("path", [*EVERY_KIND, "/stow-rs/studies", "/wado-rs/studies/1.2"])
def test_a_preflight_needs_no_token(path: str) -> None:
    asked = {"Origin": "https://viewer.example", "Access-Control-Request-Method": "DELETE"}
    response = Client().options(path, headers=asked)
    assert (response.status_code, response.content) == (204, b"")
    assert "Content-Type" not in response
    assert response["Access-Control-Allow-Origin"] == "*"
    allowed = response["Access-Control-Allow-Methods"]
    assert {"GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"} <= set(allowed.split(", "))
    headers = set(response["Access-Control-Allow-Headers"].split(", "))
    assert {"Authorization", "Accept", "Content-Type", "Range", "If-None-Match"} <= headers
    assert {"X-Requested-With", "If-Match", "If-Modified-Since", "If-Range"} <= headers
    assert response["Access-Control-Max-Age"] == "86400"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/dicomweb/studies", 200),
        ("/dicomweb/studies/1.2", 404),
        ("/dicomweb/no-such-resource", 404),
        ("/dicomweb/studies?limit=none", 400),
    ],
)
def test_every_answer_may_be_read_by_other_origins(web: WebClient, path: str, status: int) -> None:
    response = web.get(path)
    assert response.status_code == status
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
    exposed = set(response["Access-Control-Expose-Headers"].split(", "))
    assert {"Content-Type", "Content-Length", "Content-Range", "ETag", "Location", "Warning",
            "Content-Location", "Retry-After", "X-Request-ID", "Link", "X-Total-Count",
            "Accept-Ranges", "Content-Disposition"} <= exposed  # fmt: skip


def test_refusals_may_be_read_by_other_origins_too() -> None:
    assert Client().get("/dicomweb/studies")["Access-Control-Allow-Origin"] == "*"
    foreign = Client().get("/dicomweb/studies", headers={"Host": "elsewhere.example"})
    assert foreign.status_code == 400
    assert foreign["Access-Control-Allow-Origin"] == "*"


def test_a_fault_of_ours_may_be_read_by_other_origins_too() -> None:
    def fail(_: HttpRequest) -> HttpResponse:
        raise ZeroDivisionError

    inside = cast(Callable[[HttpRequest], HttpResponseBase], convert_exception_to_response(fail))
    response = CrossOriginMiddleware(inside)(RequestFactory().get("/dicomweb/studies"))
    assert response.status_code == 500
    assert response["Access-Control-Allow-Origin"] == "*"


@override_settings(
    ENVIRONMENT=settings.ENVIRONMENT.model_copy(
        update={"credentialed_origins": "https://viewer.example, https://other.example"}
    )
)
def test_only_named_origins_may_ask_with_credentials() -> None:
    def ask(origin: str) -> Any:
        return Client().get("/dicomweb/studies", headers={"Origin": origin})

    named = ask("https://viewer.example")
    assert named["Access-Control-Allow-Origin"] == "https://viewer.example"
    assert named["Access-Control-Allow-Credentials"] == "true"
    unnamed = ask("https://evil.example")
    assert unnamed["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in unnamed
    for response in (named, unnamed):
        assert "Origin" in response["Vary"]


def test_other_paths_are_left_alone() -> None:
    assert "Access-Control-Allow-Origin" not in Client().get("/health/live")


def test_a_method_that_a_resource_lacks_is_405(web: WebClient) -> None:
    response = web.get("/dicomweb/studies", method="PUT")
    assert response.status_code in (403, 405)
    assert set(json.loads(response.content)) == {"code", "detail"}


@pytest.mark.parametrize(
    ("path", "host", "status", "code"),
    [
        ("/dicomweb/no-such-resource", "localhost", 404, "not-found"),
        ("/wado-rs/spaces", "localhost", 404, "not-found"),
        ("/dicomweb/studies", "elsewhere.example", 400, "invalid-request"),
    ],
)
def test_what_no_resource_answers_is_a_problem_too(
    web: WebClient, path: str, host: str, status: int, code: str
) -> None:
    response = web.get(path, headers={"Host": host})
    assert (response.status_code, response["Content-Type"]) == (status, "application/json")
    assert json.loads(response.content)["code"] == code


def test_pages_of_people_that_are_not_there_are_pages() -> None:
    assert Client().get("/no-such-page")["Content-Type"].startswith("text/html")


def test_a_fault_that_nobody_foresaw_is_a_problem_without_its_reason() -> None:
    response = failed(RequestFactory().get("/dicomweb/studies"))
    assert response.status_code == 500
    assert json.loads(getattr(response, "content", b""))["code"] == "error"
    assert failed(RequestFactory().get("/admin/"))["Content-Type"].startswith("text/html")


def test_answers_about_patients_are_for_no_shared_cache(web: WebClient) -> None:
    assert "private" in web.get("/dicomweb/studies")["Cache-Control"]


def test_the_api_describes_itself() -> None:
    schema = Client().get("/api/schema", headers={"Accept": "application/json"})
    assert schema.status_code == 200
    description = json.loads(schema.content)
    assert "/dicomweb/spaces/{space_slug}/studies" in description["paths"]
    assert description["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    page = Client().get("/api/docs")
    assert page.status_code == 200
    assert b"https://" not in page.content, "no foreign hosts"
