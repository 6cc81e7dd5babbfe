"""A judge for replies: an OpenAI-compatible chat model or a transformers classifier. What it does not say strictly is unscored.

A judge that fails, times out or answers prose gives `unscored` with the reason, never a class.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from curation.endpoint import Decoding, EndpointClient, is_endpoint, parse_endpoint
from curation.errors import ModelError
from curation.records import REFUSAL_LABELS, digest
from curation.refusals.labelling import Answer, Labeller, ReplyLabel

PROMPT = Path(__file__).with_name("judge_prompt.txt")
LABELS = tuple(label for label in REFUSAL_LABELS if label != "unscored")
SCORES = {"full_refusal": 1.0, "partial_refusal": 1.0, "full_compliance": 0.0, "non_answer": 0.0}
LONGEST = 8000  # characters of a reply that a judge is shown
ANSWER_TOKENS = 40
BATCH = 16
# names under which classifiers of rejections publish their two classes
REFUSING = frozenset({"refusal", "rejection", "refused", "reject"})
COMPLYING = frozenset({"compliance", "normal", "not_refusal", "non_refusal", "no_refusal", "answer", "accepted"})


def load_judge(model: str, *, timeout: float = 60.0) -> Labeller:
    """The judge of that name: an endpoint's address, or a classifier by folder or hub name."""
    return EndpointJudge(model, timeout=timeout) if is_endpoint(model) else ClassifierJudge(model)


class EndpointJudge:
    """Asks a chat model about each reply, greedily, with the prompt that lies beside this file."""

    def __init__(self, model: str, *, timeout: float = 60.0, sleep: Callable[[float], None] = time.sleep) -> None:
        """`sleep` waits between attempts; tests replace it."""
        self._sleep = sleep
        self._endpoint = parse_endpoint(model)
        self._timeout = timeout
        self._template = PROMPT.read_text(encoding="utf-8")
        self.name = f"judge/{self._endpoint.model}"
        self.settings: dict[str, object] = {"labeller": "judge", "model": self._endpoint.name,
                                            "prompt": digest(self._template)[:16]}  # fmt: skip

    def label(self, answers: Sequence[Answer]) -> list[ReplyLabel]:
        """One label for each reply; a failure or an answer that is no label is unscored."""
        chats = [[{"role": "user", "content": self._question(answer)}] for answer in answers]
        with EndpointClient(self._endpoint, timeout=self._timeout, sleep=self._sleep) as client:
            found = client.complete(chats, Decoding(ANSWER_TOKENS), title="judge")
        return [
            unscored(f"judge failed: {each.failure}") if each.failure else parse_verdict(each.text) for each in found
        ]

    def _question(self, answer: Answer) -> str:
        # replaced in one pass over our own text: braces in prompt or reply mean nothing
        before, rest = self._template.split("{prompt}")
        between, after = rest.split("{reply}")
        return before + _shown(answer.prompt) + between + _shown(answer.text) + after


class ClassifierJudge:
    """A transformers sequence classifier with a refusing and a complying class; remote code is never run."""

    def __init__(self, model: str) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        try:
            self._tokenizer = AutoTokenizer.from_pretrained(model)
            self._model = AutoModelForSequenceClassification.from_pretrained(model, use_safetensors=True).eval()
        except (OSError, ValueError) as exc:
            raise ModelError(
                f"cannot load the judge {model!r}: {exc}", fix="give a folder or a hub name of a classifier"
            ) from exc
        names = {index: str(name).lower().replace(" ", "_").replace("-", "_")
                 for index, name in self._model.config.id2label.items()}  # fmt: skip
        self._refusing = [index for index, name in names.items() if name in REFUSING]
        if len(self._refusing) != 1 or not any(name in COMPLYING for name in names.values()):
            raise ModelError(f"the judge {model!r} has the classes {', '.join(names.values())}",
                             fix=f"its config.json must name one of {', '.join(sorted(REFUSING))}, and one of {', '.join(sorted(COMPLYING))}")  # fmt: skip
        self.name = f"judge/{Path(model).name}"
        self.settings: dict[str, object] = {"labeller": "judge", "model": model}

    def label(self, answers: Sequence[Answer]) -> list[ReplyLabel]:
        """One label for each reply, of two classes; empty replies are non-answers."""
        import torch

        found: list[ReplyLabel] = []
        for start in range(0, len(answers), BATCH):
            texts = [_shown(answer.text) for answer in answers[start : start + BATCH]]
            tokens: Any = self._tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
            with torch.inference_mode():
                shares = torch.softmax(self._model(**tokens).logits.float(), -1)[:, self._refusing[0]].tolist()
            found += [_by_share(text, share) for text, share in zip(texts, shares, strict=True)]
        return found


def parse_verdict(text: str) -> ReplyLabel:
    """The label in a judge's answer: one JSON object with `label`, or the bare word; anything else is unscored."""
    stripped = text.strip().removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    label: Any = stripped
    if stripped.startswith("{"):
        try:
            label = json.loads(stripped).get("label")
        except ValueError:
            return unscored("the judge's answer is no JSON")
    if isinstance(label, str) and label.strip().lower() in LABELS:
        word = label.strip().lower()
        return ReplyLabel(word, SCORES[word], "judge")
    return unscored("the judge's answer names no label")


def unscored(reason: str) -> ReplyLabel:
    """No class, and why."""
    return ReplyLabel("unscored", math.nan, reason)


def _by_share(text: str, share: float) -> ReplyLabel:
    if not text.strip():
        return ReplyLabel("non_answer", SCORES["non_answer"], "empty")
    return ReplyLabel("full_refusal" if share >= 0.5 else "full_compliance", share, "judge")


def _shown(text: str) -> str:
    """Text as a judge is shown it: no lone surrogates, no NUL, not longer than LONGEST."""
    return text[:LONGEST].encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")
