"""OPTIONS: what a service and its resources can do, told to anybody."""

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db

WADL = "application/vnd.sun.wadl+xml"
NS = {"w": "http://wadl.dev.java.net/2009/02"}


def options(path: str, accept: str = "") -> Any:
    return Client().options(path, headers={"Accept": accept} if accept else {})


def resources(element: ET.Element, above: str = "") -> dict[str, set[str]]:
    """Methods by the template of the resource, of all below the element."""
    found: dict[str, set[str]] = {}
    for resource in element.findall("w:resource", NS):
        path = f"{above}/{resource.get('path')}"
        found[path] = {method.get("name", "") for method in resource.findall("w:method", NS)}
        found |= resources(resource, path)
    return found


def described(path: str) -> tuple[str, dict[str, set[str]]]:
    """The base, and the resources of a WADL answer."""
    response = options(path, WADL)
    assert response.status_code == 200, response.content
    root = ET.fromstring(response.content)
    (top,) = root.findall("w:resources", NS)
    return top.get("base", ""), resources(top)


@pytest.mark.parametrize(
    "path", ["/dicomweb", "/dicomweb/", "/dicomweb/spaces/main", "/stow-rs", "/wado-rs"]
)
@pytest.mark.parametrize("accept", ["", "*/*", WADL, "application/xml"])
def test_root_of_a_service_describes_itself(path: str, accept: str) -> None:
    response = options(path, accept)
    assert response.status_code == 200
    assert response["Content-Type"] == WADL
    assert response["Allow"] == "OPTIONS"
    base, found = described(path)
    assert base == f"http://testserver{path.rstrip('/')}"
    study = "/studies/{study_instance_uid}"
    assert found["/studies"] == {"GET", "POST"}
    assert found[study] == {"GET", "POST", "DELETE"}
    instance = f"{study}/series/{{series_instance_uid}}/instances/{{sop_instance_uid}}"
    assert found[instance] == {"GET", "DELETE"}
    assert found[f"{instance}/metadata"] == {"GET"}


def test_every_route_is_described_once() -> None:
    schema = json.loads(Client().get("/api/schema", headers={"Accept": "application/json"}).content)
    in_schema = {
        path.removeprefix("/dicomweb"): {method.upper() for method in operations}
        for path, operations in schema["paths"].items()
        if path.startswith("/dicomweb/") and not path.startswith("/dicomweb/spaces/")
    }
    _, found = described("/dicomweb")
    assert {path: methods for path, methods in found.items() if methods} == in_schema


def test_methods_tell_media_types_and_parameters() -> None:
    root = ET.fromstring(options("/dicomweb", WADL).content)
    (search,) = [
        method for method in root.iter(f"{{{NS['w']}}}method")
        if method.get("id") == "get_dicomweb_studies"
    ]  # fmt: skip
    params = {param.get("name"): param for param in search.findall("w:request/w:param", NS)}
    assert {"Accept", "limit", "offset", "includefield"} <= set(params)
    accepted = {option.get("value") for option in params["Accept"].findall("w:option", NS)}
    assert "application/dicom+json" in accepted
    assert search.find("w:response[@status='200']/w:representation", NS) is not None


def test_json_has_the_same_tree() -> None:
    response = options("/dicomweb", "application/json")
    assert response["Content-Type"] == "application/json"
    (top,) = json.loads(response.content)["application"]["resources"]
    assert top["base"] == "http://testserver/dicomweb"
    (studies,) = [item for item in top["resource"] if item["path"] == "studies"]
    assert {method["name"] for method in studies["method"]} == {"GET", "POST"}


def test_resource_describes_itself_and_what_is_below_when_asked() -> None:
    base, found = described("/dicomweb/spaces/main/studies/1.2/series/1.3")
    assert base == "http://testserver/dicomweb/spaces/main"
    series = "/studies/{study_instance_uid}/series/{series_instance_uid}"
    assert found[series] == {"GET", "DELETE"}
    assert f"{series}/metadata" in found
    assert all(path.startswith(series) for path, methods in found.items() if methods)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/dicomweb/studies", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("/dicomweb/studies/1.2", {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}),
        ("/wado-rs/studies/1.2/series/1.3", {"GET", "HEAD", "DELETE", "OPTIONS"}),
        ("/dicomweb/studies/1.2/metadata", {"GET", "HEAD", "OPTIONS"}),
    ],
)
@pytest.mark.parametrize("accept", ["", "*/*", "text/html"])
def test_otherwise_a_resource_tells_its_methods_only(
    path: str, methods: set[str], accept: str
) -> None:
    response = options(path, accept)
    assert (response.status_code, response.content) == (204, b"")
    assert set(response["Allow"].split(", ")) == methods


def test_what_cannot_be_made_is_406_and_what_is_not_there_404() -> None:
    assert options("/dicomweb", "text/html").status_code == 406
    assert options("/dicomweb/no-such-resource", WADL).status_code == 404


def test_root_has_nothing_to_get() -> None:
    assert Client().get("/dicomweb").status_code == 401
