"""Until now no chosen title meant every title: what was so stays so, and says so."""

from django.db import migrations, models

NAME_THEM = """
UPDATE ingestion_remoteapplicationentity e SET may_call_all = true
WHERE NOT EXISTS (
    SELECT FROM ingestion_remoteapplicationentity_may_call c
    WHERE c.remoteapplicationentity_id = e.id)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("ingestion", "0003_periods_of_series_and_instances"),
    ]

    operations = [
        migrations.AddField(
            model_name="remoteapplicationentity",
            name="may_call_all",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Every AE title of ours, also those to come. Else the chosen ones alone.",
                verbose_name="may call every AE title",
            ),
        ),
        migrations.AlterField(
            model_name="remoteapplicationentity",
            name="may_call",
            field=models.ManyToManyField(
                blank=True,
                help_text="AE titles of ours that it may call. None chosen: none.",
                related_name="callers",
                to="ingestion.localapplicationentity",
            ),
        ),
        migrations.RunSQL(NAME_THEM, migrations.RunSQL.noop),
    ]
