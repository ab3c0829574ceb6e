"""The embedded default: a corpus of synthetic speech whose times are known.

The speech is espeak-ng's formant synthesis. Its stress cues are rules (vowel quality, duration,
amplitude, pitch movement), far more regular than a speaker's; results on it show that the machinery
works, not how people stress words.
"""

from stressnet.demo.corpus import DemoSummary, speak_corpus, truth_alignment
