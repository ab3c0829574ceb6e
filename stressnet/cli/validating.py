"""The command that puts explanations to the test."""

from __future__ import annotations

from stressnet.cli.commands import command_of
from stressnet.stages.validate_methods import validate_methods

validate_methods_command = command_of(validate_methods)
