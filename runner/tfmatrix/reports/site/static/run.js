// Reads the data files of a run (see runner/tfmatrix/reports/site/data.py) and makes elements. Texts are set as text, never as HTML.
"use strict";
const tfmatrix = (() => {
  const names = (has) => new Set(TABLE.statuses.filter(has).map((status) => status.name));
  const CODES = Object.fromEntries(TABLE.statuses.map((status, place) => [status.code, place]));
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

  const INFERRED = 1 << MARKS.indexOf("inferred");

  /** A row as `[first, last, value, …]`, of `VALUE*TIMES,VALUE`; without the value 0. */
  const segments = (text) => {
    const found = [];
    let at = 0;
    for (const told of text.split(",")) {
      const [value, times = 1] = told.split("*").map(Number);
      if (value) found.push(at, at + times - 1, value);
      at += times;
    }
    return found;
  };

  /** The row with its inferred cells told apart: their value is that of the outcome and `outcomes` more. */
  const marked = (row, inferred, outcomes) => {
    const found = [];
    for (let each = 0; each < row.length; each += 3) {
      let at = row[each];
      for (let mark = 0; mark < inferred.length; mark += 3) {
        const [from, to] = [Math.max(at, inferred[mark]), Math.min(row[each + 1], inferred[mark + 1])];
        if (from > to) continue;
        if (from > at) found.push(at, from - 1, row[each + 2]);
        found.push(from, to, row[each + 2] + outcomes);
        at = to + 1;
      }
      if (at <= row[each + 1]) found.push(at, row[each + 1], row[each + 2]);
    }
    return Int32Array.from(found);
  };

  /** `[value, times, …]`, each value so often as it says. */
  const spread = (told) => {
    const all = [];
    for (let run = 0; run < told.length; run += 2) for (let times = 0; times < told[run + 1]; times += 1) all.push(told[run]);
    return all;
  };

  /**
   * A run. `outcomes` are what cells came to: `code`, the place of the status in WORST_FIRST; `bits`, those of its MARKS;
   * `causes`, which of the run's sets of causes. `rows` are what the readers of a writer make of a file of its: as
   * `[first reader, last reader, outcome, …]`. Each block names a row for each writer. So cells are counted by rows, and
   * never one by one: a map has millions of them.
   */
  const loadRun = async (folder) => {
    const index = await load(`${folder}/index`);
    if (!index.size) {
      index.folder = folder;
      index.size = index.environments.length;
      const outcomes = index.outcomes.map(([code, bits, causes]) => ({ code: CODES[code], bits, causes }));
      const told = index.rows.map(segments);
      const inferred = index.inferred_rows.map(segments);
      const places = new Map();
      const rows = [];
      for (const block of index.blocks) {
        const marks = spread(block.inferred);
        block.rows = spread(block.rows).map((row, writer) => {
          const both = row * inferred.length + marks[writer];
          if (!places.has(both)) {
            places.set(both, rows.length);
            rows.push(marked(told[row], inferred[marks[writer]], outcomes.length));
          }
          return places.get(both);
        });
        block.scenario = index.scenarios[block.s];
        block.format = index.formats[block.f];
      }
      index.rows = rows;
      index.outcomes = [null, ...outcomes, ...outcomes.map((each) => ({ ...each, bits: each.bits | INFERRED }))];
    }
    return index;
  };

  /** What came of a place of a block, row by row; null where there is no cell. */
  const outcome = (run, block, place) => {
    const row = run.rows[block.rows[Math.floor(place / run.size)]];
    const reader = place % run.size;
    for (let each = 0; each < row.length; each += 3) if (row[each] <= reader && reader <= row[each + 1]) return run.outcomes[row[each + 2]];
    return null;
  };

  /** The cell of a place of a block; null where there is none. */
  const cell = (run, block, place) => {
    const found = outcome(run, block, place);
    if (!found) return null;
    const writer = run.environments[Math.floor(place / run.size)].name;
    const reader = run.environments[place % run.size].name;
    const remedy = block.remedies[place];
    return {
      block, place, writer, reader,
      id: `${block.scenario.name}/${block.format.name}/${writer}/${reader}`,
      scenario: block.scenario.name,
      format: block.format.name,
      status: WORST_FIRST[found.code],
      marks: MARKS.filter((_, bit) => found.bits & (1 << bit)),
      causes: run.cause_sets[found.causes].map((number) => run.causes[number]),
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
        const found = cell(run, block, place);
        if (found && `${found.writer}/${found.reader}` === pair) return found;
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
