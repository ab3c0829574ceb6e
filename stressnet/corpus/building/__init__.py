"""Parts of a build: align, cut, images, tracks, longer words, tables."""
