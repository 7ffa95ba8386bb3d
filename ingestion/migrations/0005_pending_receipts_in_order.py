"""Receipts are registered in their order. Senders are not held up while the index is made."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("ingestion", "0004_callers_of_every_title_are_named_so"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="receipt",
            index=models.Index(
                condition=models.Q(("outcome", "pending")),
                fields=["id"],
                name="receipt_pending_in_order",
            ),
        ),
        RemoveIndexConcurrently(model_name="receipt", name="receipt_pending"),
    ]
