"""Phones as IPA without stress digits, for the labels of figures.

General American values, as in the CMU Pronouncing Dictionary's documentation. Unstressed ``AH0`` is
schwa and ``ER0`` its r-coloured kin, which the digits alone tell apart.
"""

from collections.abc import Iterable

from stressnet.languages.phones import bare, is_vowel
from stressnet.regions.scene import TokenTimes

_IPA = dict(
    pair.split("=")
    for pair in (
        "AA=ɑ AE=æ AH=ʌ AO=ɔ AW=aʊ AY=aɪ EH=ɛ ER=ɝ EY=eɪ IH=ɪ IY=i OW=oʊ OY=ɔɪ UH=ʊ UW=u "
        "AX=ə AXR=ɚ B=b CH=tʃ D=d DH=ð F=f G=ɡ HH=h JH=dʒ K=k L=l M=m N=n NG=ŋ P=p R=ɹ S=s "
        "SH=ʃ T=t TH=θ V=v W=w Y=j Z=z ZH=ʒ"
    ).split()
)
_UNSTRESSED = {"AH0": "ə", "ER0": "ɚ"}


def to_ipa(phone: str) -> str:
    """One phone: ``to_ipa("AH0") == "ə"``, ``to_ipa("e1") == "e"``; other labels stay."""
    name = bare(phone)
    return _UNSTRESSED.get(phone) or _IPA.get(name) or (name if is_vowel(phone) else phone)


def syllable_ipa(phones: Iterable[str], stressed: bool | None = None) -> str:
    """A syllable with its stress mark: ``syllable_ipa(["P", "ER0"]) == "pɚ"``.

    ``stressed``: whether the token's label puts primary stress here. The phones' digits say it if
    left out; they are those of the variant that was aligned, which may be the word's other reading.
    """
    phones = list(phones)
    digits = {phone[-1] for phone in phones if phone[-1:].isdigit()}
    primary = "1" in digits if stressed is None else stressed
    mark = "ˈ" if primary else "ˌ" if "2" in digits else ""
    return mark + "".join(to_ipa(phone) for phone in phones)


def syllable_labels(times: TokenTimes) -> list[str]:
    """The syllables of a token in IPA with their stress marks."""
    stressed = times.stressed
    return [
        syllable_ipa(
            (p.label for p in times.phones_of(k)), None if stressed is None else stressed == k
        )
        for k in range(len(times.nuclei))
    ]
