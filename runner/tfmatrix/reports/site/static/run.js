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

  /** The names of a run and its blocks. */
  const loadNames = async (folder) => {
    const run = await load(`${folder}/index`);
    if (!run.folder) {
      run.folder = folder;
      run.size = run.environments.length;
      for (const block of run.blocks) Object.assign(block, { scenario: run.scenarios[block.s], format: run.formats[block.f] });
    }
    return run;
  };

  const outcome = ([code, bits, causes, remedy, difference]) => ({ code: CODES[code], bits, causes, remedy, difference });

  /**
   * The same with all of its cells. `outcomes` are what they came to: `code`, the place of the status in WORST_FIRST;
   * `bits`, those of its MARKS; `causes`, which of the run's sets of causes. `rows` are what the readers of a writer make
   * of a file of its: as `[first reader, last reader, outcome, …]`. Each block names a row for each writer. So cells are
   * counted by rows, and never one by one: a map has millions of them.
   */
  const loadRun = async (folder) => {
    const [run, told] = [await loadNames(folder), await load(`${folder}/cells`)];
    if (!run.rows) {
      const outcomes = told.outcomes.map(outcome);
      const rows = told.rows.map(segments);
      const inferred = told.inferred.map(segments);
      const places = new Map();
      run.rows = [];
      told.blocks.forEach((block, number) => {
        const marks = spread(block.inferred);
        run.blocks[number].rows = spread(block.rows).map((row, writer) => {
          const both = row * inferred.length + marks[writer];
          if (!places.has(both)) {
            places.set(both, run.rows.length);
            run.rows.push(marked(rows[row], inferred[marks[writer]], outcomes.length));
          }
          return places.get(both);
        });
      });
      run.cause_sets = told.cause_sets;
      run.outcomes = [null, ...outcomes, ...outcomes.map((each) => ({ ...each, bits: each.bits | INFERRED }))];
    }
    return run;
  };

  /** What stands at a reader of a row, 0 for nothing. */
  const at = (row, reader) => {
    for (let each = 0; each < row.length; each += 3) if (row[each] <= reader && reader <= row[each + 1]) return row[each + 2];
    return 0;
  };

  const ends = (run, place) => [Math.floor(place / run.size), place % run.size];

  /** The id of the cell at a place of a block: places go row by row, a row for each writer. */
  const idOf = (run, block, place) => `${block.scenario.name}/${block.format.name}/${ends(run, place).map((each) => run.environments[each].name).join("/")}`;

  const described = (run, block, place, found, causes) => {
    const [writer, reader] = ends(run, place).map((each) => run.environments[each].name);
    return {
      block, place, writer, reader,
      id: idOf(run, block, place),
      scenario: block.scenario.name,
      format: block.format.name,
      status: WORST_FIRST[found.code],
      marks: MARKS.filter((_, bit) => found.bits & (1 << bit)),
      causes: causes.map((number) => run.causes[number]),
      difference: found.difference || null,
      remedy: found.remedy || null,
    };
  };

  /** The cell of a place of a block; null where there is none. */
  const cell = (run, block, place) => {
    const [writer, reader] = ends(run, place);
    const found = run.outcomes[at(run.rows[block.rows[writer]], reader)];
    return found ? described(run, block, place, found, run.cause_sets[found.causes]) : null;
  };

  /** Where a cell of that id may stand, as [block, place]. Names may hold any character, so the id is not split. */
  const places = function* (run, id) {
    for (const block of run.blocks) {
      const before = `${block.scenario.name}/${block.format.name}/`;
      if (!id.startsWith(before)) continue;
      for (let place = 0; place < run.size * run.size; place += 1) if (idOf(run, block, place) === id) yield [block, place];
    }
  };

  /** The cell of an id; null where the run has none. */
  const find = (run, id) => {
    for (const [block, place] of places(run, id)) {
      const found = cell(run, block, place);
      if (found) return found;
    }
    return null;
  };

  /** The same of a run whose names alone are loaded, with the file of its evidence: { cell, file }. */
  const findWithEvidence = async (run, id) => {
    for (const [block, place] of places(run, id)) {
      const [writer, reader] = ends(run, place);
      const first = block.files.findLast((each) => each <= writer);
      const file = await load(`${run.folder}/cells/${block.s}-${block.f}-${first}`);
      const number = at(segments(file.rows[writer]), reader);
      const found = number && outcome(file.outcomes[number - 1]);
      if (found) return { cell: described(run, block, place, found, found.causes), file };
    }
    return { cell: null };
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

  return { SIGNS, WORST_FIRST, FAILING, MEASURED, UNKNOWN, MARKS, root, receive, load, loadNames, loadRun, cell, idOf, find, findWithEvidence, make, sign, withCode, causes, causeLink, cellLink };
})();
