"""Paths of the DICOMweb roots: one per storage space, one over all, and the original's names.

Source: PS3.18 10.1; the original serves `/stow-rs` and `/wado-rs`.
"""

from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from dicomweb import resources
from dicomweb.viewer.views import viewer

_STUDY = "studies/<str:study_instance_uid>"
_SERIES = f"{_STUDY}/series/<str:series_instance_uid>"
_INSTANCE = f"{_SERIES}/instances/<str:sop_instance_uid>"

studies_service = [
    path("studies", resources.Studies.as_view()),
    path("series", resources.SeriesSearch.as_view()),
    path("instances", resources.InstanceSearch.as_view()),
    path(_STUDY, resources.Study.as_view()),
    path(f"{_STUDY}/metadata", resources.Metadata.as_view()),
    path(f"{_STUDY}/series", resources.SeriesSearch.as_view()),
    path(f"{_STUDY}/instances", resources.InstanceSearch.as_view()),
    path(_SERIES, resources.Files.as_view()),
    path(f"{_SERIES}/metadata", resources.Metadata.as_view()),
    path(f"{_SERIES}/instances", resources.InstanceSearch.as_view()),
    path(_INSTANCE, resources.Files.as_view()),
    path(f"{_INSTANCE}/metadata", resources.Metadata.as_view()),
]

_root = resources.ServiceRoot.as_view()

urlpatterns = [
    path("dicomweb/spaces/<slug:space_slug>", _root),
    path("dicomweb", _root),
    path("stow-rs", _root),
    path("wado-rs", _root),
    path("dicomweb/spaces/<slug:space_slug>/", include(studies_service)),
    path("dicomweb/", include(studies_service)),
    path("stow-rs/", include(studies_service)),
    path("wado-rs/", include(studies_service)),
    path("viewer", RedirectView.as_view(pattern_name="viewer", query_string=True)),
    path("viewer/", viewer, name="viewer"),
    path("viewer/<path:path>", viewer),
    path("api/schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/docs", SpectacularSwaggerView.as_view(url_name="api-schema"), name="api-docs"),
]
