"""Bearer tokens of API clients: scoped to spaces and to reading, storing, deleting."""

import hashlib
import secrets

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from ingestion.models.storage_space import StorageSpace

TOKEN_PREFIX = "ing_"  # noqa: S105  # scanners of leaked secrets can recognise it


def token_digest(token: str) -> bytes:
    """What we keep of a token. Tokens are random, so one round of SHA-256 is enough."""
    return hashlib.sha256(token.encode()).digest()


def new_token() -> str:
    """A token of 256 random bits."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


class AccessToken(models.Model):
    """Who may do what where. The token itself is shown once and never kept."""

    name = models.CharField(max_length=100, unique=True, help_text="The principal in receipts.")
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    may_read = models.BooleanField(default=True)
    may_store = models.BooleanField(default=False)
    may_delete = models.BooleanField(default=False)
    all_spaces = models.BooleanField(default=False)
    spaces = models.ManyToManyField(StorageSpace, blank=True, related_name="access_tokens")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        editable=False,
        help_text="Whose viewer holds it: it is good only while they are active staff.",
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
