"""Turns values of big endian data sets into little endian. Source: PS3.5 7.3."""


def little_endian(value: bytes, word_bytes: int) -> bytes:
    """The value with each whole word of `word_bytes` reversed; 1 leaves it as it is."""
    if word_bytes == 1:
        return value
    whole = len(value) - len(value) % word_bytes
    turned = bytearray(value)
    for index in range(word_bytes):
        turned[index:whole:word_bytes] = value[word_bytes - 1 - index : whole : word_bytes]
    return bytes(turned)
