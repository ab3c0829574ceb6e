"""Word families: words that must not be split between training and test.

*Present* and *presents*, *record* and *recording* share a lemma; a network that has heard one has
as good as heard the other. Two words belong to one family if they share any lemma under any part
of speech, and families are closed under this relation.

English lemmas come from ``lemminflect`` (dictionary first, rules for unknown words). In other
languages the stem of Snowball's algorithm stands for the lemma: https://snowballstem.org.
"""

from collections.abc import Iterable
from functools import cache, partial

from stressnet.languages import ENGLISH, capitals, language


@cache
def lemmas(word: str, code: str = ENGLISH) -> frozenset[str]:
    """All lemmas ``word`` may have, lower case, the word itself included."""
    if code != ENGLISH:
        from snowballstemmer import stemmer

        base = word.lower().replace("'", "")
        name = language(code).stemmer
        return frozenset({base, stemmer(name).stemWord(base)} if name else {base})
    from lemminflect import getAllLemmas, getAllLemmasOOV

    base = word.lower()
    for suffix in ("'s", "s'", "'"):
        if base.endswith(suffix):
            base = base.removesuffix(suffix) + ("s" if suffix == "s'" else "")
    forms_by_tag = getAllLemmas(base)
    if not forms_by_tag:
        for part_of_speech in ("NOUN", "VERB"):
            forms_by_tag |= getAllLemmasOOV(base, part_of_speech)
    return frozenset({base, *(lemma.lower() for forms in forms_by_tag.values() for lemma in forms)})


def word_families(words: Iterable[str], code: str = ENGLISH) -> dict[str, str]:
    """The family of every word, by the word in upper case.

    Its name is the shortest lemma of the family (the first in alphabetical order among equals),
    lower case.
    """
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    lemmas_of = partial(lemmas, code=code)
    unique = sorted({capitals(word) for word in words})
    for word in unique:
        anchor = root(min(lemmas_of(word)))
        for lemma in lemmas_of(word):
            parent[root(lemma)] = anchor
    members: dict[str, set[str]] = {}
    for node in parent:
        members.setdefault(root(node), set()).add(node)
    names = {r: min(nodes, key=lambda lemma: (len(lemma), lemma)) for r, nodes in members.items()}
    return {word: names[root(min(lemmas_of(word)))] for word in unique}
