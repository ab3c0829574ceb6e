"""``stressnet measure``: acoustic cues to stress of every token of a corpus.

Speakers first (pitch range, formant ceiling), then tokens in chunks, then what needs all tokens of
a speaker (vowel space). Speakers and chunks are journalled, so an interrupted run continues with
the same command. The tokens' stress is copied into the table but never looked at.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.acoustics.ceilings import Ceiling, CeilingMethod
from stressnet.acoustics.intensity import IntensitySettings
from stressnet.acoustics.speakers import CEILING_FACTOR, SpeakerSettings, Vowel
from stressnet.acoustics.tracks import FormantSettings, PitchSettings
from stressnet.audio import Audio, read_audio
from stressnet.corpus.store import Corpus, write_parquet
from stressnet.errors import AlignmentError, ConfigError, CorpusError, StressnetError
from stressnet.lexicon.pronunciation import bare
from stressnet.manifest import hash_data, write_json, write_manifest
from stressnet.problems import Problem, Severity, count_problems, write_problems
from stressnet.progress import Progress
from stressnet.workflows.build_tokens import safe_name
from stressnet.workflows.journal import Journal
from stressnet.workflows.parallel import in_order, worker_pool
from stressnet.workflows.train import REQUEST_NAME, claim_folder

if TYPE_CHECKING:
    import pandas as pd

TABLE, TABLE_CSV, FAILURES, SPEAKERS = "cues.parquet", "cues.csv", "failures.csv", "speakers.csv"
CEILING_CACHE = "formant_ceilings.json"
"""In the corpus: ceilings that took a search, so that no later run searches again."""

CHUNK = 40
"""Tokens of one speaker per task."""

_SPEAKER_SAMPLE = 40  # excerpts for the pitch range, as build-corpus takes them
_VOWEL_SAMPLE = 60
_VOWEL_CONTEXT_S = 0.06


@dataclass(frozen=True)
class CueConfig:
    """How cues are measured.

    Parameters
    ----------
    pitch_method : {"filtered-ac", "raw-ac"}
    f0_ceiling_factor : float
        Pitch ceiling per upper quartile of the speaker: 1.5, or 2.5 for expressive speech.
    ceiling : str or float
        One of :data:`stressnet.acoustics.ceilings.METHODS`, or hertz for everyone.
    """

    pitch_method: str = "filtered-ac"
    f0_ceiling_factor: float = CEILING_FACTOR
    ceiling: CeilingMethod | float = "auto"

    @property
    def first_pass(self) -> PitchSettings:
        """Wide pitch settings of the first pass."""
        if self.pitch_method == "raw-ac":
            return PitchSettings.raw()
        if self.pitch_method != "filtered-ac":
            raise ConfigError(f"no pitch method '{self.pitch_method}': filtered-ac or raw-ac")
        return PitchSettings()


@dataclass(frozen=True)
class Measured:
    """What ``stressnet measure`` left on disk.

    Parameters
    ----------
    path : Path
        The folder.
    cues : DataFrame
        One row per token, see ``docs/cues.md``.
    problems : list of Problem
        Tokens that could not be measured, speakers to look at.
    manifest : dict
        Its manifest.
    """

    path: Path
    cues: pd.DataFrame
    problems: list[Problem]
    manifest: dict[str, Any]

    @property
    def n_failed(self) -> int:
        """Tokens without a row."""
        return sum(problem.severity is Severity.ERROR for problem in self.problems)


@dataclass(frozen=True)
class _SpeakerTask:
    corpus: Path
    speaker: str
    sex: str
    rows: list[dict[str, Any]]
    config: CueConfig
    known: Ceiling | None


@dataclass(frozen=True)
class _ChunkTask:
    corpus: Path
    rows: list[dict[str, Any]]
    voice: SpeakerSettings
    file: Path
    intensity: IntensitySettings = field(default_factory=IntensitySettings)


def measure_corpus(
    corpus_path: Path,
    out: Path,
    config: CueConfig | None = None,
    *,
    jobs: int = 1,
    overwrite: bool = False,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Measured:
    """Measure all tokens of a corpus; an interrupted run continues.

    Parameters
    ----------
    corpus_path : Path
        A built corpus. Ceilings found by search are kept in it, if it can be written.
    out : Path
        Folder to write.
    config : CueConfig, optional
    jobs : int
        Worker processes; the tables do not depend on it.
    overwrite : bool
        Replace an earlier measurement in ``out``.
    executor : Executor, optional
        Used instead of own processes.

    Raises
    ------
    CheckpointError
        If ``out`` holds something else or cannot be written.
    CorpusError
        If the corpus is damaged, or no token could be measured.
    """
    import pandas as pd

    from stressnet.acoustics.cue_table import ID_COLUMNS, table_columns

    progress = progress or Progress(verbose=False)
    config = config or CueConfig()
    corpus = Corpus.open(corpus_path)
    content = {**asdict(config), "first_pass": config.first_pass.praat_arguments()}
    request = hash_data([content, corpus.fingerprint])
    claim_folder(out, request, overwrite, "measurement")
    problems: list[Problem] = []
    tokens = corpus.tokens
    own = worker_pool(jobs) if executor is None else None
    if own is not None:
        with own as pool:
            voices = _find_voices(corpus, out, config, jobs, pool, progress, problems)
            measured = _measure_tokens(corpus, out, voices, jobs, pool, progress, problems)
    else:
        voices = _find_voices(corpus, out, config, jobs, executor, progress, problems)
        measured = _measure_tokens(corpus, out, voices, jobs, executor, progress, problems)
    with progress.stage("tables"):
        ids = tokens[list(ID_COLUMNS)]
        table = ids.merge(_placed(measured, tokens), on="token_id", validate="1:1")
        table = _typed(table[table_columns()])
        write_parquet(table, out / TABLE)
        _write_csv(table, out / TABLE_CSV)
        speakers = pd.DataFrame(_speaker_rows(voices))
        _write_csv(speakers, out / SPEAKERS)
        write_problems(out / FAILURES, problems)
    manifest = write_manifest(
        out,
        "cues",
        parameters={
            "corpus": str(corpus_path),
            "corpus_name": corpus.name,
            **content,
            "request": request,
            "praat": _praat_arguments(voices),
        },
        inputs={"corpus": corpus.fingerprint},
        outputs=[out / name for name in (TABLE, TABLE_CSV, FAILURES, SPEAKERS)],
        results=_results(table, problems),
        seconds=progress.seconds,
    )
    shutil.rmtree(out / "state")
    (out / REQUEST_NAME).unlink()
    return Measured(out, table, problems, manifest)


# -- speakers --------------------------------------------------------------------------------------


def _find_voices(
    corpus: Corpus,
    out: Path,
    config: CueConfig,
    jobs: int,
    executor: Executor | None,
    progress: Progress,
    problems: list[Problem],
) -> dict[str, dict[str, Any]]:
    """Each speaker's settings as plain values."""
    groups = {str(speaker): part for speaker, part in corpus.tokens.groupby("speaker", sort=True)}
    cache = _CeilingCache(corpus, config)
    with (
        Journal(out / "state" / "speakers.jsonl") as journal,
        progress.stage("speakers", len(groups), "speaker") as bar,
    ):
        todo = [speaker for speaker in groups if speaker not in journal.done]
        bar.update(len(groups) - len(todo))
        tasks = (
            _SpeakerTask(
                corpus.path,
                speaker,
                str(groups[speaker]["sex"].iloc[0] or ""),
                _records(groups[speaker]),
                config,
                cache.known.get(speaker),
            )
            for speaker in todo
        )
        for speaker, result in zip(todo, in_order(_voice_of, tasks, jobs, executor), strict=True):
            journal.add(speaker, result)
            bar.update()
        voices = {speaker: journal.done[speaker] for speaker in groups}
    cache.keep(voices, progress)
    for speaker, voice in voices.items():
        problems += [Problem(speaker, "speakers", Severity.WARNING, w) for w in voice["warnings"]]
    return voices


def _voice_of(task: _SpeakerTask) -> dict[str, Any]:
    """Settings of one speaker, with what looks odd about them."""
    from stressnet.acoustics.ceilings import choose_ceiling, looks_too_low, low_ceiling_evidence
    from stressnet.acoustics.speakers import speaker_settings

    sample = task.rows[:: -(-len(task.rows) // _SPEAKER_SAMPLE)]
    excerpts, warnings = [], []
    for row in sample:
        try:
            excerpts.append((row, read_audio(task.corpus / row["excerpt_file"])))
        except StressnetError:
            continue  # the chunk that holds the token reports it
    voice = speaker_settings(
        ((audio.samples, audio.rate_hz) for _, audio in excerpts),
        task.sex or None,
        pitch=task.config.first_pass,
        ceiling_factor=task.config.f0_ceiling_factor,
        spans_s=[
            [_span(row, f"nucleus_{k}_start_s", f"nucleus_{k}_end_s") for k in (1, 2)]
            for row, _ in excerpts
        ],
    )
    if voice.pitch_source == "wide":
        warnings.append(
            f"only {voice.n_voiced_frames} voiced frames: the pitch range stays wide "
            f"({voice.pitch.floor_hz:g} to {voice.pitch.ceiling_hz:g} Hz)"
        )
    vowels = _vowels(excerpts)
    ceiling = task.known or choose_ceiling(task.config.ceiling, task.sex or None, vowels)
    if ceiling.warning:
        warnings.append(ceiling.warning)
    formants = replace(voice.formants, ceiling_hz=ceiling.ceiling_hz)
    share, higher = low_ceiling_evidence(vowels, formants)
    if looks_too_low(share, higher):
        warnings.append(
            f"the formant ceiling of {ceiling.ceiling_hz:g} Hz looks too low: {share:.0%} of "
            f"vowels have wide formants under it, {higher:.0%} under one 10 % higher"
        )
    return {
        "pitch": asdict(voice.pitch),
        "formants": asdict(formants),
        "f0_median_hz": voice.f0_median_hz,
        "n_voiced_frames": voice.n_voiced_frames,
        "pitch_source": voice.pitch_source,
        "ceiling": asdict(ceiling),
        "suspect_share": share,
        "suspect_share_higher": higher,
        "ceiling_looks_low": looks_too_low(share, higher),
        "warnings": warnings,
    }


def _vowels(excerpts: Sequence[tuple[dict[str, Any], Audio]]) -> list[Vowel]:
    """Vowels of a speaker, cut with context; categories without stress digits."""
    vowels = []
    for row, audio in excerpts:
        for number in (1, 2):
            start_s, end_s = (
                row[f"nucleus_{number}_{edge}_s"] - row["excerpt_start_s"]
                for edge in ("start", "end")
            )
            first_s = max(0.0, start_s - _VOWEL_CONTEXT_S)
            first_s = round(first_s * audio.rate_hz) / audio.rate_hz
            cut = audio.cut(first_s, end_s + _VOWEL_CONTEXT_S)
            label = bare(row[f"nucleus_{number}"])
            vowels.append(
                Vowel(label, cut.samples, audio.rate_hz, start_s - first_s, end_s - first_s)
            )
    return vowels[:: -(-len(vowels) // _VOWEL_SAMPLE)] if vowels else []


class _CeilingCache:
    """Ceilings found by search, kept in the corpus under what they were searched with."""

    def __init__(self, corpus: Corpus, config: CueConfig) -> None:
        self.path = corpus.path / CEILING_CACHE
        self.key = hash_data([config.ceiling, asdict(FormantSettings()), corpus.fingerprint])
        self.known: dict[str, Ceiling] = {}
        self.data: dict[str, Any] = {}
        if self.path.is_file():
            try:
                self.data = json.loads(self.path.read_text(encoding="utf-8"))
            except json.JSONDecodeError as error:
                raise CorpusError(
                    f"{self.path}: damaged JSON (line {error.lineno}); delete it, it is only a "
                    f"cache"
                ) from error
            found = self.data.get(self.key, {}).get("speakers", {})
            self.known = {speaker: Ceiling(**values) for speaker, values in found.items()}
        self.method = config.ceiling

    def keep(self, voices: dict[str, dict[str, Any]], progress: Progress) -> None:
        """Add what is new; a corpus that cannot be written only costs time."""
        searched = {
            speaker: voice["ceiling"]
            for speaker, voice in voices.items()
            if voice["ceiling"]["source"] in ("optimised", "smoothest")
        }
        if not searched or searched.keys() <= self.known.keys():
            return
        self.data[self.key] = {"method": self.method, "speakers": searched}
        try:
            write_json(self.path, self.data)
        except OSError as error:
            progress.say(f"{self.path}: formant ceilings not kept ({error.strerror})")


def _speaker_rows(voices: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows of ``speakers.csv``."""
    for speaker, voice in voices.items():
        yield {
            "speaker": speaker,
            "f0_median_hz": voice["f0_median_hz"],
            "n_voiced_frames": voice["n_voiced_frames"],
            "pitch_floor_hz": voice["pitch"]["floor_hz"],
            "pitch_ceiling_hz": voice["pitch"]["ceiling_hz"],
            "pitch_source": voice["pitch_source"],
            "pitch_high_pass_hz": voice["pitch"]["high_pass_hz"],
            "formant_ceiling_hz": voice["formants"]["ceiling_hz"],
            "formant_ceiling_source": voice["ceiling"]["source"],
            "n_ceiling_vowels": voice["ceiling"]["n_vowels"],
            "suspect_share": voice["suspect_share"],
            "suspect_share_higher_ceiling": voice["suspect_share_higher"],
            "ceiling_looks_low": voice["ceiling_looks_low"],
        }


def _settings_of(voice: dict[str, Any]) -> SpeakerSettings:
    return SpeakerSettings(
        pitch=PitchSettings(**voice["pitch"]),
        formants=FormantSettings(**voice["formants"]),
        f0_median_hz=voice["f0_median_hz"],
        n_voiced_frames=voice["n_voiced_frames"],
        pitch_source=voice["pitch_source"],
        ceiling_source=voice["ceiling"]["source"],
    )


# -- tokens ----------------------------------------------------------------------------------------

_TIMES = (
    "token_id",
    "utterance_id",
    "excerpt_file",
    "excerpt_start_s",
    "start_s",
    "end_s",
    "boundary_s",
    *(f"nucleus_{k}_{edge}_s" for k in (1, 2) for edge in ("start", "end")),
    "nucleus_1",
    "nucleus_2",
)
"""All that measuring may see of a token; its stress is not among it."""


def _records(tokens: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in tokens[list(_TIMES)].to_dict("records")]


def _measure_tokens(
    corpus: Corpus,
    out: Path,
    voices: dict[str, dict[str, Any]],
    jobs: int,
    executor: Executor | None,
    progress: Progress,
    problems: list[Problem],
) -> pd.DataFrame:
    """Cues of every token, without the vowel space."""
    import pandas as pd

    folder = out / "state" / "chunks"
    folder.mkdir(parents=True, exist_ok=True)
    chunks: list[tuple[str, list[dict[str, Any]]]] = []
    for speaker, part in corpus.tokens.groupby("speaker", sort=True):
        rows = _records(part)
        chunks += [(str(speaker), rows[i : i + CHUNK]) for i in range(0, len(rows), CHUNK)]
    files = [folder / f"{index:06d}.parquet" for index in range(len(chunks))]
    with (
        Journal(out / "state" / "chunks.jsonl") as journal,
        progress.stage("measure", len(corpus.tokens), "token") as bar,
    ):
        todo = [index for index in range(len(chunks)) if str(index) not in journal.done]
        bar.update(sum(len(rows) for _, rows in chunks) - sum(len(chunks[i][1]) for i in todo))
        tasks = (
            _ChunkTask(corpus.path, chunks[i][1], _settings_of(voices[chunks[i][0]]), files[i])
            for i in todo
        )
        for index, failures in zip(
            todo, in_order(_measure_chunk, tasks, jobs, executor), strict=True
        ):
            journal.add(str(index), failures)
            bar.update(len(chunks[index][1]))
        for index in range(len(chunks)):
            problems += [
                Problem(token_id, "measure", Severity.ERROR, reason)
                for token_id, reason in journal.done[str(index)]
            ]
    tables = [pd.read_parquet(file) for file in files if file.exists()]
    if not tables:
        first = problems[0].reason if problems else "it has no tokens"
        raise CorpusError(f"{corpus.path}: no token could be measured; {first}")
    return pd.concat(tables, ignore_index=True)


def _measure_chunk(task: _ChunkTask) -> list[tuple[str, str]]:
    """Measure some tokens of one speaker into a file; returns what failed."""
    import pandas as pd

    from stressnet.acoustics.cues import Segments, measure_token

    rows, failures = [], []
    for row in task.rows:
        try:
            audio = read_audio(task.corpus / row["excerpt_file"])
            segments = Segments(
                word=_span(row, "start_s", "end_s"),
                boundary_s=row["boundary_s"] - row["excerpt_start_s"],
                nuclei=(
                    _span(row, "nucleus_1_start_s", "nucleus_1_end_s"),
                    _span(row, "nucleus_2_start_s", "nucleus_2_end_s"),
                ),
            )
            cues = measure_token(
                audio.samples,
                audio.rate_hz,
                segments,
                task.voice,
                speech_rate=_speech_rate(task.corpus, row["utterance_id"]),
                intensity=task.intensity,
            )
        except StressnetError as error:
            failures.append((row["token_id"], str(error)))
            continue
        rows.append({"token_id": row["token_id"], **cues})
    if rows:
        write_parquet(pd.DataFrame(rows), task.file)
    return failures


def _span(row: dict[str, Any], start: str, end: str) -> tuple[float, float]:
    return row[start] - row["excerpt_start_s"], row[end] - row["excerpt_start_s"]


@lru_cache(maxsize=8)
def _speech_rate(corpus: Path, utterance_id: str) -> float:
    """Articulation rate of an utterance from the corpus's TextGrid; NaN if that is unusable."""
    from stressnet.acoustics.rate import articulation_rate
    from stressnet.alignment.textgrid import read_textgrid

    path = corpus / "textgrids" / f"{safe_name(utterance_id)}.TextGrid"
    if not path.is_file():
        return float("nan")
    try:
        return articulation_rate(read_textgrid(path).phones)
    except AlignmentError:
        return float("nan")


# -- tables ----------------------------------------------------------------------------------------


def _placed(measured: pd.DataFrame, tokens: pd.DataFrame) -> pd.DataFrame:
    """With the vowel-space cues, which need all tokens of a speaker."""
    import pandas as pd

    from stressnet.acoustics.cues import place_vowels

    speaker = tokens.set_index("token_id")["speaker"]
    groups = measured.groupby(measured["token_id"].map(speaker), sort=True)
    return pd.concat([place_vowels(part) for _, part in groups], ignore_index=True)


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Flags as booleans that may be missing, everything else measured as a float."""
    from stressnet.acoustics.cue_table import CUES, ID_COLUMNS

    table = table.copy()
    flags = {cue.name for cue in CUES if cue.is_flag}
    for column in table.columns.difference([*ID_COLUMNS, "missing_reason"]):
        is_flag = column.removeprefix("nucleus_1_").removeprefix("nucleus_2_") in flags
        table[column] = table[column].astype("float64")
        if is_flag:
            table[column] = table[column].astype("boolean")
    return table


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    part = path.with_name(f".{path.name}.part")
    table.to_csv(part, index=False, lineterminator="\n")
    part.replace(path)


def _praat_arguments(voices: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What Praat was called with; values that differ between speakers are in ``speakers.csv``."""
    from stressnet.acoustics.cues import MIDDLE
    from stressnet.acoustics.spectral_balance import TILT_ARGUMENTS
    from stressnet.acoustics.tracks import versions

    first = _settings_of(next(iter(voices.values())))
    pitch, formants = first.pitch.praat_arguments(), first.formants.praat_arguments()
    pitch |= dict.fromkeys(
        ("floor_hz", "ceiling_hz", "high_pass_hz"), "per speaker, see speakers.csv"
    )
    formants["ceiling_hz"] = "per speaker, see speakers.csv"
    return {
        **versions(),
        "pitch": pitch,
        "formants": formants,
        "formants_measured_in": f"middle of the vowel, {MIDDLE[0]:g} to {MIDDLE[1]:g}, median",
        "intensity": IntensitySettings().praat_arguments(),
        "spectrum": {"command": "Extract part, Hanning, 1.0, no; To Spectrum, yes"},
        "tilt": {"command": "To Ltas (1-to-1); Get slope", "arguments": list(TILT_ARGUMENTS)},
    }


def _results(table: pd.DataFrame, problems: list[Problem]) -> dict[str, Any]:
    from collections import Counter

    reasons: Counter[str] = Counter()
    for text in table["missing_reason"]:
        reasons.update(part for part in text.split("; ") if part)
    return {
        "n_tokens": len(table),
        "n_complete": int((table["missing_reason"] == "").sum()),
        "missing": dict(reasons.most_common()),
        "problems": count_problems(problems),
    }
