"""Screens of tables that grow with every object received: no count, no scan, no wait.

Lists are ordered by primary key, searches use indexes only, and a list that still takes too
long is given up with a word to the operator instead of keeping the database busy.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.views.main import ChangeList
from django.db import OperationalError, connection, transaction
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from ingestion.admin.bounded_count import BoundedPaginator
from ingestion.admin.linked_rows import RowsTable
from ingestion.admin.unfold_admin import ModelAdmin, ReadOnly

LIST_MILLISECONDS_MAX = 5000
QUERY_CANCELED = "57014"  # SQLSTATE, PostgreSQL appendix A

UID_PREFIX = re.compile(r"[0-9]+(\.[0-9]*)+")
UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
ANY_TEXT = re.compile(r".{1,64}")

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class SearchTerm:
    """One way to find rows by the text of the search box; `lookup` must have an index."""

    lookup: str
    applies_to: re.Pattern[str] = ANY_TEXT
    prepare: Callable[[str], object] = str


def is_list(request: HttpRequest) -> bool:
    """Whether a list is asked for, which does without columns that hold much."""
    match = request.resolver_match
    return match is not None and str(match.url_name).endswith("_changelist")


class _UncountedList(ChangeList):
    """A list that does not offer to compare with the number of all rows."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count


class LargeTableAdmin(ModelAdmin[M]):
    """A screen whose cost does not grow with its table."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    ordering: ClassVar[Any] = ("-pk",)
    sortable_by: ClassVar[Any] = ()
    list_per_page = 50
    list_max_show_all = 50
    list_disable_select_all = True
    list_filter_submit = False
    list_fullwidth = True
    search_terms: ClassVar[tuple[SearchTerm, ...]] = ()
    milliseconds_max: ClassVar[int] = LIST_MILLISECONDS_MAX

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        """The list without totals."""
        return _UncountedList

    def get_search_fields(self, request: HttpRequest) -> list[str]:  # noqa: ARG002
        """The lookups of `search_terms`; the search box shows when there are any."""
        return [term.lookup for term in self.search_terms]

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: "QuerySet[M]",
        search_term: str,
    ) -> tuple["QuerySet[M]", bool]:
        """Rows that any fitting term finds for the whole text; none if no term fits."""
        text = search_term.strip()
        if not text:
            return queryset, False
        found = Q()
        for term in self.search_terms:
            if term.applies_to.fullmatch(text):
                found |= Q((term.lookup, term.prepare(text)))
        return (queryset.filter(found) if found else queryset.none()), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, or the unfiltered list with a warning if this one takes too long."""
        if request.method != "GET":
            return super().changelist_view(request, extra_context)
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {self.milliseconds_max}")
                return super().changelist_view(request, extra_context)
        except OperationalError as error:
            if not request.GET or getattr(error.__cause__, "pgcode", None) != QUERY_CANCELED:
                raise
        messages.warning(request, "That list took too long. Search for a UID or narrow it down.")
        return HttpResponseRedirect(request.path)


class LargeRecordAdmin(ReadOnly, LargeTableAdmin[M]):
    """A large table whose rows nobody edits: everything is shown, nothing is offered."""

    change_form_outer_after_template = "ingestion/related_tables.html"

    def tables(self, record: M) -> Sequence[RowsTable]:  # noqa: ARG002
        """Tables of related rows under the record's own fields."""
        return ()

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The page of a record: with its tables, without a history of edits."""
        context |= {"tables": self.tables(kwargs["obj"]), "show_history": False}
        return super().render_change_form(request, context, *args, **kwargs)
