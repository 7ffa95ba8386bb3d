"""The delete transaction: DELETE of a study, a series or an instance.

PS3.18 defines none for the Studies Service; paths and statuses are those of the archives that
have it: 204 when it is gone, 404 when nothing is held there.
"""

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request

from dicomweb.transactions import StudiesTransaction
from ingestion.use_cases.delete_entities import delete_entities


class DeleteTransaction(StudiesTransaction):
    """DELETE of what the path names; the token must permit it."""

    @extend_schema(
        responses={
            204: OpenApiResponse(description="Gone from searches and retrieval."),
            404: OpenApiResponse(description="Nothing is held there."),
            409: OpenApiResponse(description="Several storage spaces hold it: name one."),
        },
        description="Delete: not of the Standard, as other archives have it.",
    )
    def delete(self, _request: Request, **_path: str) -> HttpResponse:
        """An empty answer when the deletion is committed."""
        address = self.address()
        delete_entities(address, principal=self.principal.name)
        return HttpResponse(status=204)
