"""Columns that several entities share, so that each is declared once."""

from typing import Any

from django.db import models

from ingestion.dicom.attributes import JOINED_CHARACTERS_MAX


def uid_column(**options: Any) -> "models.CharField[str, str]":
    """A UID (PS3.5 9): at most 64 characters, ordered by byte."""
    return models.CharField(max_length=64, db_collation="C", **options)


def text_column(max_length: int, **options: Any) -> "models.CharField[str, str]":
    """Text of a data set, already decoded; empty when absent."""
    return models.CharField(max_length=max_length, blank=True, db_default="", **options)


def code_column(max_length: int, **options: Any) -> "models.CharField[str, str]":
    """A date, a time, a code or an identifier: ordered by byte; empty when absent."""
    return text_column(max_length, db_collation="C", **options)


class StudyAttributes(models.Model):
    """Attributes at and above the study level (PS3.4 C.6.1, C.6.2)."""

    patient_id = code_column(64)
    issuer_of_patient_id = code_column(64)
    patient_name = text_column(324)
    patient_name_normalized = text_column(324)
    patient_birth_date = code_column(8)
    patient_sex = code_column(16)
    study_date = code_column(8)
    study_time = code_column(16)
    accession_number = code_column(64)
    study_id = code_column(64)
    study_description = text_column(256)
    referring_physician_name = text_column(324)
    referring_physician_name_normalized = text_column(324)
    timezone_offset_from_utc = code_column(5)

    class Meta:
        abstract = True


class SeriesAttributes(models.Model):
    """Attributes at the series level."""

    modality = code_column(16)
    series_number = models.IntegerField(null=True, blank=True)
    series_description = text_column(256)
    series_date = code_column(8)
    series_time = code_column(16)
    body_part_examined = code_column(64)
    performed_procedure_step_start_date = code_column(8)
    performed_procedure_step_start_time = code_column(16)
    # Of every item of Request Attributes Sequence, each value between backslashes.
    scheduled_procedure_step_ids = code_column(JOINED_CHARACTERS_MAX)
    requested_procedure_ids = code_column(JOINED_CHARACTERS_MAX)

    class Meta:
        abstract = True


class InstanceAttributes(models.Model):
    """Attributes at the instance level, and what is known of the stored bytes."""

    sop_class_uid = uid_column()
    transfer_syntax_uid = uid_column()
    instance_number = models.IntegerField(null=True, blank=True)
    number_of_frames = models.IntegerField(null=True, blank=True)
    rows = models.IntegerField(null=True, blank=True)
    columns = models.IntegerField(null=True, blank=True)
    bits_allocated = models.IntegerField(null=True, blank=True)
    data_set_sha256 = models.BinaryField(max_length=32)
    location = models.TextField(help_text="Where the object rests; only its store reads this.")
    size_bytes = models.BigIntegerField(help_text="Bytes of the stored object.")
    data_set_offset = models.IntegerField(help_text="Bytes of preamble and file meta information.")
    pixel_data_offset = models.BigIntegerField(
        null=True, blank=True, help_text="Where Pixel Data begins inside the data set."
    )

    class Meta:
        abstract = True
