"""Every resource of every root asks who comes and what the token permits, for every method.

The table is made from the routes themselves, so that a new one without permission fails.
"""

import json
import re
from functools import cache

import pytest
from django.test import Client

from tests.integration.dicomweb.routes import ALL, DICOMWEB
from tests.integration.dicomweb.web_client import WebClient, make_token

pytestmark = pytest.mark.django_db

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE")
# The pages of people have sign-ons of their own; these tell nothing of patients.
OPEN = {"", "health/live", "health/ready", "api/schema", "api/docs", "viewer", "viewer/"}
SIGNED_ON = re.compile(r"admin/.*|viewer/.+|metrics")

VALUES = {"slug": "main", "str": "1.2", "path": "7FE00010"}

# PS3.18 10.1 and 11.1: what changes a workitem stores, deleting a subscription too.
STORING, DELETING = {"POST", "PUT"}, {"DELETE"}


def path_of(route: str) -> str:
    return "/" + re.sub(r"<(\w+):\w+>", lambda found: VALUES[found[1]], route)


@cache
def methods_of(route: str) -> set[str]:
    """What the resource itself says that it has."""
    return set(Client().options(path_of(route))["Allow"].split(", ")) - {"OPTIONS"}


def scope_needed(route: str, method: str) -> str:
    if method in STORING or (method in DELETING and "/workitems/" in route):
        return "may_store"
    return "may_delete" if method in DELETING else "may_read"


def test_the_table_is_of_all_routes() -> None:
    assert len(DICOMWEB) > 100
    others = {route for route in ALL if route not in DICOMWEB and not SIGNED_ON.fullmatch(route)}
    assert others == OPEN, "a new route: is it for everybody, or does it ask for a token?"


def test_without_a_token_every_method_is_refused() -> None:
    for route in DICOMWEB:
        for method in methods_of(route) | {"PATCH"}:
            response = Client().generic(method, path_of(route))
            assert response.status_code == 401, (method, route)
            assert response["WWW-Authenticate"].startswith("Bearer")


def test_options_needs_no_token() -> None:
    for route in DICOMWEB:
        assert Client().options(path_of(route)).status_code in (200, 204), route


@pytest.mark.usefixtures("space")
@pytest.mark.parametrize("scope", ["may_read", "may_store", "may_delete"])
def test_without_the_scope_every_method_is_refused(scope: str) -> None:
    fields = {"may_read": True, "may_store": True, "may_delete": True, scope: False}
    web = WebClient(make_token(all_spaces=True, **fields))
    for route in DICOMWEB:
        for method in methods_of(route):
            response = web.get(path_of(route), method=method)
            is_refused = scope_needed(route, method) == scope
            assert (response.status_code == 403) == is_refused, (method, route)
            assert response.status_code < 500, (method, route)
            if is_refused and method != "HEAD":
                assert json.loads(response.content)["code"] == "not-permitted"


@pytest.mark.usefixtures("space")
def test_methods_that_a_resource_lacks_are_405() -> None:
    web = WebClient(make_token(all_spaces=True, may_read=True, may_store=True, may_delete=True))
    for route in DICOMWEB:
        for method in set(METHODS) - methods_of(route):
            assert web.get(path_of(route), method=method).status_code == 405, (method, route)


@pytest.mark.usefixtures("space")
def test_a_token_without_spaces_sees_none() -> None:
    web = WebClient(make_token(may_read=True, may_store=True, may_delete=True))
    for route in DICOMWEB:
        for method in methods_of(route):
            response = web.get(path_of(route), method=method)
            if response.status_code == 200 and method != "HEAD":
                assert response.content == b"[]", (method, route)
            assert response.status_code in (200, 400, 404, 415), (method, route)
