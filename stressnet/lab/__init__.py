"""The validation lab: words whose cue to the class is known, and how well explanations find it."""
