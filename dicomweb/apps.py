"""The Django application that speaks DICOMweb."""

from django.apps import AppConfig


class DicomwebConfig(AppConfig):
    """PS3.18 Studies Service; it has no tables of its own."""

    name = "dicomweb"
    verbose_name = "DICOMweb"

    def ready(self) -> None:
        """Register the description of our tokens; REST framework must be loaded first."""
        from dicomweb import api_description  # noqa: F401  # registers itself
