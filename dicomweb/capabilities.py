"""The Retrieve Capabilities transaction: which resources there are, what they take and give.

It is made from the API's own description, which the views make, so that they cannot differ.
Source: PS3.18 8.9, Annex H; Web Application Description Language, W3C Submission of 2009-08-31.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any
from xml.etree import ElementTree as ET

import orjson
from django.http import HttpRequest, HttpResponse
from drf_spectacular.generators import SchemaGenerator

from dicomweb.links import links_of
from dicomweb.media_types import parse_accept
from dicomweb.negotiation import Representation, choose

NAMESPACE = "http://wadl.dev.java.net/2009/02"
WADL = Representation("application/vnd.sun.wadl+xml", also_known_as="application/xml")
JSON = Representation("application/json")
_NAMES = {WADL.content_type, WADL.also_known_as, JSON.content_type}

# Of the service over all spaces, which the other roots repeat.
_DESCRIBED = "/dicomweb/"
_LEFT_OUT = "/dicomweb/spaces/"
_SPACE = "<slug:space_slug>"
_ROOTS = (f"dicomweb/spaces/{_SPACE}", "dicomweb", "stow-rs", "wado-rs")  # else none: "/wado"
_VARIABLE = re.compile(r"<\w+:(\w+)>")

Operations = Mapping[str, Mapping[str, Any]]  # by method, as OpenAPI has them


def capabilities(request: HttpRequest, *, allowed: Iterable[str]) -> HttpResponse:
    """What the resource and those below it can do.

    The root of a service describes itself (PS3.18 8.9.1.1). Another resource does so when Accept
    names a type of description, else it tells only its methods. Raises `NotAcceptable`.
    """
    root, resource = _split(request)
    accept = request.META.get("HTTP_ACCEPT", "")
    is_asked = any(item.media_type.name in _NAMES for item in parse_accept(accept))
    if resource and not is_asked:
        response = HttpResponse(status=204)
    else:
        chosen = choose(accept, request.GET.get("accept", ""), (WADL, JSON)).representation
        application = _application(_address(request, root), resource)
        response = HttpResponse(
            _as_json(application) if chosen is JSON else _as_xml(application),
            content_type=chosen.content_type,
        )
        response.headers["Vary"] = "Accept"
        response.headers["Cache-Control"] = "public, max-age=3600"  # says nothing of patients
    response.headers["Allow"] = ", ".join(allowed)
    return response


def _split(request: HttpRequest) -> tuple[str, str]:
    """The root asked, and the template of the resource below it, '' for the root itself."""
    assert request.resolver_match is not None
    route = request.resolver_match.route
    root = next((root for root in _ROOTS if f"{route}/".startswith(f"{root}/")), "")
    return root, _VARIABLE.sub(r"{\1}", route.removeprefix(root).strip("/"))


def _address(request: HttpRequest, root: str) -> str:
    """Where the root is, as clients reach it."""
    assert request.resolver_match is not None
    slug = request.resolver_match.kwargs.get("space_slug", "")
    address = f"{links_of(request).root.removesuffix('dicomweb')}{root.replace(_SPACE, slug)}"
    return address.rstrip("/")


@cache
def _described() -> dict[str, Operations]:
    """Operations by the template of their resource."""
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]  # type: ignore[no-untyped-call]  # the generator has no types
    return {
        path.removeprefix(_DESCRIBED): operations
        for path, operations in paths.items()
        if path.startswith(_DESCRIBED) and not path.startswith(_LEFT_OUT)
    }


def _application(base: str, resource: str) -> ET.Element:
    """The description of a resource and of all below it."""
    application = ET.Element("application")
    top = ET.SubElement(application, "resources", base=base)
    elements = {"": top}
    for path, operations in sorted(_described().items()):
        if not resource or f"{path}/".startswith(f"{resource}/"):
            element = _resource(elements, path)
            for name in ("get", "post", "put", "delete"):
                if name in operations:
                    _add_method(element, name, operations[name])
    return application


def _resource(elements: dict[str, ET.Element], path: str) -> ET.Element:
    """The element of a path inside those of the paths above it."""
    if path not in elements:
        above, _, segment = path.rpartition("/")
        element = ET.SubElement(_resource(elements, above), "resource", path=segment)
        if segment.startswith("{"):
            _add_param(element, segment.strip("{}"), style="template", required="true")
        elements[path] = element
    return elements[path]


def _add_method(resource: ET.Element, name: str, operation: Mapping[str, Any]) -> None:
    method = ET.SubElement(resource, "method", name=name.upper(), id=operation["operationId"])
    ET.SubElement(method, "doc").text = operation.get("description", "")
    answers = operation["responses"]
    request = ET.SubElement(method, "request")
    given = {
        media_type
        for status, answer in answers.items()
        if status.startswith("2")
        for media_type in answer.get("content", {})
    }
    if given:
        accept = _add_param(request, "Accept", style="header")
        for media_type in sorted(given):
            ET.SubElement(accept, "option", value=media_type)
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query":
            _add_param(request, parameter["name"], style="query")
    for media_type in operation.get("requestBody", {}).get("content", {}):
        ET.SubElement(request, "representation", mediaType=media_type)
    for status, answer in sorted(answers.items()):
        response = ET.SubElement(method, "response", status=status)
        for media_type in answer.get("content", {}):
            ET.SubElement(response, "representation", mediaType=media_type)


def _add_param(element: ET.Element, name: str, **fields: str) -> ET.Element:
    return ET.SubElement(element, "param", {"name": name, **fields})


def _as_xml(application: ET.Element) -> bytes:
    application.set("xmlns", NAMESPACE)
    document: bytes = ET.tostring(application, encoding="utf-8", xml_declaration=True)
    return document


def _as_json(application: ET.Element) -> bytes:
    """The same tree: attributes and text as strings, elements as lists by their name."""
    return orjson.dumps({application.tag: _object(application)})


def _object(element: ET.Element) -> dict[str, Any]:
    members: dict[str, Any] = dict(element.attrib)
    if element.text:
        members["text"] = element.text
    for child in element:
        members.setdefault(child.tag, []).append(_object(child))
    return members
