"""Application entities: the titles that we answer to, and the ones that we know."""

import ipaddress

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from ingestion.models.columns import uid_column
from ingestion.models.storage_space import StorageSpace

PORT_MAX = 65535
TIMEOUT_SECONDS_MAX = 3600.0

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


class DimseService(models.TextChoices):
    """What an association may be for. Verification is for everybody."""

    STORE = "store", "Storage (C-STORE)"
    FIND = "find", "Query (C-FIND)"
    MOVE = "move", "Retrieve by C-MOVE"
    GET = "get", "Retrieve by C-GET"
    COMMITMENT = "commitment", "Storage Commitment"
    PROCEDURE_STEP = "procedure_step", "Modality Performed Procedure Step"
    AVAILABILITY = "availability", "Instance Availability Notification"


class UserIdentity(models.TextChoices):
    """What is done with the user identity of an association (PS3.7 D.3.3.7)."""

    IGNORED = "ignored", "Ignored"
    CHECKED = "checked", "Checked where it is offered"
    REQUIRED = "required", "Required"


class ReportAssociation(models.TextChoices):
    """On which association a storage commitment is reported (PS3.4 J.3.3)."""

    SAME = "same", "The same one if it is still there, else a new one"
    NEW = "new", "Always a new one"


class AssociationRules(models.Model):
    """What associations may be used for. Nothing chosen: everything that we support."""

    services = ArrayField(
        models.CharField(max_length=16, choices=DimseService),
        default=list,
        db_default=[],
        blank=True,
        help_text="Services that may be used. None chosen: all.",
    )
    sop_class_uids = ArrayField(
        uid_column(),
        default=list,
        db_default=[],
        blank=True,
        help_text="SOP Classes that may be stored. None: all that we support.",
    )
    transfer_syntax_uids = ArrayField(
        uid_column(),
        default=list,
        db_default=[],
        blank=True,
        help_text="Transfer syntaxes that may be stored. None: all that we support.",
    )

    class Meta:
        abstract = True


class LocalApplicationEntity(AssociationRules):
    """An AE title of ours: whatever is sent to it rests in its storage space."""

    ae_title = models.CharField(max_length=16, unique=True, validators=[ae_title_validator])
    storage_space = models.ForeignKey(
        StorageSpace, on_delete=models.PROTECT, related_name="application_entities"
    )
    user_identity = models.CharField(
        max_length=8,
        choices=UserIdentity,
        default=UserIdentity.IGNORED,
        db_default=UserIdentity.IGNORED,
        help_text="User names and tokens that peers send when they associate.",
    )
    is_enabled = models.BooleanField(default=True)
    description = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("ae_title",)
        verbose_name = "local application entity"
        verbose_name_plural = "local application entities"
        permissions = [("associate", "Can associate by DIMSE, with a passcode")]

    def __str__(self) -> str:
        return self.ae_title


class RemoteApplicationEntity(AssociationRules):
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
    port = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(PORT_MAX)]
    )
    must_use_tls = models.BooleanField(
        "must call by TLS", default=False, db_default=False, help_text="Else it is refused."
    )
    uses_tls = models.BooleanField(
        "is called by TLS", default=False, db_default=False, help_text="We call it by TLS."
    )
    associations_max = models.PositiveSmallIntegerField(
        default=1,
        db_default=1,
        validators=[MinValueValidator(1), MaxValueValidator(16)],
        help_text="Associations that one retrieval opens to it at the same time.",
    )
    connect_timeout_seconds = models.FloatField(
        default=10.0,
        db_default=10.0,
        validators=[MinValueValidator(0.1), MaxValueValidator(TIMEOUT_SECONDS_MAX)],
    )
    response_timeout_seconds = models.FloatField(
        default=60.0,
        db_default=60.0,
        validators=[MinValueValidator(0.1), MaxValueValidator(TIMEOUT_SECONDS_MAX)],
        help_text="Longest wait for its answer, and for it to take what is sent.",
    )
    commitment_reports = models.CharField(
        max_length=4,
        choices=ReportAssociation,
        default=ReportAssociation.SAME,
        db_default=ReportAssociation.SAME,
        help_text="On which association its storage commitments are reported.",
    )
    description = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("ae_title",)
        verbose_name = "remote application entity"
        verbose_name_plural = "remote application entities"

    def __str__(self) -> str:
        return self.ae_title
