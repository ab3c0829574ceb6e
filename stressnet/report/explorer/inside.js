"use strict";
/* What 'stressnet patch' found inside networks: effects in the pairs of a token, and their mean. */
(function () {
  const S = window.Stressnet, make = S.make, found = S.index.patching || [];
  const box = document.getElementById("inside");
  const number2 = (value) => value.toFixed(2).replace(/^-0.00$/, "0.00").replace("-", "−");

  /* Show a token; choose(number) goes to the other one of a pair. */
  S.inside = function (number, choose) {
    box.hidden = !found.length;
    if (box.hidden) return;
    const maps = [];
    for (const one of found) {
      const name = found.length > 1 ? `${one.network}: ` : "";
      for (const pair of one.pairs) {
        if (!pair.tokens.includes(number)) continue;
        const other = pair.tokens[pair.tokens[0] === number ? 1 : 0];
        const link = make("button", "plain", other === null ? "a token that is not shown here" : told(other));
        link.disabled = other === null;
        link.addEventListener("click", () => choose(other));
        maps.push(map(one, pair.effects, [`${name}with `, link, `, ${number2(pair.difference)} logits apart`]));
      }
      maps.push(map(one, one.mean, [`${name}mean of ${one.pairs.length} pairs`]));
    }
    document.getElementById("inside-maps").replaceChildren(...maps);
  };

  function told(number) {
    const { tokens, speakers } = S.index, stress = ["INITIAL", "FINAL"][tokens.stress[number]] || "";
    return `${tokens.word[number].toLowerCase()}, ${speakers[tokens.speaker[number]]}, ${stress}`;
  }

  function map({ units, layers, direction }, values, title) {
    const table = make("table"), head = make("tr"), body = make("tbody"), caption = make("caption");
    caption.append(...title, `, from ${direction}`);
    head.append(make("th"), ...layers.map((layer) => make("th", "n", layer)));
    units.forEach((unit, i) => {
      const row = make("tr"), heading = make("th", "", unit);
      heading.scope = "row";
      row.append(heading, ...values[i].map(cell));
      body.append(row);
    });
    const top = make("thead");
    top.append(head);
    table.append(caption, top, body);
    return table;
  }

  /* The colour is full at the whole difference, 1 or −1. */
  function cell(value) {
    const made = make("td", "n", value === null ? "" : number2(value));
    if (value === null) return made;
    const share = Math.max(-1, Math.min(1, value)), middle = (S.index.colours.length - 1) / 2;
    const [r, g, b, alpha] = S.index.colours[Math.round(middle * (1 + share))];
    made.style.background = `rgb(${[r, g, b].map((c) => Math.round(255 + (c - 255) * alpha / 255))})`; // on white
    made.style.color = Math.abs(share) > 0.7 ? "#fff" : "#1d2126";
    return made;
  }
})();
