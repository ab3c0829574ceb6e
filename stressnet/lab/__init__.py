"""The validation lab: words whose cue to the class is known, and how well explanations find it.

An unknown name of a design, voice, method or control is a ConfigError that lists those there are.
"""
