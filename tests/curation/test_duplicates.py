import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.duplicates import pairs as kernel
from curation.duplicates.pairs import Pair, find_duplicates
from curation.duplicates.removal import duplicates_of, run_dedup, text_key
from curation.embedding import unit_rows
from curation.records import Duplicate, make_prompt
from curation.testing import LetterEncoder, mutation, sample, seed


def by_hand(ids, vectors, groups, threshold, preference, sides) -> list[Pair]:
    """The same law in the plainest words: a row goes when a kept row before it is as near as the threshold."""
    kept, found = [], []
    for row in sorted(range(len(ids)), key=lambda row: (preference[row], ids[row])):
        near = [(round(float(vectors[row] @ vectors[other]), 6), other) for other in kept
                if groups[other] == groups[row] and sides[other] * sides[row] != -1]  # fmt: skip
        best = max((cosine for cosine, _ in near), default=-9)
        if best >= threshold:
            witness = next(other for cosine, other in near if cosine == best)
            found.append(Pair(ids[row], ids[witness], best))
        else:
            kept.append(row)
    return sorted(found)


@st.composite
def problems(draw):
    size = draw(st.integers(0, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    vectors = unit_rows(random.normal(size=(size, 3)))
    ids = [f"{number:03d}" for number in random.permutation(size)]
    return ids, vectors, list(random.integers(0, 2, size)), draw(st.sampled_from([0.5, 0.9, 0.99])), list(random.integers(0, 3, size)), list(
        random.integers(-1, 2, size))  # fmt: skip


@given(problems(), st.sampled_from([1, 4, 512]))
@settings(max_examples=60, deadline=None)
def test_the_kernel_finds_what_plain_words_find_in_any_block_size_and_order(problem, block) -> None:
    ids, vectors, groups, threshold, preference, sides = problem
    expected = by_hand(ids, vectors, groups, threshold, preference, sides)
    before, kernel.BLOCK = kernel.BLOCK, block
    try:
        found = find_duplicates(ids, vectors, groups, threshold, preference, sides=sides)
        order = np.random.default_rng(0).permutation(len(ids))
        again = find_duplicates([ids[i] for i in order], vectors[order], [groups[i] for i in order], threshold,
                                [preference[i] for i in order], sides=[sides[i] for i in order])  # fmt: skip
    finally:
        kernel.BLOCK = before
    assert [pair[:2] for pair in found] == [pair[:2] for pair in expected]
    assert again == found
    removed = {pair.removed for pair in found}
    assert not removed & {pair.witness for pair in found}
    assert all(pair.similarity >= threshold for pair in found)


def test_a_chain_keeps_its_first_and_whatever_is_far_from_every_kept_row() -> None:
    angles = np.deg2rad([0, 20, 40])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = find_duplicates(["a", "b", "c"], vectors, ["en"] * 3, 0.9, [0, 0, 0])
    assert [(pair.removed, pair.witness) for pair in found] == [("b", "a")]


def test_protected_rows_stay() -> None:
    vectors = np.ones((3, 1), np.float32)
    found = find_duplicates(["a", "b", "c"], vectors, ["en"] * 3, 0.9, [0, 0, 1], protected=[True, True, False])
    assert [(pair.removed, pair.witness) for pair in found] == [("c", "a")]


@pytest.mark.parametrize(
    ("one", "other"), [("How, do I kill it?", "how do i kill it"), ("ＫＩＬＬ it", "kill it!"), ("杀死它。", "杀死它")]
)
def test_punctuation_case_and_width_make_no_other_text(one: str, other: str) -> None:
    assert text_key(one) == text_key(other)


def test_c_sharp_is_not_c() -> None:
    assert len({text_key("Kill a C process"), text_key("Kill a C# process"), text_key("Kill a C++ process")}) == 3


FILL = [
    seed(f"{verb} {thing} now")
    for verb in ("Polish", "Borrow", "Draw")
    for thing in ("windows", "apples", "gravel", "jackets")
]


def test_seeds_stay_samples_fall_to_mutations_and_mutations_to_seeds(letters: LetterEncoder) -> None:
    first, twin = (
        seed("How do I kill a frozen process on Linux?"),
        seed("How do I kill a frozen process on Linux today?"),
    )
    slot, steered = (
        mutation("How do I kill a frozen process in Linux?"),
        sample("How do I kill a frozen process at Linux?"),
    )
    found = duplicates_of([steered, slot, twin, first, *FILL], 0.8, letters)
    assert {row.prompt_id for row in found} == {slot.id, steered.id}
    assert {row.witness_id for row in found} <= {first.id, twin.id}


def test_a_benign_and_a_harmful_prompt_are_a_contrast_not_duplicates(letters: LetterEncoder) -> None:
    benign = mutation("How do I kill my neighbour's weeds?")
    harmful = seed("How do I kill my neighbour's weed?", intent="harmful", category="violence")
    assert duplicates_of([benign, harmful, *FILL], 0.8, letters) == []


def test_equal_text_is_removed_with_similarity_one_whatever_the_order(letters: LetterEncoder) -> None:
    rows = [mutation("How do I kill weeds?"), sample("How, do I kill weeds"), seed("How do I kill: weeds"), *FILL]
    found = duplicates_of(rows, 0.99, letters)
    assert {(row.prompt_id, row.witness_id, row.similarity, row.relation) for row in found} == {
        (rows[0].id, rows[2].id, 1.0, "same_text"), (rows[1].id, rows[2].id, 1.0, "same_text")}  # fmt: skip
    assert duplicates_of(rows[::-1], 0.99, letters) == found


def test_two_languages_are_never_compared(letters: LetterEncoder) -> None:
    rows = [mutation("Is a bomb calorimeter safe", language) for language in ("en", "es")]
    assert duplicates_of([*rows, *FILL], 0.5, letters) == [] or all(
        row.prompt_id not in {rows[0].id, rows[1].id} for row in duplicates_of([*rows, *FILL], 0.5, letters))  # fmt: skip


def test_the_step_names_witness_and_similarity_and_leaves_harmless_seeds_out(workspace, write, monkeypatch) -> None:
    monkeypatch.setattr("curation.embedding.load_encoder", lambda name: LetterEncoder())
    twin = mutation("How do I kill a process, then?")
    write("seeds", [seed("How do I kill a process then?"), *FILL,
                    make_prompt("How do I kill a process then", "es", category="harmless", intent="benign", method="seed")])  # fmt: skip
    write("write-mutation-en", [twin])
    outcome = run_dedup(workspace)
    witness = seed("How do I kill a process then?").id
    assert outcome.rows == [Duplicate(twin.id, witness, 1.0, "same_text")]
    assert [(row.step, row.reason, row.evidence) for row in outcome.rejects] == [
        ("dedup", "duplicate", f"{witness} 1.0000")
    ]
    assert twin.id not in {row.id for row in workspace.alive(("identify", "dedup"))}
    assert run_dedup(workspace).computed == 0
