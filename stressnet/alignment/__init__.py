"""Alignments of words and phones with sound: reading, checking, making and comparing them."""
