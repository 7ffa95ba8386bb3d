"""What is asked of the manifest, and what comes back. Source: PS3.4 C.4.1, PS3.18 10.6."""

from dataclasses import dataclass
from enum import Enum

from ingestion.dicom.attributes import IndexedAttribute, Level
from ingestion.dicom.document_matching import DocumentKey
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.matching import Match


@dataclass(frozen=True, slots=True)
class Scope:
    """The storage spaces that may be seen. None but these are."""

    space_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Include:
    """What to return beside the columns: these tags (8 hexadecimal digits), or everything."""

    tags: frozenset[str] = frozenset()
    everything: bool = False


@dataclass(frozen=True, slots=True)
class HeaderLimits:
    """How many stored headers one search may read, and for how long."""

    headers_max: int
    seconds_max: float


class AcrossSpaces(Enum):
    """How an entity that several spaces of the scope hold is told."""

    MERGED = "once"
    EACH = "once per space"


@dataclass(frozen=True, slots=True)
class Query:
    """One question. `shown` are the levels whose attributes are returned.

    `document_keys` are matched against stored headers, as far as `header_limits` let.
    """

    level: Level
    scope: Scope
    matches: tuple[tuple[IndexedAttribute, Match], ...]
    include: Include
    shown: tuple[Level, ...]
    header_limits: HeaderLimits
    limit: int
    offset: int = 0
    document_keys: tuple[DocumentKey, ...] = ()
    across_spaces: AcrossSpaces = AcrossSpaces.MERGED

    @property
    def is_merged(self) -> bool:
        """Whether one entity may be in several rows."""
        return self.across_spaces is AcrossSpaces.MERGED and len(self.scope.space_ids) > 1


@dataclass(frozen=True, slots=True)
class Found:
    """One entity that matches, and the spaces that hold it; UIDs below its level are ''."""

    space_slugs: tuple[str, ...]
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    data_set: JsonDataSet


@dataclass(frozen=True, slots=True)
class Page:
    """Results in a total, stable order, and whether there are more behind them.

    `total` counts all that match; it is None where counting would take long. `was_cut` says that
    the search ended before all headers were read.
    """

    results: tuple[Found, ...]
    has_more: bool
    total: int | None = None
    was_cut: bool = False
