"""Private blocks change places so that each creator is where it is named (PS3.5 7.8.1)."""

from hypothesis import given
from hypothesis import strategies as st

from ingestion.dicom.json_model import element
from ingestion.dicom.private_blocks import in_named_blocks

CREATORS = ("A", "B", "C", "D")
BLOCKS = ("10", "11", "12", "FF")


def data_set(blocks: dict[str, str]) -> dict[str, object]:
    """The blocks of two groups: a creator element, and one element that says whose it is."""
    held: dict[str, object] = {"00100020": element("LO", "P")}
    for block, creator in blocks.items():
        held[f"000900{block}"] = element("LO", creator)
        held[f"0009{block}01"] = element("LO", f"of {creator}")
        held[f"001100{block}"] = element("LO", "Z")
        held[f"0011{block}01"] = element("LO", "of Z")
    return held


def placed(*creators: str) -> "st.SearchStrategy[dict[str, str]]":
    """Some creators in blocks of their own."""
    return st.lists(st.sampled_from(creators), unique=True, max_size=4).flatmap(
        lambda chosen: st.permutations(BLOCKS).map(
            lambda blocks: dict(zip(blocks, chosen, strict=False))
        )
    )


@given(held=placed(*CREATORS), named=placed(*CREATORS, "not held"))
def test_each_creator_stands_where_it_is_named_and_nothing_is_lost(
    held: dict[str, str], named: dict[str, str]
) -> None:
    before = data_set(held)
    after = in_named_blocks(before, {f"000900{block}": name for block, name in named.items()})
    for block, creator in named.items():
        if creator in held.values():
            assert after[f"000900{block}"] == element("LO", creator)
            assert after[f"0009{block}01"] == element("LO", f"of {creator}")
    for block, creator in held.items():
        blocks = [tag[6:] for tag in after if after[tag] == element("LO", creator)]
        assert [after[f"0009{found}01"] for found in blocks] == [element("LO", f"of {creator}")]
        assert after[f"0011{block}01"] == element("LO", "of Z")
    assert sorted(map(str, after.values())) == sorted(map(str, before.values()))
    assert before == data_set(held)
