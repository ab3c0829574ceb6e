"use strict";
/* The picture of one token: waveform, spectrogram with tracks, one panel of relevance per method,
   tiers. Everything is placed by seconds and hertz, never by index. */
(function () {
  const S = (window.Stressnet = window.Stressnet || {});
  const INK = "#1d2126", GREY = "#5d656e", FORMANT = "#d7191c", PITCH = "#1f4fd8";
  const OUTLINES = ["#0a7d3c", "#7b3fb3", "#00808a", "#b3127a", "#6f6a00", "#7b4a12", "#2c2c2c", "#3b6b00"];
  const FONT = 'system-ui, "Segoe UI", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif';
  const PITCH_TICKS = [50, 75, 100, 150, 200, 300, 500, 700];
  const MAX_HZ = 5500;

  S.outlineColour = (slot) => OUTLINES[slot % OUTLINES.length];

  /* Places of panels, in CSS pixels. */
  function layout(width, token, options) {
    const narrow = width < 640;
    const left = narrow ? 62 : 74, right = narrow ? 50 : 84;
    const panels = [{ kind: "wave", height: 58 }, { kind: "spectrogram", height: narrow ? 170 : 215 }];
    const shown = options.methods;
    for (const method of shown) {
      panels.push({ kind: "map", method, height: shown.length > 2 ? 140 : shown.length > 1 ? 165 : narrow ? 160 : 200, title: shown.length > 1 });
    }
    for (const kind of ["phones", "relevance", "syllables", "word"]) {
      if (kind === "relevance" && !token.runs[options.method]) continue;
      panels.push({ kind, height: 24, tier: true });
    }
    let y = 8;
    for (const panel of panels) {
      if (panel.title) y += 16;
      panel.y = y;
      y += panel.height + (panel.tier ? 0 : 7);
    }
    let [start, end] = options.whole ? wholeView(token, options) : token.view;
    if (options.span) end = start + options.span; // as long as the one beside it
    return { left, right, panels, width, height: y + 36, start, end, plot: width - left - right, narrow };
  }

  /* Seconds of a token that its picture shows. */
  S.spanOf = function (token, method, whole) {
    const [start, end] = whole ? wholeView(token, { method }) : token.view;
    return end - start;
  };

  function wholeView(token, options) {
    const edges = S.index.presets[S.index.runs[options.method].preset].time_edges;
    return [Math.min(token.view[0], edges[0]), Math.max(token.view[1], edges[edges.length - 1])];
  }

  class Picture {
    constructor(canvas, overlay) {
      this.canvas = canvas;
      this.overlay = overlay;
      this.cells = new Map(); // coloured cells of the token now shown
    }

    /* Draw a token. options: method, methods, layers (object of booleans), outlines (names). */
    draw(token, options) {
      const width = this.canvas.parentElement.clientWidth || 900;
      const place = layout(width, token, options);
      if (this.token !== token) this.cells.clear();
      Object.assign(this, { token, options, place });
      const ctx = sized(this.canvas, width, place.height);
      sized(this.overlay, width, place.height);
      ctx.lineJoin = "round";
      for (const panel of place.panels) this[panel.kind === "map" ? "drawMap" : panel.tier ? "drawTier" : panel.kind === "wave" ? "drawWave" : "drawSpectrogram"](ctx, panel);
      if (options.layers.tiers) this.drawBoundaries(ctx);
      this.drawTimeAxis(ctx);
      this.drawOverlay({});
    }

    x(time) { return this.place.left + ((time - this.place.start) / (this.place.end - this.place.start)) * this.place.plot; }
    time(x) { return this.place.start + ((x - this.place.left) / this.place.plot) * (this.place.end - this.place.start); }
    y(panel, hz) { return panel.y + panel.height * (1 - hz / panel.top); }

    clip(ctx, panel, draw) {
      ctx.save();
      ctx.beginPath();
      ctx.rect(this.place.left, panel.y, this.place.plot, panel.height);
      ctx.clip();
      draw();
      ctx.restore();
    }

    frame(ctx, panel) {
      ctx.strokeStyle = INK;
      ctx.lineWidth = 1;
      ctx.strokeRect(this.place.left + .5, panel.y + .5, this.place.plot - 1, panel.height - 1);
    }

    drawWave(ctx, panel) {
      const { wave, arrays } = this.token, values = arrays.wave.values, middle = panel.y + panel.height / 2;
      this.clip(ctx, panel, () => {
        ctx.strokeStyle = INK;
        ctx.lineWidth = 1;
        ctx.beginPath();
        for (let i = 0; i < values.length / 2; i++) {
          const x = this.x(wave.start_s + (i + .5) * wave.step_s);
          const low = middle - (values[2 * i] / 127) * panel.height * .48;
          const high = middle - (values[2 * i + 1] / 127) * panel.height * .48;
          ctx.moveTo(x, low + .35);
          ctx.lineTo(x, high - .35);
        }
        ctx.stroke();
      });
    }

    drawSpectrogram(ctx, panel) {
      const token = this.token, info = token.spectrogram;
      panel.top = MAX_HZ;
      this.clip(ctx, panel, () => {
        ctx.imageSmoothingEnabled = true;
        ctx.imageSmoothingQuality = "high";
        const x = this.x(info.time_s[0]), y = this.y(panel, info.frequency_hz[1]);
        ctx.drawImage(token.picture, x, y, this.x(info.time_s[1]) - x, this.y(panel, info.frequency_hz[0]) - y);
        if (this.options.layers.formants) this.drawFormants(ctx, panel);
        this.drawOutlines(ctx, panel, S.index.runs[this.options.method].preset);
      });
      this.frame(ctx, panel);
      this.frequencyAxis(ctx, panel);
      if (this.options.layers.pitch) this.drawPitch(ctx, panel);
    }

    drawFormants(ctx, panel) {
      const { arrays, tracks } = this.token, grid = tracks.formants, n = arrays.formants.shape[1];
      ctx.fillStyle = FORMANT;
      for (let k = 0; k < 4; k++) for (let i = 0; i < n; i++) {
        const hz = arrays.formants.values[k * n + i];
        if (!hz || !arrays.loud.values[i]) continue;
        ctx.globalAlpha = Math.min(1, Math.max(.25, 150 / Math.max(1, arrays.bandwidths.values[k * n + i])));
        dot(ctx, this.x(grid.start_s + i * grid.step_s), this.y(panel, hz), 1.9);
      }
      ctx.globalAlpha = 1;
    }

    drawPitch(ctx, panel) {
      const { arrays, tracks } = this.token, grid = tracks.f0, values = arrays.f0.values;
      const found = Array.from(values).filter((v) => v > 0).map((v) => v * grid.scale);
      const low = Math.min(75, ...found.map((v) => .95 * v)), high = Math.max(500, ...found.map((v) => 1.05 * v));
      const y = (hz) => panel.y + panel.height * (1 - Math.log(hz / low) / Math.log(high / low));
      this.clip(ctx, panel, () => {
        for (const [colour, radius] of [["#ffffff", 3.1], [PITCH, 1.9]]) {
          ctx.fillStyle = colour;
          for (let i = 0; i < values.length; i++) {
            if (values[i]) dot(ctx, this.x(grid.start_s + i * grid.step_s), y(values[i] * grid.scale), radius);
          }
        }
      });
      const right = this.place.left + this.place.plot;
      text(ctx, "left", 11, PITCH);
      ctx.strokeStyle = PITCH;
      for (const tick of PITCH_TICKS) {
        if (tick < low || tick > high) continue;
        line(ctx, right, y(tick), right + 4, y(tick));
        ctx.fillText(tick, right + 7, Math.min(Math.max(y(tick), panel.y + 5), panel.y + panel.height - 5));
      }
      rotated(ctx, "F0 (Hz)", this.place.width - 10, panel.y + panel.height / 2, PITCH);
    }

    drawMap(ctx, panel) {
      const { token, options } = this, run = S.index.runs[panel.method], preset = S.index.presets[run.preset];
      panel.top = preset.frequency_edges[preset.frequency_edges.length - 1];
      if (panel.title) {
        text(ctx, "left", 11, INK, panel.method === options.method ? "600 " : "");
        ctx.fillText(run.label, this.place.left, panel.y - 8);
      }
      const there = token.runs[panel.method];
      this.clip(ctx, panel, () => {
        this.hatch(ctx, panel, run.preset, preset);
        if (options.layers.image) this.cellsOf(ctx, panel, preset, `image${run.preset}`, greyOf);
        if (options.layers.relevance && there) {
          const limit = this.limitOf(panel.method);
          this.cellsOf(ctx, panel, preset, `relevance${panel.method}:${limit}`, (values) => colourOf(values, there.peak, limit));
        }
        this.drawOutlines(ctx, panel, run.preset);
        if (options.layers.formants) this.drawNucleusFormants(ctx, panel);
      });
      this.frame(ctx, panel);
      this.frequencyAxis(ctx, panel);
      if (!there) {
        text(ctx, "center", 13, GREY);
        ctx.fillText("this run has no map of this token", this.place.left + this.place.plot / 2, panel.y + panel.height / 2);
      } else if (options.layers.relevance) this.colourBar(ctx, panel, this.limitOf(panel.method));
    }

    limitOf(method) {
      if (this.options.limit && method === this.options.method) return this.options.limit;
      return this.options.layers.shared ? S.index.runs[method].limit : this.token.runs[method].limit;
    }

    /* Cells as an image with one pixel per cell, stretched row by row to its hertz. */
    cellsOf(ctx, panel, preset, key, paint) {
      let image = this.cells.get(key);
      if (!image) {
        const { values, shape } = this.token.arrays[key.split(":")[0]];
        const [frames, bins] = shape;
        const pixels = new ImageData(frames, bins), rgba = paint(values);
        for (let t = 0; t < frames; t++) for (let f = 0; f < bins; f++) {
          const from = 4 * (t * bins + f), to = 4 * ((bins - 1 - f) * frames + t);
          for (let c = 0; c < 4; c++) pixels.data[to + c] = rgba[from + c];
        }
        image = document.createElement("canvas");
        image.width = frames;
        image.height = bins;
        image.getContext("2d").putImageData(pixels, 0, 0);
        this.cells.set(key, image);
      }
      ctx.imageSmoothingEnabled = false;
      const times = preset.time_edges, hertz = preset.frequency_edges, bins = image.height;
      const x = this.x(times[0]), width = this.x(times[times.length - 1]) - x;
      if (preset.even) {
        const y = this.y(panel, hertz[bins]);
        ctx.drawImage(image, x, y, width, this.y(panel, hertz[0]) - y);
      } else {
        for (let f = 0; f < bins; f++) {
          const y = this.y(panel, hertz[f + 1]);
          ctx.drawImage(image, 0, bins - 1 - f, image.width, 1, x, y, width, this.y(panel, hertz[f]) - y);
        }
      }
    }

    hatch(ctx, panel, number, preset) {
      const sound = this.token.arrays[`sound${number}`].values, edges = preset.time_edges;
      ctx.strokeStyle = "#c9c9c9";
      ctx.lineWidth = 1;
      for (let t = 0; t < sound.length; t++) {
        if (sound[t]) continue;
        let last = t;
        while (last + 1 < sound.length && !sound[last + 1]) last++;
        const x = this.x(edges[t]), width = this.x(edges[last + 1]) - x;
        ctx.save();
        ctx.beginPath();
        ctx.rect(x, panel.y, width, panel.height);
        ctx.clip();
        ctx.beginPath();
        for (let d = -panel.height; d < width; d += 11) {
          ctx.moveTo(x + d, panel.y + panel.height);
          ctx.lineTo(x + d + panel.height, panel.y);
        }
        ctx.stroke();
        ctx.restore();
        t = last;
      }
    }

    drawNucleusFormants(ctx, panel) {
      const { arrays, tracks, phones } = this.token, grid = tracks.formants, n = arrays.formants.shape[1];
      for (const [start, end, , , role] of phones) {
        if (role !== "nucleus") continue;
        for (let k = 0; k < 4; k++) for (let i = 0; i < n; i++) {
          const time = grid.start_s + i * grid.step_s, hz = arrays.formants.values[k * n + i];
          if (!hz || time < start || time >= end) continue;
          ctx.fillStyle = "#ffffff";
          dot(ctx, this.x(time), this.y(panel, hz), 2.4);
          ctx.fillStyle = "#000000";
          dot(ctx, this.x(time), this.y(panel, hz), 1.4);
        }
      }
    }

    drawOutlines(ctx, panel, number) {
      const preset = S.index.presets[number];
      for (const { name, slot } of this.options.outlines) {
        const path = this.outline(panel, number, preset, name);
        if (!path) continue;
        ctx.strokeStyle = "rgba(255,255,255,.85)";
        ctx.lineWidth = 3.6;
        ctx.stroke(path);
        ctx.strokeStyle = S.outlineColour(slot);
        ctx.lineWidth = 1.8;
        ctx.stroke(path);
      }
    }

    /* Edges between cells that belong to a region and cells that do not. */
    outline(panel, number, preset, name) {
      const stored = this.token.arrays[`outline${number}:${name}`];
      if (!stored) return null;
      const times = preset.time_edges, hertz = preset.frequency_edges;
      const frames = times.length - 1, bins = hertz.length - 1;
      const inside = new Uint8Array(frames * bins), runs = stored.values;
      for (let i = 0; i < runs.length; i += 3) inside.fill(1, runs[i] * bins + runs[i + 1], runs[i] * bins + runs[i + 2]);
      const at = (t, f) => t >= 0 && t < frames && f >= 0 && f < bins && inside[t * bins + f];
      const path = new Path2D();
      for (let t = 0; t <= frames; t++) {
        const x = this.x(times[t]);
        for (let f = 0; f < bins; f++) {
          if (at(t, f) !== at(t - 1, f) && (at(t, f) || at(t - 1, f))) {
            path.moveTo(x, this.y(panel, hertz[f]));
            path.lineTo(x, this.y(panel, hertz[f + 1]));
          }
        }
      }
      for (let t = 0; t < frames; t++) {
        const x0 = this.x(times[t]), x1 = this.x(times[t + 1]);
        for (let f = 0; f <= bins; f++) {
          if (at(t, f) !== at(t, f - 1) && (at(t, f) || at(t, f - 1))) {
            // Lines on the rim of the panel move inside, where they can be seen.
            const y = Math.min(Math.max(this.y(panel, hertz[f]), panel.y + 2), panel.y + panel.height - 2);
            path.moveTo(x0, y);
            path.lineTo(x1, y);
          }
        }
      }
      return path;
    }

    colourBar(ctx, panel, limit) {
      const x = this.place.left + this.place.plot + 10, y = panel.y + 16, width = 11, height = panel.height - 32;
      const n = S.index.colours.length;
      ctx.fillStyle = "#ffffff";
      ctx.fillRect(x, y, width, height);
      for (let i = 0; i < height; i++) {
        const [r, g, b, a] = S.index.colours[Math.round((1 - i / (height - 1)) * (n - 1))];
        ctx.fillStyle = `rgba(${r},${g},${b},${a / 255})`;
        ctx.fillRect(x, y + i, width, 1);
      }
      ctx.strokeStyle = INK;
      ctx.lineWidth = .8;
      ctx.strokeRect(x, y, width, height);
      text(ctx, "left", 10, S.index.stress.INITIAL, "600 ");
      ctx.fillText("INITIAL", x - 4, y - 9);
      ctx.fillStyle = S.index.stress.FINAL;
      ctx.fillText("FINAL", x - 4, y + height + 10);
      const power = limit > 0 ? Math.floor(Math.log10(limit)) : 0, unit = 10 ** power;
      text(ctx, "left", 10, INK);
      for (const [part, label] of [[1, limit / unit], [0, 0], [-1, -limit / unit]]) {
        const at = y + height * (1 - (part + 1) / 2);
        line(ctx, x + width, at, x + width + 3, at);
        ctx.fillText(label === 0 ? "0" : label.toFixed(1).replace("-", "−"), x + width + 5, Math.min(Math.max(at, y + 4), y + height - 4));
      }
      const exponent = String(power).replace(/./g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] || "⁻");
      rotated(ctx, `10${exponent} logits per cell`, this.place.width - 8, panel.y + panel.height / 2, INK, 10);
    }

    drawTier(ctx, panel) {
      const { token, options } = this, bottom = panel.y + panel.height;
      const labels = { phones: "phones", relevance: this.place.narrow ? "R (%)" : "Σ R (%)", syllables: "syllables", word: "word" };
      ctx.strokeStyle = "#9aa0a6";
      ctx.lineWidth = 1;
      ctx.strokeRect(this.place.left + .5, panel.y + .5, this.place.plot - 1, panel.height);
      text(ctx, "right", 11, INK);
      ctx.fillText(labels[panel.kind], this.place.left - 6, panel.y + panel.height / 2);
      const row = { phones: token.phones.map(([a, b, , ipa]) => [a, b, ipa]), syllables: token.syllables, word: [[0, token.end_s, S.index.tokens.word[options.number].toLowerCase()]] };
      if (panel.kind === "relevance") {
        const shares = token.runs[options.method].phones;
        row.relevance = token.phones.map(([a, b], i) => [a, b, shares[i] === null ? "–" : signed(100 * shares[i], 0), shares[i]]);
      }
      this.clip(ctx, panel, () => {
        row[panel.kind].forEach(([start, end, label, share], i) => {
          const x0 = this.x(start), x1 = this.x(end);
          if (panel.kind === "phones" && token.phones[i][4] === "nucleus") {
            ctx.fillStyle = "rgba(0,0,0,.10)";
            ctx.fillRect(x0, panel.y + 1, x1 - x0, panel.height - 1);
          }
          if (share !== undefined && share !== null) {
            ctx.fillStyle = css(Math.max(-1, Math.min(1, share / .5)));
            ctx.fillRect(x0, panel.y + 1, x1 - x0, panel.height - 1);
          }
          ctx.strokeStyle = "#9aa0a6";
          line(ctx, x0, panel.y, x0, bottom);
          line(ctx, x1, panel.y, x1, bottom);
          const strong = panel.kind === "syllables" && i === token.stressed;
          const dark = share !== undefined && Math.abs(share) > .3;
          const colour = strong ? S.index.stress[["INITIAL", "FINAL"][i]] : dark ? "#ffffff" : INK;
          let size = panel.kind === "relevance" ? 11 : 14;
          text(ctx, "center", size, colour, strong ? "700 " : "");
          while (ctx.measureText(label).width > x1 - x0 - 2 && size > 8) text(ctx, "center", --size, colour, strong ? "700 " : "");
          ctx.fillText(label, (x0 + x1) / 2, panel.y + panel.height / 2 + 1);
        });
      });
    }

    drawBoundaries(ctx) {
      const { token, place } = this, tiers = place.panels.filter((p) => p.tier), top = place.panels[0].y;
      const word = tiers[tiers.length - 1], end = word.y + word.height, middle = token.syllables[0][1];
      const strong = [[0, end], [token.end_s, end], [middle, word.y]];
      const inner = new Set(token.phones.flatMap(([a, b]) => [a, b]));
      ctx.strokeStyle = "rgba(40,44,48,.75)";
      for (const [time, bottom] of strong) {
        ctx.lineWidth = 1.2;
        line(ctx, this.x(time), top, this.x(time), bottom);
      }
      ctx.setLineDash([4, 3]);
      ctx.lineWidth = .9;
      for (const time of inner) {
        if (strong.every(([other]) => Math.abs(other - time) > 1e-4)) line(ctx, this.x(time), top, this.x(time), tiers[0].y);
      }
      ctx.setLineDash([]);
    }

    frequencyAxis(ctx, panel) {
      const step = panel.top <= 6500 ? 1000 : 2000;
      text(ctx, "right", 11, INK);
      ctx.strokeStyle = INK;
      ctx.lineWidth = 1;
      for (let hz = 0; hz < .97 * panel.top; hz += step) {
        const y = Math.min(this.y(panel, hz), panel.y + panel.height - 1);
        line(ctx, this.place.left - 4, y, this.place.left, y);
        ctx.fillText(hz, this.place.left - 7, Math.min(y, panel.y + panel.height - 5));
      }
      if (!this.place.narrow) rotated(ctx, "frequency (Hz)", 14, panel.y + panel.height / 2, INK);
    }

    drawTimeAxis(ctx) {
      const { place } = this, y = place.height - 34, span = place.end - place.start;
      const step = [.02, .05, .1, .2, .5].find((s) => (s / span) * place.plot >= 55) || 1;
      text(ctx, "center", 11, INK);
      ctx.strokeStyle = INK;
      ctx.lineWidth = 1;
      for (let k = Math.ceil(place.start / step); k * step <= place.end + 1e-9; k++) {
        const x = this.x(k * step);
        line(ctx, x, y - 1, x, y + 4);
        ctx.fillText((k * step).toFixed(step < .1 ? 2 : 1).replace("-", "−"), x, y + 12);
      }
      ctx.fillText("time from word onset (s)", place.left + place.plot / 2, y + 26);
    }

    /* Pointer, selection and playhead, which move without redrawing the rest. */
    drawOverlay({ pointer, selection, playhead }) {
      if (!this.place) return;
      const ctx = this.overlay.getContext("2d"), { place } = this;
      ctx.clearRect(0, 0, place.width, place.height);
      const bottom = place.height - 35;
      if (selection) {
        const x0 = this.x(Math.min(...selection)), x1 = this.x(Math.max(...selection));
        ctx.fillStyle = "rgba(122,63,184,.14)";
        ctx.fillRect(x0, 4, x1 - x0, bottom - 4);
        ctx.strokeStyle = "#7a3fb8";
        line(ctx, x0, 4, x0, bottom);
        line(ctx, x1, 4, x1, bottom);
      }
      if (playhead !== undefined && playhead !== null) {
        ctx.strokeStyle = "#7a3fb8";
        ctx.lineWidth = 2;
        line(ctx, this.x(playhead), 4, this.x(playhead), bottom);
        ctx.lineWidth = 1;
      }
      if (pointer) {
        ctx.strokeStyle = "rgba(0,0,0,.45)";
        ctx.lineWidth = 1;
        line(ctx, pointer.x, 4, pointer.x, bottom);
        const panel = this.panelAt(pointer.y);
        if (panel && panel.top) line(ctx, place.left, pointer.y, place.left + place.plot, pointer.y);
      }
    }

    panelAt(y) { return this.place.panels.find((p) => y >= p.y && y < p.y + p.height); }

    /* Values under a point, in words. */
    readout(point) {
      const { place, token, options } = this;
      if (!place || point.x < place.left || point.x > place.left + place.plot) return "";
      const time = this.time(point.x), panel = this.panelAt(point.y), parts = [`${time.toFixed(3)} s`.replace("-", "−")];
      const hz = panel && panel.top ? panel.top * (1 - (point.y - panel.y) / panel.height) : null;
      if (hz !== null) parts.push(`${Math.round(hz)} Hz`);
      if (panel && panel.kind === "map" && token.runs[panel.method]) {
        const preset = S.index.presets[S.index.runs[panel.method].preset];
        const t = cellOf(preset.time_edges, time), f = cellOf(preset.frequency_edges, hz);
        if (t >= 0 && f >= 0) {
          const value = S.relevanceAt(token, panel.method, t * (preset.frequency_edges.length - 1) + f);
          parts.push(`relevance ${signed(value, null)} logits` + (value ? ` for ${value > 0 ? "INITIAL" : "FINAL"}` : ""));
        }
      }
      const grid = token.tracks.formants, n = token.arrays.formants.shape[1], i = Math.round((time - grid.start_s) / grid.step_s);
      if (i >= 0 && i < n) for (let k = 0; k < 4; k++) {
        const value = token.arrays.formants.values[k * n + i];
        if (value) parts.push(`F${k + 1} ${value} Hz`);
      }
      const pitch = token.tracks.f0, j = Math.round((time - pitch.start_s) / pitch.step_s), f0 = token.arrays.f0.values[j];
      if (f0) parts.push(`F0 ${(f0 * pitch.scale).toFixed(1)} Hz`);
      const phone = token.phones.findIndex(([a, b]) => time >= a && time < b);
      if (phone >= 0) {
        const run = token.runs[options.method];
        const share = run && run.phones[phone];
        parts.push(`[${token.phones[phone][3]}] ${token.phones[phone][2]}` + (share === null || share === undefined ? "" : `, ${signed(100 * share, 1)} % of Σ|R|`));
      }
      return parts.join(" · ");
    }
  }

  function greyOf(values) {
    const rgba = new Uint8ClampedArray(4 * values.length);
    for (let i = 0; i < values.length; i++) rgba[4 * i + 3] = Math.round((values[i] / 63) * 0.7 * 255); // black, more or less opaque
    return rgba;
  }

  function colourOf(values, peak, limit) {
    const rgba = new Uint8ClampedArray(4 * values.length), n = S.index.colours.length, table = new Map();
    for (let i = 0; i < values.length; i++) {
      const step = values[i];
      if (!table.has(step)) {
        const value = Math.sign(step) * (step / 63) ** 2 * peak;
        const part = limit > 0 ? Math.max(-1, Math.min(1, value / limit)) : 0;
        table.set(step, S.index.colours[Math.round(((part + 1) / 2) * (n - 1))]);
      }
      rgba.set(table.get(step), 4 * i);
    }
    return rgba;
  }

  function css(part) {
    const [r, g, b, a] = S.index.colours[Math.round(((part + 1) / 2) * (S.index.colours.length - 1))];
    return `rgba(${r},${g},${b},${a / 255})`;
  }

  function cellOf(edges, value) {
    if (value < edges[0] || value >= edges[edges.length - 1]) return -1;
    let low = 0, high = edges.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (edges[middle] <= value) low = middle; else high = middle;
    }
    return low;
  }

  function signed(value, digits) {
    const shown = digits === null ? value.toPrecision(2) : value.toFixed(digits);
    return (value > 0 ? "+" : "") + shown.replace("-", "−");
  }
  S.signed = signed;

  function sized(canvas, width, height) {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
    const ctx = canvas.getContext("2d");
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, width, height);
    return ctx;
  }

  function text(ctx, align, size, colour, weight = "") {
    ctx.font = `${weight}${size}px ${FONT}`;
    ctx.textAlign = align;
    ctx.textBaseline = "middle";
    ctx.fillStyle = colour;
  }

  function rotated(ctx, label, x, y, colour, size = 11) {
    ctx.save();
    ctx.translate(x, y);
    ctx.rotate(-Math.PI / 2);
    text(ctx, "center", size, colour);
    ctx.fillText(label, 0, 0);
    ctx.restore();
  }

  function line(ctx, x0, y0, x1, y1) {
    ctx.beginPath();
    ctx.moveTo(x0, y0);
    ctx.lineTo(x1, y1);
    ctx.stroke();
  }

  function dot(ctx, x, y, radius) {
    ctx.beginPath();
    ctx.arc(x, y, radius, 0, 2 * Math.PI);
    ctx.fill();
  }

  S.Picture = Picture;
})();
