"use strict";
/* One token as one run explains it: its facts, picture and sound. The page has one pane, or two to
   compare two words, networks or methods. */
(function () {
  const S = window.Stressnet, make = S.make;
  const CLASSES = ["INITIAL", "FINAL"];

  class Pane {
    /* changed(what) is called when a pane has another "token" or "method", and when it is "drawn". */
    constructor(root, changed, readout) {
      this.part = (name) => root.querySelector(`.${name}`);
      Object.assign(this, { root, changed, readout, number: -1, method: 0, token: null, selection: null, pointer: null, playing: null });
      this.picture = new S.Picture(this.part("picture"), this.part("overlay"));
      this.audio = this.part("audio");
      S.index.runs.forEach((run, i) => {
        const button = make("button", "", run.label);
        button.setAttribute("role", "radio");
        button.title = run.description;
        button.addEventListener("click", () => this.setMethod(i));
        this.part("methods").append(button);
      });
      this.part("methods").addEventListener("keydown", (event) => {
        const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!by) return;
        event.stopPropagation();
        event.preventDefault();
        this.setMethod(this.method + by);
        this.part("methods").children[this.method].focus();
      });
      this.part("play").addEventListener("click", () => this.togglePlay());
      this.part("play-word").addEventListener("click", () => this.playWord());
      this.listen();
    }

    get word() { return S.index.tokens.word[this.number].toLowerCase(); }

    show(number) {
      this.number = number;
      this.stop();
      this.selection = null;
      this.part("word").textContent = this.word;
      this.facts();
      this.audio.src = `explorer/sounds/${S.file(number)}${S.index.sound_suffix}`;
      const loading = this.part("loading");
      const say = (text) => { loading.textContent = text; loading.hidden = !text; };
      const slow = setTimeout(() => say("loading …"), 250);
      const settle = (token, text) => {
        clearTimeout(slow);
        if (this.number !== number) return;
        this.token = token;
        say(text);
        if (token) this.changed("token");
      };
      S.token(number).then((token) => settle(token, ""), (error) => settle(null, error.message));
    }

    setMethod(method) {
      const n = S.index.runs.length;
      this.method = (method + n) % n;
      [...this.part("methods").children].forEach((button, i) => {
        button.setAttribute("aria-checked", i === this.method);
        button.tabIndex = i === this.method ? 0 : -1;
      });
      if (this.number >= 0) this.facts();
      this.changed("method");
    }

    facts() {
      const { tokens, speakers, splits, runs } = S.index, i = this.number;
      const parts = [];
      if (tokens.stress[i] !== null) parts.push(make("span", CLASSES[tokens.stress[i]], `${CLASSES[tokens.stress[i]]} stress`));
      else parts.push(make("span", "quiet", "stress unknown"));
      const said = runs[this.method].predicted[i];
      if (said !== null) {
        const p = runs[this.method].p[i], certain = said === 0 ? p : 1 - p;
        const answer = make("span", CLASSES[said], `network: ${CLASSES[said]}, p ${certain < .995 ? "= " + certain.toFixed(2) : "> 0.99"} `);
        const correct = S.correct(i, this.method);
        if (correct !== null) answer.append(make("b", correct ? "right" : "wrong", correct ? "✓ right" : "✗ wrong"));
        parts.push(answer);
      }
      parts.push(make("span", "quiet", `speaker ${speakers[tokens.speaker[i]]}${tokens.sex ? ` (${tokens.sex[i]})` : ""}`), make("span", "quiet", splits[tokens.split[i]].replace(/_/g, " ")), make("span", "quiet", tokens.id[i]));
      this.part("facts").replaceChildren(...parts);
    }

    /* Draw with the layers and outlines of the page; span (s) and limit are set to compare. */
    draw({ layers, outlines, span, limit }) {
      if (!this.token) return;
      const methods = layers.all ? S.index.runs.map((_, i) => i) : [this.method];
      this.picture.draw(this.token, { method: this.method, methods, number: this.number, layers, whole: layers.whole, outlines, span, limit });
      this.overlay();
      const run = this.token.runs[this.method];
      this.part("picture").setAttribute("aria-label", `${this.word}: waveform, spectrogram, tiers` + (run ? `, relevance of ${S.index.runs[this.method].label}; its sum is ${S.signed(run.sum, 2)} logits` : ""));
    }

    overlay(playhead) {
      this.picture.drawOverlay({ pointer: this.pointer, selection: this.selection, playhead });
    }

    /* ---------------------------------------------------------------- sound */

    play(start, end) {
      if (!this.token) return;
      this.stop();
      const origin = this.token.sound.origin_s;
      const from = Math.max(0, origin + start), to = Math.min(this.token.sound.duration_s, origin + end);
      const started = (this.playing = { to, origin });
      this.audio.currentTime = from;
      this.part("play").textContent = "■ stop";
      this.audio.play().then(() => this.follow(started), (error) => {
        if (this.playing === started) this.stop();
        if (error.name !== "AbortError") this.readout.textContent = `The sound cannot be played: ${error.message}`;
      });
    }

    follow(started) {
      if (this.playing !== started) return;
      if (this.audio.ended || this.audio.currentTime >= started.to) { this.stop(); return; }
      this.overlay(this.audio.currentTime - started.origin);
      requestAnimationFrame(() => this.follow(started));
    }

    stop() {
      if (!this.playing) return;
      this.playing = null;
      this.audio.pause();
      this.part("play").textContent = "▶ play";
      this.overlay();
    }

    togglePlay() {
      if (this.playing) { this.stop(); return; }
      if (!this.token) return;
      const [start, end] = this.selection || this.token.view;
      this.play(Math.min(start, end), Math.max(start, end));
    }

    playWord() { if (this.token) this.play(0, this.token.end_s); }

    /* ---------------------------------------------------------------- pointer */

    listen() {
      const surface = this.part("overlay"), { picture } = this;
      const point = (event) => {
        const box = surface.getBoundingClientRect();
        return { x: event.clientX - box.left, y: event.clientY - box.top };
      };
      const within = (x) => Math.max(picture.place.left, Math.min(picture.place.left + picture.place.plot, x));
      let anchor = null;
      surface.addEventListener("pointerdown", (event) => {
        if (!this.token || event.button) return;
        anchor = point(event).x;
        surface.setPointerCapture(event.pointerId);
      });
      surface.addEventListener("pointermove", (event) => {
        if (!this.token) return;
        this.pointer = point(event);
        if (anchor !== null && Math.abs(this.pointer.x - anchor) > 3) this.selection = [picture.time(within(anchor)), picture.time(within(this.pointer.x))];
        const text = picture.readout(this.pointer);
        if (text) this.readout.textContent = text;
        if (!this.playing) this.overlay();
      });
      surface.addEventListener("pointerup", (event) => {
        if (anchor !== null && Math.abs(point(event).x - anchor) <= 3) this.selection = null;
        anchor = null;
        this.overlay();
      });
      surface.addEventListener("pointerleave", () => { this.pointer = null; if (!this.playing) this.overlay(); });
    }
  }

  S.Pane = Pane;
})();
