"""The engine's IPA as ARPAbet.

Phones are ARPAbet with stress digits as *spoken*: a function word that the engine destresses has
``0`` on its vowel, and a vowel that CMUdict gives ``2`` may come out with ``0``. As in CMUdict, no
R follows ER inside a word.
"""

from __future__ import annotations

from stressnet.errors import LexiconError

_VOWELS = {
    "i": "IY", "iː": "IY", "iːː": "IY", "ɪ": "IH", "ᵻ": "IH", "ɨ": "IH", "e": "EH", "ɛ": "EH",
    "æ": "AE", "a": "AE", "aː": "AA", "ɑ": "AA", "ɑː": "AA", "ɒ": "AA", "ɔ": "AO", "ɔː": "AO",
    "o": "OW", "oː": "AO", "ʊ": "UH", "u": "UW", "uː": "UW", "ʌ": "AH", "ə": "AH", "ɐ": "AH",
    "ɜ": "ER", "ɜː": "ER", "ɚ": "ER", "ɝ": "ER", "eɪ": "EY", "aɪ": "AY", "ɔɪ": "OY", "aʊ": "AW",
    "oʊ": "OW", "əʊ": "OW",
}  # fmt: skip
_CONSONANTS = {
    "p": "P", "b": "B", "t": "T", "d": "D", "k": "K", "ɡ": "G", "g": "G", "tʃ": "CH", "dʒ": "JH",
    "f": "F", "v": "V", "θ": "TH", "ð": "DH", "s": "S", "z": "Z", "ʃ": "SH", "ʒ": "ZH", "h": "HH",
    "m": "M", "n": "N", "ŋ": "NG", "l": "L", "ɫ": "L", "ɬ": "L", "ɹ": "R", "r": "R", "j": "Y",
    "w": "W", "ʍ": "W", "x": "K", "ʔ": "T",
}  # fmt: skip
_SEVERAL = {
    "ɪɹ": ("IH", "R"), "iːɹ": ("IH", "R"), "ɛɹ": ("EH", "R"), "ɑːɹ": ("AA", "R"), "ʊɹ": ("UH", "R"),
    "ɔːɹ": ("AO", "R"), "oːɹ": ("AO", "R"), "aɪɚ": ("AY", "ER"), "aʊɚ": ("AW", "ER"),
    "aɪə": ("AY", "AH"), "aʊə": ("AW", "AH"), "iə": ("IY", "AH"), "ɪə": ("IH", "R"),
    "eə": ("EH", "R"), "ɛː": ("EH", "R"), "ʊə": ("UH", "R"), "əl": ("AH", "L"), "l̩": ("AH", "L"),
    "n̩": ("AH", "N"), "m̩": ("AH", "M"), "ɑ̃": ("AA", "N"), "ɔ̃": ("AO", "N"), "nʲ": ("N", "Y"),
    "ɡʲ": ("G", "Y"),
}  # fmt: skip
_SYLLABIC = frozenset({"əl", "l̩", "n̩", "m̩"})
RHOTIC = frozenset({"R", "ER"})
"""CMUdict writes no R after these."""

_VOWEL_NAMES = frozenset(_VOWELS.values())


def arpabet(symbol: str, *, spelling: str = "") -> tuple[str, ...]:
    """One symbol of the engine's IPA as ARPAbet.

    Parameters
    ----------
    symbol : str
        With its stress mark, such as ``"ˈɔːɹ"``.
    spelling : str
        The word, to tell a flapped /d/ from a flapped /t/: a flap in a word spelt without *t* is D.

    Returns
    -------
    tuple of str
        One or two phones; the first vowel takes the stress digit, a second vowel ``0``.

    Raises
    ------
    LexiconError
        If the symbol is not known.

    Examples
    --------
    >>> arpabet("ˈɔːɹ"), arpabet("ᵻ"), arpabet("ɾ", spelling="city")
    (('AO1', 'R'), ('IH0',), ('T',))
    """
    bare = symbol.strip("ˈˌ")
    digit = "1" if "ˈ" in symbol else "2" if "ˌ" in symbol else "0"
    if bare == "ɾ":
        return ("D",) if spelling and "t" not in spelling.lower() else ("T",)
    if bare in _CONSONANTS:
        return (_CONSONANTS[bare],)
    if bare in _VOWELS:
        return (_VOWELS[bare] + digit,)
    if bare not in _SEVERAL:
        raise LexiconError(
            f"espeak-ng symbol {symbol!r} has no ARPAbet here"
            f"{f' (in {spelling!r})' if spelling else ''}; use an en-us voice"
        )
    if bare in _SYLLABIC and digit == "2":
        digit = "0"
    phones = []
    for name in _SEVERAL[bare]:
        phones.append(name + digit if name in _VOWEL_NAMES else name)
        if name in _VOWEL_NAMES:
            digit = "0"
    return tuple(phones)
