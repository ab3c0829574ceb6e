"use strict";
/* Data: the index is there from the start; a token's file is loaded when it is first looked at.
   Files are scripts that call Stressnet.receive, since pages opened from disk may not fetch. */
(function () {
  const S = (window.Stressnet = window.Stressnet || {});
  const KEPT = 40;
  const promises = new Map(); // token number -> Promise of a token, in order of use
  const waiting = new Map();

  S.receive = function (file, text) {
    const callbacks = waiting.get(file);
    if (!callbacks) return;
    waiting.delete(file);
    unpack(text).then(callbacks.resolve, callbacks.reject);
  };

  /* Name of a token's files. */
  S.file = (number) => String(S.index.tokens.file[number]).padStart(6, "0");

  S.token = function (number) {
    let promise = promises.get(number);
    promises.delete(number);
    if (!promise) {
      promise = new Promise((resolve, reject) => {
        const file = S.index.tokens.file[number];
        waiting.set(file, { resolve, reject });
        const script = document.createElement("script");
        script.src = `explorer/tokens/${S.file(number)}.js`;
        script.onload = () => script.remove();
        script.onerror = () => {
          script.remove();
          waiting.delete(file);
          promises.delete(number);
          reject(new Error(`explorer/tokens/${S.file(number)}.js is missing`));
        };
        document.head.append(script);
      });
    }
    promises.set(number, promise);
    for (const key of promises.keys()) {
      if (promises.size <= KEPT) break;
      promises.delete(key);
    }
    return promise;
  };

  const ARRAYS = { uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array, float32: Float32Array };

  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const raw = await new Response(stream).arrayBuffer();
    const length = new DataView(raw).getUint32(0, true);
    const token = JSON.parse(new TextDecoder().decode(new Uint8Array(raw, 4, length)));
    for (const place of Object.values(token.arrays)) {
      const count = place.shape.reduce((a, b) => a * b, 1);
      place.values = new ARRAYS[place.type](raw, 4 + length + place.at, count);
    }
    const picture = new Blob([token.arrays.spectrogram.values], { type: token.spectrogram.kind });
    token.picture = await createImageBitmap(picture);
    return token;
  }

  /* Relevance at a cell, undoing the companding (see pack.py). */
  S.relevanceAt = function (token, method, cell) {
    const step = token.arrays[`relevance${method}`].values[cell] / 63;
    return Math.sign(step) * step * step * token.runs[method].peak;
  };
})();
