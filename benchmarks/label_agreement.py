"""How well the stress labels of language packs agree with what the spelling says.

The spelling of Spanish and Portuguese fixes the stress of every word, that of Italian the stress of
words with a written accent, and Russian ё is always stressed; in German some endings and prefixes
tell. These rules are written here from grammars, without a look at the packs: Real Academia
Española, *Ortografía* (2010), ch. II; the *Acordo Ortográfico* (1990), bases VIII to XI; Duden,
*Aussprachewörterbuch*. Words are the commonest of ``wordfreq``, but those that are commoner in
English, which are foreign, and those with letters of no native word.

    python benchmarks/label_agreement.py [LANGUAGE ...] [--words 20000] [--show 30]

Prints per language: words, those of two syllables, and the share on which both agree where stress
is, counted in syllables from the end.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Collection
from itertools import pairwise

from stressnet.errors import LexiconError
from stressnet.languages import language
from stressnet.lexicon.dictionary import load_dictionary
from stressnet.lexicon.pronunciation import Pronunciation

Rule = Callable[[str], Collection[int]]
"""From a word to the number of syllables after the stressed one: several where these may be counted
in two ways, none where the rule does not say."""


def spanish(word: str) -> Collection[int]:
    """Stress by the written accent, else by the ending.

    Adverbs in *-mente* keep the accent of their adjective and have a second stress.
    """
    if not re.fullmatch("[a-jl-vx-zñáéíóúü]+", word) or word.endswith("mente"):
        return ()
    word = re.sub("qu(?=[eiéí])", "q", word)
    word = re.sub("gu(?=[eiéí])", "g", word)
    word = re.sub("y(?![aeiouáéíóú])", "I", word)  # a vowel, but a consonant for the rule
    # A weak vowel beside another vowel is no syllable of its own unless it has the accent.
    syllables = re.findall(
        "[iuüI]?h?[aeoáéó](?:h?[iuüI](?![aeoáéó]))?|[iu]h?[íú]|[íú](?:h?[iu])?|[iuü]h?[iuüI]|[iuüI]",
        word,
    )
    if len(syllables) < 2:
        return ()
    accented = [k for k, s in enumerate(syllables) if re.search("[áéíóú]", s)]
    if accented:
        return [len(syllables) - 1 - accented[-1]] if len(accented) == 1 else ()
    return [1 if re.search("[aeiou][ns]?$", word) else 0]


def portuguese(word: str) -> Collection[int]:
    """Stress by the written accent, else by the ending."""
    if not re.fullmatch("[a-jl-vxzçáéíóúâêôãõàü]+", word) or re.search("[ãõ].*zinh[oa]s?$", word):
        return ()  # the tilde of pãozinho is that of pão
    word = re.sub("[qg]u(?=[eiéíêa-z]?)(?=[eiéíê])", "q", word)
    word = re.sub("qu(?=[aoáâãô])", "q", word)
    syllables = re.findall(
        "[ãõ][eo]|[aeoáéóâêô](?:[iu](?![nm](?![aeiouáéíóúâêôãõh])|[lrz]$|nh))?|[iu](?=[iu])?[iu]?|[íúãõàü]",
        word,
    )
    if len(syllables) < 2:
        return ()
    strong = [k for k, s in enumerate(syllables) if re.search("[áéíóúâêô]", s)]
    nasal = [k for k, s in enumerate(syllables) if re.search("[ãõ]", s)]
    if strong or nasal:
        n_after = len(syllables) - 1 - (strong or nasal)[-1]
        is_double = n_after and re.search("[^aáeéiíoóuúâêôãõ][iueo][aeo]s?$", word)
        return [n_after, n_after - 1] if is_double else [n_after]  # his-tó-ri-a or his-tó-ria
    if re.search("(?:[aeo]s?|am|em|ens)$", word) and not re.search("[aeo][iu]s?$", word):
        return [1]
    return [0]


def italian(word: str) -> Collection[int]:
    """A written accent stands on the last vowel of words that are stressed there."""
    if not re.fullmatch("[a-ik-vz]+[àèéìíòóùú]", word):
        return ()
    return [0] if re.search("[aeiou].*.$", word) else ()


def russian(word: str) -> Collection[int]:
    """ё is stressed."""
    if not re.fullmatch("[а-яё]+", word) or word.count("ё") != 1:
        return ()
    return [len(re.findall("[аеёиоуыэюя]", word.partition("ё")[2]))]


def german(word: str) -> Collection[int]:
    """Endings that bear stress (*-ieren*, *-tion*, *-tät*), prefixes that never do.

    Compounds and words with separable prefixes or *un-* are stressed on their first part.
    """
    parts = "ab|an|auf|aus|ein|end|haupt|her|hin|hoch|mit|nach|selbst|um|un|vor|weg|zu|zurück"
    if not re.fullmatch("[a-zäöüß]{5,12}", word) or re.match(parts, word):
        return ()
    ending = re.search("(?:[^eu]ier(?:t|t(e)|t(en)|(en))|tion(en)?|tät(en)?)$", word)
    if ending and re.search("[aeiouäöü].*[aeiouäöü]", word):
        return [sum(map(bool, ending.groups()))]
    vowel = "(?:ei|au|eu|äu|ie|aa|ee|oo|[aiouäöü])"
    consonants = "(?:sch|ch|[b-df-hj-np-tv-zß])"
    prefixed = f"(?:ver|zer|ent|emp|er|be){consonants}+{vowel}{consonants}+en"
    return [1] if re.fullmatch(prefixed, word) else ()


def greek(word: str) -> Collection[int]:
    """Stress by the written accent; an unaccented ι before a vowel may be a syllable or none."""
    if not re.fullmatch("[α-ωάέήίόύώϊϋΐΰ]+", word):
        return ()
    syllables = re.findall(
        "[αεο][ιί]|[αο][ηή]|[αο]ϊ|ο[υύ]|υι|[αεη][υύ]|άι|όι|άη|όη|[αεηιουωάέήίόύώϊϋΐΰ]", word
    )
    accented = [k for k, s in enumerate(syllables) if re.search("[άέήίόύώΐΰ]", s)]
    if len(accented) != 1 or len(syllables) < 2:
        return ()
    after = syllables[accented[0] + 1 :]
    glides = [s for s, other in pairwise(after) if s in ("ι", "υ", "ει", "οι")]
    return [len(after) - k for k in range(len(glides) + 1)]


RULES: dict[str, Rule] = {
    "de": german, "el": greek, "es": spanish, "it": italian, "pt": portuguese, "ru": russian,
}  # fmt: skip


def compare(code: str, n_words: int, n_shown: int) -> None:
    """Print how often rule and labels of a language agree, and words on which they do not."""
    from wordfreq import top_n_list, word_frequency

    dictionary = load_dictionary(None, code)
    counts = {"words": [0, 0], "of two syllables": [0, 0]}
    other_count, wrong = 0, []
    for word in top_n_list(code, n_words):
        expected = RULES[code](word) if len(word) > 2 else ()
        if not expected or word_frequency(word, "en") > word_frequency(word, code):
            continue
        try:
            phones = Pronunciation(dictionary.pronounce(word)[0])
        except LexiconError:
            continue
        pattern = phones.stress_pattern
        if pattern.count("1") != 1 or len(pattern) < 2:
            other_count += 1
            continue
        right = len(pattern) - 1 - pattern.index("1") in expected
        for name in ("words", "of two syllables")[: 1 + (len(pattern) == 2)]:
            counts[name][0] += right
            counts[name][1] += 1
        if not right:
            wrong.append(f"{word} ({phones})")
    for name, (n_right, n) in counts.items():
        share = 100 * n_right / max(n, 1)
        print(f"{code}  {language(code).name:<11} {name:<17} {n:>6}  agree {share:6.2f} %")
    print(f"    one syllable or no single stress by the pack: {other_count}")
    for text in wrong[:n_shown]:
        print(f"    differs: {text}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("codes", nargs="*", default=[])
    parser.add_argument("--words", type=int, default=20_000)
    parser.add_argument("--show", type=int, default=0)
    given = parser.parse_args()
    for each in given.codes or RULES:
        compare(each, given.words, given.show)
