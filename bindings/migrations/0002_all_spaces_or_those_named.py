"""A subscription says whether it wants all spaces; none named no longer means all."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def say_what_was_meant(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    """Those that named no space were told of all."""
    subscriptions = apps.get_model("bindings", "Subscription").objects
    subscriptions.filter(spaces__isnull=True).update(all_spaces=True)


class Migration(migrations.Migration):
    dependencies = [
        ("bindings", "0001_subscriptions_and_deliveries"),
    ]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="all_spaces",
            field=models.BooleanField(
                db_default=False, default=False, help_text="Also those made later."
            ),
        ),
        migrations.RunPython(say_what_was_meant, migrations.RunPython.noop),
    ]
