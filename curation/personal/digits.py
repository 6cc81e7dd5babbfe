"""Check digits of cards, accounts and identity numbers. Every function takes the number without separators."""

from __future__ import annotations

import datetime

_VERHOEFF_PRODUCT = ("0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
                     "5987604321", "6598710432", "7659821043", "8765932104", "9876543210")  # fmt: skip
_VERHOEFF_TURN = ("0123456789", "1576283094", "5803796142", "8916043527",
                  "9453126870", "4286573901", "2793806415", "7046913258")  # fmt: skip
_ITALIAN_ODD = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", (
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21,
    2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23), strict=True))  # fmt: skip


def luhn(number: str) -> bool:
    """ISO/IEC 7812: every second digit from the right doubled."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def verhoeff(number: str) -> bool:
    """Verhoeff's scheme (1969) over the dihedral group of ten."""
    check = 0
    for place, digit in enumerate(reversed(number)):
        check = int(_VERHOEFF_PRODUCT[check][int(_VERHOEFF_TURN[place % 8][int(digit)])])
    return check == 0


def mod_97(number: str) -> bool:
    """ISO 7064 mod 97-10, as in IBAN: the first four characters go to the end, letters become 10 to 35."""
    return int("".join(str(int(char, 36)) for char in number[4:] + number[:4])) % 97 == 1


def mod_11_10(number: str) -> bool:
    """ISO 7064 mod 11, 10."""
    rest = 10
    for digit in number[:-1]:
        rest = (rest + int(digit)) % 10 or 10
        rest = rest * 2 % 11
    return (11 - rest) % 10 == int(number[-1])


def weighted(number: str, weights: tuple[int, ...]) -> int:
    """Sum of digits times weights."""
    return sum(int(digit) * weight for digit, weight in zip(number, weights, strict=False))


def is_date(year: int, month: int, day: int) -> bool:
    """Whether that day was, up to now (2100 at the latest: no clock decides)."""
    try:
        return 1890 <= datetime.date(year, month, day).year < 2100
    except ValueError:
        return False


def italian(code: str) -> bool:
    """Codice fiscale: odd places by a table, even ones by their value, a letter at the end."""
    body, check = code[:-1].upper(), code[-1].upper()
    total = sum(_ITALIAN_ODD[char] if place % 2 == 0 else int(char, 36) - (10 if char.isalpha() else 0)
                for place, char in enumerate(body))  # fmt: skip
    return chr(ord("A") + total % 26) == check


def german(number: str) -> bool:
    """Steuer-ID: of the first ten digits one stands there twice or three times, the others once; mod 11, 10."""
    counts = sorted(number[:10].count(digit) for digit in set(number[:10]))
    return number[0] != "0" and counts in ([1] * 8 + [2], [1] * 7 + [3]) and mod_11_10(number)


def french(number: str) -> bool:
    """NIR: thirteen digits (Corsica's 2A and 2B count as 19 and 18) and 97 minus their rest."""
    body = number[:13].upper().replace("2A", "19").replace("2B", "18")
    return body.isdigit() and 97 - int(body) % 97 == int(number[13:])


def spanish(code: str) -> bool:
    """DNI and NIE: the letter is the rest by 23."""
    digits = code[:-1].upper().replace("X", "0").replace("Y", "1").replace("Z", "2")
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(digits) % 23] == code[-1].upper()


def portuguese(number: str) -> bool:
    """NIF: weights 9 to 2."""
    return (11 - weighted(number, tuple(range(9, 1, -1))) % 11) % 11 % 10 == int(number[8])


def brazilian(number: str) -> bool:
    """CPF: two check digits; eleven equal digits are none."""
    first = weighted(number[:9], tuple(range(10, 1, -1))) * 10 % 11 % 10
    second = weighted(number[:10], tuple(range(11, 1, -1))) * 10 % 11 % 10
    return len(set(number)) > 1 and number[9:] == f"{first}{second}"


def turkish(number: str) -> bool:
    """T.C. kimlik no: the tenth digit from odd and even places, the eleventh from the sum."""
    odd, even = sum(map(int, number[0:9:2])), sum(map(int, number[1:8:2]))
    return int(number[9]) == (odd * 7 - even) % 10 and int(number[10]) == sum(map(int, number[:10])) % 10


def chinese(number: str) -> bool:
    """Resident number: province, a date of birth, and a character mod 11."""
    born = is_date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    total = weighted(number[:17], (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))
    return born and 11 <= int(number[:2]) <= 82 and "10X98765432"[total % 11] == number[17].upper()


def korean(number: str) -> bool:
    """Resident number: a date of birth whose century the seventh digit gives (new numbers have no check digit)."""
    century = {"9": 1800, "0": 1800, "1": 1900, "2": 1900, "5": 1900, "6": 1900}.get(number[6], 2000)
    return is_date(century + int(number[:2]), int(number[2:4]), int(number[4:6]))


def russian_insurance(number: str) -> bool:
    """СНИЛС: weights 9 to 1, mod 101."""
    return weighted(number[:9], tuple(range(9, 0, -1))) % 101 % 100 == int(number[9:])


def russian_tax(number: str) -> bool:
    """ИНН of a person: two check digits."""
    first = weighted(number, (7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10
    second = weighted(number, (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10
    return number[10:] == f"{first}{second}"


def japanese(number: str) -> bool:
    """マイナンバー: weights 6 to 2, 7 to 2, mod 11."""
    rest = weighted(number, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if rest <= 1 else 11 - rest) == int(number[11])


def thai(number: str) -> bool:
    """Thirteen digits: weights 13 to 2."""
    return (11 - weighted(number, tuple(range(13, 1, -1))) % 11) % 10 == int(number[12])


def indonesian(number: str) -> bool:
    """NIK: province, then the day of birth (women: plus 40), month and year."""
    day = int(number[6:8]) - (40 if int(number[6:8]) > 40 else 0)
    return 11 <= int(number[:2]) <= 96 and number[12:] != "0000" and is_date(2000, int(number[8:10]), day)


def egyptian(number: str) -> bool:
    """Fourteen digits: the century, a date of birth, and the governorate."""
    century = 1900 if number[0] == "2" else 2000
    born = is_date(century + int(number[1:3]), int(number[3:5]), int(number[5:7]))
    return born and (1 <= int(number[7:9]) <= 35 or number[7:9] == "88")


def tanzanian(number: str) -> bool:
    """NIDA: twenty digits that begin with a date of birth."""
    return is_date(int(number[:4]), int(number[4:6]), int(number[6:8]))


def vietnamese(number: str) -> bool:
    """CCCD: province 001 to 096, then sex and century, then the year of birth."""
    return 1 <= int(number[:3]) <= 96


def american(number: str) -> bool:
    """Social security number: areas, groups and serials that were given out; the ones of advertisements left out."""
    area, group, serial = number[:3], number[3:5], number[5:]
    given = area not in {"000", "666"} and area[0] != "9" and group != "00" and serial != "0000"
    return given and len(set(number)) > 1 and number not in {"123456789", "078051120", "219099999"}
