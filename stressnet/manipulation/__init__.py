"""One acoustic cue at a time in recorded words: resynthesis, continua, and what networks answer."""
