"""Django's settings, all derived from `environment.py`."""

import base64
import hashlib
from urllib.parse import parse_qsl, unquote, urlsplit

from ingestion.database import libpq_options
from ingestion.environment import environment, listed
from ingestion.observability import configure_logging

ENVIRONMENT = environment()
LIMITS = ENVIRONMENT.limits

SECRET_KEY = ENVIRONMENT.secret_key.get_secret_value()
DEBUG = ENVIRONMENT.dangerous_debug
ALLOWED_HOSTS = listed(ENVIRONMENT.allowed_hosts)
CSRF_TRUSTED_ORIGINS = listed(ENVIRONMENT.csrf_trusted_origins)
ROOT_URLCONF = "ingestion.urls"
WSGI_APPLICATION = "ingestion.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en-us"
FORMAT_MODULE_PATH = "ingestion.admin.formats"
APPEND_SLASH = False

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "axes",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "ingestion",
    "bindings",
    "dicomweb",
]

MIDDLEWARE = [
    "ingestion.observability.RequestLogMiddleware",
    "ingestion.health.ProbeMiddleware",
    "dicomweb.cross_origin.CrossOriginMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


def database_settings(url: str) -> dict[str, object]:
    """Django's entry for a URL; its parameters go to libpq, as in `?sslmode=verify-full`."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query))
    ours = libpq_options(ENVIRONMENT.database_statement_seconds_max)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": unquote(parts.hostname or ""),
        "PORT": parts.port or 5432,
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "CONN_MAX_AGE": ENVIRONMENT.database_connection_seconds_max,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "application_name": "imaging-ingestion",
            **ours,
            **given,
            "options": f"{ours['options']} {given.get('options', '')}".rstrip(),  # the last wins
        },
    }


DATABASES = {"default": database_settings(ENVIRONMENT.database_url.get_secret_value())}

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_VERBOSE = False
LOGIN_URL = "admin:login"

STATIC_URL = "static/"
STATIC_ROOT = ENVIRONMENT.state_folder / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
# `python -m dicomweb.viewer.install` fetches it; without it there is no viewer.
VIEWER_FOLDER = ENVIRONMENT.state_folder / "viewer"

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENVIRONMENT.https_only
SECURE_SSL_REDIRECT = ENVIRONMENT.https_only
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]  # probes come from inside, without TLS
SECURE_HSTS_SECONDS = 31_536_000 if ENVIRONMENT.https_only else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = ENVIRONMENT.https_only
if ENVIRONMENT.trust_forwarded_headers:
    USE_X_FORWARDED_HOST = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Secrets at rest (subscriptions' keys and tokens) are encrypted with a key of their own.
SECRETS_KEY = base64.urlsafe_b64encode(
    hashlib.blake2b(SECRET_KEY.encode(), person=b"secrets-at-rest", digest_size=32).digest()
)

# The port through which rows that became due tell a worker; `ingestion/wakeups.py`.
WAKE_UPS = "workers.wake_ups.wake_worker"
# The port through which the admin asks application entities whether they answer.
ECHO = "ingestion.dimse.requestor.echo.echo"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["dicomweb.authentication.BearerTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["dicomweb.authentication.HasScope"],
    "DEFAULT_SCHEMA_CLASS": "dicomweb.api_description.OperationSchema",
    "EXCEPTION_HANDLER": "dicomweb.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Imaging Ingestion: DICOMweb",
    "DESCRIPTION": "Store, search and retrieve DICOM objects (PS3.18 Studies Service).",
    "VERSION": "1",
    "PREPROCESSING_HOOKS": ["dicomweb.api_description.without_aliases"],
    "SERVE_PERMISSIONS": [],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

UNFOLD = {
    "SITE_TITLE": "Imaging Ingestion",
    "SITE_HEADER": "Imaging Ingestion",
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "SIDEBAR": {"navigation": "ingestion.admin.navigation.navigation"},
}

LOGGING_CONFIG = None
configure_logging(ENVIRONMENT.log_format, ENVIRONMENT.log_level)
