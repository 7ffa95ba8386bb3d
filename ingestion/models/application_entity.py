"""Application entities: the titles that we answer to, and the ones that we know."""

import ipaddress

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from ingestion.models.storage_space import StorageSpace

# PS3.5 6.2, AE: up to 16 characters, no backslash, no control characters, not only spaces.
ae_title_validator = RegexValidator(
    r"^(?! )[\x20-\x5B\x5D-\x7E]{1,16}(?<! )$",
    "An AE title has 1 to 16 printable characters, no backslash, no space at either end.",
)


def validate_addresses(value: str) -> None:
    """Refuse anything but addresses and networks in CIDR form, separated by commas."""
    for part in filter(None, (item.strip() for item in value.split(","))):
        try:
            ipaddress.ip_network(part, strict=False)
        except ValueError:
            raise ValidationError(f"{part!r} is neither an address nor a network.") from None


class LocalApplicationEntity(models.Model):
    """An AE title of ours: whatever is sent to it rests in its storage space."""

    ae_title = models.CharField(max_length=16, unique=True, validators=[ae_title_validator])
    storage_space = models.ForeignKey(
        StorageSpace, on_delete=models.PROTECT, related_name="application_entities"
    )
    is_enabled = models.BooleanField(default=True)
    description = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("ae_title",)
        verbose_name = "local application entity"
        verbose_name_plural = "local application entities"

    def __str__(self) -> str:
        return self.ae_title


class RemoteApplicationEntity(models.Model):
    """A modality, an archive or a gateway that we know by title and address."""

    ae_title = models.CharField(max_length=16, validators=[ae_title_validator])
    addresses = models.CharField(
        max_length=500,
        blank=True,
        validators=[validate_addresses],
        help_text="Addresses or networks it may call from, by comma. Empty: any address.",
    )
    may_call_all = models.BooleanField(
        "may call every AE title",
        default=False,
        db_default=False,
        help_text="Every AE title of ours, also those to come. Else the chosen ones alone.",
    )
    may_call = models.ManyToManyField(
        LocalApplicationEntity,
        blank=True,
        related_name="callers",
        help_text="AE titles of ours that it may call. None chosen: none.",
    )
    is_enabled = models.BooleanField(default=True)
    host = models.CharField(max_length=255, blank=True, help_text="Where we reach it.")
    port = models.PositiveIntegerField(null=True, blank=True)
    description = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("ae_title",)
        verbose_name = "remote application entity"
        verbose_name_plural = "remote application entities"

    def __str__(self) -> str:
        return self.ae_title
