from __future__ import annotations

import html
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.display import LONGEST, displayable, visible_form
from tests.annotation.conftest import HOSTILE

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))  # lone surrogates and all


@given(ANY_TEXT)
def test_nothing_is_left_that_a_page_could_take_for_markup(text: str) -> None:
    shown = displayable(text)
    assert "<" not in shown
    assert ">" not in shown
    assert shown.encode("utf-8")  # what cannot be sent is not there
    assert not any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t" for char in shown)
    assert not any(unicodedata.bidirectional(char) in ("LRO", "RLO", "LRE", "RLE", "PDF", "LRI", "RLI", "FSI", "PDI")
                   for char in shown)  # fmt: skip


@given(ANY_TEXT.filter(lambda text: text.strip()))
def test_people_see_the_text_itself(text: str) -> None:
    assert html.unescape(displayable(text)) == html.unescape(html.escape(visible_form(text), quote=False))


@pytest.mark.parametrize(
    "text",
    ["كيف أقتل عملية في لينكس؟", "می‌خواهم \u200c", "如何“杀死”一个进程？", "👩\u200d🚒 \u200fשלום", "a\tb\nc & d"],
)
def test_letters_marks_and_joiners_stay(text: str) -> None:
    assert visible_form(text) == text


def test_what_is_hidden_is_shown() -> None:
    assert displayable("a\x00b\u202ec\ud800d\x7f\r\ne") == "a␀b\\u202ec\\ud800d␡\ne"
    assert displayable(" \n") == "∅"
    assert displayable(HOSTILE[0]).startswith("&lt;img src=x")


def test_long_text_is_cut_with_a_note() -> None:
    shown = displayable("x" * 100_000)
    assert len(shown) < LONGEST + 100
    assert shown.endswith("[… 20,000 / 100,000]")
