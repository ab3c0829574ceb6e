"""Commands that ask what networks do when cues are changed."""

from __future__ import annotations

from stressnet.cli.commands import command_of
from stressnet.stages.causal_agreement import causal_agreement
from stressnet.stages.findings import find_out
from stressnet.stages.psychometrics import psychometrics

psychometrics_command = command_of(psychometrics)
causal_agreement_command = command_of(causal_agreement)
findings_command = command_of(find_out)
