"""Choice of an aligner: by name, or the best that works in this installation."""

import warnings

from stressnet.alignment.aligner import Aligner
from stressnet.alignment.first_pass import PocketsphinxAligner
from stressnet.errors import ConfigError, MissingPartError
from stressnet.languages import ENGLISH, language


def get_aligner(name: str = "auto", code: str = ENGLISH) -> Aligner:
    """An aligner by name, for a language, given by its code.

    ``"auto"`` is the best that needs nothing from outside and works here; there are
    ``"kaldi-gmm"``, ``"pocketsphinx"``, ``"mfa"`` (the Montreal Forced Aligner on the PATH),
    ``"ctc"`` or ``"ctc:WEIGHTS"`` (a CTC network: a torchaudio bundle or a folder). Raises
    `ConfigError` if there is no aligner of that name, or it does not know the language,
    `MissingPartError` if one asked for by name does not work in this installation; ``"auto"`` warns
    and takes the next best.
    """
    of = language(code)
    if name == "pocketsphinx":
        if not of.is_english:
            raise ConfigError(
                f"the aligner 'pocketsphinx' knows no {of.name}, only English; use kaldi-gmm, "
                f"which learns from the corpus, or mfa"
            )
        return PocketsphinxAligner()
    if name == "mfa":
        from stressnet.alignment.mfa_aligner import MfaAligner, check_mfa

        check_mfa()
        return MfaAligner(of.mfa, code)
    if name.partition(":")[0] == "ctc":
        from stressnet.alignment.ctc import CtcAligner

        return CtcAligner(name.partition(":")[2] or "MMS_FA")
    if name not in ("auto", "kaldi-gmm"):
        raise ConfigError(
            f"no aligner is called '{name}'; there are: auto, kaldi-gmm, pocketsphinx, mfa, "
            f"ctc:WEIGHTS"
        )
    try:
        from stressnet.alignment.gmm import check_kaldi
        from stressnet.alignment.kaldi_gmm import KaldiGmmAligner

        check_kaldi()
    except (ImportError, MissingPartError) as error:
        reason = (
            f"the aligner 'kaldi-gmm' does not work here: {error} (install kaldi-hmm-gmm and "
            f"'kaldifst<1.8')"
        )
        if name == "kaldi-gmm" or not of.is_english:
            other = "--aligner pocketsphinx" if of.is_english else "--aligner mfa"
            raise MissingPartError(f"{reason}; give TextGrids, or {other}") from error
        warnings.warn(f"{reason}; pocketsphinx alone aligns, less exactly", stacklevel=2)
        return PocketsphinxAligner()
    return KaldiGmmAligner(english=of.is_english)
