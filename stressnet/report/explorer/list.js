"use strict";
/* The list of tokens: filters, order, and only as many rows in the page as can be seen. */
(function () {
  const S = (window.Stressnet = window.Stressnet || {});
  const ROW = 28;
  const $ = (id) => document.getElementById(id);
  const CLASSES = ["INITIAL", "FINAL"];

  class List {
    constructor(onChoose) {
      this.onChoose = onChoose;
      this.box = $("list");
      this.rows = $("rows");
      this.sort = { key: "", down: false };
      this.method = 0;
      this.shown = [];
      this.chosen = -1;
      const { tokens, speakers, splits } = S.index;
      fill($("f-speaker"), speakers, speakers);
      fill($("f-split"), splits, splits.map((s) => s.replace(/_/g, " ")));
      const unknown = tokens.stress.some((s) => s === null);
      fill($("f-stress"), unknown ? [...CLASSES, "unknown"] : CLASSES, unknown ? [...CLASSES, "unknown"] : CLASSES);
      $("filters").addEventListener("input", () => this.filter());
      $("filters").addEventListener("reset", () => setTimeout(() => this.filter()));
      $("filters").addEventListener("submit", (event) => event.preventDefault());
      $("heads").addEventListener("click", (event) => {
        const key = event.target.dataset.sort;
        if (!key) return;
        this.sort = { key, down: this.sort.key === key ? !this.sort.down : false };
        this.filter();
      });
      this.box.addEventListener("scroll", () => this.render(), { passive: true });
      this.rows.addEventListener("click", (event) => {
        const row = event.target.closest(".row");
        if (row) this.choose(Number(row.dataset.number));
      });
      new ResizeObserver(() => this.render()).observe(this.box);
    }

    correct(number) { return S.correct(number, this.method); }

    filter() {
      const { tokens, speakers, splits } = S.index, run = S.index.runs[this.method];
      const terms = $("f-text").value.toLowerCase().split(/\s+/).filter(Boolean);
      const speaker = speakers.indexOf($("f-speaker").value), split = splits.indexOf($("f-split").value);
      const stress = $("f-stress").value, answer = $("f-answer").value;
      const low = parseFloat($("f-low").value || "0"), high = parseFloat($("f-high").value || "1");
      const matching = [];
      for (let i = 0; i < tokens.id.length; i++) {
        if (speaker >= 0 && tokens.speaker[i] !== speaker) continue;
        if (split >= 0 && tokens.split[i] !== split) continue;
        if (stress && tokens.stress[i] !== (stress === "unknown" ? null : CLASSES.indexOf(stress))) continue;
        if (answer && this.correct(i) !== (answer === "right")) continue;
        if ((low > 0 || high < 1) && !(run.p[i] >= low && run.p[i] <= high)) continue;
        if (terms.length) {
          const text = `${tokens.word[i]} ${tokens.id[i]}`.toLowerCase();
          if (!terms.every((term) => text.includes(term))) continue;
        }
        matching.push(i);
      }
      const values = { word: tokens.word, speaker: tokens.speaker, stress: tokens.stress, p: run.p }[this.sort.key];
      if (values) {
        const sign = this.sort.down ? -1 : 1;
        matching.sort((a, b) => {
          const x = values[a], y = values[b];
          if (x === y) return a - b;
          return x === null ? 1 : y === null ? -1 : x < y ? -sign : sign;
        });
      }
      this.shown = matching;
      for (const button of $("heads").children) {
        const mine = button.dataset.sort === this.sort.key;
        button.setAttribute("aria-pressed", mine);
        button.textContent = button.textContent.replace(/ [↑↓]$/, "") + (mine ? (this.sort.down ? " ↓" : " ↑") : "");
      }
      this.count();
      this.rows.style.height = `${matching.length * ROW}px`;
      this.reveal();
      this.render();
    }

    count() {
      const known = this.shown.filter((i) => this.correct(i) !== null);
      const right = known.filter((i) => this.correct(i)).length;
      const share = known.length ? `, ${((100 * right) / known.length).toFixed(1)} % right` : "";
      $("count").textContent = `${this.shown.length} of ${S.index.tokens.id.length} tokens${share}`;
    }

    render() {
      const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - 4);
      const last = Math.min(this.shown.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW) + 4);
      const made = [];
      for (let at = first; at < last; at++) made.push(this.row(at));
      this.rows.replaceChildren(...made);
      const now = this.rows.querySelector('[aria-selected="true"]');
      if (now) this.box.setAttribute("aria-activedescendant", now.id);
      else this.box.removeAttribute("aria-activedescendant");
    }

    row(at) {
      const i = this.shown[at], { tokens, speakers } = S.index, p = S.index.runs[this.method].p[i];
      const row = make("div", "row");
      row.id = `token-${i}`;
      row.dataset.number = i;
      row.setAttribute("role", "option");
      row.setAttribute("aria-selected", i === this.chosen);
      row.setAttribute("aria-posinset", at + 1);
      row.setAttribute("aria-setsize", this.shown.length);
      row.style.top = `${at * ROW}px`;
      const stress = tokens.stress[i] === null ? "" : CLASSES[tokens.stress[i]];
      row.append(make("span", "", tokens.word[i].toLowerCase()), make("span", "who", speakers[tokens.speaker[i]]), make("span", stress, stress || "unknown"));
      const cell = make("span", "p"), bar = make("i"), part = make("b"), correct = this.correct(i);
      if (p === null) cell.append("no map");
      else {
        part.style.width = `${100 * p}%`;
        bar.append(part);
        const verdict = make("span", `verdict ${correct === null ? "" : correct ? "right" : "wrong"}`, correct === null ? "" : correct ? "✓" : "✗");
        if (correct !== null) verdict.setAttribute("aria-label", correct ? "right" : "wrong");
        cell.append(p.toFixed(2), bar, verdict);
      }
      row.append(cell);
      return row;
    }

    choose(number) {
      this.chosen = number;
      this.reveal();
      this.render();
      this.onChoose(number);
    }

    /* Go up or down in what is shown; the nearest if the chosen one is filtered away. */
    step(by) {
      if (!this.shown.length) return;
      const at = this.shown.indexOf(this.chosen);
      const next = at < 0 ? 0 : Math.min(this.shown.length - 1, Math.max(0, at + by));
      this.choose(this.shown[next]);
    }

    neighbours() {
      const at = this.shown.indexOf(this.chosen);
      return [at + 1, at - 1, at + 2].map((i) => this.shown[i]).filter((i) => i !== undefined);
    }

    reveal() {
      const at = this.shown.indexOf(this.chosen);
      if (at < 0) return;
      const top = at * ROW, height = this.box.clientHeight;
      if (top < this.box.scrollTop) this.box.scrollTop = top;
      else if (top + ROW > this.box.scrollTop + height) this.box.scrollTop = top + ROW - height;
    }
  }

  function fill(select, values, labels) {
    select.append(new Option("all", ""));
    values.forEach((value, i) => select.append(new Option(labels[i], value)));
  }

  function make(tag, kind = "", content = "") {
    const element = document.createElement(tag);
    if (kind) element.className = kind;
    if (content) element.textContent = content;
    return element;
  }

  /* Whether a run's answer is right; null where the stress or the answer is unknown. */
  S.correct = function (number, method) {
    const said = S.index.runs[method].predicted[number], is = S.index.tokens.stress[number];
    return said === null || is === null ? null : said === is;
  };
  S.make = make;
  S.List = List;
})();
