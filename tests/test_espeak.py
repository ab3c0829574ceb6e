"""The engine's times against the sound, and its symbols against ARPAbet."""

from __future__ import annotations

import threading
from itertools import pairwise

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from stressnet.errors import AlignmentError, ConfigError, LexiconError
from stressnet.espeak import Speech, Voice, arpabet, phonemize, speak, version
from stressnet.espeak.symbols import ipa

TEXT = "The sister of the captain saw six bottles. Was the hotel in the office of a sailor?"
VOICES = [Voice(variant="f1", sex="F"), Voice(variant="m3", pitch=40), Voice(variant="Annie")]


@pytest.fixture(scope="module", params=VOICES, ids=lambda v: v.variant)
def speech(request) -> Speech:
    return speak(TEXT, request.param)


def envelope(speech: Speech, low_hz: float, high_hz: float, smooth_s: float = 0.004) -> np.ndarray:
    """RMS in a band, one value per sample."""
    sos = butter(4, [low_hz, high_hz], "bandpass", fs=speech.rate_hz, output="sos")
    power = sosfiltfilt(sos, speech.samples) ** 2
    window = np.ones(round(smooth_s * speech.rate_hz))
    return np.sqrt(np.maximum(np.convolve(power, window / len(window), "same"), 1e-16))


def test_words_are_those_of_the_text(speech):
    spoken = [w.label for w in speech.words]
    assert spoken == TEXT.replace(".", "").replace("?", "").split()


def test_intervals_are_ordered_and_phones_fill_the_words(speech):
    for first, second in pairwise(speech.phones):
        assert first.start_s < first.end_s <= second.start_s
    for word in speech.words:
        phones = [p for p in speech.phones if word.contains(p.middle_s)]
        assert phones[0].start_s == word.start_s
        assert phones[-1].end_s == word.end_s
        for first, second in pairwise(phones):
            assert second.start_s - first.end_s < 0.05
    assert speech.phones[-1].end_s <= len(speech.samples) / speech.rate_hz
    assert speech.samples.dtype == np.float32
    assert 0.1 < np.abs(speech.samples).max() <= 1


def test_merged_words_are_divided(speech):
    """The engine speaks "in the" and "of a" as one word; each word has its own phones here."""
    labels = [w.label for w in speech.words]
    for first, second, phones in (("in", "the", "IH N"), ("of", "a", "AH V")):
        k = next(i for i, pair in enumerate(pairwise(labels)) if pair == (first, second))
        inside = [p.label for p in speech.phones if speech.words[k].contains(p.middle_s)]
        assert " ".join(p.rstrip("012") for p in inside) == phones


def test_sibilants_begin_and_end_where_the_sound_does(speech):
    """Between /s/ and a vowel the balance of high and low band tips within 8 ms of the mark."""
    tilt = np.log(envelope(speech, 5000, 9000) / envelope(speech, 200, 3000))
    found = []
    for first, second in pairwise(speech.phones):
        kinds = {first.label[-1].isdigit(), second.label[-1].isdigit()}
        if "S" not in (first.label, second.label) or kinds != {True, False}:
            continue
        if second.start_s - first.end_s > 0.001:
            continue
        edge = round(first.end_s * speech.rate_hz)
        reach = round(0.025 * speech.rate_hz)
        step = np.diff(tilt[edge - reach : edge + reach])
        width = round(0.004 * speech.rate_hz)
        slope = np.abs(np.convolve(step, np.ones(width), "same"))
        found.append((int(slope.argmax()) - reach) / speech.rate_hz)
    assert len(found) >= 6
    assert np.median(np.abs(found)) < 0.005
    assert np.percentile(np.abs(found), 75) < 0.010


def test_stops_begin_with_their_closure(speech):
    """A word-medial voiceless stop is quiet first and louder at its release."""
    level = envelope(speech, 100, 9000, smooth_s=0.002)
    n = 0
    for first, phone in pairwise(speech.phones):
        if phone.label not in {"P", "T", "K"} or not first.label[-1].isdigit():
            continue
        if phone.start_s != first.end_s or phone.duration_s < 0.05:
            continue
        begin, end = (round(t * speech.rate_hz) for t in (phone.start_s, phone.end_s))
        third = (end - begin) // 3
        assert (
            level[begin + third // 2 : begin + third].mean() < 0.2 * level[end - third : end].max()
        )
        n += 1
    assert n >= 2


def test_linking_glide_is_no_gap():
    """Between "the" and a vowel the engine puts a glide to which it gives no symbol."""
    speech = speak("The ugly answer of the author.", VOICES[0])
    for first, second in pairwise(speech.words):
        assert second.start_s == first.end_s


def test_pauses_are_gaps():
    speech = speak("A lion, a lemon, or a dog.", VOICES[1])
    gaps = [second.start_s - first.end_s for first, second in pairwise(speech.words)]
    assert [k for k, gap in enumerate(gaps) if gap > 0.05] == [1, 3]


def test_vowels_are_louder_than_their_words(speech):
    level = envelope(speech, 100, 5000)
    vowels, others = [], []
    for phone in speech.phones:
        begin, end = (round(t * speech.rate_hz) for t in (phone.start_s, phone.end_s))
        value = level[begin:end].mean()
        (vowels if phone.label[-1].isdigit() else others).append(value)
    assert np.median(vowels) > 3 * np.median(others)


def test_same_text_and_voice_give_the_same_samples():
    text = "They will record the contract."
    first = speak(text, VOICES[0])
    speak("Something else entirely, for a while.", VOICES[1])
    phonemize("something")
    second = speak(text, VOICES[0])
    np.testing.assert_array_equal(first.samples, second.samples)
    assert first.phones == second.phones
    assert not np.array_equal(speak(text, VOICES[1]).samples[:20000], first.samples[:20000])


def test_threads_take_turns():
    alone = [speak(TEXT, voice).words for voice in VOICES]
    together: dict[int, tuple] = {}
    threads = [
        threading.Thread(target=lambda k=k: together.update({k: speak(TEXT, VOICES[k]).words}))
        for k in range(len(VOICES))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[k] for k in range(len(VOICES))] == alone


@pytest.mark.parametrize(
    ("symbol", "spelling", "phones"),
    [
        ("ˈɔːɹ", "", ("AO1", "R")),
        ("ˌaɪ", "", ("AY2",)),
        ("ɚ", "", ("ER0",)),
        ("ɜː", "", ("ER0",)),
        ("ˈiə", "", ("IY1", "AH0")),
        ("n̩", "", ("AH0", "N")),
        ("ˌn̩", "", ("AH0", "N")),
        ("ʔ", "", ("T",)),
        ("ɾ", "city", ("T",)),
        ("ɾ", "ready", ("D",)),
        ("tʃ", "", ("CH",)),
        ("əʊ", "", ("OW0",)),
    ],
)
def test_arpabet(symbol, spelling, phones):
    assert arpabet(symbol, spelling=spelling) == phones


def test_unknown_symbol_is_named():
    with pytest.raises(LexiconError, match=r"ʘ.*click"):
        arpabet("ʘ", spelling="click")


@pytest.mark.parametrize(
    ("language", "word", "phones"),
    [
        ("es", "terminó", "t e2 ɾ m i0 n o1"),
        ("es", "guitarra", "ɡ i0 t a1 r a0"),
        ("de", "übersetzen", "yː2 b ɜ0 z ɛ1 ts ə0 n"),
        ("de", "Chance", "ʃ ɑ̃1 s ə0"),
        ("it", "cappello", "k a0 pː ɛ1 lː o0"),
        ("it", "pizza", "p i1 tsː a0"),
        ("nl", "meisje", "m ɛɪ1 s j ə0"),
        ("ru", "яблоко", "j a1 b ɭ ʌ0 k ʌ0"),
        ("ru", "человек", "tʃʲ i0 ɭ ʌ0 vʲ e1 k"),
        ("pt", "coração", "k u2 ɾ ɐ0 s ɐ̃ʊ̃1"),
        ("de", "Download", "d aʊ1 n l əʊ0 d"),
    ],
)
def test_words_of_other_languages(language, word, phones):
    assert phonemize(word, language) == phones.split()


def test_ipa_of_marks_pauses_and_syllabic_consonants():
    assert ipa("ˌl̩") == ("l̩2",)
    assert ipa("ˈəl") == ("ə1", "l")
    assert ipa("ʲ") == ("ʲ",)  # an event of its own: of the phone before
    assert ipa("") == ipa("ˈ") == ()


@pytest.mark.parametrize(
    ("language", "text", "phones"),
    [
        ("es", "Él terminó la canción, señor.", "e1 l t e2 ɾ m i0 n o1 l a0 k a0 n θ j o1 n s"),
        ("it", "Il cappello è bello.", "i0 l k a0 pː ɛ1 lː o0 e0 b ɛ1 lː o0"),
        ("pt", "O coração é bom.", "ʊ0 k u2 ɾ ɐ0 s ɐ̃ʊ̃1 ɛ0 b"),
        ("ru", "Видны в окне.", "vʲ i0 d n y1 v ʌ0 k nʲ e1"),
        ("de", "Der Käse schmeckt.", "d ɛ0 ɾ k ɛː1 z ə0 ʃ m ɛ1 k t"),
    ],
)
def test_speech_of_other_languages(language, text, phones):
    speech = speak(text, Voice(language, "f1"))
    assert [w.label for w in speech.words] == text.replace(".", "").replace(",", "").split()
    labels = [p.label for p in speech.phones]
    assert labels[: len(phones.split())] == phones.split()
    for first, second in pairwise(speech.phones):
        assert first.start_s < first.end_s <= second.start_s


@pytest.mark.parametrize("text", ["", "?!", "in 1999", "route 66"])
def test_text_without_times(text):
    with pytest.raises(AlignmentError):
        speak(text, Voice())


def test_no_such_voice():
    with pytest.raises(ConfigError, match="xx-none"):
        speak("hello", Voice(name="xx-none"))
    with pytest.raises(ConfigError, match="rate_wpm"):
        Voice(rate_wpm=10)


def test_version():
    assert version()[0].isdigit()
