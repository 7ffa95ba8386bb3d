"""What the API's description says of things that it cannot see by itself.

Source: OpenAPI 3.0.3, Security Scheme Object and Responses Object; PS3.18 8.5 (status codes).
"""

import re
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent

ALIASES = ("/stow-rs/", "/wado-rs/", "/wado")
Endpoint = tuple[str, str, str, object]  # path, its regular expression, method, view

# What any operation may answer beside what its view says.
PROBLEMS = {
    "400": "The request cannot be understood.",
    "401": "A valid bearer token is required.",
    "403": "The token does not permit this.",
    "404": "There is no such resource, or none that the token may see.",
    "406": "Nothing that Accept names can be made.",
    "503": "It cannot be done now; Retry-After tells when to try again.",
}
BODY_PROBLEMS = {
    "408": "The client was silent for too long while its body was read.",
    "409": "What is sent or addressed is in conflict with what is held.",
    "413": "A limit was exceeded; the answer names it.",
    "415": "The body is of a media type that is not taken.",
}
PROBLEM = {
    "type": "object",
    "description": "Why a request was refused.",
    "properties": {
        "code": {"type": "string", "description": "For programs; it never changes."},
        "detail": {"type": "string", "description": "For people."},
    },
    "required": ["code", "detail"],
}
# PS3.18 8.3.3.1, 8.7.5
ACCEPT = {
    "in": "query",
    "name": "accept",
    "schema": {"type": "string"},
    "description": "Media types, in place of the header Accept.",
}


class OperationSchema(AutoSchema):
    """Describes an operation: a name of its own, for several share a view; how it refuses."""

    def get_operation_id(self) -> str:
        return "_".join([self.method.lower(), *re.findall(r"\w+", self.path)])

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation: Any = super().get_operation(*args, **kwargs)
        if operation is not None and "security" in operation:
            self._add_problems(operation)
            if self.method == "GET":
                operation.setdefault("parameters", []).append(ACCEPT)
        return operation

    def _add_problems(self, operation: dict[str, Any]) -> None:
        """The problems, beside what the view itself says of the same statuses."""
        component = ResolvedComponent("Problem", ResolvedComponent.SCHEMA, PROBLEM, "Problem")  # type: ignore[no-untyped-call]  # it has no types
        self.registry.register_on_missing(component)
        problem = {"application/json": {"schema": component.ref}}
        has_body = "requestBody" in operation
        for status, description in (PROBLEMS | (BODY_PROBLEMS if has_body else {})).items():
            answer = operation["responses"].setdefault(status, {"description": description})
            answer["content"] = problem | answer.get("content", {})


def without_aliases(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Leave out the original's names for what is described already."""
    return [endpoint for endpoint in endpoints if not endpoint[0].startswith(ALIASES)]


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """How the description names our tokens."""

    target_class = "dicomweb.authentication.BearerTokenAuthentication"
    name = "bearer"

    def get_security_definition(self, _auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}
