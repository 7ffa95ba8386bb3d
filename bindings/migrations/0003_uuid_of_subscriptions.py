"""Something that never changes, for the ids of deliveries to follow from."""

import uuid

import django.contrib.postgres.functions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bindings", "0002_all_spaces_or_those_named"),
    ]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="uuid",
            field=models.UUIDField(
                default=uuid.uuid4,
                db_default=django.contrib.postgres.functions.RandomUUID(),
                editable=False,
                unique=True,
            ),
        ),
    ]
