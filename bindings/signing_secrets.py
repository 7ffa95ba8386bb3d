"""Signing secrets of webhooks, in the form of Standard Webhooks: `whsec_` and base64."""

import base64
import secrets

from bindings.models import Subscription

SECRET_BYTES = 32  # Standard Webhooks asks for 24 to 64


def new_signing_secret() -> str:
    """A fresh secret."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def replace_signing_secret(subscription: Subscription) -> str:
    """Give the subscription a fresh secret and return it, the only time it can be seen."""
    secret = new_signing_secret()
    subscription.signing_secret = secret
    subscription.save(update_fields=["signing_secret"])
    return secret
