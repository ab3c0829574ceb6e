"""The explorer: a page on which one looks at, listens to and filters the tokens of runs.

A folder beside ``explorer.html`` holds a small index, one file per token that the page loads when
the token is first looked at, and the sounds. Everything opens from disk: data are scripts, since
pages opened from disk may not fetch; nothing comes from the network.

Layout
------
::

    explorer.html
    explorer/
      index.js             table of tokens, names of runs, axes, regions, colours
      tokens/000012.js     one token, see :mod:`stressnet.report.explorer.pack`
      sounds/000012.flac   its excerpt
      explorer.css, data.js, plot.js, list.js, labels.js, pane.js, app.js
"""
