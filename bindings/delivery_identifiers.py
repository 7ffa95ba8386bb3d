"""The id that receivers deduplicate by, from what the delivery is: so it outlives the row.

Source: RFC 9562 5.8 (UUIDv8; the hash is SHA-256, which needs no extension of the database).
Nobody outside knows a subscription's uuid, so nobody can guess its deliveries' ids.
"""

# Of event `e` owed to subscription `s`. The two digits set are version and variant.
DELIVERY_UUID = """
    overlay(overlay(
        left(encode(sha256(uuid_send(s.uuid) || uuid_send(e.uuid)), 'hex'), 32)
        PLACING '8' FROM 13) PLACING '8' FROM 17)::uuid
"""
