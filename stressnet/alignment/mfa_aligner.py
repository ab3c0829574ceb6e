"""The Montreal Forced Aligner, where ``mfa`` is on the PATH; one call for the whole corpus.

Spoken is the command line of versions 2 and 3. Version 4 gives ``mfa align`` another meaning, so it
is refused by name. MFA gets the corpus's recordings as links under plain names (it has had trouble
with blanks and with letters beyond ASCII), their words, and a dictionary written from stressnet's
own pronunciations, so that no word is unknown to it and the digits of the phones it chooses say
which reading it heard.
"""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from stressnet.alignment.aligner import AlignmentFailure, Progress, Pronounce, Utterance
from stressnet.alignment.textgrid import read_textgrid
from stressnet.alignment.validation import fit_to_audio
from stressnet.audio import audio_facts
from stressnet.errors import AlignmentError, AudioError, LexiconError, MissingPartError
from stressnet.intervals import Alignment, Interval

OLDEST, FIRST_UNKNOWN = 2, 4
"""Versions whose syntax is spoken: from 2 to below 4."""

_QC_TABLE = "alignment_analysis.csv"
_SCORE = "speech_log_likelihood"
_HOW_TO_GET_IT = (
    "conda create -n aligner -c conda-forge 'montreal-forced-aligner<4', then conda activate "
    "aligner (pip alone lacks Kaldi)"
)


@dataclass
class MfaAligner:
    """Words and phones by the Montreal Forced Aligner.

    Parameters
    ----------
    acoustic_model : str
        Name of a downloaded model or path of one; its phones must be ARPAbet with stress digits.
    beam, retry_beam : int
        Of the search; the second is for utterances that the first loses.
    executable : str
        What to call.
    """

    acoustic_model: str = "english_us_arpa"
    beam: int = 10
    retry_beam: int = 400
    executable: str = "mfa"
    name: str = field(default="mfa", init=False)

    def align(
        self,
        utterances: Sequence[Utterance],
        pronounce: Pronounce,
        *,
        jobs: int = 1,
        progress: Progress | None = None,
        seed: int = 0,
    ) -> Iterator[tuple[str, Alignment | AlignmentFailure]]:
        """Align utterances, in the order given; see `Aligner.align`. `seed` is unused.

        ``confidence`` is the same for all words of an utterance: MFA's log likelihood per frame of
        speech, from its table of quality.

        Raises
        ------
        MissingPartError
            If ``mfa`` is missing or of a version whose syntax is not known.
        AlignmentError
            If it fails as a whole.
        """
        program = check_mfa(self.executable)
        with tempfile.TemporaryDirectory(prefix="stressnet-mfa-") as folder:
            root = Path(folder)
            names, failures = _lay_out(root, utterances, pronounce)
            if names:
                self._run(program, root, jobs)
            scores = _scores(root / "aligned" / _QC_TABLE)
            for utterance in utterances:
                identity = utterance.utterance_id
                if identity in failures:
                    yield identity, failures[identity]
                else:
                    name = names[identity]
                    yield identity, _result(root, utterance, name, scores.get(Path(name).name))
                if progress is not None:
                    progress(1)

    def _run(self, program: str, root: Path, jobs: int) -> None:
        command = [
            program,
            "align",
            str(root / "corpus"),
            str(root / "words.dict"),
            self.acoustic_model,
            str(root / "aligned"),
            "--clean",
            "--num_jobs",
            str(jobs),
            "--beam",
            str(self.beam),
            "--retry_beam",
            str(self.retry_beam),
            "--output_format",
            "long_textgrid",
            "--temporary_directory",
            str(root / "temporary"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = " ".join((done.stderr or done.stdout).split())[-400:]
            raise AlignmentError(
                f"mfa align failed with exit code {done.returncode}: {said or 'it said nothing'}; "
                f"if the acoustic model is missing: mfa model download acoustic "
                f"{self.acoustic_model}"
            )


def check_mfa(executable: str = "mfa") -> str:
    """The path of a usable ``mfa``.

    Raises
    ------
    MissingPartError
        If there is none, or its version is not 2.x or 3.x.
    """
    program = shutil.which(executable)
    if program is None:
        raise MissingPartError(f"'{executable}' is not on the PATH; {_HOW_TO_GET_IT}")
    done = subprocess.run([program, "version"], capture_output=True, text=True, check=False)
    found = re.search(r"(\d+)\.(\d+)[\w.]*", done.stdout)
    if done.returncode != 0 or found is None:
        said = " ".join((done.stderr or done.stdout).split())[-200:]
        raise MissingPartError(f"{program}: 'mfa version' gives no version ({said})")
    if not OLDEST <= int(found[1]) < FIRST_UNKNOWN:
        raise MissingPartError(
            f"{program}: version {found[0]}, but the syntax of versions 2 and 3 is spoken here; "
            f"{_HOW_TO_GET_IT}"
        )
    return program


def _lay_out(
    root: Path, utterances: Sequence[Utterance], pronounce: Pronounce
) -> tuple[dict[str, str], dict[str, AlignmentFailure]]:
    """Write the corpus and the dictionary; give each utterance's ``speaker/name`` there."""
    names: dict[str, str] = {}
    failures: dict[str, AlignmentFailure] = {}
    entries: dict[str, Sequence[tuple[str, ...]]] = {}
    speakers: dict[str, str] = {}
    (root / "corpus").mkdir()
    for number, utterance in enumerate(utterances):
        identity, path = utterance.utterance_id, utterance.audio_path
        try:
            audio_facts(path)
            variants = {word: pronounce(word) for word in utterance.words}
        except AudioError as error:
            failures[identity] = AlignmentFailure(identity, "unreadable audio", str(error))
            continue
        except LexiconError as error:
            failures[identity] = AlignmentFailure(identity, "no pronunciation", f"{path}: {error}")
            continue
        if not utterance.words:
            failures[identity] = AlignmentFailure(
                identity, "no words", f"{path}: the transcript is empty; fill it in"
            )
            continue
        entries |= variants
        speaker = speakers.setdefault(utterance.speaker, f"s{len(speakers):05d}")
        stem = root / "corpus" / speaker / f"u{number:07d}"
        stem.parent.mkdir(exist_ok=True)
        stem.with_suffix(path.suffix.lower()).symlink_to(path.resolve())
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
    root: Path, utterance: Utterance, name: str, score: float | None
) -> Alignment | AlignmentFailure:
    identity, path = utterance.utterance_id, utterance.audio_path
    grid = root / "aligned" / f"{name}.TextGrid"
    if not grid.is_file():
        return AlignmentFailure(
            identity,
            "no path",
            f"{path}: mfa wrote no alignment, even with its widest beam; check that "
            "audio and transcript belong together",
        )
    try:
        found = read_textgrid(grid)
        fitted = fit_to_audio(found, audio_facts(path).duration_s)
    except (AlignmentError, AudioError) as error:
        return AlignmentFailure(identity, "no path", f"{path}: {error}")
    spoken = fitted.spoken_words()
    if len(spoken) != len(utterance.words):
        return AlignmentFailure(
            identity,
            "no path",
            f"{path}: mfa aligned {len(spoken)} of {len(utterance.words)} words; check the "
            "transcript",
        )
    labels = iter(utterance.words)
    words = tuple(
        word if word.is_silence else Interval(word.start_s, word.end_s, next(labels))
        for word in fitted.words
    )
    confidence = None if score is None else (score,) * len(spoken)
    return replace(fitted, words=words, source="mfa", confidence=confidence)
