// Reads the data files of a run (see runner/tfmatrix/reports/site/data.py) and makes elements. Texts are set as text, never as HTML.
"use strict";
const tfmatrix = (() => {
  const names = (has) => new Set(TABLE.statuses.filter(has).map((status) => status.name));
  const CODES = Object.fromEntries(TABLE.statuses.map((status, place) => [status.code, place + 1]));
  const SIGNS = Object.fromEntries(TABLE.statuses.map((status) => [status.name, status.sign]));
  const WORST_FIRST = TABLE.statuses.map((status) => status.name);
  const FAILING = names((status) => status.fails);
  const MEASURED = names((status) => status.measured);
  const UNKNOWN = names((status) => status.unknown);
  const MARKS = TABLE.marks;
  const root = document.body.dataset.root;

  const values = new Map();
  const loading = new Map();
  const receive = (name, value) => values.set(name, value);

  /** The value of a data file. A page from a disk may not fetch, but may load a script. */
  const load = (name) => {
    if (!loading.has(name)) {
      loading.set(name, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = `${root}data/${name.split("/").map(encodeURIComponent).join("/")}.js`;
        script.onload = () => (values.has(name) ? resolve(values.get(name)) : reject(new Error(`${name} is damaged`)));
        script.onerror = () => reject(new Error(`${name} is not part of this site`));
        document.head.append(script);
      }));
    }
    return loading.get(name);
  };

  const unpacked = (text) => text.replace(/~(\d+)~(.)/g, (_, times, letter) => letter.repeat(times));

  const lengths = (text, size) => {
    const row = new Int32Array(size);
    const pairs = text.split(",").map(Number);
    for (let at = 0, run = 0; run < pairs.length; at += pairs[run + 1], run += 2) row.fill(pairs[run], at, at + pairs[run + 1]);
    return row;
  };

  /** Rows, each so often as it says, one after the other: [row, times, row, times, …]. */
  const spread = (told, rows, all) => {
    let at = 0;
    for (let run = 0; run < told.length; run += 2) {
      for (let times = 0; times < told[run + 1]; times += 1) {
        all.set(rows[told[run]], at);
        at += rows[told[run]].length;
      }
    }
    return all;
  };

  /**
   * A run. Of each block's cells, row by row (a row for each writer): `codes`, the place of the status in WORST_FIRST
   * plus 1, or 0 where there is no cell; `bits`, those of its MARKS; `causes`, which of the run's sets of causes.
   */
  const loadRun = async (folder) => {
    const index = await load(`${folder}/index`);
    const size = index.environments.length;
    if (index.rows) {
      const codes = index.rows.status.map((text) => Uint8Array.from(unpacked(text), (letter) => CODES[letter] || 0));
      const bits = index.rows.marks.map((text) => Uint8Array.from(unpacked(text), (letter) => TABLE.digits.indexOf(letter)));
      const causes = index.rows.causes.map((text) => lengths(text, size));
      for (const block of index.blocks) {
        block.codes = spread(block.status, codes, new Uint8Array(size * size));
        block.bits = spread(block.marks, bits, new Uint8Array(size * size));
        block.causes = spread(block.causes, causes, new Int32Array(size * size));
        block.scenario = index.scenarios[block.s];
        block.format = index.formats[block.f];
      }
      delete index.rows;
    }
    return { ...index, folder, size };
  };

  const cell = (run, block, place) => {
    const writer = run.environments[Math.floor(place / run.size)].name;
    const reader = run.environments[place % run.size].name;
    const bits = block.bits[place];
    const remedy = block.remedies[place];
    return {
      block, place, writer, reader,
      id: `${block.scenario.name}/${block.format.name}/${writer}/${reader}`,
      scenario: block.scenario.name,
      format: block.format.name,
      status: WORST_FIRST[block.codes[place] - 1],
      marks: MARKS.filter((_, bit) => bits & (1 << bit)),
      causes: run.cause_sets[block.causes[place]].map((number) => run.causes[number]),
      difference: block.differences[place] ?? null,
      remedy: remedy === undefined ? null : run.remedies[remedy],
    };
  };

  /** The cell of an id; null where the run has none. Names may hold any character, so the id is not split. */
  const find = (run, id) => {
    for (const block of run.blocks) {
      const before = `${block.scenario.name}/${block.format.name}/`;
      if (!id.startsWith(before)) continue;
      const pair = id.slice(before.length);
      for (let place = 0; place < run.size * run.size; place += 1) {
        if (!block.codes[place]) continue;
        const found = cell(run, block, place);
        if (`${found.writer}/${found.reader}` === pair) return found;
      }
    }
    return null;
  };

  /** An element with attributes and children; texts become text nodes. */
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return element;
  };

  const sign = (status, known = false) => make("span", { class: `status s-${status}${known ? " low" : ""}` }, make("span", { "aria-hidden": "true" }, SIGNS[status] || "?"), ` ${status}`);

  /** A line of ours: what stands between backticks is code. */
  const withCode = (text) => text.split("`").map((part, place) => (place % 2 ? make("code", {}, part) : part));

  const causeLink = (cause) => `${root}cause/${encodeURIComponent(cause.id)}.html`;

  /** Titles of causes, each in its own line, as links where the page has them. */
  const causes = (found, linked = true) => found.map((cause) => make("div", {}, linked
    ? make("a", { href: causeLink(cause) }, ...withCode(cause.title))
    : make("span", {}, ...withCode(cause.title))));

  const cellLink = (id, run = null) => {
    const query = new URLSearchParams(run ? { cell: id, run } : { cell: id });
    return `${root}cell.html?${query}`;
  };

  return { SIGNS, WORST_FIRST, FAILING, MEASURED, UNKNOWN, MARKS, root, receive, load, loadRun, cell, find, make, sign, withCode, causes, causeLink, cellLink };
})();
