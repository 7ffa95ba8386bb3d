from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ingestion", "0005_pending_receipts_in_order"),
    ]

    operations = [
        migrations.AlterField(
            model_name="retiredobject",
            name="reason",
            field=models.CharField(
                choices=[
                    ("superseded", "Superseded by another version"),
                    ("kept_first", "The first version was kept"),
                    ("duplicate", "The same data set rests elsewhere"),
                    ("deleted", "Deleted"),
                    ("orphaned", "No receipt was committed"),
                ],
                max_length=12,
            ),
        ),
    ]
