"""Stage *cut*: find the tokens, write their excerpts and each utterance's TextGrid."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.alignment.textgrid import write_textgrid
from stressnet.alignment.validation import fit_to_audio, validate, without_overlaps
from stressnet.audio import Audio, read_stretches, write_flac
from stressnet.corpus.labels import Labels, idle_labels, labels_by_utterance
from stressnet.corpus.scan import Recording, Scan
from stressnet.corpus.store import NOT_TOKENS, PHONES, TOKENS
from stressnet.corpus.tables import (
    NOT_TOKEN_TYPES,
    PHONE_TYPES,
    TableWriter,
    arrow_schema,
    token_types,
)
from stressnet.corpus.tokens import Token, find_tokens, phone_rows, token_row
from stressnet.errors import AlignmentError, AudioError, CorpusError
from stressnet.intervals import Alignment, Interval
from stressnet.lexicon.contrast import Contrast
from stressnet.lexicon.dictionary import Reject, load_dictionary, load_word_list
from stressnet.lexicon.part_of_speech import get_tagger
from stressnet.runs.folder import RunFolder
from stressnet.runs.names import safe_name
from stressnet.runs.problems import Problem, Severity, warnings_about

if TYPE_CHECKING:
    from stressnet.stages.build_corpus import BuildConfig

_IS_OVERLAP = re.compile(r" overlaps | has no length ")

Excerpt = tuple[float, Audio]  # The time at which a cut was asked to start, and its sound


def _cut_one(task: tuple[Recording, Alignment, Labels, Path, BuildConfig, Path]) -> dict[str, Any]:
    """Tokens, phones, excerpts and TextGrid of one utterance."""
    recording, alignment, labels, source, config, out = task
    try:
        tokens, rejected = find_tokens(
            recording,
            alignment,
            load_dictionary(config.dictionary, config.code),
            labels,
            load_word_list(config.function_words) if config.function_words else None,
            get_tagger(config.tagger),
            config.words,
        )
        times_s = [(token.start_s, token.end_s) for token in tokens]
        excerpts, duration_s = read_excerpts(recording, times_s, config.context_s)
        warnings = _write_grid(out, recording, alignment, tokens, duration_s, config.tells)
    except (AlignmentError, AudioError, CorpusError) as error:
        return {"failure": str(error)}
    rows, phones = [], []
    of_file = {"recording": recording.audio_path.relative_to(source).as_posix()}
    for token, excerpt in zip(tokens, excerpts, strict=True):
        columns = write_excerpt(out, recording, token.token_id, excerpt)
        rows.append(token_row(token, config.tells) | of_file | columns)
        phones += phone_rows(token)
    others = [word._asdict() for word in rejected]
    return {"tokens": rows, "phones": phones, "not_tokens": others, "warnings": warnings}


def read_excerpts(
    recording: Recording, times_s: Sequence[tuple[float, float]], context_s: float
) -> tuple[list[Excerpt], float]:
    """Stretches of a recording with sound around them, and the recording's length in seconds."""
    spans_s = [(max(0.0, start_s - context_s), end_s + context_s) for start_s, end_s in times_s]
    sounds, duration_s = read_stretches(recording.audio_path, spans_s, channel=recording.channel)
    starts_s = [start_s for start_s, _ in spans_s]
    return list(zip(starts_s, sounds, strict=True)), duration_s


def write_excerpt(out: Path, recording: Recording, name: str, excerpt: Excerpt) -> dict[str, Any]:
    """Write an excerpt into the folder of its speaker; return its columns of a table."""
    start_s, sound = excerpt
    file = Path("excerpts") / safe_name(recording.speaker) / f"{safe_name(name)}.flac"
    (out / file).parent.mkdir(parents=True, exist_ok=True)
    write_flac(out / file, sound)
    return {
        "excerpt_file": file.as_posix(),
        # The sample the cut really starts at, not the time asked for.
        "excerpt_start_s": round(start_s * sound.rate_hz) / sound.rate_hz,
        "excerpt_duration_s": sound.duration_s,
        "rate_hz": sound.rate_hz,
    }


def _write_grid(
    out: Path,
    recording: Recording,
    alignment: Alignment,
    tokens: list[Token],
    duration_s: float,
    contrast: Contrast,
) -> list[str]:
    """The utterance's TextGrid, with tiers for the tokens' syllables, stress and any other class.

    Returns what had to be changed, since a TextGrid cannot hold overlaps; tokens keep their times.
    """
    syllables, stress = [], []
    for token in tokens:
        for start_s, end_s, part in token.syllables:
            syllables.append(Interval(start_s, end_s, " ".join(phone.label for phone in part)))
        label = "?" if token.stress is None else token.stress.value
        stress.append(Interval(token.start_s, token.end_s, label))
    path = out / "textgrids" / f"{safe_name(recording.utterance_id)}.TextGrid"
    path.parent.mkdir(exist_ok=True)
    fitted = without_overlaps(fit_to_audio(alignment, duration_s))
    extra = {
        "syllables": without_overlaps(Alignment(tuple(syllables), ())).words,
        "stress": without_overlaps(Alignment(tuple(stress), ())).words,
    }
    if not contrast.is_stress:
        classes = tuple(Interval(t.start_s, t.end_s, t.value) for t in tokens)
        extra[contrast.column] = without_overlaps(Alignment(classes, ())).words
    write_textgrid(path, fitted, duration_s, extra_tiers=extra)
    if fitted.words == alignment.words and fitted.phones == alignment.phones:
        return []
    found = [line for line in validate(alignment, duration_s) if _IS_OVERLAP.search(line)]
    if not found:
        return []
    more = f" (and {len(found) - 1} more such places)" if len(found) > 1 else ""
    return [
        f"{recording.alignment_path or recording.audio_path}: {found[0]}{more}; tokens "
        f"keep these times, the TextGrid written has the later start"
    ]


def cut(
    folder: RunFolder,
    source: Path,
    found: Scan,
    aligned: Mapping[str, Alignment],
    config: BuildConfig,
) -> Counter[str]:
    """Find tokens, write excerpts, TextGrids and the tables of tokens, phones and other words."""
    out, problems = folder.path, folder.problems
    folder.tree("excerpts/*/*.flac")
    folder.tree("textgrids/*.TextGrid")
    labels = labels_by_utterance(found.labels)
    recordings = [r for r in found.recordings if r.utterance_id in aligned]
    tasks = (
        (name, (r, aligned[name], labels.get(name, {}), source, config, out))
        for r in recordings
        for name in [r.utterance_id]
    )
    rejected: Counter[str] = Counter()
    never: list[tuple[str, int, str, str]] = []
    with (
        TableWriter(
            folder.file(TOKENS), arrow_schema(token_types(config.lengths.longest, config.tells))
        ) as tokens,
        TableWriter(folder.file(PHONES), arrow_schema(PHONE_TYPES)) as phones,
        TableWriter(folder.file(NOT_TOKENS), arrow_schema(NOT_TOKEN_TYPES)) as not_tokens,
    ):
        for utterance_id, result in folder.chunks(
            "cut", tasks, _cut_one, total=len(recordings), unit="utt"
        ):
            if "failure" in result:
                problems.append(Problem(utterance_id, "cut", Severity.ERROR, result["failure"]))
                continue
            problems += warnings_about(utterance_id, "cut", result["warnings"])
            for word in result["not_tokens"]:
                rejected[word["reason"]] += 1
                if utterance_id in labels and word["reason"] in set(Reject):
                    never.append((utterance_id, word["word_index"], word["word"], word["reason"]))
            not_tokens.add(result["not_tokens"])
            tokens.add(result["tokens"])
            phones.add(result["phones"])
    problems += idle_labels(found.labels, never)
    if not tokens.n_rows:
        reasons = "; ".join(problem.reason for problem in problems[:3])
        counts = ", ".join(f"{n} {reason}" for reason, n in rejected.most_common(3))
        raise CorpusError(
            f"{out}: no {config.lengths.adjective} content word in {len(recordings)} aligned "
            "recordings"
            + (f"; words left out: {counts}" if counts else "")
            + (f"; first problems: {reasons}" if reasons else "")
        )
    return rejected
