"""The SQL of registration: set-based statements over one batch of receipts.

Every prepared statement takes the ids of the batch's receipts as its one parameter and
works inside one transaction. Studies are locked first and in one order, so that registrars
never wait in a circle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

from django.db.backends.utils import CursorWrapper

from ingestion.models.columns import SeriesAttributes, StudyAttributes
from ingestion.use_cases.recount_studies import recount_statement

STUDY_COLUMNS = tuple(f.name for f in StudyAttributes._meta.get_fields())
SERIES_COLUMNS = tuple(f.name for f in SeriesAttributes._meta.get_fields())
INSTANCE_COLUMNS = (
    "sop_class_uid",
    "transfer_syntax_uid",
    "instance_number",
    "number_of_frames",
    "rows",
    "columns",
    "bits_allocated",
    "data_set_sha256",
    "location",
    "size_bytes",
    "data_set_offset",
    "pixel_data_offset",
    "document_id",
)
NUMBERS = {"series_number"}

# Attributes whose disagreement between instances is worth a person's look.
CONFLICTING = {
    "patient_id": "PatientID",
    "patient_name": "PatientName",
    "patient_birth_date": "PatientBirthDate",
    "patient_sex": "PatientSex",
    "study_date": "StudyDate",
    "accession_number": "AccessionNumber",
    "study_description": "StudyDescription",
    "study_id": "StudyID",
}

# In the order of receipt, whatever the space: a busy one holds up no other.
CLAIM = """
SELECT id FROM ingestion_receipt
WHERE outcome = 'pending' AND (next_attempt_at IS NULL OR next_attempt_at <= now())
ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""

LOCK = """
SELECT id FROM ingestion_receipt
WHERE id = ANY(%(ids)s::uuid[]) AND outcome = 'pending'
    AND (next_attempt_at IS NULL OR next_attempt_at <= now())
ORDER BY id FOR UPDATE
"""

# One at a time registers or deletes of a study, whether its row exists or not.
SERIALIZE_STUDIES = """
SELECT pg_advisory_xact_lock(hashtextextended(study, 0)) FROM (
    SELECT DISTINCT storage_space_id || '/' || study_instance_uid AS study
    FROM ingestion_receipt WHERE id = ANY($1) ORDER BY 1
) AS studies
"""
SERIALIZE_STUDY = """
SELECT pg_advisory_xact_lock(
    hashtextextended(%(space)s::bigint || '/' || %(study_instance_uid)s, 0))
"""

# The first receipt of each SOP Instance is judged; a later one waits for the next round,
# unless it brings the same bytes as the first.
JUDGE = """
WITH batch AS (
    SELECT r.id, r.storage_space_id, r.study_instance_uid, r.series_instance_uid,
           r.sop_instance_uid, r.data_set_sha256, r.transfer_syntax_uid,
           row_number() OVER same AS turn,
           first_value(r.data_set_sha256) OVER same = r.data_set_sha256
           AND first_value(r.series_instance_uid) OVER same = r.series_instance_uid
           AND first_value(r.study_instance_uid) OVER same = r.study_instance_uid AS as_first
    FROM ingestion_receipt r WHERE r.id = ANY($1)
    WINDOW same AS (PARTITION BY r.storage_space_id, r.sop_instance_uid ORDER BY r.id)
), judged AS (
    SELECT b.id, i.id IS NOT NULL AS known, sp.quiet_seconds = 0 AS settles_at_once, CASE
        WHEN i.id IS NULL OR i.deleted_at IS NOT NULL
            THEN CASE WHEN b.turn = 1 THEN 'registered' END
        WHEN se.series_instance_uid <> b.series_instance_uid
            OR st.study_instance_uid <> b.study_instance_uid THEN 'quarantined'
        WHEN i.data_set_sha256 = b.data_set_sha256
            AND i.transfer_syntax_uid = b.transfer_syntax_uid
            THEN CASE WHEN b.turn = 1 OR b.as_first THEN 'duplicate' END
        WHEN b.turn > 1 THEN NULL
        ELSE CASE sp.duplicate_policy WHEN 'replace' THEN 'modified'
             WHEN 'keep_first' THEN 'kept_first' ELSE 'quarantined' END
    END AS outcome,
    CASE WHEN se.series_instance_uid <> b.series_instance_uid
              OR st.study_instance_uid <> b.study_instance_uid
         THEN 'the same SOP Instance UID is held in another series or study'
         ELSE 'other bytes are held under the same SOP Instance UID' END AS reason
    FROM batch b
    JOIN ingestion_storagespace sp ON sp.id = b.storage_space_id
    LEFT JOIN ingestion_instance i
        ON i.storage_space_id = b.storage_space_id AND i.sop_instance_uid = b.sop_instance_uid
    LEFT JOIN ingestion_series se ON se.id = i.series_id
    LEFT JOIN ingestion_study st ON st.id = se.study_id
)
UPDATE ingestion_receipt r
SET outcome = j.outcome, settled_at = now(), attempts = r.attempts + 1, next_attempt_at = NULL,
    reason = CASE WHEN j.outcome IN ('quarantined', 'kept_first') THEN j.reason ELSE '' END
FROM judged j WHERE r.id = j.id AND j.outcome IS NOT NULL
RETURNING r.id, r.outcome, j.known, j.settles_at_once
"""

# At least a day, also where nothing shall be retained: a sender may have found the object in place
# and be about to commit its receipt.
RETAINED = "now() + GREATEST(sp.retention_days, 1) * interval '1 day'"

# Bytes that no instance points at: the version before, the newcomer that was not kept, the
# duplicate that rests elsewhere because its file meta information differs.
RETIRE = f"""
INSERT INTO ingestion_retiredobject (storage_space_id, sop_instance_uid, location, size_bytes,
    data_set_sha256, document_id, reason, retired_at, removable_at)
SELECT i.storage_space_id, i.sop_instance_uid, i.location, i.size_bytes, i.data_set_sha256,
       i.document_id, 'superseded', now(), {RETAINED}
FROM ingestion_receipt r
JOIN ingestion_storagespace sp ON sp.id = r.storage_space_id
JOIN ingestion_instance i
    ON i.storage_space_id = r.storage_space_id AND i.sop_instance_uid = r.sop_instance_uid
WHERE r.id = ANY($1) AND r.outcome = 'modified' AND i.deleted_at IS NULL
UNION ALL
SELECT r.storage_space_id, r.sop_instance_uid, r.location, r.size_bytes, r.data_set_sha256,
       r.document_id, 'kept_first', now(), {RETAINED}
FROM ingestion_receipt r JOIN ingestion_storagespace sp ON sp.id = r.storage_space_id
WHERE r.id = ANY($1) AND r.outcome = 'kept_first'
UNION ALL
SELECT r.storage_space_id, r.sop_instance_uid, r.location, r.size_bytes, r.data_set_sha256,
       NULL, 'duplicate', now(), now() + interval '1 day'
FROM ingestion_receipt r JOIN ingestion_instance i
    ON i.storage_space_id = r.storage_space_id AND i.sop_instance_uid = r.sop_instance_uid
WHERE r.id = ANY($1) AND r.outcome = 'duplicate' AND r.location <> i.location
"""

# A duplicate's header document says nothing new.
DROP_DUPLICATE_DOCUMENTS = """
DELETE FROM ingestion_headerdocument d USING ingestion_receipt r
WHERE r.id = ANY($1) AND r.outcome = 'duplicate' AND d.id = r.document_id
  AND NOT EXISTS (SELECT FROM ingestion_instance i WHERE i.document_id = d.id)
"""


def latest(column: str) -> str:
    """The last value of receipts `r` that says something, in their order."""
    present = "IS NOT NULL" if column in NUMBERS else "<> ''"
    empty = "NULL" if column in NUMBERS else "''"
    aggregate = f"(array_agg(r.{column} ORDER BY r.id DESC) FILTER (WHERE r.{column} {present}))[1]"
    return aggregate if column in NUMBERS else f"COALESCE({aggregate}, {empty})"


def _kept(table: str, column: str) -> str:
    """On conflict: the newcomer's value unless it says nothing. A tombstone lends it none."""
    new = f"EXCLUDED.{column}"
    said = new if column in NUMBERS else f"NULLIF({new}, '')"
    held = f"CASE WHEN {table}.deleted_at IS NULL THEN {table}.{column} ELSE {new} END"
    return f"{column} = COALESCE({said}, {held})"


_ACCEPTED = "r.id = ANY($1) AND r.outcome IN ('registered', 'modified')"
_ADDED = "count(*) FILTER (WHERE r.outcome = 'registered')"

RECORD_CONFLICTS = f"""
WITH observed AS (
    SELECT DISTINCT st.id AS study_id, v.keyword, v.value
    FROM ingestion_receipt r
    JOIN ingestion_study st ON st.storage_space_id = r.storage_space_id
        AND st.study_instance_uid = r.study_instance_uid AND st.deleted_at IS NULL
    CROSS JOIN LATERAL (VALUES
        {
    ", ".join(
        f"('{keyword}', r.{column}::text, st.{column}::text)"
        for column, keyword in CONFLICTING.items()
    )
}
    ) AS pair(keyword, new, held)
    CROSS JOIN LATERAL (VALUES (pair.keyword, pair.new), (pair.keyword, pair.held))
        AS v(keyword, value)
    WHERE {_ACCEPTED} AND pair.new <> '' AND pair.held <> '' AND pair.new <> pair.held
)
INSERT INTO ingestion_attributeconflict (study_id, keyword, value)
SELECT study_id, keyword, value FROM observed
ON CONFLICT (study_id, keyword, value) DO NOTHING
"""

# Sizes are counted while the old version is still there to be subtracted.
UPSERT_STUDIES = f"""
INSERT INTO ingestion_study AS t (storage_space_id, study_instance_uid, {", ".join(STUDY_COLUMNS)},
    modalities, sop_classes, number_of_instances, size_bytes, document_id, changes_since,
    settles_at)
SELECT r.storage_space_id, r.study_instance_uid, {", ".join(map(latest, STUDY_COLUMNS))},
    COALESCE(array_agg(DISTINCT r.modality) FILTER (WHERE r.modality <> ''), '{{}}'),
    array_agg(DISTINCT r.sop_class_uid),
    {_ADDED},
    sum(r.size_bytes - CASE WHEN r.outcome = 'modified' THEN i.size_bytes ELSE 0 END),
    (array_agg(r.document_id ORDER BY r.id DESC))[1],
    now(), now() + sp.quiet_seconds * interval '1 second'
FROM ingestion_receipt r JOIN ingestion_storagespace sp ON sp.id = r.storage_space_id
LEFT JOIN ingestion_instance i ON i.storage_space_id = r.storage_space_id
    AND i.sop_instance_uid = r.sop_instance_uid
WHERE {_ACCEPTED}
GROUP BY r.storage_space_id, r.study_instance_uid, sp.id
ORDER BY r.storage_space_id, r.study_instance_uid
ON CONFLICT (storage_space_id, study_instance_uid) DO UPDATE SET
    {", ".join(_kept("t", column) for column in STUDY_COLUMNS)},
    modalities = ARRAY(SELECT DISTINCT m FROM unnest(t.modalities || EXCLUDED.modalities) m
                       ORDER BY m),
    sop_classes = ARRAY(SELECT DISTINCT c FROM unnest(t.sop_classes || EXCLUDED.sop_classes) c
                        ORDER BY c),
    number_of_instances = t.number_of_instances + EXCLUDED.number_of_instances,
    size_bytes = t.size_bytes + EXCLUDED.size_bytes,
    document_id = EXCLUDED.document_id,
    changed_at = now(),
    deleted_at = NULL,
    changes_since = COALESCE(t.changes_since, now()),
    settles_at = LEAST(EXCLUDED.settles_at, COALESCE(t.changes_since, now()) + (
        SELECT sp.max_wait_seconds FROM ingestion_storagespace sp
        WHERE sp.id = t.storage_space_id) * interval '1 second')
"""

_PLACED = """
FROM ingestion_receipt r
JOIN ingestion_study st ON st.storage_space_id = r.storage_space_id
    AND st.study_instance_uid = r.study_instance_uid
JOIN ingestion_series se ON se.study_id = st.id
    AND se.series_instance_uid = r.series_instance_uid
"""

# A series counts when it is new, or comes back: the first part still sees it deleted.
UPSERT_SERIES = f"""
WITH revived AS (
    SELECT DISTINCT se.id {_PLACED} WHERE {_ACCEPTED} AND se.deleted_at IS NOT NULL
), touched AS (
    INSERT INTO ingestion_series AS t (study_id, series_instance_uid, {", ".join(SERIES_COLUMNS)},
        number_of_instances, document_id)
    SELECT st.id, r.series_instance_uid, {", ".join(map(latest, SERIES_COLUMNS))},
        {_ADDED}, (array_agg(r.document_id ORDER BY r.id DESC))[1]
    FROM ingestion_receipt r
    JOIN ingestion_study st ON st.storage_space_id = r.storage_space_id
        AND st.study_instance_uid = r.study_instance_uid
    WHERE {_ACCEPTED}
    GROUP BY st.id, r.series_instance_uid ORDER BY st.id, r.series_instance_uid
    ON CONFLICT (study_id, series_instance_uid) DO UPDATE SET
        {", ".join(_kept("t", column) for column in SERIES_COLUMNS)},
        number_of_instances = t.number_of_instances + EXCLUDED.number_of_instances,
        document_id = EXCLUDED.document_id, changed_at = now(), deleted_at = NULL
    RETURNING study_id, xmax = 0 OR id IN (SELECT id FROM revived) AS is_added
)
UPDATE ingestion_study st SET number_of_series = number_of_series + new.amount
FROM (SELECT study_id, count(*) AS amount FROM touched WHERE is_added GROUP BY study_id) AS new
WHERE st.id = new.study_id
"""

# A row that another study took in the meantime is left alone: fewer rows come back than
# were accepted, and the batch is judged again.
UPSERT_INSTANCES = f"""
INSERT INTO ingestion_instance AS t (storage_space_id, series_id, sop_instance_uid, receipt_id,
    {", ".join(INSTANCE_COLUMNS)})
SELECT r.storage_space_id, se.id, r.sop_instance_uid, r.id,
    {", ".join(f"r.{column}" for column in INSTANCE_COLUMNS)}
{_PLACED}
WHERE {_ACCEPTED}
ORDER BY r.storage_space_id, r.sop_instance_uid
ON CONFLICT (storage_space_id, sop_instance_uid) DO UPDATE SET
    series_id = EXCLUDED.series_id, receipt_id = EXCLUDED.receipt_id,
    {", ".join(f"{column} = EXCLUDED.{column}" for column in INSTANCE_COLUMNS)},
    changed_at = now(), deleted_at = NULL
WHERE t.series_id = EXCLUDED.series_id OR t.deleted_at IS NOT NULL
"""

RECORD_CHANGES = f"""
INSERT INTO ingestion_instancechange (study_id, series_instance_uid, sop_instance_uid, kind)
SELECT st.id, r.series_instance_uid, r.sop_instance_uid,
       CASE r.outcome WHEN 'registered' THEN 'addition' ELSE 'modification' END
{_PLACED} WHERE {_ACCEPTED} ORDER BY r.id
"""

RECORD_EVENTS = f"""
INSERT INTO ingestion_event (type, storage_space_id, study_instance_uid, series_instance_uid,
    sop_instance_uid, modalities, sop_classes, calling_ae_title, data)
SELECT 'DicomAvailableEvent', r.storage_space_id, r.study_instance_uid, r.series_instance_uid,
    r.sop_instance_uid, CASE r.modality WHEN '' THEN '{{}}' ELSE ARRAY[r.modality] END,
    ARRAY[r.sop_class_uid], r.calling_ae_title, jsonb_build_object(
        'change', CASE r.outcome WHEN 'registered' THEN 'addition' ELSE 'modification' END,
        'sopClassUID', r.sop_class_uid, 'transferSyntaxUID', r.transfer_syntax_uid,
        'sizeBytes', r.size_bytes, 'sha256', encode(r.data_set_sha256, 'hex'),
        'callingAETitle', r.calling_ae_title, 'receivedAt', r.received_at)
FROM ingestion_receipt r WHERE {_ACCEPTED} ORDER BY r.id
"""

# What came back after a deletion is counted from the rows themselves.
RECOUNT = recount_statement("""
    SELECT DISTINCT st.id FROM ingestion_receipt r
    JOIN ingestion_study st ON st.storage_space_id = r.storage_space_id
        AND st.study_instance_uid = r.study_instance_uid
    WHERE r.id = ANY($1)
""")

_PREPARED = {
    "serialize_studies": SERIALIZE_STUDIES,
    "judge": JUDGE,
    "retire": RETIRE,
    "record_conflicts": RECORD_CONFLICTS,
    "upsert_studies": UPSERT_STUDIES,
    "upsert_series": UPSERT_SERIES,
    "record_changes": RECORD_CHANGES,
    "record_events": RECORD_EVENTS,
    "upsert_instances": UPSERT_INSTANCES,
    "recount": RECOUNT,
    "drop_duplicate_documents": DROP_DUPLICATE_DOCUMENTS,
}
JUDGING = ("serialize_studies", "judge")
_RECORDS = ("record_changes", "record_events", "upsert_instances")
WRITING = ("record_conflicts", "upsert_studies", "upsert_series", *_RECORDS)
WRITING_SEVERAL = (
    "record_conflicts",  # against the values held so far …
    "upsert_studies",
    "record_conflicts",  # … and against the new ones, from which a single receipt cannot differ
    "upsert_series",
    *_RECORDS,
)

# Planned once per connection, as written: from the batch's receipts outward, by key. A plan
# made while the tables are empty would otherwise read them whole until the next ANALYZE.
_PLANNING = """
SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off;
SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;
SET LOCAL join_collapse_limit = 1; SET LOCAL from_collapse_limit = 1;
"""
_prepared: WeakSet[object] = WeakSet()


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL and its values, which can travel in one message with what follows it."""

    sql: str
    values: Sequence[Any]


NOTHING = Statement("", ())


def judge(cursor: CursorWrapper, ids: Sequence[str], *, after: Statement = NOTHING) -> None:
    """Lock the studies and judge the receipts, `after` another statement, in one round trip.

    First in its transaction. The cursor holds id, outcome and two flags of each one judged.
    """
    if cursor.connection not in _prepared:
        _prepare(cursor)
    _execute(cursor, JUDGING, ids, after=Statement(after.sql + _PLANNING, after.values))


def run(cursor: CursorWrapper, names: Sequence[str], ids: Sequence[str]) -> None:
    """Run statements over a batch in one round trip; the cursor holds the last one's result.

    After `judge`, in its transaction.
    """
    _execute(cursor, names, ids, after=NOTHING)


def _execute(
    cursor: CursorWrapper, names: Sequence[str], ids: Sequence[str], *, after: Statement
) -> None:
    calls = ";".join(f"EXECUTE registration_{name}(%s::uuid[])" for name in names)
    cursor.execute(after.sql + calls, [*after.values, *[list(ids)] * len(names)])


def _prepare(cursor: CursorWrapper) -> None:
    """Let the connection know the statements. A failed transaction does not undo it."""
    cursor.execute(
        ";".join(
            f"PREPARE registration_{name} (uuid[]) AS {statement}"
            for name, statement in _PREPARED.items()
        )
    )
    _prepared.add(cursor.connection)
