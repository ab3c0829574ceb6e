"""Commands that measure acoustic cues and what they alone tell about stress."""

from __future__ import annotations

from stressnet.cli.commands import command_of
from stressnet.stages.cue_baselines import run_cue_baselines
from stressnet.stages.measure import measure_corpus

measure_command = command_of(measure_corpus)
cue_baselines_command = command_of(run_cue_baselines)
