"""Paths of the DICOMweb roots: one per storage space, one over all, and the original's names.

Source: PS3.18 9.2, 10.1, 11.1.1; the original serves `/stow-rs` and `/wado-rs`.
"""

from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from dicomweb import resources, worklist, worklist_subscriptions
from dicomweb.viewer.views import viewer
from dicomweb.wado_uri import UriTransaction

_STUDY = "studies/<str:study_instance_uid>"
_SERIES = f"{_STUDY}/series/<str:series_instance_uid>"
_INSTANCE = f"{_SERIES}/instances/<str:sop_instance_uid>"
_FRAMES = f"{_INSTANCE}/frames/<str:frame_list>"

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
    path(_FRAMES, resources.Frames.as_view()),
    path(f"{_INSTANCE}/bulkdata/<path:tag_path>", resources.BulkData.as_view()),
    *(
        path(f"{entity}/{name}", view.as_view())
        for entity in (_STUDY, _SERIES, _INSTANCE)
        for name, view in (("bulkdata", resources.AllBulkData), ("pixeldata", resources.PixelData))
    ),
    *(
        path(f"{shown}/{name}", view.as_view())
        for shown in (_STUDY, _SERIES, _INSTANCE, _FRAMES)
        for name, view in (("rendered", resources.Rendered), ("thumbnail", resources.Thumbnail))
    ),
]

_WORKITEM = "workitems/<str:workitem_uid>"
_SUBSCRIBER = f"{_WORKITEM}/subscribers/<str:ae_title>"

worklist_service = [
    path("workitems", worklist.Worklist.as_view()),
    path(_WORKITEM, worklist.WorkitemResource.as_view()),
    path(f"{_WORKITEM}/state", worklist.WorkitemState.as_view()),
    path(f"{_WORKITEM}/cancelrequest", worklist.CancelRequest.as_view()),
    path(_SUBSCRIBER, worklist_subscriptions.WorkitemSubscriber.as_view()),
    *(
        path(
            f"workitems/{uid}/subscribers/<str:ae_title>/suspend",
            worklist_subscriptions.SuspendedSubscriber.as_view(),
        )
        for uid in worklist_subscriptions.WORKLIST_UIDS
    ),
]
_uri_service = path("wado", UriTransaction.as_view())
services = [*studies_service, *worklist_service, _uri_service]

_root = resources.ServiceRoot.as_view()

urlpatterns = [
    path("dicomweb/spaces/<slug:space_slug>", _root),
    path("dicomweb", _root),
    path("stow-rs", _root),
    path("wado-rs", _root),
    path("dicomweb/spaces/<slug:space_slug>/", include(services)),
    path("dicomweb/", include(services)),
    path("stow-rs/", include(services)),
    path("wado-rs/", include(services)),
    _uri_service,
    path("viewer", RedirectView.as_view(pattern_name="viewer", query_string=True)),
    path("viewer/", viewer, name="viewer"),
    path("viewer/<path:path>", viewer),
    path("api/schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/docs", SpectacularSwaggerView.as_view(url_name="api-schema"), name="api-docs"),
]
