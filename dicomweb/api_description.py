"""What the API's description says of things that it cannot see by itself.

Source: OpenAPI 3.0.3, Security Scheme Object.
"""

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """How the description names our tokens."""

    target_class = "dicomweb.authentication.BearerTokenAuthentication"
    name = "bearer"

    def get_security_definition(self, _auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}
