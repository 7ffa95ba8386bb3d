"""Serves the viewer at `/viewer/`: its files to anybody, its pages and its token to staff."""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotFound
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from whitenoise import WhiteNoise
from whitenoise.middleware import WhiteNoiseMiddleware

from dicomweb.viewer.configuration import configuration_script
from dicomweb.viewer.install import INDEX, PREFIX
from ingestion.use_cases.issue_viewer_token import issue_viewer_token

PERMISSION = "ingestion.view_study"
NOT_INSTALLED = (
    "The viewer is not installed here. `make demo` fetches it, and so does\n"
    "    python -m dicomweb.viewer.install {folder}\n"
)

# Embedding and being embedded by ourselves only, so that a page may share memory with its
# workers (HTML, cross-origin isolation). The opener's policy is Django's default.
_ISOLATION = {
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_NAMED_BY_CONTENT = r"[.\-/][0-9a-f]{16}\."


@require_safe
def viewer(request: HttpRequest, path: str = "") -> HttpResponseBase:
    """A file of the viewer; its one page for every path that names none."""
    folder: Path = settings.VIEWER_FOLDER
    if not (folder / INDEX).is_file():
        text = NOT_INSTALLED.format(folder=folder.name)
        return HttpResponseNotFound(text, content_type="text/plain; charset=utf-8")
    if path == "app-config.js":
        return _headed(_configuration(request), folder)
    file = None if path == INDEX else _files(folder).files.get(PREFIX + path)
    if file is not None:
        return _headed(WhiteNoiseMiddleware.serve(file, request), folder)
    if "." in path.rpartition("/")[2] and path != INDEX:
        return HttpResponseNotFound("no such file", content_type="text/plain; charset=utf-8")
    return _page(request, folder)


@cache_control(no_cache=True, private=True)
def _page(request: HttpRequest, folder: Path) -> HttpResponseBase:
    """The viewer's only page, once somebody signed in who may see studies."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path(), reverse("admin:login"))
    _permitted(request)
    return _headed(HttpResponse((folder / INDEX).read_bytes()), folder)


@cache_control(no_store=True, private=True)
def _configuration(request: HttpRequest) -> HttpResponse:
    user = _permitted(request)
    assert request.session.session_key is not None  # nobody is signed in without
    script = configuration_script(issue_viewer_token(user, request.session.session_key))
    return HttpResponse(script, content_type="text/javascript; charset=utf-8")


def _permitted(request: HttpRequest) -> User:
    """Who asks. Raises `PermissionDenied` unless they may see studies in the admin."""
    user = request.user
    if not (isinstance(user, User) and user.is_staff and user.has_perm(PERMISSION)):
        raise PermissionDenied("the viewer is for staff who may see studies")
    return user


@cache
def _files(folder: Path) -> WhiteNoise:
    """Every file by its path, looked up once; a newer viewer needs a new process."""
    return WhiteNoise(
        None,
        folder,
        PREFIX,
        allow_all_origins=False,
        immutable_file_test=_NAMED_BY_CONTENT,
    )


def _headed(response: HttpResponseBase, folder: Path) -> HttpResponseBase:
    """The answer, with what browsers need to know of it."""
    for name, value in _ISOLATION.items():
        response.headers[name] = value
    response.headers["Content-Security-Policy"] = _content_security_policy(folder)
    return response


@cache
def _content_security_policy(folder: Path) -> str:
    """The viewer's scripts and ours, our data, and nothing from elsewhere (CSP 3).

    Its decoders make functions of text and run WebAssembly, its workers are made of blobs, and
    its components style themselves: that is granted here, and to no other page.
    """
    scripts = _INLINE_SCRIPT.findall((folder / INDEX).read_bytes())
    hashes = [base64.b64encode(hashlib.sha256(script).digest()).decode() for script in scripts]
    inline = " ".join(f"'sha256-{value}'" for value in hashes)
    base = urlsplit(settings.ENVIRONMENT.public_base_url)
    public = f"{base.scheme}://{base.netloc}" if base.netloc else ""
    policy = {
        "default-src": "'none'",
        "script-src": f"'self' 'unsafe-eval' {inline}",
        "worker-src": "'self' blob:",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": f"'self' data: blob: {public}",
        "media-src": f"'self' blob: {public}",
        "font-src": "'self' data:",
        "connect-src": f"'self' data: blob: {public}",
        "object-src": f"'self' blob: {public}",
        "frame-src": f"'self' blob: {public}",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}".strip() for name, value in policy.items())
