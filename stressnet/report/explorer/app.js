"use strict";
/* What the page does: choose, draw, play, keys. */
(function () {
  const S = window.Stressnet, make = S.make;
  const $ = (id) => document.getElementById(id);
  const layers = { relevance: true, image: true, formants: true, pitch: true, tiers: true, shared: false, whole: false, all: false };
  const outlines = []; // {name, slot}
  const root = document.querySelector(".pane"), copy = root.cloneNode(true);
  copy.querySelectorAll("[id]").forEach((element) => element.removeAttribute("id"));
  copy.classList.add("second");
  copy.hidden = true;
  root.after(copy);
  const main = new S.Pane(root, changed, $("readout")), second = new S.Pane(copy, changed, $("readout"));
  const keep = second.part("keep").firstElementChild; // the second pane's word stays when the first one's changes
  const list = new S.List(show);
  let comparing = false;

  function show(number) {
    main.show(number);
    S.labels.show(number);
    S.inside(number, (other) => list.choose(other));
    if (comparing && !keep.checked) second.show(number);
    remember();
  }

  function changed(what) {
    if (this === second && !comparing) return;
    if (what === "method" && this === main) {
      list.method = main.method;
      list.filter();
    }
    draw();
    table();
    if (what === "token" && this === main) for (const other of list.neighbours()) S.token(other).catch(() => {});
  }

  /* Two pictures have one scale of time; of one run, also one of colours. */
  function draw() {
    const common = {};
    if (comparing && main.token && second.token) {
      common.span = Math.max(...[main, second].map((pane) => S.spanOf(pane.token, pane.method, layers.whole)));
      const limits = [main, second].map((pane) => pane.token.runs[pane.method]?.limit);
      if (main.method === second.method && !layers.shared) common.limit = Math.max(...limits) || undefined;
    }
    main.draw({ layers, outlines, ...common });
    if (comparing) second.draw({ layers, outlines, ...common });
    remember();
  }

  /* Open or close the second pane: another run beside this one, or this word kept beside another. */
  function compare(on, method = main.method + 1, number = S.index.runs.length > 1 ? null : main.number) {
    comparing = on;
    copy.hidden = !on;
    $("detail").classList.toggle("comparing", on);
    $("compare").setAttribute("aria-pressed", on);
    second.stop();
    if (on) {
      keep.checked = number !== null;
      second.show(number === null ? main.number : number);
      second.setMethod(method);
    }
    draw();
    table();
  }

  $("compare").addEventListener("click", () => compare(!comparing));
  keep.addEventListener("change", () => { if (!keep.checked) second.show(main.number); remember(); });

  /* What is seen goes into the address, which can be sent to somebody else. */
  function remember() {
    if (main.number < 0) return;
    const label = (pane) => S.index.runs[pane.method].label, id = (pane) => S.index.tokens.id[pane.number];
    const on = Object.keys(layers).filter((name) => layers[name]).join(","), regions = outlines.map((o) => o.name).join(",");
    const view = new URLSearchParams({ run: label(main), layers: on, regions });
    if (comparing) {
      view.set("beside", label(second));
      if (keep.checked) view.set("word", id(second));
    }
    try { history.replaceState(null, "", `#${encodeURIComponent(id(main))}?${view}`); } catch { /* some browsers refuse on disk */ }
  }

  function recall(text) {
    const view = new URLSearchParams(text), runs = S.index.runs.map((run) => run.label);
    if (runs.includes(view.get("run"))) main.setMethod(runs.indexOf(view.get("run")));
    if (view.has("layers")) for (const name of Object.keys(layers)) setLayer(name, view.get("layers").split(",").includes(name));
    if (view.get("regions")) outline(view.get("regions").split(","), true);
    const word = S.index.tokens.id.indexOf(view.get("word"));
    if (runs.includes(view.get("beside"))) compare(true, runs.indexOf(view.get("beside")), word < 0 ? null : word);
  }

  /* ------------------------------------------------------------------ regions */

  const outlineOf = (pane, name) => pane.token?.arrays[`outline${S.index.runs[pane.method].preset}:${name}`];
  const runOf = (pane) => (pane.token ? pane.token.runs[pane.method] : null);

  function table() {
    const panes = comparing ? [main, second] : [main], head = $("regions").tHead.rows[0];
    const rows = [], n = 1 + 4 * panes.length;
    for (const cell of head.cells) cell.hidden = cell.cellIndex >= n;
    let group = "";
    for (const region of S.index.regions) {
      const outlined = outlineOf(main, region.name);
      if (!outlined && !panes.some((pane) => runOf(pane)?.regions?.[region.name])) continue;
      if (region.group !== group) {
        group = region.group;
        const heading = make("tr", "group-head"), cell = make("td", "", group);
        cell.colSpan = n;
        heading.append(cell);
        rows.push(heading);
      }
      const row = make("tr"), cell = make("td"), label = make("label"), box = make("input"), swatch = make("span", "swatch");
      box.type = "checkbox";
      box.dataset.region = region.name;
      const on = outlines.find((o) => o.name === region.name);
      box.checked = Boolean(on);
      box.disabled = !outlined;
      if (on) swatch.style.borderColor = S.outlineColour(on.slot);
      label.title = region.definition;
      label.append(box, swatch, region.title);
      cell.append(label);
      row.append(cell);
      for (const pane of panes) row.append(...cells(runOf(pane), region.name));
      rows.push(row);
    }
    $("regions").tBodies[0].replaceChildren(...rows);
    if (rows.length) S.sortable($("regions"));
  }

  /* A region's numbers in one run, or why there are none. */
  function cells(run, name) {
    const reason = run?.missing?.[name];
    if (reason) {
      const why = make("td", "reason", reason);
      why.colSpan = 4;
      return [why];
    }
    return [["positive_share", 100, 1], ["area_share", 100, 1], ["density", 1, 2], ["null_density", 1, 2]].map(([measure, scale, digits]) => {
      const at = run?.measures?.indexOf(measure) ?? -1, value = at < 0 ? null : run.regions?.[name]?.[at];
      return make("td", "n", value === null || value === undefined ? "–" : (scale * value).toFixed(digits).replace("-", "−"));
    });
  }

  function outline(names, on) {
    const known = names.filter((name) => S.index.regions.some((r) => r.name === name));
    const wanted = on === undefined ? !known.every((name) => outlines.some((o) => o.name === name)) : on;
    for (const name of known) {
      const at = outlines.findIndex((o) => o.name === name);
      if (wanted && at < 0) {
        let slot = 0;
        while (outlines.some((o) => o.slot === slot)) slot++;
        outlines.push({ name, slot });
      } else if (!wanted && at >= 0) outlines.splice(at, 1);
    }
    draw();
    const focused = document.activeElement && document.activeElement.dataset.region;
    table();
    if (focused) $("regions").querySelector(`[data-region="${CSS.escape(focused)}"]`)?.focus();
  }

  $("regions").addEventListener("change", (event) => outline([event.target.dataset.region], event.target.checked));
  $("clear-regions").addEventListener("click", () => outline(outlines.map((o) => o.name), false));
  $("copy-regions").addEventListener("click", (event) => S.copy(S.csvOf($("regions")), `${S.index.tokens.id[main.number]}.csv`, event.target));

  /* ------------------------------------------------------------------ layers */

  function setLayer(name, on) {
    layers[name] = on;
    document.querySelector(`[data-layer="${name}"]`).checked = on;
    draw();
  }

  $("toggles").addEventListener("change", (event) => setLayer(event.target.dataset.layer, event.target.checked));

  /* ------------------------------------------------------------------ keys */

  const KEYS = {
    ArrowDown: () => list.step(1), j: () => list.step(1), ArrowUp: () => list.step(-1), k: () => list.step(-1),
    PageDown: () => list.step(10), PageUp: () => list.step(-10), Home: () => list.step(-1e9), End: () => list.step(1e9),
    ArrowRight: () => main.setMethod(main.method + 1), ArrowLeft: () => main.setMethod(main.method - 1),
    " ": () => main.togglePlay(), w: () => main.playWord(), x: () => compare(!comparing),
    r: () => flip("relevance"), i: () => flip("image"), f: () => flip("formants"), p: () => flip("pitch"), b: () => flip("tiers"),
    c: () => flip("shared"), z: () => flip("whole"), a: () => flip("all"),
    n: () => outline(["nucleus_1", "nucleus_2"]), s: () => outline(["syllable_1", "syllable_2"]),
    1: () => outline(["F1"]), 2: () => outline(["F2"]), 3: () => outline(["F3"]), 4: () => outline(["F4"]), 0: () => outline(["F0"]),
    I: () => S.labels.set("INITIAL"), F: () => S.labels.set("FINAL"), V: () => S.labels.set("VARIES"), B: () => S.labels.set("BAD"),
    "?": () => $("help").showModal(),
    Escape: () => [main, second].forEach((pane) => { pane.stop(); pane.selection = null; pane.overlay(); }),
  };
  const flip = (name) => setLayer(name, !layers[name]);

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
    const at = event.target, typing = at.matches("input:not([type=checkbox]), select, textarea");
    if (typing) {
      if (event.key === "Escape") { at.blur(); $("list").focus(); }
      else if (at.id === "f-text" && (event.key === "ArrowDown" || event.key === "Enter")) {
        event.preventDefault();
        $("list").focus();
        list.step(event.key === "Enter" && list.shown.includes(main.number) ? 0 : 1);
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
    if (name === "words") { list.render(); draw(); } else [main, second].forEach((pane) => pane.stop());
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

  $("all-methods").hidden = S.index.runs.length < 2;
  let kept = null;
  try { kept = localStorage.getItem("stressnet-theme"); } catch { /* not kept */ }
  if (THEMES.includes(kept)) setTheme(kept);
  let width = 0;
  new ResizeObserver(() => {
    const now = $("picture").parentElement.clientWidth;
    if (now !== width) { width = now; draw(); }
  }).observe($("picture").parentElement);
  main.setMethod(0);
  second.setMethod(0);
  const [asked, view] = location.hash.slice(1).split("?");
  const wanted = (() => { try { return S.index.tokens.id.indexOf(decodeURIComponent(asked)); } catch { return -1; } })();
  const first = wanted >= 0 ? wanted : S.index.first;
  if (S.index.tokens.id.length) { list.choose(first); $("list").focus({ preventScroll: true }); }
  if (view && main.number >= 0) recall(view);
  S.state = {
    layers, outlines, get number() { return main.number; }, get method() { return main.method; },
    get token() { return main.token; }, get selection() { return main.selection; },
    get beside() { return comparing ? { number: second.number, method: second.method, token: second.token } : null; },
  };
  S.picture = main.picture;
  S.pictureBeside = second.picture;
  S.list = list;
  S.ready = performance.now();
})();
