"""A viewer reads by a token of its own, made for the session of the person who opened it."""

from datetime import timedelta

from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.crypto import salted_hmac

from ingestion.models import AccessToken
from ingestion.models.access_token import TOKEN_PREFIX, token_digest

VALID = timedelta(hours=8)
_PURPOSE = "ingestion.use_cases.issue_viewer_token"


def issue_viewer_token(user: User, session_key: str) -> str:
    """A token that reads everywhere for 8 hours from now, while `user` is active staff.

    A session has one: it is derived from the session's key, so that it need not be kept to be
    told again. A repeat prolongs it; one that an administrator disabled stays so.
    """
    token = TOKEN_PREFIX + salted_hmac(_PURPOSE, session_key, algorithm="sha256").hexdigest()
    digest = token_digest(token)
    expires_at = timezone.now() + VALID
    AccessToken.objects.update_or_create(
        digest=digest,
        defaults={"expires_at": expires_at},
        create_defaults={
            "name": f"viewer of {user.get_username()[:70]}, {digest.hex()[:8]}",
            "may_read": True,
            "all_spaces": True,
            "user": user,
            "expires_at": expires_at,
        },
    )
    return token


def remove_expired_viewer_tokens() -> int:
    """Remove what no viewer can use any more, and say how many those were."""
    return AccessToken.objects.filter(user__isnull=False, expires_at__lte=Now()).delete()[0]
