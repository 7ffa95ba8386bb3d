"""Pages of tables with millions of rows, without counting them.

PostgreSQL counts by reading every row. So the count stops at a bound; past it, the number of
an unfiltered table is the planner's estimate, and of a filtered one "more than".
"""

from functools import cached_property

from django.core.paginator import Paginator
from django.db import connections
from django.db.models import Model, QuerySet

COUNT_MAX = 1000
PAGES_MAX = 200  # reachable by number; OFFSET reads what it skips


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # of whatever the list shows
    """Counts at most `COUNT_MAX` rows; `count_text` says what is known of the rest."""

    template_name = "ingestion/bounded_pagination.html"

    @cached_property
    def count(self) -> int:
        """Rows, exactly up to `COUNT_MAX`; above, the estimate or `COUNT_MAX + 1`."""
        return self._counted if self._is_exact else max(self._estimate, self._counted)

    @cached_property
    def num_pages(self) -> int:
        """Pages that can be opened by number."""
        return min(-(-max(self.count, 1) // self.per_page), PAGES_MAX)

    @property
    def count_text(self) -> str:
        """What to tell people of the number of rows."""
        if self._is_exact:
            return f"{self.count:,}"
        return f"about {self.count:,}" if self._estimate else f"more than {COUNT_MAX:,}"

    @cached_property
    def _counted(self) -> int:
        return self._rows.order_by()[: COUNT_MAX + 1].count()

    @property
    def _is_exact(self) -> bool:
        return self._counted <= COUNT_MAX

    @property
    def _rows(self) -> "QuerySet[Model]":
        assert isinstance(self.object_list, QuerySet)
        return self.object_list

    @cached_property
    def _estimate(self) -> int:
        """The planner's number of rows of the whole table; 0 for a filtered list."""
        if self._rows.query.where:
            return 0
        connection = connections[self._rows.db]
        table = connection.ops.quote_name(self._rows.model._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [table]
            )
            return int(cursor.fetchone()[0])
