"""Digits and symbols in words, in English through ``num2words``.

Each piece of text with a digit or a symbol is compared as a whole with the forms below. What fits
none of them cannot be said with certainty (telephone numbers, dates with slashes, codes), and is
left as it is.

Source of the words of numbers: https://github.com/savoirfairelinux/num2words
"""

import re
from collections.abc import Callable
from functools import lru_cache

LONGEST = 60  # Longest piece that is read, in letters; no number is longer
SYMBOLS = {"&": "and", "%": "percent", "@": "at"}  # Symbols that are said where they stand alone

TRIGGERS = r"\d²³¹½⅓⅔¼¾#$£€¥¢&%@+=°"
"""What makes a piece of text one that has to be put into words: a class of letters."""

SCALES = "hundred|thousand|million|billion|trillion"

UNITS = {  # Units behind a number; the plural goes where the bar is, or at the end
    "mm": "millimeter",
    "cm": "centimeter",
    "km": "kilometer",
    "mg": "milligram",
    "kg": "kilogram",
    "ml": "milliliter",
    "lb": "pound",
    "lbs": "pound",
    "mph": "mile| per hour",
    "km/h": "kilometer| per hour",
    "°": "degree",
    "°c": "degree| Celsius",
    "°f": "degree| Fahrenheit",
}

_CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
}
_FRACTIONS = {"½": "half", "⅓": "third", "⅔": "two thirds", "¼": "quarter", "¾": "three quarters"}
_FRACTIONS |= {"1/2": "half", "1/3": "third", "1/4": "quarter"}
_FRACTIONS |= {"2/3": "two thirds", "3/4": "three quarters"}
_TENS = "tens twenties thirties forties fifties sixties seventies eighties nineties".split()

_WHOLE = r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3}){1,4}|[0-9]{1,15})"
_SCALE = rf"(?: (?P<scale>{SCALES}))?"
_LETTERS = r"[A-Z]{1,2}|[B-DF-HJ-NP-TV-Z]{3}"
_DASH = re.compile(r"(?<=[\w%])[-\u2010-\u2013\u2212]")
_BETWEEN = re.compile(r"—|-{2,}|…|\.{2,}|(?<=[^0-9])[,;:!?]+|[,;:!?]+(?=[^0-9])")
_OUTER = '"“”„«»‹›()[]{}<>*_~¿¡'
_TO_BE_READ = re.compile(f"[{TRIGGERS}]")

Reading = tuple[str, str]  # Words, and the kind of thing that was read


@lru_cache(maxsize=1 << 14)
def say(piece: str, language: str = "en") -> Reading | None:
    """A piece of text in words.

    It is without blanks, but for a word of scale or a unit at its end (``"$5 million"``). The
    language is as num2words calls it, empty for one that it does not know; other languages than
    English have whole numbers only.

    >>> say("$3.50"), say("1921"), say("mp3")
    (('three dollars fifty cents', 'money'), ('nineteen twenty-one', 'year'), ('M P three', 'code'))
    """
    if piece in SYMBOLS and language == "en":
        return SYMBOLS[piece], "symbol"
    words, kinds = [], []
    for part in _BETWEEN.split(piece):
        core = part.strip(_OUTER).rstrip(".,;:!?-–")
        if core[:1] == core[-1:] == "'":  # a quotation; 5' stays, which may be feet
            core = core[1:-1]
        if not _TO_BE_READ.search(core):
            words.append(core)
            continue
        found = _joined(core, language) if len(core) <= LONGEST else None
        if found is None:
            return None
        words.append(found[0])
        kinds.append(found[1])
    return (" ".join(words), kinds[0]) if kinds else None


def _joined(core: str, language: str) -> Reading | None:
    """Parts with dashes between them: a range, or words and one number (``mid-1990s``)."""
    parts = _DASH.split(core)
    if len(parts) == 1:
        return _one(core, language)
    said = [_one(part, language) if _TO_BE_READ.search(part) else (part, "") for part in parts]
    words = [one[0] for one in said if one is not None]
    kinds = [one[1] for one in said if one is not None and one[1]]
    if not all(parts) or len(words) < len(parts) or (len(kinds) > 1 and len(parts) > 2):
        return None
    if len(kinds) == 1:
        return " ".join(words), kinds[0]
    if not all(part.isdecimal() for part in parts):
        is_range = kinds[0] == kinds[1] or parts[0].isdecimal()
        return (" to ".join(words), "range") if is_range and kinds[1] != "code" else None
    first, last = map(int, parts)
    if first < last and (last < 1000 or "year" in kinds == kinds[:1] * 2):
        return " to ".join(words), "range"
    if kinds == ["year", "number"] and len(parts[1]) == 2 and first % 100 < last:  # 1914-18
        return " to ".join(words), "range"
    return None


def _one(core: str, language: str) -> Reading | None:
    """A part without dashes in it."""
    if language != "en":
        can_be_said = language and core.isdecimal() and core.isascii()
        return (_number(core, language), "number") if can_be_said else None
    for pattern, kind, form in _FORMS:
        if match := pattern.fullmatch(core):
            words = form(match)
            if kind == "number" and _is_year(core):
                kind = "year"
            return None if words is None else (words, kind)
    return None


def _number(digits: str, language: str = "en", to: str = "cardinal") -> str:
    from num2words import num2words

    return str(num2words(int(digits.replace(",", "")), lang=language, to=to))


def ordinal(digits: str) -> str:
    """An ordinal in words: ``ordinal("21") == "twenty-first"``."""
    return _number(digits, to="ordinal")


def _digits(digits: str) -> str:
    return " ".join(_number(digit) for digit in digits)


def _is_year(core: str) -> bool:
    return len(core) == 4 and core.isdecimal() and 1100 <= int(core) <= 2099


def _cardinal(match: re.Match[str], before: str = "", after: str = "") -> str | None:
    """A whole number, its decimals and its scale, with words around it."""
    parts, whole = match.groupdict(), match["whole"]
    if whole[0] == "0" and len(whole) > 1:
        return None  # of a code, a date or a telephone number
    words = _number(whole, to="year" if _is_year(match[0]) else "cardinal")
    if parts.get("decimals"):
        words += f" point {_digits(match['decimals'])}"
    scale = f" {match['scale']}" if parts.get("scale") else ""
    return f"{before}{words}{scale}{after}"


def _signed(match: re.Match[str]) -> str | None:
    return _cardinal(match, {"": "", "+": "plus "}.get(match["sign"], "minus "))


def _money(match: re.Match[str]) -> str | None:
    one, many, cent, cents = _CURRENCIES[match["currency"]]
    decimals = match["decimals"]
    if match["scale"]:
        return _cardinal(match, after=f" {many}")
    whole = int(match["whole"].replace(",", ""))
    if decimals and len(decimals) != 2:
        return None
    units = f"{_number(str(whole))} {one if whole == 1 else many}"
    if not decimals or not int(decimals):
        return units
    small = f"{_number(decimals)} {cent if int(decimals) == 1 else cents}"
    return f"{units} {small}" if whole else small


def _ordinal(match: re.Match[str]) -> str | None:
    number = int(match["whole"].replace(",", ""))
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    right = "th" if 11 <= number % 100 <= 13 else ending
    return ordinal(match["whole"]) if match["ending"].lower() == right else None


def _decade(match: re.Match[str]) -> str | None:
    century, tens = match["century"] or "", int(match["tens"])
    if tens:
        return f"{_number(century)} {_TENS[tens - 1]}" if century else _TENS[tens - 1]
    if not century:
        return None
    return "two thousands" if century == "20" else f"{_number(century)} hundreds"


def _time(match: re.Match[str]) -> str | None:
    hour, minute = match["hour"], match["minute"]
    if hour[0] == "0":
        return None
    half = " A M" if (match["half"] or "").lower() == "a" else " P M" if match["half"] else ""
    if minute is None:
        return f"{_number(hour)}{half}" if half else None
    if minute == "00":
        o_clock = "" if half else " o'clock" if int(hour) <= 12 else " hundred"
        return f"{_number(hour)}{o_clock}{half}"
    oh = "oh " if minute[0] == "0" else ""
    return f"{_number(hour)} {oh}{_number(minute)}{half}"


def _fraction(match: re.Match[str]) -> str:
    part = _FRACTIONS[match["part"]]
    has_own = " " in part
    if match["before"] is None:
        return part if has_own else f"one {part}"
    return f"{_number(match['before'])} and {part if has_own else f'a {part}'}"


def _measure(match: re.Match[str]) -> str | None:
    head, _, tail = UNITS[match["unit"].lower()].partition("|")
    plural = "" if match["whole"] == "1" and not match["decimals"] else "s"
    return _cardinal(match, after=f" {head}{plural}{tail}")


def _code(match: re.Match[str]) -> str | None:
    """Letters and short numbers in turn, letters spelled."""
    parts = re.findall(r"[A-Za-z]+|[0-9]+", match[0])
    if any(part[0] == "0" and len(part) > 1 for part in parts):
        return None
    return " ".join(_number(p) if p.isdecimal() else " ".join(p.upper()) for p in parts)


def _and(match: re.Match[str]) -> str:
    """Words around ``&``; one or two capitals are spelled, as in *AT&T*."""
    parts = match[0].split("&")
    spelled = [" ".join(p) if len(p) <= 2 and p.isupper() else p for p in parts]
    return " and ".join(spelled)


_UNIT = "|".join(map(re.escape, sorted(UNITS, key=len, reverse=True)))
_PART = "|".join(map(re.escape, _FRACTIONS))
_DECIMALS = r"(?:\.(?P<decimals>[0-9]{1,12}))?"

_FORMS: list[tuple[re.Pattern[str], str, Callable[[re.Match[str]], str | None]]] = [
    (re.compile(pattern, re.ASCII if kind != "fraction" else 0), kind, form)
    for pattern, kind, form in [
        (rf"(?P<sign>[-+−]?){_WHOLE}{_DECIMALS}{_SCALE}", "number", _signed),
        (r"\.[0-9]{1,12}", "number", lambda match: f"point {_digits(match[0][1:])}"),
        (rf"{_WHOLE}(?P<ending>(?i:st|nd|rd|th))", "ordinal", _ordinal),
        (r"'?(?P<century>1[1-9]|20)?(?P<tens>[0-9])0'?[sS]", "decade", _decade),
        (rf"(?P<currency>[$£€]){_WHOLE}{_DECIMALS}{_SCALE}", "money", _money),
        (rf"{_WHOLE}{_DECIMALS}(?P<currency>[$£€]){_SCALE}", "money", _money),
        (rf"{_WHOLE}{_DECIMALS} ?%", "percent", lambda match: _cardinal(match, after=" percent")),
        (
            r"(?P<hour>1?[0-9]|2[0-3])(?::(?P<minute>[0-5][0-9]))?"
            r"(?: ?(?P<half>(?i:[ap]))\.?(?i:m)\.?)?",
            "time",
            _time,
        ),
        (rf"(?:(?P<before>[1-9][0-9]{{0,3}}) ?)?(?P<part>{_PART})", "fraction", _fraction),
        (rf"{_WHOLE}{_DECIMALS} ?(?P<unit>(?i:{_UNIT}))", "unit", _measure),
        (rf"#{_WHOLE}", "number", lambda match: _cardinal(match, "number ")),
        (rf"(?:(?:{_LETTERS})[0-9]{{1,2}})+(?:{_LETTERS})?", "code", _code),
        (rf"(?:[0-9]{{1,2}}(?:{_LETTERS}))+(?:[0-9]{{1,2}})?", "code", _code),
        (r"(?:[a-z]|[b-df-hj-np-tv-z]{2,3})[0-9]{1,2}", "code", _code),
        (r"[A-Za-z']{1,30}(?:&[A-Za-z']{1,30}){1,5}", "symbol", _and),
    ]
]
