"""A segregated place for objects: a bucket or folder, its DICOMweb root, its policies."""

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now

from ingestion.models.secrets import EncryptedJSONField


class Backend(models.TextChoices):
    """Who keeps the bytes."""

    FILESYSTEM = "filesystem", "Folder"
    S3 = "s3", "S3"
    DJANGO_STORAGE = "django-storages", "Any django-storages backend"


class DuplicatePolicy(models.TextChoices):
    """What happens to other bytes under a known SOP Instance UID."""

    REPLACE = "replace", "Replace, keep the old version until retention ends"
    KEEP_FIRST = "keep_first", "Keep the first, record the other"
    QUARANTINE = "quarantine", "Quarantine the other"


class StorageSpace(models.Model):
    """Objects of one space are never shown in another (the original calls it provider)."""

    name = models.CharField(max_length=100, unique=True)
    slug = models.SlugField(max_length=50, unique=True, help_text="Name in URLs.")
    backend = models.CharField(max_length=20, choices=Backend, default=Backend.FILESYSTEM)
    prefix = models.CharField(
        max_length=200,
        blank=True,
        help_text="Folder for the filesystem; key prefix inside a bucket.",
        validators=[RegexValidator(r"^(?!.*\.\.).*$", "A prefix must not contain “..”.")],
    )
    options = EncryptedJSONField(
        default=dict,
        blank=True,
        help_text="Options of the backend, e.g. bucket, endpoint_url, access_key, secret_key.",
    )
    duplicate_policy = models.CharField(
        max_length=20, choices=DuplicatePolicy, default=DuplicatePolicy.REPLACE
    )
    quiet_seconds = models.PositiveIntegerField(
        default=30,
        validators=[MaxValueValidator(86_400)],
        help_text="A study that saw no change for so long becomes a revision.",
    )
    max_wait_seconds = models.PositiveIntegerField(
        default=600,
        validators=[MinValueValidator(1)],
        help_text="A study that keeps changing becomes a revision after so long.",
    )
    retention_days = models.PositiveIntegerField(
        default=30, help_text="How long deleted and superseded objects are kept, in days."
    )
    wado_external_base_url = models.URLField(
        blank=True, help_text="DICOMweb root told to subscribers outside; empty: this server."
    )
    wado_internal_base_url = models.URLField(
        blank=True, help_text="DICOMweb root told to subscribers inside; empty: the external one."
    )
    accepts_new_objects = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("name",)
        constraints = [
            models.CheckConstraint(
                condition=models.Q(max_wait_seconds__gte=models.F("quiet_seconds")),
                name="storage_space_waits_at_least_the_quiet_period",
                violation_error_message="The longest wait must not be below the quiet period.",
            ),
            models.CheckConstraint(
                condition=models.Q(duplicate_policy__in=DuplicatePolicy.values),
                name="storage_space_duplicate_policy_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name
