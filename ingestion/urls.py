"""Every door of the web."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from ingestion import health

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", health.metrics),
    path("", include("dicomweb.urls")),
]
