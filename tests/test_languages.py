"""Languages as data: phones of every set, packs, syllables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
from command_line import run_cli

from stressnet.alignment.readers import read_alignment
from stressnet.alignment.textgrid import write_textgrid
from stressnet.corpus.scan import Recording
from stressnet.corpus.store import Corpus
from stressnet.corpus.tokens import check_phones
from stressnet.corpus.written import Normaliser
from stressnet.errors import AlignmentError, ConfigError, LexiconError
from stressnet.espeak import Voice, speak
from stressnet.intervals import Alignment
from stressnet.languages import available_languages, capitals, language
from stressnet.languages.phones import is_ipa, is_vowel, manner
from stressnet.lexicon.dictionary import default_function_words, load_dictionary
from stressnet.lexicon.families import word_families
from stressnet.lexicon.notation import read
from stressnet.lexicon.stress import Stress
from stressnet.lexicon.syllables import syllabify
from stressnet.regions.from_corpus import SceneReader
from stressnet.regions.registry import Missing, get_regions
from stressnet.stages.build_corpus import BuildConfig, build_corpus


@pytest.mark.parametrize(
    ("phone", "expected"),
    [
        ("a1", "vowels"), ("ɛː2", "vowels"), ("aɪ̯1", "vowels"), ("aj", "vowels"), ("ĩ", "vowels"),
        ("n̩", "vowels"), ("ɫ̩0", "vowels"), ("ʊ̯", "glides"), ("tʃ", "affricates"),
        ("t͡ʃ", "affricates"), ("pf", "affricates"), ("pʰ", "stops"), ("t̪", "stops"),
        ("ɟ", "stops"), ("kʷ", "stops"), ("tː", "stops"), ("ç", "fricatives"), ("ʎ", "liquids"),
        ("AH0", "vowels"), ("T", "stops"), ("T0", None), ("a12", None), ("1", None), ("a?", None),
    ],
)  # fmt: skip
def test_manner_of_phones_of_both_alphabets(phone: str, expected: str | None) -> None:
    assert manner(phone) == expected
    assert is_vowel(phone) == (expected == "vowels")
    assert is_ipa(phone) == (expected is not None and phone not in ("AH0", "T"))


@pytest.mark.parametrize(
    ("code", "divided"),
    [
        ("es", "ɾ i1 t . m o0"), ("es", "i1 s . l a0"), ("es", "o1 . t ɾ o0"),
        ("es", "a1 . ɣ w a0"), ("it", "p a1 . s t a0"), ("de", "f ɛ1 n s . t ɐ0"),
        ("ru", "v o1 l . k u0"), ("de", "z ɪ1 ŋ . ə0 n"), ("el", "a1 . f t o0"),
        ("el", "e1 m . b o0"),
    ],
)  # fmt: skip
def test_syllables_by_the_rule_of_the_language(code: str, divided: str) -> None:
    phones = divided.replace(". ", "").split()
    assert syllabify(phones, language(code)).starts[1] == divided.split().index(".")


def test_packs_are_whole() -> None:
    assert {"de", "el", "en", "es", "it", "nl", "pt", "ru"} <= set(available_languages())
    for code in available_languages():
        pack = language(code)
        assert pack.name and pack.labels and pack.checked and pack.voices
        assert all(map(is_vowel, pack.reduced)) or pack.is_english
        assert all(pack.is_phone(phone) for onset in pack.onsets for phone in onset.split())


def test_an_unknown_language_names_the_known() -> None:
    with pytest.raises(ConfigError, match=r"'xx'; there are de, el, en, es.*docs/languages"):
        language("xx")


@pytest.mark.parametrize(
    ("labels", "code", "name", "phones"),
    [
        ("t ˈe ɾ m i n o", "es", "IPA", "t e1 ɾ m i0 n o0"),
        ("ˈt a v o l a t͡ʃ", "it", "IPA", "t a1 v o0 l a0 tʃ"),
        ("a1 s a0", "es", "IPA", "a1 s a0"),
        ("h aU s E: t C @ S 2: 6", "de", "X-SAMPA", "h aʊ s ɛː t ç ə ʃ øː ɐ"),
        ("HH AW S", "de", "ARPAbet", "HH AW S"),
        ("dh ah0 k ae1 t", "en", "ARPAbet in lower case", "DH AH0 K AE1 T"),
        ("t̪ ej pʰ ɫ̩ ɾ ə ɟ ʎ ɔj", "en", "IPA", "T EY P AH0 L DX AH0 G L OY"),
        ("p ə ˈɹ aɪ", "en", "IPA", "P AH0 R AY1"),
        ("P AH noise brth R IY D", "en", "ARPAbet", "P AH noise brth R IY D"),
    ],
)
def test_phone_sets_are_told_by_their_symbols(
    labels: str, code: str, name: str, phones: str
) -> None:
    told, found = read(labels.split(), language(code))
    assert told == name
    assert " ".join(phone for several in found for phone in several) == phones


def test_stress_of_words_in_other_languages() -> None:
    spanish = load_dictionary(None, "es")
    entries = {word: spanish.entry(word) for word in ("casa", "reloj", "llegó", "término", "x1")}
    assert [getattr(entry, "stress", None) for entry in entries.values()] == [
        Stress.INITIAL, Stress.FINAL, Stress.FINAL, None, None
    ]  # fmt: skip
    assert entries["casa"].source == "espeak" and entries["casa"].espeak_stress is None
    german = load_dictionary(None, "de")
    assert german.pronounce("Maße") != german.pronounce("Masse")


@pytest.mark.parametrize(
    ("code", "word", "stress"),
    [
        ("it", "tabù", Stress.FINAL), ("el", "νερό", Stress.FINAL), ("el", "σπίτι", Stress.INITIAL),
        ("el", "φωτιά", Stress.FINAL), ("el", "φαΐ", Stress.FINAL), ("el", "ποιος", None),
        ("el", "νερο", None), ("el", "πατριά", None),
    ],
)  # fmt: skip
def test_where_espeak_or_a_lexicon_was_mended(code: str, word: str, stress: Stress | None) -> None:
    entry = load_dictionary(None, code).entry(word)
    assert getattr(entry, "stress", None) is stress


def test_capitals_keep_words_apart_and_letters_whole() -> None:
    assert capitals("Maße") == "MAẞE" != capitals("Masse") == "MASSE"
    assert capitals("φαΐ") == capitals(capitals("φαΐ")) and len(capitals("φαΐ")) == 3


def test_a_dictionary_of_ones_own_wins(tmp_path: Path) -> None:
    own = tmp_path / "own.dict"
    own.write_text("casa\t0.99\t0.2\t1.0\t1.0\tk a ˈs a\nfin  f i n\n", encoding="utf-8")
    entry = load_dictionary(own, "es").entry("CASA")
    assert entry.stress is Stress.FINAL
    assert (entry.source, entry.espeak_stress) == ("dictionary", Stress.INITIAL)
    own.write_text("casa  k a s a\n", encoding="utf-8")
    with pytest.raises(LexiconError, match=r"own.dict, line 1: vowel 'a' in 'casa' lacks its"):
        load_dictionary(own, "es")
    own.write_text("casa  K AA1 S AA0\n", encoding="utf-8")
    with pytest.raises(LexiconError, match="'K' in 'casa' is no phone of the IPA or X-SAMPA"):
        load_dictionary(own, "es")


def test_families_of_other_languages() -> None:
    families = word_families(["CANTA", "CANTÓ", "RELOJ", "RELOJES"], "es")
    assert families["CANTA"] == families["CANTÓ"] != families["RELOJ"] == families["RELOJES"]


SENTENCES = ("El gato come pescado en la casa grande", "Mi hermano tomó café en la ciudad")


def spoken(folder: Path, name: str, text: str, change: Callable[[str], str]) -> Path:
    """Spanish speech with its TextGrid, in whose phones something is changed."""
    speech = speak(text, Voice("es", "f2"))
    (folder / "ana").mkdir(parents=True, exist_ok=True)
    path = folder / "ana" / f"{name}.wav"
    soundfile.write(path, speech.samples, speech.rate_hz)
    phones = tuple(replace(phone, label=change(phone.label)) for phone in speech.phones)
    alignment = Alignment(speech.words, phones)
    write_textgrid(path.with_suffix(".TextGrid"), alignment, len(speech.samples) / speech.rate_hz)
    return path


def test_a_corpus_in_spanish(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    sampa = {"ɣ": "G", "β": "B", "ð": "D", "ɾ": "4", "ɲ": "J", "ʝ": "j\\", "θ": "T", "r": "r"}
    spoken(source, "ipa", SENTENCES[0], str)
    path = spoken(source, "sampa", SENTENCES[1], lambda p: sampa.get(p, p).rstrip("012"))
    _, printed, _ = run_cli(capsys, "validate", source, "--language", "es", "-q", "--no-samples")
    assert "phones of 1 recordings: textgrid (X-SAMPA)" in printed
    config = BuildConfig(language="es", no_splits=True)
    build_corpus(source, out, config=config)
    corpus = Corpus.open(out)
    assert (
        corpus.title == "out, Spanish"
        and corpus.language == "es"
        and set(corpus.tokens["language"]) == {"es"}
    )
    found = dict(zip(corpus.tokens["word"], corpus.tokens["stress"], strict=True))
    assert found == dict.fromkeys(("GATO", "COME", "CASA", "GRANDE"), "INITIAL") | dict.fromkeys(
        ("TOMÓ", "CAFÉ", "CIUDAD"), "FINAL"
    )
    assert set(corpus.tokens["label_source"]) == {"espeak"}
    assert {"ɣ", "θ"} <= set(corpus.phones["phone"])
    card = (out / "corpus-card.md").read_text(encoding="utf-8")
    assert "Language: Spanish" in card and "no reduced vowels" in card
    _, printed, told = run_cli(capsys, "predict", path, "--language", "es", "-q")
    assert "CAFÉ" in printed and "was trained on English, and this is Spanish" in told + printed
    (region,) = get_regions(["vowel_reduced"])
    scene = SceneReader(corpus, "stressnet").scene(corpus.tokens["token_id"].iloc[0])
    assert region.mask(scene) == Missing("Spanish has no reduced vowels")


def test_phones_of_two_sets_are_named(tmp_path: Path) -> None:
    spoken(tmp_path, "mixed", SENTENCES[0], lambda p: "AA1" if p == "a1" else p)
    path = tmp_path / "ana" / "mixed.TextGrid"
    recording = Recording(
        "mixed", "ana", "", path.with_suffix(".wav"), (), path, 3.0,
        normaliser=Normaliser(language="es"),
    )  # fmt: skip
    alignment = read_alignment(path, language=language("es"))
    with pytest.raises(
        AlignmentError,
        match=r"mixed.TextGrid: phone 'AA1' at 0\.\d+ s is not IPA "
        r"\(4 of \d+ phones are not, some are ARPAbet: AA1\).*spanish_mfa",
    ):
        check_phones(recording, alignment)


@pytest.mark.parametrize("code", [code for code in available_languages() if code != "en"])
def test_words_of_one_letter_are_not_said_as_letters_are_called(code: str) -> None:
    dictionary = load_dictionary(None, code)
    for word in default_function_words(code):
        if len(word) == 1:
            longest = 2 if word == "Я" else 1
            assert all(len(phones) <= longest for phones in dictionary.pronounce(word)), word
