-- Fills the manifest with studies of two series of five instances each, without any objects.
-- %(space)s, %(first)s and %(last)s are given. All instances share one header document: a search
-- that is measured reads none.
INSERT INTO ingestion_headerdocument (id, body)
VALUES ('00000000-0000-7000-8000-000000000001', '\x28b52ffd20021100007b7d') ON CONFLICT DO NOTHING;

INSERT INTO ingestion_study (
    storage_space_id, study_instance_uid, patient_id, patient_name, patient_name_normalized,
    study_date, study_time, accession_number, study_id, study_description, modalities,
    sop_classes, number_of_series, number_of_instances, document_id)
SELECT %(space)s, '2.25.7' || lpad(n::text, 30, '0'), 'P' || lpad((n / 3)::text, 7, '0'),
    initcap(translate(substr(md5((n / 3)::text), 1, 9), '0123456789', 'ghijklmnop')) || '^Jane',
    translate(substr(md5((n / 3)::text), 1, 9), '0123456789', 'ghijklmnop') || ' jane',
    to_char(date '2016-01-01' + (n * 37 %% 3650)::int, 'YYYYMMDD'), '101530', 'A' || n, 'S' || n,
    'CT Abdomen and Pelvis', ARRAY[(ARRAY['CT', 'MR', 'US', 'CR', 'DX'])[1 + n %% 5]],
    ARRAY['1.2.840.10008.5.1.4.1.1.2'], 2, 10, '00000000-0000-7000-8000-000000000001'
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n;

INSERT INTO ingestion_series (
    study_id, series_instance_uid, modality, series_number, series_description,
    number_of_instances, document_id)
SELECT study.id, study.study_instance_uid || '.' || n, study.modalities[1], n, 'Portal venous', 5,
    study.document_id
FROM ingestion_study AS study CROSS JOIN generate_series(1, 2) AS n
WHERE study.study_instance_uid BETWEEN '2.25.7' || lpad(%(first)s::text, 30, '0')
    AND '2.25.7' || lpad(%(last)s::text, 30, '0');

INSERT INTO ingestion_instance (
    storage_space_id, series_id, sop_instance_uid, sop_class_uid, transfer_syntax_uid,
    instance_number, rows, columns, bits_allocated, data_set_sha256, location, size_bytes,
    data_set_offset, receipt_id, document_id)
SELECT %(space)s, series.id, series.series_instance_uid || '.' || n, '1.2.840.10008.5.1.4.1.1.2',
    '1.2.840.10008.1.2.1', n, 512, 512, 16, sha256((series.id * 10 + n)::text::bytea),
    'generated', 527644, 300, gen_random_uuid(), series.document_id
FROM ingestion_series AS series CROSS JOIN generate_series(1, 5) AS n
WHERE series.series_instance_uid BETWEEN '2.25.7' || lpad(%(first)s::text, 30, '0')
    AND '2.25.7' || lpad(%(last)s::text, 30, '0') || '.9';

ANALYZE ingestion_study, ingestion_series, ingestion_instance;
