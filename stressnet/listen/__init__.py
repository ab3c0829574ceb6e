"""One word, a network's answer, and what in the sound it rests on; from Python, without folders.

The names here are those of the package itself (``stressnet.load_word`` ...)::

    import stressnet

    word = stressnet.load_word("permit.wav", word="permit")
    network = stressnet.load_network()
    answer = network(word)
    why = network.explain(word)
    why.by_region()
    why.plot()

Images, answers and maps are those that ``build-corpus``, ``predict`` and ``explain`` would give.
"""

from stressnet.listen.network import StressNetwork, WordRelevance, load_network
from stressnet.listen.words import OpenedCorpus, Word, load_word, open_corpus
from stressnet.models.answer import Answer
