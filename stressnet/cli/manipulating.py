"""Commands that change cues in recorded words."""

from __future__ import annotations

from stressnet.cli.commands import command_of
from stressnet.stages.manipulate import manipulate_corpus

manipulate_command = command_of(manipulate_corpus)
