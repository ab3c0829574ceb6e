"use strict";
/* What all pages do: tables sort, figures hand out their numbers. */
(function () {
  const S = (window.Stressnet = window.Stressnet || {});

  /* ------------------------------------------------------------------ tables */

  /* The number that a text begins with ("< .001", "−0.5 [−0.7, −0.2]"), or null. */
  function numberOf(text) {
    const parts = text.replace(/−/g, "-").match(/^(< )?([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)/i);
    return parts ? Number(parts[2]) - (parts[1] ? 1e-9 : 0) : null;
  }
  const textOf = (cell) => (cell ? cell.textContent.trim() : "");
  const isMissing = (text) => text === "" || text === "–" || text === "-";
  const sorted = new WeakMap(); // table -> { column, down, rows in their own order }

  function order(table) {
    const { column, down, rows } = sorted.get(table);
    [...table.tHead.rows[0].cells].forEach((head, i) => {
      if (i === column) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    if (column === null) return table.tBodies[0].replaceChildren(...rows);
    const keyed = rows.filter((row) => !row.matches(".group-head")).map((row) => [textOf(row.cells[column]), row]);
    const numeric = keyed.every(([text]) => isMissing(text) || numberOf(text) !== null);
    const sign = down ? -1 : 1;
    keyed.sort(([a], [b]) => {
      if (isMissing(a) || isMissing(b)) return isMissing(a) - isMissing(b);
      return sign * (numeric ? numberOf(a) - numberOf(b) : a.localeCompare(b, undefined, { numeric: true }));
    });
    table.tBodies[0].replaceChildren(...keyed.map(([, row]) => row));
  }

  /* Let a table be sorted: up, down, as it was. Call again when its rows have changed. */
  S.sortable = function (table) {
    const body = table.tBodies[0], state = sorted.get(table);
    if (state) { state.rows = [...body.rows]; order(table); return; }
    // A row that begins with nothing belongs to the one above it.
    if (body.rows.length === 1 || [...body.rows].some((row) => textOf(row.cells[0]) === "")) return;
    sorted.set(table, { column: null, down: false, rows: [...body.rows] });
    [...table.tHead.rows[0].cells].forEach((head, i) => {
      if (!textOf(head)) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => {
        const now = sorted.get(table);
        if (now.column !== i) Object.assign(now, { column: i, down: false });
        else if (!now.down) now.down = true;
        else now.column = null;
        order(table);
      });
      head.append(button);
    });
  };

  /* A table's rows as they are shown, as CSV. */
  S.csvOf = (table) => [...table.rows].map((row) => [...row.cells].map((cell) => {
    const text = textOf(cell).replace(/−/g, "-");
    return /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  }).join(",")).join("\n") + "\n";

  /* ------------------------------------------------------------------ numbers to take away */

  S.download = function (text, name, type = "text/csv") {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  /* Into the clipboard; where the browser keeps that from pages, into a file. */
  S.copy = async function (text, name, button) {
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
    } catch {
      S.download(text, name);
      button.textContent = "saved";
    }
    setTimeout(() => { button.textContent = label; }, 1500);
  };

  for (const data of document.querySelectorAll("figure > template")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "copy data";
    button.title = "The figure's numbers as CSV";
    button.addEventListener("click", () => S.copy(data.content.textContent, data.dataset.name, button));
    data.previousElementSibling.append(button);
  }
  document.querySelectorAll(".scroll > table").forEach(S.sortable);

  /* What is wider than the window is reached by Tab and moved by arrows. */
  const reach = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  document.querySelectorAll(".scroll").forEach((box) => reach.observe(box));
})();
