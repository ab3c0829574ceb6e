"""The Montreal Forced Aligner, where ``mfa`` is on the PATH; one call for the whole corpus.

Versions 2 and 3 are supported. Version 4 gives ``mfa align`` another meaning, so it is refused by
name. MFA gets the corpus's recordings as links under plain names (it has had trouble
with blanks and with letters beyond ASCII), their words, and a dictionary written from stressnet's
own pronunciations, so that no word is unknown to it and the digits of the phones it chooses say
which reading it heard.
"""

import csv
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stressnet.alignment.aligner import Aligner, AlignmentFailure, Batch, Result, Utterance
from stressnet.alignment.readers.phone_sets import in_phones_of
from stressnet.alignment.textgrid import read_textgrid
from stressnet.alignment.validation import fit_to_audio
from stressnet.audio import audio_facts, read_audio, write_flac
from stressnet.errors import AlignmentError, AudioError, LexiconError, MissingPartError
from stressnet.languages import ENGLISH, Language, language

OLDEST, FIRST_UNKNOWN = 2, 4  # Supported versions: from the first to below the second
BEAM, RETRY_BEAM = 10, 400  # Widths of the search; the second is for what the first loses

_QC_TABLE = "alignment_analysis.csv"
_SCORE = "speech_log_likelihood"
_HOW_TO_GET_IT = (
    "conda create -n aligner -c conda-forge 'montreal-forced-aligner<4', then conda activate "
    "aligner (pip alone lacks Kaldi)"
)


@dataclass
class MfaAligner(Aligner):
    """Words and phones by the Montreal Forced Aligner.

    All words of an utterance have the same confidence: MFA's log likelihood per frame of speech.
    Aligning raises `MissingPartError` if ``mfa`` is missing or its version is not supported, and
    `AlignmentError` if it fails as a whole.

    ``acoustic_model`` is the name of a downloaded model or the path of one. In English its phones
    must be ARPAbet with stress digits; in other languages, by their ``code``, MFA's dictionary of
    the same name has the words.
    """

    acoustic_model: str = "english_us_arpa"
    code: str = ENGLISH
    name = "mfa"

    def _results(self, batch: Batch) -> Iterator[Result]:
        program = check_mfa()
        with tempfile.TemporaryDirectory(prefix="stressnet-mfa-") as folder:
            root = Path(folder)
            names, failures = _lay_out(root, batch)
            if names:
                self._run(program, root, batch.jobs)
            scores = _scores(root / "aligned" / _QC_TABLE)
            for utterance in batch.asked:
                failure = failures.get(utterance.utterance_id)
                name = names.get(utterance.utterance_id, "")
                score = scores.get(Path(name).name)
                yield failure or _result(root, utterance, name, score, language(self.code))

    def _run(self, program: str, root: Path, jobs: int) -> None:
        folders = [str(root / name) for name in ("corpus", "words.dict", "aligned", "temporary")]
        options = f"--clean --num_jobs {jobs} --beam {BEAM} --retry_beam {RETRY_BEAM}"
        if self.code != ENGLISH:
            folders[1] = self.acoustic_model
        command = [program, "align", *folders[:2], self.acoustic_model, folders[2]]
        command += [*options.split(), "--output_format", "long_textgrid"]
        command += ["--temporary_directory", folders[3]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            message = " ".join((done.stderr or done.stdout).split())[-400:]
            raise AlignmentError(
                f"mfa align failed with exit code {done.returncode}: {message or 'no message'}; "
                f"if the acoustic model is missing: mfa model download acoustic "
                f"{self.acoustic_model}"
            )


def check_mfa() -> str:
    """The path of a usable ``mfa``; a `MissingPartError` if there is none of version 2.x or 3.x."""
    program = shutil.which("mfa")
    if program is None:
        raise MissingPartError(f"'mfa' is not on the PATH; {_HOW_TO_GET_IT}")
    done = subprocess.run([program, "version"], capture_output=True, text=True, check=False)
    version = re.search(r"(\d+)\.(\d+)[\w.]*", done.stdout)
    if done.returncode != 0 or version is None:
        message = " ".join((done.stderr or done.stdout).split())[-200:]
        raise MissingPartError(f"{program}: 'mfa version' gives no version ({message})")
    if not OLDEST <= int(version[1]) < FIRST_UNKNOWN:
        raise MissingPartError(
            f"{program}: version {version[0]}, but only versions 2 and 3 are supported; "
            f"{_HOW_TO_GET_IT}"
        )
    return program


def _lay_out(root: Path, batch: Batch) -> tuple[dict[str, str], dict[str, AlignmentFailure]]:
    """Write the corpus and the dictionary; give each utterance's ``speaker/name`` there."""
    names: dict[str, str] = {}
    failures: dict[str, AlignmentFailure] = {}
    entries: dict[str, Sequence[tuple[str, ...]]] = {}
    speakers: dict[str, str] = {}
    (root / "corpus").mkdir()
    for number, utterance in enumerate(batch.utterances):
        identity, path = utterance.utterance_id, utterance.audio_path
        try:
            audio_facts(path)
            one_channel = (
                None
                if utterance.channel is None
                else read_audio(path, minimum_rate_hz=0, channel=utterance.channel)
            )
            variants = {word: batch.pronounce(word) for word in utterance.words}
        except AudioError as error:
            failures[identity] = utterance.unreadable(error)
            continue
        except LexiconError as error:
            failures[identity] = utterance.failure("no pronunciation", str(error))
            continue
        if not utterance.words:
            failures[identity] = utterance.failure(
                "no words", "the transcript is empty; fill it in"
            )
            continue
        entries |= variants
        speaker = speakers.setdefault(utterance.speaker, f"s{len(speakers):05d}")
        stem = root / "corpus" / speaker / f"u{number:07d}"
        stem.parent.mkdir(exist_ok=True)
        if one_channel is None:
            stem.with_suffix(path.suffix.lower()).symlink_to(path.resolve())
        else:
            write_flac(stem.with_suffix(".flac"), one_channel)
        stem.with_suffix(".lab").write_text(" ".join(utterance.words).lower(), encoding="utf-8")
        names[identity] = f"{speaker}/{stem.name}"
    lines = [
        f"{word.lower()}\t{' '.join(phones)}"
        for word, variants in sorted(entries.items())
        for phones in dict.fromkeys(variants)
    ]
    (root / "words.dict").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return names, failures


def _scores(path: Path) -> dict[str, float]:
    """Log likelihood per utterance from MFA's table of quality; empty if it wrote none."""
    if not path.is_file():
        return {}
    scores = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            try:
                scores[Path(row["file"]).stem] = float(row[_SCORE])
            except (KeyError, TypeError, ValueError):
                continue  # an utterance that it could not score
    return scores


def _result(
    root: Path, utterance: Utterance, name: str, score: float | None, spoken: Language
) -> Result:
    grid = root / "aligned" / f"{name}.TextGrid"
    if not grid.is_file():
        return utterance.failure(
            "no path",
            "mfa wrote no alignment, even with its widest beam; check that audio and transcript "
            "belong together",
        )
    try:
        duration_s = audio_facts(utterance.audio_path).duration_s
        alignment = fit_to_audio(read_textgrid(grid), duration_s)
        if not spoken.is_english:
            alignment = in_phones_of(alignment, spoken)
    except (AlignmentError, AudioError) as error:
        return utterance.failure("no path", str(error))
    aligned = alignment.spoken_words()
    if len(aligned) != len(utterance.words):
        return utterance.failure(
            "no path",
            f"mfa aligned {len(aligned)} of {len(utterance.words)} words; check the transcript",
        )
    labels = iter(utterance.words)
    words = tuple(
        word if word.is_silence else replace(word, label=next(labels)) for word in alignment.words
    )
    confidence = None if score is None else (score,) * len(aligned)
    return replace(alignment, words=words, source="mfa", confidence=confidence)
