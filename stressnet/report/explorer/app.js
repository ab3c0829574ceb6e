"use strict";
/* What the page does: choose, draw, play, keys. */
(function () {
  const S = window.Stressnet, make = S.make;
  const $ = (id) => document.getElementById(id);
  const CLASSES = ["INITIAL", "FINAL"];
  const state = {
    number: -1, method: 0, token: null, selection: null, pointer: null,
    layers: { relevance: true, image: true, formants: true, pitch: true, tiers: true, shared: false, whole: false, all: false },
    outlines: [], // {name, slot}
  };
  const picture = new S.Picture($("picture"), $("overlay"));
  const list = new S.List(show);
  const audio = $("audio");
  let playing = null;

  function show(number) {
    state.number = number;
    stop();
    state.selection = null;
    const { tokens } = S.index;
    $("word").textContent = tokens.word[number].toLowerCase();
    facts();
    S.labels.show(number);
    audio.src = `explorer/sounds/${S.file(number)}${S.index.sound_suffix}`;
    const slow = setTimeout(() => { $("loading").textContent = "loading …"; $("loading").hidden = false; }, 250);
    S.token(number).then((token) => {
      clearTimeout(slow);
      if (state.number !== number) return;
      $("loading").hidden = true;
      state.token = token;
      draw();
      table();
      for (const other of list.neighbours()) S.token(other).catch(() => {});
    }, (error) => {
      clearTimeout(slow);
      if (state.number !== number) return;
      state.token = null;
      $("loading").textContent = error.message;
      $("loading").hidden = false;
    });
    remember();
  }

  /* What is seen goes into the address, which can be sent to somebody else. */
  function remember() {
    if (state.number < 0) return;
    const on = Object.keys(state.layers).filter((name) => state.layers[name]).join(","), regions = state.outlines.map((o) => o.name).join(",");
    const view = new URLSearchParams({ run: S.index.runs[state.method].label, layers: on, regions });
    try { history.replaceState(null, "", `#${encodeURIComponent(S.index.tokens.id[state.number])}?${view}`); } catch { /* some browsers refuse on disk */ }
  }

  function recall(text) {
    const view = new URLSearchParams(text), runs = S.index.runs.map((run) => run.label);
    if (runs.includes(view.get("run"))) setMethod(runs.indexOf(view.get("run")));
    if (view.has("layers")) for (const name of Object.keys(state.layers)) setLayer(name, view.get("layers").split(",").includes(name));
    if (view.get("regions")) outline(view.get("regions").split(","), true);
  }

  function facts() {
    const { tokens, speakers, splits, runs } = S.index, i = state.number;
    const parts = [];
    if (tokens.stress[i] !== null) parts.push(make("span", CLASSES[tokens.stress[i]], `${CLASSES[tokens.stress[i]]} stress`));
    else parts.push(make("span", "quiet", "stress unknown"));
    const said = runs[state.method].predicted[i];
    if (said !== null) {
      const p = runs[state.method].p[i], certain = said === 0 ? p : 1 - p;
      const answer = make("span", CLASSES[said], `network: ${CLASSES[said]}, p ${certain < .995 ? "= " + certain.toFixed(2) : "> 0.99"} `);
      const correct = list.correct(i);
      if (correct !== null) answer.append(make("b", correct ? "right" : "wrong", correct ? "✓ right" : "✗ wrong"));
      parts.push(answer);
    }
    parts.push(make("span", "quiet", `speaker ${speakers[tokens.speaker[i]]}${tokens.sex ? ` (${tokens.sex[i]})` : ""}`), make("span", "quiet", splits[tokens.split[i]].replace(/_/g, " ")), make("span", "quiet", tokens.id[i]));
    $("facts").replaceChildren(...parts);
  }

  function draw() {
    if (!state.token) return;
    const methods = state.layers.all ? S.index.runs.map((_, i) => i) : [state.method];
    picture.draw(state.token, { method: state.method, methods, number: state.number, layers: state.layers, whole: state.layers.whole, outlines: state.outlines });
    overlay();
    remember();
    const run = state.token.runs[state.method], word = S.index.tokens.word[state.number].toLowerCase();
    $("picture").setAttribute("aria-label", `${word}: waveform, spectrogram, tiers` + (run ? `, relevance of ${S.index.runs[state.method].label}; its sum is ${S.signed(run.sum, 2)} logits` : ""));
  }

  function overlay(playhead) {
    picture.drawOverlay({ pointer: state.pointer, selection: state.selection, playhead });
  }

  /* ------------------------------------------------------------------ regions */

  function table() {
    const body = $("regions").tBodies[0], run = state.token && state.token.runs[state.method];
    const rows = [];
    let group = "";
    for (const region of S.index.regions) {
      const values = run && run.regions && run.regions[region.name];
      const outlined = state.token && state.token.arrays[`outline${S.index.runs[state.method].preset}:${region.name}`];
      if (!values && !outlined) continue;
      if (region.group !== group) {
        group = region.group;
        const head = make("tr", "group-head"), cell = make("td", "", group);
        cell.colSpan = 5;
        head.append(cell);
        rows.push(head);
      }
      const row = make("tr"), cell = make("td"), label = make("label"), box = make("input"), swatch = make("span", "swatch");
      box.type = "checkbox";
      box.dataset.region = region.name;
      const on = state.outlines.find((o) => o.name === region.name);
      box.checked = Boolean(on);
      box.disabled = !outlined;
      if (on) swatch.style.borderColor = S.outlineColour(on.slot);
      label.title = region.definition;
      label.append(box, swatch, region.title);
      cell.append(label);
      row.append(cell);
      const reason = run && run.missing && run.missing[region.name];
      if (reason) {
        const why = make("td", "reason", reason);
        why.colSpan = 4;
        row.append(why);
      } else {
        const [share, area, density, nothing] = columns(run, values);
        row.append(number(share, 100, 1), number(area, 100, 1), number(density, 1, 2), number(nothing, 1, 2));
      }
      rows.push(row);
    }
    body.replaceChildren(...rows);
  }

  function columns(run, values) {
    return ["positive_share", "area_share", "density", "null_density"].map((name) => {
      const at = run && run.measures ? run.measures.indexOf(name) : -1;
      return at < 0 || !values ? null : values[at];
    });
  }

  function number(value, scale, digits) {
    return make("td", "n", value === null || value === undefined ? "–" : (scale * value).toFixed(digits).replace("-", "−"));
  }

  function outline(names, on) {
    const known = names.filter((name) => S.index.regions.some((r) => r.name === name));
    const wanted = on === undefined ? !known.every((name) => state.outlines.some((o) => o.name === name)) : on;
    for (const name of known) {
      const at = state.outlines.findIndex((o) => o.name === name);
      if (wanted && at < 0) {
        let slot = 0;
        while (state.outlines.some((o) => o.slot === slot)) slot++;
        state.outlines.push({ name, slot });
      } else if (!wanted && at >= 0) state.outlines.splice(at, 1);
    }
    draw();
    const focused = document.activeElement && document.activeElement.dataset.region;
    table();
    if (focused) $("regions").querySelector(`[data-region="${CSS.escape(focused)}"]`)?.focus();
  }

  $("regions").addEventListener("change", (event) => outline([event.target.dataset.region], event.target.checked));
  $("clear-regions").addEventListener("click", () => outline(state.outlines.map((o) => o.name), false));

  /* ------------------------------------------------------------------ methods and layers */

  function setMethod(method) {
    const n = S.index.runs.length;
    state.method = list.method = (method + n) % n;
    [...$("methods").children].forEach((button, i) => {
      button.setAttribute("aria-checked", i === state.method);
      button.tabIndex = i === state.method ? 0 : -1;
    });
    list.filter();
    if (state.number >= 0) facts();
    draw();
    if (state.token) table();
  }

  function setLayer(name, on) {
    state.layers[name] = on;
    document.querySelector(`[data-layer="${name}"]`).checked = on;
    draw();
  }

  $("toggles").addEventListener("change", (event) => setLayer(event.target.dataset.layer, event.target.checked));

  /* ------------------------------------------------------------------ sound */

  function play(start, end) {
    if (!state.token) return;
    stop();
    const origin = state.token.sound.origin_s;
    const from = Math.max(0, origin + start), to = Math.min(state.token.sound.duration_s, origin + end);
    playing = { to, origin };
    audio.currentTime = from;
    $("play").textContent = "■ stop";
    const started = playing;
    audio.play().then(() => follow(started), (error) => {
      if (playing === started) stop();
      if (error.name !== "AbortError") $("readout").textContent = `The sound cannot be played: ${error.message}`;
    });
  }

  function follow(started) {
    if (playing !== started) return;
    if (audio.ended || audio.currentTime >= started.to) { stop(); return; }
    overlay(audio.currentTime - started.origin);
    requestAnimationFrame(() => follow(started));
  }

  function stop() {
    if (!playing) return;
    playing = null;
    audio.pause();
    $("play").textContent = "▶ play";
    overlay();
  }

  function togglePlay() {
    if (playing) { stop(); return; }
    if (!state.token) return;
    const [start, end] = state.selection || state.token.view;
    play(Math.min(start, end), Math.max(start, end));
  }

  const playWord = () => state.token && play(0, state.token.end_s);
  $("play").addEventListener("click", togglePlay);
  $("play-word").addEventListener("click", playWord);

  /* ------------------------------------------------------------------ pointer */

  const surface = $("overlay");
  const point = (event) => {
    const box = surface.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const within = (x) => Math.max(picture.place.left, Math.min(picture.place.left + picture.place.plot, x));
  let anchor = null;
  surface.addEventListener("pointerdown", (event) => {
    if (!state.token || event.button) return;
    anchor = point(event).x;
    surface.setPointerCapture(event.pointerId);
  });
  surface.addEventListener("pointermove", (event) => {
    if (!state.token) return;
    state.pointer = point(event);
    if (anchor !== null && Math.abs(state.pointer.x - anchor) > 3) state.selection = [picture.time(within(anchor)), picture.time(within(state.pointer.x))];
    const text = picture.readout(state.pointer);
    if (text) $("readout").textContent = text;
    if (!playing) overlay();
  });
  surface.addEventListener("pointerup", (event) => {
    if (anchor !== null && Math.abs(point(event).x - anchor) <= 3) state.selection = null;
    anchor = null;
    overlay();
  });
  surface.addEventListener("pointerleave", () => { state.pointer = null; if (!playing) overlay(); });

  /* ------------------------------------------------------------------ keys */

  const KEYS = {
    ArrowDown: () => list.step(1), j: () => list.step(1), ArrowUp: () => list.step(-1), k: () => list.step(-1),
    PageDown: () => list.step(10), PageUp: () => list.step(-10), Home: () => list.step(-1e9), End: () => list.step(1e9),
    ArrowRight: () => setMethod(state.method + 1), ArrowLeft: () => setMethod(state.method - 1),
    " ": togglePlay, w: playWord,
    r: () => flip("relevance"), i: () => flip("image"), f: () => flip("formants"), p: () => flip("pitch"), b: () => flip("tiers"),
    c: () => flip("shared"), z: () => flip("whole"), a: () => flip("all"),
    n: () => outline(["nucleus_1", "nucleus_2"]), s: () => outline(["syllable_1", "syllable_2"]),
    1: () => outline(["F1"]), 2: () => outline(["F2"]), 3: () => outline(["F3"]), 4: () => outline(["F4"]), 0: () => outline(["F0"]),
    I: () => S.labels.set("INITIAL"), F: () => S.labels.set("FINAL"), V: () => S.labels.set("VARIES"), B: () => S.labels.set("BAD"),
    "?": () => $("help").showModal(),
    Escape: () => { stop(); state.selection = null; overlay(); },
  };
  const flip = (name) => setLayer(name, !state.layers[name]);

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
    const at = event.target, typing = at.matches("input:not([type=checkbox]), select, textarea");
    if (typing) {
      if (event.key === "Escape") { at.blur(); $("list").focus(); }
      else if (at.id === "f-text" && (event.key === "ArrowDown" || event.key === "Enter")) {
        event.preventDefault();
        $("list").focus();
        list.step(event.key === "Enter" && list.shown.includes(state.number) ? 0 : 1);
      }
      return;
    }
    if (event.key === "/") {
      event.preventDefault();
      tab("words");
      $("f-text").focus();
      $("f-text").select();
      return;
    }
    if ($("words").hidden && event.key !== "?") return;
    if (event.key === " " && at.matches("button, input, summary, a")) return; // its own key
    if (at.matches("[role=tab]") && event.key.startsWith("Arrow")) return;
    const action = KEYS[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });

  /* ------------------------------------------------------------------ tabs, theme, help */

  const TABS = ["words", "summary", "provenance"];
  function tab(name) {
    for (const other of TABS) {
      const on = other === name;
      $(other).hidden = !on;
      $(`tab-${other}`).setAttribute("aria-selected", on);
      $(`tab-${other}`).tabIndex = on ? 0 : -1;
    }
    if (name === "words") { list.render(); draw(); } else stop();
  }
  for (const name of TABS) $(`tab-${name}`).addEventListener("click", () => tab(name));
  document.querySelector(".tabs").addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const now = TABS.findIndex((name) => !$(name).hidden), next = TABS[(now + by + TABS.length) % TABS.length];
    tab(next);
    $(`tab-${next}`).focus();
  });

  const THEMES = ["auto", "light", "dark"];
  let theme = "auto";
  function setTheme(name) {
    theme = name;
    if (name === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    $("theme").textContent = `theme: ${name}`;
    try { localStorage.setItem("stressnet-theme", name); } catch { /* not kept */ }
  }
  $("theme").addEventListener("click", () => setTheme(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]));
  $("help-open").addEventListener("click", () => $("help").showModal());

  /* ------------------------------------------------------------------ start */

  S.index.runs.forEach((run, i) => {
    const button = make("button", "", run.label);
    button.setAttribute("role", "radio");
    button.title = run.description;
    button.addEventListener("click", () => setMethod(i));
    $("methods").append(button);
  });
  $("all-methods").hidden = S.index.runs.length < 2;
  let kept = null;
  try { kept = localStorage.getItem("stressnet-theme"); } catch { /* not kept */ }
  if (THEMES.includes(kept)) setTheme(kept);
  let width = 0;
  new ResizeObserver(() => {
    const now = $("picture").parentElement.clientWidth;
    if (now !== width) { width = now; draw(); }
  }).observe($("picture").parentElement);
  setMethod(0);
  const [asked, view] = location.hash.slice(1).split("?");
  const wanted = (() => { try { return S.index.tokens.id.indexOf(decodeURIComponent(asked)); } catch { return -1; } })();
  if (view) recall(view);
  const first = wanted >= 0 ? wanted : S.index.first;
  if (S.index.tokens.id.length) { list.choose(first); $("list").focus({ preventScroll: true }); }
  S.state = state;
  S.picture = picture;
  S.list = list;
  S.ready = performance.now();
})();
