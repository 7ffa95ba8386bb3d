"""Tokens of API clients come into being here; only their digest is kept."""

from ingestion.models import AccessToken
from ingestion.models.access_token import new_token, token_digest


def issue_access_token(draft: AccessToken) -> str:
    """Save `draft` with a fresh token, and return the token: the only time that it is known."""
    token = new_token()
    draft.digest = token_digest(token)
    draft.save(force_insert=True)
    return token
