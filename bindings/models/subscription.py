"""Subscriptions: who wants which events, and by which binding they are told."""

import re
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit
from uuid import uuid4

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from ingestion.models import EventType, RemoteApplicationEntity, StorageSpace
from ingestion.models.secrets import EncryptedJSONField, EncryptedTextField

# RFC 9110 5.1 and 5.5: a token, then visible text.
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"\A[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?\Z")
URL = re.compile(r"[\x21-\x7e]+")
RESERVED_HEADERS = re.compile(
    r"(?i)(ce-|webhook-).*|host|content-.*|transfer-encoding|connection|accept"
)


class BindingKind(models.TextChoices):
    """Ways to tell."""

    WEBHOOK = "webhook", "Signed webhook"
    STOW_RS = "stow_rs", "STOW-RS"
    C_STORE = "c_store", "C-STORE"


class AuthKind(models.TextChoices):
    """How we authenticate to the subscriber."""

    NONE = "none", "None"
    BEARER = "bearer", "Bearer token"
    BASIC = "basic", "User name and password"


class ContentMode(models.TextChoices):
    """Where the attributes of an event travel (CloudEvents HTTP binding 3.1, 3.2)."""

    BINARY = "binary", "In headers"
    STRUCTURED = "structured", "In the body"


def validate_target(value: str) -> None:
    """Refuse what is not an absolute http(s) URL without credentials and fragment."""
    try:
        parts = urlsplit(value)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or "@" in parts.netloc or parts.fragment or not URL.fullmatch(value):
        raise ValidationError("Give an absolute http or https URL without credentials.")


def validate_pattern(value: str) -> None:
    """Refuse what is not a comma-separated list of regular expressions."""
    for part in filter(None, value.split(",")):
        try:
            re.compile(part)
        except re.error as error:
            raise ValidationError(f"{part!r} is not a regular expression: {error}") from None


def validate_headers(value: object) -> None:
    """Refuse header fields that HTTP does not allow or that are ours to set."""
    if not isinstance(value, Mapping):
        raise ValidationError("Give a JSON object of header names and values.")
    for name, text in value.items():
        if not HEADER_NAME.fullmatch(name) or RESERVED_HEADERS.fullmatch(name):
            raise ValidationError(f"{name!r} cannot be set here.")
        if not isinstance(text, str) or not HEADER_VALUE.fullmatch(text):
            raise ValidationError(f"The value of {name!r} is not one line of printable ASCII.")


validate_secret = RegexValidator(HEADER_VALUE, "Give one line of printable ASCII.")


def validate_certificates(value: str) -> None:
    """Refuse what is not one or more PEM certificates."""
    try:
        ssl.create_default_context(cadata=value)
    except (ssl.SSLError, ValueError):
        raise ValidationError("Give certificates in PEM form.") from None


class Subscription(models.Model):
    """One subscriber: what it selects, where it is, how often we try.

    An empty selector selects everything, but for spaces: none are told of unless named or all
    are asked for, so that a list that runs empty widens nothing. The last columns are the
    circuit breaker.
    """

    uuid = models.UUIDField(unique=True, default=uuid4, db_default=RandomUUID(), editable=False)
    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=20, choices=BindingKind, default=BindingKind.WEBHOOK)
    is_enabled = models.BooleanField(
        default=True, help_text="Disabled: owed deliveries wait, new events are not owed."
    )
    disabled_reason = models.CharField(max_length=200, blank=True, db_default="", editable=False)

    event_types = ArrayField(models.CharField(max_length=40, choices=EventType))
    all_spaces = models.BooleanField(
        default=False, db_default=False, help_text="Also those made later."
    )
    spaces = models.ManyToManyField(StorageSpace, blank=True, related_name="subscriptions")
    provider_pattern = models.CharField(
        max_length=500,
        blank=True,
        validators=[validate_pattern],
        help_text="Regular expressions by comma; one must be found in the space's name.",
    )
    modalities = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    calling_ae_titles = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    sop_classes = ArrayField(models.CharField(max_length=64), default=list, blank=True)

    application_entity = models.ForeignKey(
        RemoteApplicationEntity,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="subscriptions",
        help_text="Where C-STORE sends to; it needs a host and a port.",
    )
    asks_for_commitment = models.BooleanField(
        default=False,
        db_default=False,
        help_text="After C-STORE: delivered only once storage commitment says so.",
    )
    url = models.CharField("URL", max_length=2000, blank=True, validators=[validate_target])
    auth_kind = models.CharField(max_length=10, choices=AuthKind, default=AuthKind.NONE)
    auth_user_name = models.CharField(max_length=200, blank=True)
    auth_secret = EncryptedTextField(
        blank=True,
        validators=[validate_secret],
        help_text="The token or the password.",
    )
    headers = EncryptedJSONField(
        default=dict, blank=True, validators=[validate_headers], help_text="Sent as they are."
    )
    signing_secret = EncryptedTextField(blank=True, editable=False)
    ca_certificates = models.TextField(
        "CA certificates",
        blank=True,
        validators=[validate_certificates],
        help_text="PEM. Trusted for this subscriber instead of the system's.",
    )
    content_mode = models.CharField(max_length=10, choices=ContentMode, default=ContentMode.BINARY)
    timeout_seconds = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.1), MaxValueValidator(300)],
        help_text="Longest wait for an answer. Empty: INGESTION_OUTBOUND_TIMEOUT_SECONDS.",
    )
    attempts_max = models.PositiveIntegerField(
        default=20, validators=[MinValueValidator(1), MaxValueValidator(1000)]
    )
    age_max_hours = models.PositiveIntegerField(
        default=72,
        validators=[MinValueValidator(1)],
        help_text="An attempt that fails when the delivery is older is the last.",
    )

    consecutive_failures = models.PositiveIntegerField(db_default=0, editable=False)
    opened_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("name",)
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=BindingKind.values), name="subscription_kind_is_known"
            ),
            models.CheckConstraint(
                condition=Q(auth_kind__in=AuthKind.values), name="subscription_auth_is_known"
            ),
            models.CheckConstraint(
                condition=Q(content_mode__in=ContentMode.values),
                name="subscription_content_mode_is_known",
            ),
            models.CheckConstraint(
                condition=Q(event_types__len__gt=0),
                name="subscription_wants_something",
                violation_error_message="Choose at least one event type.",
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=["stow_rs", "c_store"])
                | Q(event_types__contained_by=["DicomAvailableEvent"]),
                name="subscription_forwards_instances",
                violation_error_message="STOW-RS and C-STORE can only deliver instances.",
            ),
            models.CheckConstraint(
                condition=Q(kind="c_store", application_entity__isnull=False)
                | (~Q(kind="c_store") & ~Q(url="")),
                name="subscription_knows_where",
                violation_error_message="C-STORE needs an application entity, the others a URL.",
            ),
            models.CheckConstraint(
                condition=Q(calling_ae_titles=[])
                | Q(event_types__contained_by=["DicomAvailableEvent"]),
                name="subscription_senders_select_instances",
                violation_error_message="Calling AE titles select instances, not studies.",
            ),
            models.CheckConstraint(
                condition=Q(attempts_max__gte=1, age_max_hours__gte=1),
                name="subscription_tries_at_least_once",
            ),
            models.CheckConstraint(
                condition=Q(timeout_seconds__isnull=True)
                | Q(timeout_seconds__gt=0, timeout_seconds__lte=300),
                name="subscription_timeout_is_bounded",
            ),
        ]

    def __str__(self) -> str:
        return self.name
