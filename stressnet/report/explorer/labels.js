"use strict";
/* A person's own labels: kept in this browser, handed back to 'build-corpus --labels' as a table. */
(function () {
  const S = window.Stressnet, $ = (id) => document.getElementById(id);
  const KEY = `stressnet-labels ${S.index.corpus}`;
  let chosen = {}, number = -1; // token id -> INITIAL, FINAL, VARIES or BAD
  try { chosen = JSON.parse(localStorage.getItem(KEY)) || {}; } catch { /* not kept */ }

  function render() {
    const own = chosen[S.index.tokens.id[number]], n = Object.keys(chosen).length;
    for (const button of $("labels").querySelectorAll("[data-label]")) button.setAttribute("aria-pressed", button.dataset.label === own);
    $("labels-save").hidden = !n;
    $("labels-save").textContent = `download labels.tsv (${n})`;
  }

  /* Label the token that is shown; the same label again takes it back. */
  function set(label) {
    if (number < 0) return;
    const id = S.index.tokens.id[number];
    if (chosen[id] === label) delete chosen[id];
    else chosen[id] = label;
    try { localStorage.setItem(KEY, JSON.stringify(chosen)); } catch { /* not kept */ }
    render();
  }

  /* The table that build-corpus reads. A token's id is utterance_index_WORD. */
  function table() {
    const lines = ["utterance_id\tword_index\tword\tstress"];
    S.index.tokens.id.forEach((id, i) => {
      if (!chosen[id]) return;
      const word = S.index.tokens.word[i], stem = id.slice(0, -word.length - 1), at = stem.lastIndexOf("_");
      lines.push([stem.slice(0, at), Number(stem.slice(at + 1)), word, chosen[id]].join("\t"));
    });
    return lines.join("\n") + "\n";
  }

  $("labels").addEventListener("click", (event) => event.target.dataset.label && set(event.target.dataset.label));
  $("labels-save").addEventListener("click", () => S.download(table(), "labels.tsv", "text/tab-separated-values"));
  S.labels = { set, table, show: (shown) => { number = shown; render(); } };
})();
