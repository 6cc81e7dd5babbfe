"""Phone numbers, by libphonenumber's rules for the countries in which a language is spoken."""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.personal.spans import Finding

REGIONS = {
    "ar": ("EG", "SA"), "de": ("DE",), "en": ("US", "GB"), "es": ("ES", "MX"), "fr": ("FR",), "hi": ("IN",), "id": ("ID",), "it": ("IT",),
    "ja": ("JP",), "ko": ("KR",), "pt": ("PT", "BR"), "ru": ("RU",), "sw": ("KE", "TZ"), "th": ("TH",), "tr": ("TR",), "vi": ("VN",),
    "zh": ("CN", "TW"),
}  # fmt: skip
_CANDIDATE = re.compile(r"[+(]?[0-9](?:[ ()./-]{0,3}[0-9]){6,16}")
# A national number without separators could be any number: one of these has to stand before it.
_WORDS = re.compile(
    r"(?i)phone|call|dial|\btel\b|tel[.:]|mobile|\bcell|whats ?app|\bsms|text me|telef|handy|appel|chiam|лефон|звон|电话|電話|手机|手機|"
    r"携帯|전화|휴대폰|هاتف|جوال|اتصل|फ़?ोन|nomor|hp\b|telpon|simu|โทร|điện thoại|gọi|ligu|llam|ara(?:y|)in"
)
_SEPARATED = re.compile(r"[0-9)][ ().-]{1,2}[(0-9]")


def find(text: str, language: str) -> Iterator[Finding]:
    """Phone numbers of people: no toll-free, premium or short ones."""
    if not _CANDIDATE.search(text):
        return
    import phonenumbers
    from phonenumbers import Leniency, PhoneNumberMatcher, PhoneNumberType

    public = {PhoneNumberType.TOLL_FREE, PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST, PhoneNumberType.UAN}
    for region in REGIONS.get(language, ("US",)):
        for match in PhoneNumberMatcher(text, region, leniency=Leniency.STRICT_GROUPING):
            if phonenumbers.number_type(match.number) in public:
                continue
            written = match.raw_string
            named = _WORDS.search(text, max(0, match.start - 40), match.end + 20) is not None
            if written.startswith("+") or named or (_SEPARATED.search(written) and written[0] in "0("):
                yield Finding(match.start, match.end, "phone", "phone number")
