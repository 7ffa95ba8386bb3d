"""Counters and sets of studies, counted anew from the rows themselves.

Where instances come back or leave there is nothing to add to or subtract from: a series may
hold none of its instances any more, and then it is a tombstone, as is the study without series.
"""


def recount_statement(affected: str) -> str:
    """SQL that counts the studies whose `id` the query `affected` selects.

    Their rows must be locked. It sees what earlier statements of the transaction wrote.
    """
    return f"""
WITH affected AS ({affected}), held AS (
    SELECT se.study_id, se.id, se.modality, count(i.id) AS instances, sum(i.size_bytes) AS bytes,
           array_agg(DISTINCT i.sop_class_uid) AS sop_classes
    FROM ingestion_series se
    LEFT JOIN ingestion_instance i ON i.series_id = se.id AND i.deleted_at IS NULL
    WHERE se.study_id IN (SELECT id FROM affected)
    GROUP BY se.id
), series AS (
    UPDATE ingestion_series se SET number_of_instances = held.instances,
        deleted_at = CASE WHEN held.instances = 0 THEN COALESCE(se.deleted_at, now()) END
    FROM held WHERE se.id = held.id
        AND (se.number_of_instances <> held.instances
             OR (se.deleted_at IS NULL) <> (held.instances > 0))
), total AS (
    SELECT study_id, count(*) FILTER (WHERE instances > 0) AS series,
           sum(instances) AS instances, COALESCE(sum(bytes), 0) AS bytes,
           COALESCE(array_agg(DISTINCT modality ORDER BY modality)
                    FILTER (WHERE instances > 0 AND modality <> ''), '{{}}') AS modalities
    FROM held GROUP BY study_id
)
UPDATE ingestion_study st SET
    number_of_series = total.series, number_of_instances = total.instances,
    size_bytes = total.bytes, modalities = total.modalities,
    sop_classes = ARRAY(SELECT DISTINCT c FROM held, unnest(held.sop_classes) AS c
                        WHERE held.study_id = st.id AND c IS NOT NULL ORDER BY c),
    deleted_at = CASE WHEN total.instances = 0 THEN COALESCE(st.deleted_at, now()) END
FROM total WHERE st.id = total.study_id
"""  # noqa: S608  # all parts are constants of ours
