"""What is personal, secret or markup in a prompt is found by form and check digit, and ordinary numbers are not."""

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from curation.files import read_rows
from curation.languages.packs import available_languages, load_pack
from curation.personal import digits
from curation.personal.credentials import entropy
from curation.personal.findings import find_personal, masked, told

DATA = Path(os.environ.get("MORBENCH_DATA", "data"))
KEY = "AbC4dEf7GhI2jKl9MnO1pQr6StU8vWx3YzA5"  # no key of anybody


def spans(text: str, language: str = "en") -> list[tuple[str, str, str]]:
    return [(found.kind, found.what, text[found.start : found.end]) for found in find_personal(text, language)]


# Every number is made up, or the one that its authority publishes as an example.
@pytest.mark.parametrize(("language", "text", "what", "span"), [
    ("en", "Write to Anna.Meier+x@mail.web.de, please", "e-mail address", "Anna.Meier+x@mail.web.de"),
    ("zh", "我的邮箱是li.ming@qq.com谢谢", "e-mail address", "li.ming@qq.com"),
    ("en", "Call me at (202) 456-1414 tonight", "phone number", "(202) 456-1414"),
    ("sw", "Piga +254 712 123456 leo", "phone number", "+254 712 123456"),
    ("fr", "mon numéro, 06 12 34 56 78, merci", "phone number", "06 12 34 56 78"),
    ("ja", "０９０－１２３４－５６７８に電話して", "phone number", "０９０－１２３４－５６７８"),
    ("zh", "请打电话 13800138000", "phone number", "13800138000"),
    ("ar", "رقم هاتفي ٠١٠٠١٢٣٤٥٦٧", "phone number", "٠١٠٠١٢٣٤٥٦٧"),
    ("en", "pay with 4012 8888 8888 1881 now", "card number", "4012 8888 8888 1881"),
    ("de", "IBAN DE89 3704 0044 0532 0130 00 bitte", "IBAN", "DE89 3704 0044 0532 0130 00"),
    ("en", "IBAN GB82 WEST 1234 5698 7654 32 HERE", "IBAN", "GB82 WEST 1234 5698 7654 32"),
    ("en", "my SSN is 512-34-5678", "US social security number", "512-34-5678"),
    ("en", "NI number QQ 12 34 56 C", "UK national insurance number", None),
    ("en", "NI number AB 12 34 56 C", "UK national insurance number", "AB 12 34 56 C"),
    ("de", "Steuer-ID: 86 095 742 719", "Steuer-ID", "86 095 742 719"),
    ("es", "mi DNI es 12345678Z", "DNI", "12345678Z"),
    ("es", "mi NIE: X1234567L", "NIE", "X1234567L"),
    ("fr", "sécu 2 55 08 14 168 025 38", "numéro de sécurité sociale", "2 55 08 14 168 025 38"),
    ("it", "CF RSSMRA85T10A562S", "codice fiscale", "RSSMRA85T10A562S"),
    ("pt", "contribuinte 123456789", "NIF", "123456789"),
    ("pt", "CPF 529.982.247-25", "CPF", "529.982.247-25"),
    ("tr", "numara 10000000146", "T.C. kimlik no", "10000000146"),
    ("zh", "身份证11010519491231002X", "Chinese resident number", "11010519491231002X"),
    ("ko", "주민등록번호 900101-1234567", "주민등록번호", "900101-1234567"),
    ("hi", "मेरा आधार 2341 2341 2346 है", "Aadhaar number", "2341 2341 2346"),
    ("hi", "PAN ABCPE1234F", "PAN", "ABCPE1234F"),
    ("ru", "СНИЛС 112-233-445 95", "СНИЛС", "112-233-445 95"),
    ("ru", "ИНН 500100732259", "ИНН", "500100732259"),
    ("ja", "マイナンバー 1234 5678 9018", "マイナンバー", "1234 5678 9018"),
    ("th", "1-2345-67890-12-1", "Thai identity number", "1-2345-67890-12-1"),
    ("vi", "CCCD 001099012345", "CCCD", "001099012345"),
    ("id", "NIK 3171234567890123", "NIK", None),
    ("id", "NIK 3171010101900001", "NIK", "3171010101900001"),
    ("ar", "رقم الهوية 1000000008", "Saudi identity number", "1000000008"),
    ("ar", "29001010112345", "Egyptian identity number", "29001010112345"),
    ("sw", "NIDA 19900107-11101-00001-23", "NIDA number", "19900107-11101-00001-23"),
    ("de", "Reisepass C12345678", "passport number", "C12345678"),
    ("en", "use postgres://bob:s3cr3tPw@db.host/x here", "URL with a password", "postgres://bob:s3cr3tPw@db.host/x"),
    ("en", f"token ghp_{KEY} leaked", "key or token", f"ghp_{KEY}"),
    ("en", f"key AKIA{KEY.upper()[:16]}", "key or token", f"AKIA{KEY.upper()[:16]}"),
    ("en", f"API key: {KEY}", "password or key", KEY),
    ("en", "-----BEGIN RSA PRIVATE " + "KEY-----\nabc\n-----END RSA PRIVATE KEY----- x", "private key",
     "-----BEGIN RSA PRIVATE " + "KEY-----\nabc\n-----END RSA PRIVATE KEY-----"),
    ("en", "hi <script>alert(1)", "HTML", "<script>"),
    ("en", "see ![x](http://a.b/c.png)", "Markdown image", "![x](http://a.b/c.png)"),
    ("en", "<|im_start|>system", "chat template token", "<|im_start|>"),
    ("en", "open javascript:alert(1)", "script in an attribute or link", "javascript:"),
])  # fmt: skip
def test_found(language: str, text: str, what: str, span: str | None) -> None:
    found = [part for _, kind, part in spans(text, language) if kind == what]
    assert found == ([] if span is None else found[:1]) and found[:1] == ([span] if span else [])


@pytest.mark.parametrize("text", [
    "What happened between 2019-2024, and in 1945?", "Convert 1111000 to decimal, then 123456789", "Is 3.14159265358979 pi?",
    "How many of 10,000,000,000 people?", "Call 911, 112 or 1-800-273-8255", "Write to info@example.com", "a < b and c > d, List<String>",
    "What does [1] mean in [the paper](https://a.org/x)?", "My ID is 123-45-6789", "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "API_KEY=your-api-key-12345", 'access_token: "ACCESS_TOKEN1"', "https://user@host.org/path", "1 2 3 4 5 6 7 8 9 10 11 12 13",
    "ISBN 978-3-16-148410-0", "192.168.100.200:8080", "12/31/2024 23:59:59", "the AKIA prefix", "1234567890123456", "5 < 6 and <3",
    "password is important for everybody", "GTA 5, Windows 10, C-4, MP40, AK-47", "E=mc^2 x10^23", "0000 0000 0000 0000",
])  # fmt: skip
def test_ordinary_text_is_left_alone(text: str) -> None:
    for language in available_languages():
        assert spans(text, language) == []


def test_no_seed_of_any_pack_is_found() -> None:
    for code in available_languages():
        pack = load_pack(code)
        for row in (*pack.benign, *pack.harmful, *pack.harmless):
            assert find_personal(row.text, code) == [], row.text


@pytest.mark.skipif(not (DATA / "prompts").is_dir(), reason="the public data is not here")
def test_of_the_public_prompts_at_most_one_in_a_thousand_is_found() -> None:
    for path in sorted((DATA / "prompts").glob("*.jsonl")):
        rows = read_rows(path)[:3000]
        assert sum(bool(find_personal(row["prompt"], row["language"])) for row in rows) <= len(rows) / 1000


@given(
    st.text(max_size=200) | st.text("0123456789 .-/()+@<>[]:AKIPXYZabsk_\n", max_size=200),
    st.sampled_from(["en", "tr", "zh", "xx", ""]),
)
@example("\ud800 4012888888881881 \0 a@b.co", "en")
@example("a" * 20_000 + "@", "en")
@example("![" * 5_000, "en")
def test_any_text_gives_spans_that_are_apart_and_inside(text: str, language: str) -> None:
    found = find_personal(text, language)
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert all(one.end <= other.start for one, other in itertools.pairwise(found))


@given(st.integers(0, 10**15 - 1))
def test_of_sixteen_digits_without_a_name_only_cards_are_found(number: int) -> None:
    text = f"What is {number:016d} as a word?"
    found = spans(text)
    assert all(kind == "account" for kind, *_ in found)
    assert not found or digits.luhn(f"{number:016d}")


@given(st.integers(0, 10**15), st.integers(0, 14), st.integers(1, 9))
def test_a_wrong_digit_breaks_every_check(number: int, place: int, change: int) -> None:
    """Luhn and Verhoeff find every single wrong digit."""
    for check in (digits.luhn, digits.verhoeff):
        body = f"{number:015d}"[:15]
        whole = next(body + str(last) for last in range(10) if check(body + str(last)))
        wrong = whole[:place] + str((int(whole[place]) + change) % 10) + whole[place + 1 :]
        assert not check(wrong)


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=40))
def test_entropy_lies_between_none_and_that_of_its_length(text: str) -> None:
    assert 0 <= entropy(text) <= len(text).bit_length()


def test_a_masked_text_says_what_was_there_and_no_more() -> None:
    text = "Ask anna@web.de, card 4012 8888 8888 1881, about <b>this</b>"
    assert masked(text) == "Ask [e-mail address], card [card number], about <b>this</b>"
    shown = told(find_personal(text))
    assert "e-mail address at 4-15" in shown and "anna" not in shown and "4012" not in shown


@given(st.text(max_size=100))
def test_masking_leaves_text_without_findings_alone(text: str) -> None:
    assume(not find_personal(text))
    assert masked(text) == text
