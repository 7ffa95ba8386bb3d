"""What a new installation needs before it can take its first object."""

from pathlib import Path

from django.contrib.auth import get_user_model
from django.db import transaction

from ingestion.models import AccessToken, Backend, LocalApplicationEntity, StorageSpace
from ingestion.models.access_token import token_digest

SPACE_SLUG = "default"
AE_TITLE = "INGEST"
ADMIN = "admin"
TOKEN_NAME = "default"  # noqa: S105  # a name


@transaction.atomic
def bootstrap(objects_root: Path, *, admin_password: str | None, token: str | None) -> list[str]:
    """Make what is missing; returns a line for each thing made, none of them secret.

    Repeats change nothing that operators changed: a space or an AE title is made only when
    there is none, an existing user keeps its password. Only the token follows `token`.
    """
    made = []
    space = StorageSpace.objects.order_by("pk").first()
    if space is None:
        space = StorageSpace.objects.create(
            name="Default",
            slug=SPACE_SLUG,
            backend=Backend.FILESYSTEM,
            options={"root": str(objects_root)},
            quiet_seconds=30,
            max_wait_seconds=600,
        )
        made.append(f"storage space {space.slug}")
    if not LocalApplicationEntity.objects.exists():
        LocalApplicationEntity.objects.create(ae_title=AE_TITLE, storage_space=space)
        made.append(f"local application entity {AE_TITLE}")
    if admin_password and _make_admin(admin_password):
        made.append(f"user {ADMIN}")
    if token and _make_token(token):
        made.append(f"access token {TOKEN_NAME}")
    return made


def _make_admin(password: str) -> bool:
    users = get_user_model().objects
    if users.filter(username=ADMIN).exists():
        return False
    users.create_superuser(ADMIN, password=password)
    return True


def _make_token(token: str) -> bool:
    digest = token_digest(token)
    existing = AccessToken.objects.filter(name=TOKEN_NAME).first()
    if existing is not None:
        existing.digest = digest
        existing.save(update_fields=["digest"])
        return False
    AccessToken.objects.create(
        name=TOKEN_NAME,
        digest=digest,
        may_read=True,
        may_store=True,
        may_delete=True,
        all_spaces=True,
    )
    return True
