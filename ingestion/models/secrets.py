"""Values that are encrypted at rest and never shown again."""

import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db import models

from ingestion.errors import Misconfigured


def encrypted(text: str) -> str:
    """`text` as it rests in the database."""
    return Fernet(settings.SECRETS_KEY).encrypt(text.encode()).decode()


def decrypted(token: str) -> str:
    """The text behind `token`. Raises `Misconfigured` when the key is another one."""
    try:
        return Fernet(settings.SECRETS_KEY).decrypt(token.encode()).decode()
    except InvalidToken:
        raise Misconfigured(
            "a stored secret cannot be read: INGESTION_SECRET_KEY differs from the one it was"
            " written with"
        ) from None


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]  # generic in stubs only
    """Text that the database holds only encrypted."""

    def from_db_value(self, value: str | None, *_: object) -> str | None:
        return decrypted(value) if value else value

    def get_prep_value(self, value: Any) -> Any:
        return encrypted(value) if value else value


class EncryptedJSONField(models.TextField):  # type: ignore[type-arg]  # generic in stubs only
    """A JSON object that the database holds only encrypted."""

    _pyi_private_set_type: Any  # read by django-stubs: text in the database, JSON in Python
    _pyi_private_get_type: Any

    def from_db_value(self, value: str | None, *_: object) -> Any:
        return json.loads(decrypted(value)) if value else {}

    def get_prep_value(self, value: Any) -> Any:
        return encrypted(json.dumps(value, sort_keys=True)) if value else ""

    def to_python(self, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) and value else value or {}

    def value_to_string(self, obj: models.Model) -> str:
        return json.dumps(self.value_from_object(obj), sort_keys=True)
