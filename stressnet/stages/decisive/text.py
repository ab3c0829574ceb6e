"""Which units decide, in sentences and tables, for the terminal and as a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from stressnet.explain.faithfulness import BASELINES
from stressnet.lexicon.stress import Stress
from stressnet.report.document import Block, Bullets, Document, Heading, Paragraph, Table
from stressnet.report.names import count_of
from stressnet.report.tables import with_interval
from stressnet.runs.result import Result
from stressnet.stages.decisive import DecisiveConfig
from stressnet.stages.decisive.units import CUES, PHONES

MOST_WORDS = 15
"""Words that get a sentence: those with most tokens."""

_SYLLABLES = {"1": "first", "2": "second"}
_ROLES = {
    "vowel": "vowel",
    "onset": "consonant before the vowel",
    "coda": "consonant after the vowel",
}
_ALONE = {PHONES: "a random phone", CUES: "a random cue"}


def unit_name(unit: str) -> str:
    """``unit_name("vowel 2") == "the vowel of the second syllable"``."""
    what, _, syllable = unit.rpartition(" ")
    if what.endswith("of vowel"):
        return f"{what.removesuffix(' of vowel')} of the {_SYLLABLES[syllable]} vowel"
    if what == "vowel":
        return f"the vowel of the {_SYLLABLES[syllable]} syllable"
    return f"the {_ROLES[what]} in the {_SYLLABLES[syllable]} syllable"


def _verb(turned: float) -> str:
    """``decides`` if the answer turns without it in half of the tokens or more."""
    return "decides" if turned >= 0.5 else "matters most"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _of(table: pd.DataFrame, kind: str, baseline: str) -> pd.DataFrame:
    return table[(table["kind"] == kind) & (table["baseline"] == baseline)]


def corpus_sentences(table: pd.DataFrame, baseline: str) -> Iterator[str]:
    """What decides most and least often, over all words and by where their stress is."""
    for stress in ("ALL", Stress.INITIAL.value, Stress.FINAL.value):
        for kind in (PHONES, CUES):
            own = _of(table[table["stress"] == stress], kind, baseline)
            own = own.sort_values("loss", ascending=False, kind="stable")
            if len(own) < 2:
                continue
            best, least = own.iloc[0], own.iloc[-1]
            turned = _interval("turned", 100, 0)(best)
            tokens = count_of(int(best["n_tokens"]), "token")
            where = "in all words" if stress == "ALL" else f"in {stress} words"
            yield (
                f"{where}, of the {kind}, {unit_name(best['unit'])} {_verb(best['turned'])}: "
                f"without it the answer turns in {turned} % of {tokens} "
                f"({_ALONE[kind]}: {_percent(best['random_turned'])}). It comes first in "
                f"{_percent(best['most_by_occlusion'])} by removal and in "
                f"{_percent(best['most_by_relevance'])} by relevance. Least is "
                f"{unit_name(least['unit'])}: {_percent(least['turned'])}."
            )


def word_sentences(table: pd.DataFrame, baseline: str, min_tokens: int) -> Iterator[str]:
    """The same for single words: those with most tokens."""
    for kind in (PHONES, CUES):
        own = _of(table, kind, baseline)
        size = own.groupby(["word", "stress"])["n_tokens"].max()
        size = size[size >= min_tokens].sort_values(ascending=False, kind="stable")
        for word, stress in size.index[:MOST_WORDS]:
            here = own[(own["word"] == word) & (own["stress"] == stress)]
            # Rare pronunciations have units that the other tokens lack.
            here = here[here["n_tokens"] >= min_tokens]
            best, least = here.iloc[0], here.iloc[-1]
            named = here.loc[here["relevance"].idxmax()]
            agrees = (
                "relevance names it, too"
                if named["unit"] == best["unit"]
                else (f"relevance names {unit_name(named['unit'])}")
            )
            yield (
                f"in {str(word).lower()} ({stress}, {count_of(int(best['n_tokens']), 'token')}) "
                f"{unit_name(best['unit'])} ({best['phone']}) {_verb(best['turned'])}; without it "
                f"the answer turns in {_percent(best['turned'])} of tokens ({_ALONE[kind]}: "
                f"{_percent(best['random_turned'])}; {agrees}); least: {unit_name(least['unit'])} "
                f"({least['phone']}), {_percent(least['turned'])}."
            )


def _interval(name: str, scale: float = 1.0, digits: int = 3) -> Any:
    def cell(row: Any) -> str:
        value, low, high = (scale * row[f"{name}{end}"] for end in ("", "_low", "_high"))
        return with_interval(value, low, high, digits)

    return cell


def units_shown(table: pd.DataFrame, kind: str, baseline: str) -> Table:
    """Every unit over all words."""
    own = _of(table[table["stress"] == "ALL"], kind, baseline)
    own = own.sort_values("loss", ascending=False, kind="stable")
    return Table.of(
        own,
        [
            ("unit", lambda row: unit_name(row["unit"])),
            ("tokens", "n_tokens"),
            ("area, %", lambda row: f"{100 * row['area_share']:.0f}"),
            ("answer turns, %", _interval("turned", 100, 0)),
            ("random unit, %", lambda row: f"{100 * row['random_turned']:.0f}"),
            ("loss of probability", _interval("drop", 1, 2)),
            ("first by removal, %", _interval("most_by_occlusion", 100, 0)),
            ("first by relevance, %", _interval("most_by_relevance", 100, 0)),
            ("last by removal, %", _interval("least_by_occlusion", 100, 0)),
        ],
        caption=f"{kind}; removed cells become: {BASELINES[baseline]}; 95 % intervals over "
        f"speakers and words",
    )


def lists_shown(table: pd.DataFrame, kind: str, baseline: str) -> Table:
    """Lists of the most and least important units."""
    own = _of(table, kind, baseline)
    return Table.of(
        own,
        [
            (
                "list",
                lambda row: f"{row['order']} by {row['ranking'].replace('occlusion', 'removal')}",
            ),
            "size",
            ("tokens", "n_tokens"),
            ("comprehensiveness", _interval("comprehensiveness", 1, 2)),
            ("over random", _interval("comprehensiveness_over_random", 1, 2)),
            ("sufficiency", _interval("sufficiency", 1, 2)),
            ("over random", _interval("sufficiency_over_random", 1, 2)),
            ("answer turns, %", _interval("turned", 100, 0)),
            ("random, %", lambda row: f"{100 * row['turned_random']:.0f}"),
        ],
        caption=f"lists of {kind}: 1, 2, 3 units, or the fewest that cover 10, 20, 50 % of all "
        f"{kind}; comprehensiveness is the loss of probability without them (high is good for "
        f"most), sufficiency with them alone (low is good for most)",
    )


def decisive_page(
    tables: dict[str, pd.DataFrame], counts: dict[str, Any], config: DecisiveConfig
) -> Document:
    """Sentences, then tables; each baseline beside the first, on which sentences rest."""
    page = Document(f"What decides for network {counts['network']}")
    first = config.baselines[0]
    page.say(
        f"{counts['n_tokens']} tokens of {counts['n_words']} word families by "
        f"{counts['n_speakers']} speakers. Units are taken out of the spectrogram; what is taken "
        f"out becomes: {BASELINES[first]}. Duration and intensity cannot be taken out of a "
        f"spectrogram: 'stressnet manipulate' changes them in the sound."
    )
    page.add(Heading("Over all words"), Bullets(list(corpus_sentences(tables["corpus"], first))))
    page.add(Heading("Word by word"))
    told = list(word_sentences(tables["words"], first, config.min_tokens))
    none = Paragraph(f"No word has {config.min_tokens} tokens; see words.csv.", "missing")
    page.add(Bullets(told) if told else none)
    for title, name, shown in (
        ("Units", "corpus", units_shown),
        ("Lists of units", "sizes", lists_shown),
    ):
        page.add(Heading(title), *_each(tables[name], shown, config.baselines))
    return page


def _each(table: pd.DataFrame, shown: Any, baselines: tuple[str, ...]) -> Iterator[Block]:
    for kind in (PHONES, CUES):
        for baseline in baselines:
            if len(_of(table, kind, baseline)):
                yield Heading(f"{kind}, {baseline}", level=3)
                yield shown(table, kind, baseline)


def decisive_text(result: Result) -> str:
    """The sentences, the lists of phones, and where the page is."""
    parameters = result.manifest["parameters"]
    first, lines = parameters["baselines"][0], []
    for one in corpus_sentences(result.corpus, first):
        lines.append(one[0].upper() + one[1:])
    lines += ["", *word_sentences(result.words, first, parameters["min_tokens"])]
    most = result.sizes[result.sizes["order"] == "most"]
    for kind in (PHONES, CUES):
        if len(_of(most, kind, first)):
            lines += ["", f"lists of {kind}", *lists_shown(most, kind, first).lines("  ")]
    return "\n".join([*lines, "", f"page: {result.path / 'index.html'}"])
