"""The resources of the Studies Service: which transactions each one has.

Source: PS3.18 Tables 10.1-1, 10.4.1-1, 10.5.1-1, 10.6.1-1.
"""

from dicomweb.bulk_data import AllBulkDataTransaction, BulkDataTransaction
from dicomweb.delete import DeleteTransaction
from dicomweb.frames import FramesTransaction, PixelDataTransaction
from dicomweb.rendered import RenderedTransaction
from dicomweb.retrieve import RetrieveTransaction
from dicomweb.retrieve_metadata import RetrieveMetadataTransaction
from dicomweb.search import SearchTransaction
from dicomweb.store import StoreTransaction
from dicomweb.thumbnails import ThumbnailTransaction
from dicomweb.transactions import StudiesTransaction
from ingestion.dicom.attributes import Level


class ServiceRoot(StudiesTransaction):
    """The root of the services, which only describes itself (PS3.18 8.9.1.1)."""


class Studies(SearchTransaction, StoreTransaction):
    """All studies."""

    searched = Level.STUDY


class Study(RetrieveTransaction, StoreTransaction, DeleteTransaction):
    """One study."""

    all_bulk_data = AllBulkDataTransaction


class SeriesSearch(SearchTransaction):
    """All series, or those of a study."""

    searched = Level.SERIES


class InstanceSearch(SearchTransaction):
    """All instances, or those of a study or series."""

    searched = Level.IMAGE


class Files(RetrieveTransaction, DeleteTransaction):
    """One series or one instance."""

    all_bulk_data = AllBulkDataTransaction


class Metadata(RetrieveMetadataTransaction):
    """The metadata of a study, a series or an instance."""


class Frames(FramesTransaction):
    """Some frames of an instance."""


class PixelData(PixelDataTransaction):
    """The Pixel Data of a study, a series or an instance."""


class BulkData(BulkDataTransaction):
    """One value of an instance."""


class AllBulkData(AllBulkDataTransaction):
    """The bulk data of a study, a series or an instance."""


class Rendered(RenderedTransaction):
    """What a study, a series, an instance or some frames show."""


class Thumbnail(ThumbnailTransaction):
    """The small picture of a study, a series, an instance or some frames."""
