"""The action that deletes chosen studies: it asks first, then calls the use case for each."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from ingestion.admin.display_values import person_name_text
from ingestion.errors import NotFound
from ingestion.models import Study
from ingestion.use_cases.delete_entities import delete_entities
from ingestion.use_cases.retrieve_instances import Address
from ingestion.use_cases.search_manifest import Scope

PERMISSION = "ingestion.delete_study"


@admin.action(description="Delete the studies", permissions=["deletion"])
def delete_studies(
    model_admin: Any, request: HttpRequest, queryset: "QuerySet[Study]"
) -> TemplateResponse | None:
    """A page that asks; once it is confirmed, None: the list is shown again with what was done."""
    studies = list(queryset.filter(deleted_at__isnull=True).select_related("storage_space"))
    if not studies or "confirmed" in request.POST:
        _delete(request, studies)
        return None
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Delete studies",
        "opts": model_admin.opts,
        "studies": [(study, person_name_text(study.patient_name)) for study in studies],
        "instances": sum(study.number_of_instances for study in studies),
        "checkbox_name": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "ingestion/delete_studies.html", context)


def may_delete_studies(request: HttpRequest) -> bool:
    """Whether the user may delete what is held."""
    return request.user.has_perm(PERMISSION)


def _delete(request: HttpRequest, studies: list[Study]) -> None:
    """Each in a transaction of its own; what somebody else deleted meanwhile is passed over."""
    instances = 0
    for study in studies:
        address = Address(Scope((study.storage_space_id,)), study.study_instance_uid)
        try:
            instances += delete_entities(address, principal=request.user.get_username()).instances
        except NotFound:
            continue
    messages.success(request, f"{instances:,} instances are deleted.")
