"""The SQL of deletion: set-based statements over one study, whatever its size.

They run in one transaction, behind the lock that registration takes of a study first.
"""

from ingestion.models.columns import SeriesAttributes, StudyAttributes
from ingestion.use_cases.recount_studies import recount_statement
from ingestion.use_cases.registration_statements import RETAINED, SERIALIZE_STUDY, latest

# Held instances `i` of series `se` that the address means.
_ADDRESSED = """
    se.study_id = %(study)s AND i.series_id = se.id AND i.deleted_at IS NULL
    AND (%(series_instance_uid)s = '' OR se.series_instance_uid = %(series_instance_uid)s)
    AND (%(sop_instance_uid)s = '' OR i.sop_instance_uid = %(sop_instance_uid)s)
"""

SERIALIZE = SERIALIZE_STUDY

# Takes the study's row, which whoever makes its revisions takes too, and starts their clock.
TOUCH = """
UPDATE ingestion_study st SET changed_at = now(),
    changes_since = COALESCE(st.changes_since, now()),
    settles_at = LEAST(
        now() + sp.quiet_seconds * interval '1 second',
        COALESCE(st.changes_since, now()) + sp.max_wait_seconds * interval '1 second')
FROM ingestion_storagespace sp
WHERE st.id = %(study)s AND st.deleted_at IS NULL AND sp.id = st.storage_space_id
RETURNING sp.quiet_seconds = 0
"""

DELETE = f"""
WITH gone AS (
    UPDATE ingestion_instance i SET deleted_at = now(), changed_at = now()
    FROM ingestion_series se WHERE {_ADDRESSED}
    RETURNING i.*, se.series_instance_uid, se.modality
), told AS (
    INSERT INTO ingestion_instancechange (study_id, series_instance_uid, sop_instance_uid, kind)
    SELECT %(study)s, series_instance_uid, sop_instance_uid, 'deletion' FROM gone ORDER BY id
), retired AS (
    INSERT INTO ingestion_retiredobject (storage_space_id, sop_instance_uid, location, size_bytes,
        data_set_sha256, document_id, reason, retired_at, removable_at)
    SELECT gone.storage_space_id, sop_instance_uid, location, size_bytes, data_set_sha256,
           document_id, 'deleted', now(), {RETAINED}
    FROM gone JOIN ingestion_storagespace sp ON sp.id = gone.storage_space_id
)
SELECT count(*), count(DISTINCT series_instance_uid),
       COALESCE(array_agg(DISTINCT modality) FILTER (WHERE modality <> ''), '{{}}'),
       COALESCE(array_agg(DISTINCT sop_class_uid), '{{}}')
FROM gone
"""  # noqa: S608  # all parts are constants of ours

RECOUNT = recount_statement("SELECT %(study)s::bigint AS id") + " RETURNING st.deleted_at IS NULL"


def _names(attributes: type[StudyAttributes] | type[SeriesAttributes]) -> tuple[str, ...]:
    return tuple(field.name for field in attributes._meta.get_fields())


def _said_by_the_rest(table: str, level: str, columns: tuple[str, ...]) -> str:
    """SQL that gives the rows of a study the attributes that what is left says.

    A receipt that was trimmed meanwhile leaves them as they are.
    """
    return f"""
UPDATE {table} t SET document_id = said.document_id,
    {", ".join(f"{column} = said.{column}" for column in columns)}
FROM (
    SELECT {level} AS id, count(r.id) = count(*) AS is_whole,
           (array_agg(i.document_id ORDER BY i.receipt_id DESC))[1] AS document_id,
           {", ".join(f"{latest(column)} AS {column}" for column in columns)}
    FROM ingestion_series se
    JOIN ingestion_instance i ON i.series_id = se.id AND i.deleted_at IS NULL
    LEFT JOIN ingestion_receipt r ON r.id = i.receipt_id
    WHERE se.study_id = %(study)s GROUP BY {level}
) AS said
WHERE t.id = said.id AND said.is_whole AND NOT EXISTS (
    SELECT FROM ingestion_instance i WHERE i.document_id = t.document_id AND i.deleted_at IS NULL)
"""  # noqa: S608  # all parts are constants of ours


# Attributes are those of the latest registered instance; where that one is gone, of the next.
DESCRIBE_ANEW = (
    _said_by_the_rest("ingestion_series", "se.id", _names(SeriesAttributes)),
    _said_by_the_rest("ingestion_study", "se.study_id", _names(StudyAttributes)),
)
