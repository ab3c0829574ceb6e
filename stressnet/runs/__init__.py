"""Run folders, manifests, journals, workers, declared options: what every command stands on."""

from stressnet.runs.folder import RunFolder
from stressnet.runs.manifest import hash_file, read_manifest
from stressnet.runs.options import (
    max_tokens_option,
    option,
    resamples_option,
    seed_option,
    splits_option,
)
from stressnet.runs.problems import Problem, Severity
from stressnet.runs.result import Result
from stressnet.runs.stage import ANY_CORPUS, CORPUS, MODEL, Input, Stage
from stressnet.runs.tables import read_table
from stressnet.runs.work import Progress, Step, Work
