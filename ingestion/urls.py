"""Every door of the web."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from ingestion import health

# What no view answers is answered in the terms of the path's service.
handler400 = "dicomweb.problems.not_understood"
handler404 = "dicomweb.problems.not_found"
handler500 = "dicomweb.problems.failed"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", health.metrics),
    path("", include("dicomweb.urls")),
]
