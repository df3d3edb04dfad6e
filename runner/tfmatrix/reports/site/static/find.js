// The search box of every page. `/` goes there; an error message pasted from a terminal leads to its cause.
(() => {
  "use strict";
  const { make, root, withCode } = tfmatrix;
  const SHOWN = 8;
  const LONG = 5; // Words from which on a text is a message: most of it must be found, not all.
  const ENOUGH = 0.35; // The share of a message, by weight of its words, that an entry must have.
  const KINDS = { scenario: "scenario", format: "format", version: "version", cause: "cause", warning: "warning" };
  const box = document.getElementById("finder");
  const field = document.getElementById("find");
  const list = document.getElementById("found");
  let entries = null;
  let weights = null;
  let active = -1;

  const words = (text) => text.toLowerCase().match(/[\p{L}\p{N}_.+@-]{2,}/gu)?.map((word) => word.replace(/^[.-]+|[.-]+$/g, "")).filter((word) => word.length > 1) || [];

  const load = async () => {
    if (entries) return;
    const read = await tfmatrix.load("search");
    entries = read.map(([kind, title, address, more]) => {
      const own = words(`${kind} ${title}`);
      const all = new Set([...own, ...words(more)]);
      return { kind, title, address, own: new Set(own), all, joined: `${title} ${more}`.toLowerCase() };
    });
    weights = new Map();
    for (const entry of entries) for (const word of entry.all) weights.set(word, (weights.get(word) || 0) + 1);
    for (const [word, count] of weights) weights.set(word, Math.log(1 + entries.length / count));
  };

  /** Few words: each must stand in the entry, as a part. A message: the entries that share most of its rare words. */
  const search = (text) => {
    const asked = [...new Set(words(text))];
    if (!asked.length) return [];
    const scored = [];
    if (asked.length < LONG) {
      for (const entry of entries) {
        if (!asked.every((word) => entry.joined.includes(word) || entry.kind.includes(word))) continue;
        scored.push([asked.filter((word) => entry.own.has(word)).length * 10 - entry.title.length / 100, entry]);
      }
    } else {
      const known = asked.filter((word) => weights.has(word));
      const whole = known.reduce((sum, word) => sum + weights.get(word), 0) || 1;
      for (const entry of entries) {
        const share = known.reduce((sum, word) => sum + (entry.all.has(word) ? weights.get(word) : 0), 0) / whole;
        if (share >= ENOUGH) scored.push([share + (entry.kind === "cause" ? 0.05 : 0) - entry.all.size / 10000, entry]);
      }
    }
    return scored.sort((one, other) => other[0] - one[0]).slice(0, SHOWN).map(([, entry]) => entry);
  };

  const mark = (place) => {
    const options = [...list.querySelectorAll("[role=option]")];
    active = options.length ? (place + options.length) % options.length : -1;
    options.forEach((option, number) => option.setAttribute("aria-selected", String(number === active)));
    if (active >= 0) field.setAttribute("aria-activedescendant", options[active].id);
    else field.removeAttribute("aria-activedescendant");
  };

  const close = () => {
    list.hidden = true;
    field.setAttribute("aria-expanded", "false");
  };

  const draw = async () => {
    await load();
    const asked = field.value.trim();
    const found = search(asked);
    if (!asked) return close();
    list.replaceChildren(...(found.length
      ? found.map((entry, number) => make("a", { role: "option", id: `found-${number}`, href: `${root}${entry.address}`, tabindex: "-1", "aria-selected": "false" }, make("span", { class: "kind" }, KINDS[entry.kind]), " ", ...withCode(entry.title)))
      : [make("p", { role: "option", "aria-disabled": "true", "aria-selected": "false" }, "Nothing in this run has these words.")]));
    list.hidden = false;
    field.setAttribute("aria-expanded", "true");
    mark(0);
    list.dataset.for = asked;
    return undefined;
  };

  box.hidden = false;
  field.addEventListener("focus", load);
  field.addEventListener("input", draw);
  field.addEventListener("paste", (event) => {
    // A field of one line would join the lines of a traceback without a space.
    const text = event.clipboardData?.getData("text");
    if (!text?.includes("\n")) return;
    event.preventDefault();
    field.value = text.replace(/\s+/g, " ").slice(-2000);
    draw();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      mark(active + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      list.querySelector("a[aria-selected=true]")?.click();
    } else if (event.key === "Escape") close();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, select, textarea")) return;
    event.preventDefault();
    field.focus();
    field.select();
  });
  document.addEventListener("click", (event) => {
    if (!box.contains(event.target)) close();
  });
})();
