"""What the API's description says of things that it cannot see by itself.

Source: OpenAPI 3.0.3, Security Scheme Object.
"""

import re

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

ALIASES = ("/stow-rs/", "/wado-rs/", "/wado")
Endpoint = tuple[str, str, str, object]  # path, its regular expression, method, view


class OperationSchema(AutoSchema):
    """Names each operation after its method and path: several of them share a view."""

    def get_operation_id(self) -> str:
        return "_".join([self.method.lower(), *re.findall(r"\w+", self.path)])


def without_aliases(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Leave out the original's names for what is described already."""
    return [endpoint for endpoint in endpoints if not endpoint[0].startswith(ALIASES)]


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """How the description names our tokens."""

    target_class = "dicomweb.authentication.BearerTokenAuthentication"
    name = "bearer"

    def get_security_definition(self, _auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}
