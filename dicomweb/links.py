"""Addresses of resources, as clients can reach them. Source: PS3.18 10.1."""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest

_DEFAULT_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class Links:
    """`root` is the URL of the DICOMweb root over all spaces."""

    root: str

    def study(self, space_slug: str, study_instance_uid: str) -> str:
        """Every object has one address, below its own space; '' is for what several hold."""
        root = f"{self.root}/spaces/{space_slug}" if space_slug else self.root
        return f"{root}/studies/{study_instance_uid}"

    def series(self, space_slug: str, study_instance_uid: str, series_instance_uid: str) -> str:
        return f"{self.study(space_slug, study_instance_uid)}/series/{series_instance_uid}"

    def instance(
        self,
        space_slug: str,
        study_instance_uid: str,
        *,
        series_instance_uid: str,
        sop_instance_uid: str,
    ) -> str:
        series = self.series(space_slug, study_instance_uid, series_instance_uid)
        return f"{series}/instances/{sop_instance_uid}"

    def workitem(self, space_slug: str, sop_instance_uid: str) -> str:
        return f"{self.root}/spaces/{space_slug}/workitems/{sop_instance_uid}"


def links_of(request: HttpRequest) -> Links:
    """Links below the configured public URL, else below the address that was asked."""
    base = settings.ENVIRONMENT.public_base_url or _asked_address(request)
    return Links(base.rstrip("/") + "/dicomweb")


def asked_resource(request: HttpRequest) -> str:
    """The address of the resource that is asked for, as clients reach it, without its query."""
    return f"{links_of(request).root.removesuffix('/dicomweb')}{request.path_info}"


def _asked_address(request: HttpRequest) -> str:
    """Scheme and host; the port is added for clients that leave it out of Host."""
    host, scheme = request.get_host(), request.scheme or "http"
    port = request.META.get("SERVER_PORT", "")
    has_port = host.rpartition("]")[2].count(":") > 0
    if has_port or settings.ENVIRONMENT.trust_forwarded_headers:
        return f"{scheme}://{host}"
    is_usual = not port or port == _DEFAULT_PORTS.get(scheme)
    return f"{scheme}://{host}" if is_usual else f"{scheme}://{host}:{port}"
