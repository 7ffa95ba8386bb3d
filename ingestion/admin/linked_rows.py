"""Related rows on a page: small tables and links, read-only and bounded."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Model
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

ROWS_MAX = 100


def change_link(model: type[Model], pk: object, text: object) -> SafeString:
    """A link to the page of one row."""
    return format_html('<a class="text-link" href="{}">{}</a>', _address(model, "change", pk), text)


def list_link(model: type[Model], text: object, **lookups: object) -> SafeString:
    """A link to the list of the rows that these lookups select; `q` is the search box."""
    query = urlencode(lookups)
    return format_html(
        '<a class="text-link" href="{}?{}">{}</a>', _address(model, "changelist"), query, text
    )


@dataclass(frozen=True, slots=True)
class RowsTable:
    """A titled table of at most `rows_max` rows; when there are others, `more` leads to them.

    Give one row more than `rows_max` at most: it only tells that there are others.
    """

    title: str
    headers: Sequence[str]
    all_rows: Sequence[Sequence[object]]
    more: SafeString | None = None
    rows_max: int = ROWS_MAX

    @property
    def rows(self) -> Sequence[Sequence[object]]:
        """The rows that are shown."""
        return self.all_rows[: self.rows_max]

    @property
    def has_more(self) -> bool:
        """Whether rows are left out."""
        return len(self.all_rows) > self.rows_max

    def render(self) -> SafeString:
        """The table as HTML, without its title."""
        return render_to_string("ingestion/rows_table.html", {"table": self})


def _address(model: type[Model], view: str, *arguments: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}", args=arguments)
