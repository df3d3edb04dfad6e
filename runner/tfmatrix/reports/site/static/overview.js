// The filters of the overview: they change the map, the list of cells, and the address, which can be linked.
(() => {
  "use strict";
  const { SIGNS, WORST_FIRST, FAILING, MEASURED, make, sign, withCode } = tfmatrix;
  const IS_FAILING = WORST_FIRST.map((status) => FAILING.has(status));
  const FIRST = 25;
  const PAGE = 200;
  const form = document.getElementById("filters");
  const list = document.querySelector("#list tbody");
  const more = document.getElementById("more");
  const counted = document.getElementById("count");
  const fields = [...document.querySelectorAll("#map tbody td")];
  // What each field says now, and the nodes in which it does: they are kept, for laying out thousands anew takes long.
  const drawn = fields.map((field) => {
    const link = field.querySelector("a");
    if (!link) return null;
    const figure = link.querySelector("b") || make("b", {}, "", make("i", {}, ""));
    const own = { tone: field.className, words: link.getAttribute("aria-label"), sign: link.firstChild.data, passed: "", total: "" };
    if (figure.parentNode) Object.assign(own, { passed: figure.firstChild.data, total: figure.lastChild.textContent });
    return { field, link, figure, own, now: own };
  });
  const known = new Set(["status", "format", "scenario", "tag", "mark", "writers", "readers", "text", "cause"]);
  let run = null;
  let cause = "";
  let matches = null;
  let listed = 0;
  let total = 0;

  const control = (name) => form.elements[name];

  const readAddress = () => {
    const query = new URLSearchParams(location.search);
    const statuses = new Set((query.get("status") || "").split(","));
    for (const box of form.querySelectorAll("[name=status]")) box.checked = statuses.has(box.value);
    for (const name of ["format", "scenario", "tag", "mark", "text"]) control(name).value = query.get(name) || "";
    for (const side of ["writers", "readers"]) {
      const [from, to = from] = (query.get(side) || "").split("..");
      control(`${side}-from`).value = from || "";
      control(`${side}-to`).value = to || "";
    }
    // A value that no control offers selects nothing, and must not look like "all".
    for (const select of form.querySelectorAll("select")) if (select.selectedIndex < 0) select.value = "";
    cause = query.get("cause") || "";
  };

  const writeAddress = () => {
    const query = new URLSearchParams(location.search);
    for (const name of known) query.delete(name);
    const statuses = [...form.querySelectorAll("[name=status]:checked")].map((box) => box.value);
    if (statuses.length) query.set("status", statuses.join(","));
    for (const name of ["format", "scenario", "tag", "mark"]) if (control(name).value) query.set(name, control(name).value);
    for (const side of ["writers", "readers"]) {
      const [from, to] = [control(`${side}-from`).value, control(`${side}-to`).value];
      if (from || to) query.set(side, from === to ? from : `${from}..${to}`);
    }
    if (control("text").value.trim()) query.set("text", control("text").value.trim());
    if (cause) query.set("cause", cause);
    const said = query.toString();
    history.replaceState(null, "", (said ? `?${said}` : location.pathname) + location.hash);
  };

  const isFiltered = () => [...new URLSearchParams(location.search).keys()].some((name) => known.has(name));

  /** The first and the last environment of a range; turned round where it was given so. */
  const range = (side) => {
    const place = (name, otherwise) => (name ? run.environments.findIndex((each) => each.name === name) : otherwise);
    const ends = [place(control(`${side}-from`).value, 0), place(control(`${side}-to`).value, run.size - 1)];
    return ends[0] > ends[1] ? ends.reverse() : ends;
  };

  const MARK = {
    news: (bits, fails) => fails && !(bits & 33), // Neither known nor inferred: what it is inferred from is news.
    measured: (bits) => !(bits & 32),
    inferred: (bits) => bits & 32,
    known: (bits) => bits & 1,
    fixed: (bits) => bits & 2,
    flaky: (bits) => bits & 4,
    promised: (bits) => bits & 8,
    broken: (bits, fails) => fails && bits & 8,
    remedy: (bits) => bits & 16,
  };

  /** What is asked for: which blocks, outcomes, writers and readers; and of each, which of the words it has, as bits. */
  const asked = () => {
    const chosen = new Set([...form.querySelectorAll("[name=status]:checked")].map((box) => box.value));
    const [format, scenario, tag] = ["format", "scenario", "tag"].map((name) => control(name).value);
    const mark = MARK[control("mark").value];
    const wanted = cause ? run.causes.findIndex((each) => each.id === cause) : null;
    const words = control("text").value.toLowerCase().split(/\s+/).filter(Boolean).slice(0, 30);
    const has = (text) => {
      const lower = words.length ? text.toLowerCase() : "";
      return words.reduce((bits, word, place) => bits | (lower.includes(word) ? 1 << place : 0), 0);
    };
    const setHas = run.cause_sets.map((places) => has(places.map((each) => `${run.causes[each].id} ${run.causes[each].title}`).join(" ")));
    return {
      blocks: run.blocks.filter((block) => (!format || block.format.name === format) && (!scenario || block.scenario.name === scenario) && (!tag || block.scenario.tags.includes(tag))),
      blockHas: (block) => (words.length ? has(`${block.scenario.name} ${block.scenario.title} ${block.format.name} ${block.scenario.tags.join(" ")}`) : 0),
      outcomes: run.outcomes.map((each) => Boolean(each) && (!chosen.size || chosen.has(WORST_FIRST[each.code]))
        && (wanted === null || run.cause_sets[each.causes].includes(wanted))
        && (!mark || Boolean(mark(each.bits, FAILING.has(WORST_FIRST[each.code]))))),
      outcomeHas: run.outcomes.map((each) => (each ? setHas[each.causes] : 0)),
      environmentHas: run.environments.map((each) => has(each.name)),
      writers: range("writers"),
      readers: range("readers"),
      all: (1 << words.length) - 1,
    };
  };

  /** Calls `found(reader, outcome)` for what matches in a row; `bits` are the words that its writer and block have. */
  const walk = (ask, row, bits, found) => {
    const [first, last] = ask.readers;
    for (let each = 0; each < row.length; each += 3) {
      const outcome = row[each + 2];
      if (!ask.outcomes[outcome]) continue;
      const had = bits | ask.outcomeHas[outcome];
      const to = Math.min(row[each + 1], last);
      for (let reader = Math.max(row[each], first); reader <= to; reader += 1) {
        if ((had | ask.environmentHas[reader]) === ask.all) found(reader, outcome);
      }
    }
  };

  /** Of each pair how many cells of each status match, how many failures are not known, how many are promised. */
  const count = (ask) => {
    const size = run.size;
    const counts = WORST_FIRST.map(() => new Int32Array(size * size));
    const news = new Int32Array(size * size);
    const promised = new Int32Array(size * size);
    // How often each writer has each row: thousands of scenarios have a hundred rows.
    const times = new Map();
    for (const block of ask.blocks) {
      const has = ask.blockHas(block);
      if (!times.has(has)) times.set(has, Array.from({ length: size }, () => new Map()));
      for (let writer = ask.writers[0]; writer <= ask.writers[1]; writer += 1) {
        const rows = times.get(has)[writer];
        rows.set(block.rows[writer], (rows.get(block.rows[writer]) || 0) + 1);
      }
    }
    for (const [has, writers] of times) {
      writers.forEach((rows, writer) => rows.forEach((often, row) => walk(ask, run.rows[row], has | ask.environmentHas[writer], (reader, outcome) => {
        const place = writer * size + reader;
        const { code, bits } = run.outcomes[outcome];
        counts[code][place] += often;
        if (IS_FAILING[code] && !(bits & 1)) news[place] += often;
        if (bits & 8) promised[place] += often;
      })));
    }
    return { counts, news, promised };
  };

  /** The cells that match, the worst first, as [block, place]: as many as are taken. */
  const cells = function* (ask, totals) {
    for (let code = 0; code < totals.length; code += 1) {
      if (!totals[code]) continue;
      const of = { ...ask, outcomes: ask.outcomes.map((is, place) => is && run.outcomes[place].code === code) };
      for (const block of ask.blocks) {
        const has = ask.blockHas(block);
        for (let writer = ask.writers[0]; writer <= ask.writers[1]; writer += 1) {
          const found = [];
          walk(of, run.rows[block.rows[writer]], has | ask.environmentHas[writer], (reader) => found.push([block, writer * run.size + reader]));
          yield* found;
        }
      }
    }
  };

  const search = () => {
    const ask = asked();
    const { counts, news, promised } = count(ask);
    const totals = counts.map((each) => each.reduce((sum, here) => sum + here, 0));
    const tally = (place) => ({
      counts: Object.fromEntries(WORST_FIRST.map((status, code) => [status, counts[code][place]]).filter(([, here]) => here)),
      news: news[place],
      promised: promised[place],
    });
    return { tally, total: totals.reduce((sum, each) => sum + each, 0), cells: cells(ask, totals) };
  };

  /** What a field of the map says of its cells. */
  const told = (tally, place) => {
    const worst = WORST_FIRST.find((status) => tally.counts[status]);
    if (!worst) return { tone: "none", words: "", sign: "", passed: "", total: "" };
    const total = (statuses) => [...statuses].reduce((sum, status) => sum + (tally.counts[status] || 0), 0);
    const [failing, measured] = [total(FAILING), total(MEASURED)];
    const said = Object.entries(tally.counts).map(([status, here]) => `${status} ${here}`).join(", ");
    const isKnown = failing && !tally.news;
    const share = failing / Math.max(1, measured);
    const passed = tally.counts.pass || 0;
    return {
      tone: [`s-${worst}`, FAILING.has(worst) && share < 0.75 && (share < 0.25 ? "low" : "middle"), tally.promised && "promised"].filter(Boolean).join(" "),
      words: `${run.environments[Math.floor(place / run.size)].name} read by ${run.environments[place % run.size].name}: ${passed} of ${measured} pass; ${said}${isKnown ? ", all known" : ""}`,
      sign: SIGNS[worst],
      passed: measured ? String(passed) : "",
      total: measured ? `/${measured}${isKnown ? "*" : ""}` : "",
    };
  };

  const drawMap = (tallyOf) => {
    drawn.forEach((each, place) => {
      if (!each) return;
      const { field, link, figure, own, now } = each;
      const next = tallyOf ? told(tallyOf(place), place) : own;
      if (next.tone !== now.tone) field.className = next.tone;
      if (next.words !== now.words) link.setAttribute("aria-label", next.words);
      if (next.sign !== now.sign) link.firstChild.data = next.sign;
      if (next.passed !== now.passed) figure.firstChild.data = next.passed;
      if (next.total !== now.total) figure.lastChild.textContent = next.total;
      link.hidden = !next.sign;
      if (!next.passed) figure.remove();
      else if (!figure.parentNode) link.append(figure);
      each.now = next;
    });
  };

  const row = ([block, place]) => {
    const cell = tfmatrix.cell(run, block, place);
    const why = [];
    why.push(...tfmatrix.causes(cell.causes));
    const notes = [];
    if (cell.difference) notes.push(`outputs differ by ${cell.difference} `);
    if (cell.remedy) notes.push("passes with ", make("code", {}, cell.remedy), " ");
    if (notes.length) why.push(make("span", {}, ...notes));
    const marks = cell.marks.filter((mark) => mark !== "remedy");
    if (marks.length) why.push(make("span", { class: "quiet" }, ` ${marks.join(", ")}`));
    const page = (folder, name) => `${folder}/${encodeURIComponent(name)}.html`;
    return make("tr", {},
      make("td", {}, make("a", { class: "plain", href: tfmatrix.cellLink(cell.id), "aria-label": `${cell.status}: ${cell.id}` }, sign(cell.status, cell.marks.includes("known")))),
      make("td", { "data-label": "Scenario" }, make("a", { href: page("scenario", block.scenario.page) }, cell.scenario)),
      make("td", { "data-label": "Format" }, make("a", { href: page("format", block.format.page) }, cell.format)),
      make("td", { "data-label": "Writer" }, make("code", {}, cell.writer)),
      make("td", { "data-label": "Reader" }, make("code", {}, cell.reader)),
      make("td", { "data-label": "Why" }, ...why));
  };

  /** On a phone: what each reader makes of one writer's files, a line for each format, in place of the map. */
  const drawNarrow = () => {
    const writer = document.getElementById("writer");
    if (!writer) return;
    const nothing = (each) => each.map(() => 0);
    const every = { outcomes: run.outcomes.map(Boolean), outcomeHas: nothing(run.outcomes), environmentHas: nothing(run.environments), blockHas: () => 0, writers: [writer.selectedIndex, writer.selectedIndex], readers: [0, run.size - 1], all: 0 };
    const strips = run.formats.map((format) => {
      const { counts } = count({ ...every, blocks: run.blocks.filter((block) => block.format === format) });
      const items = run.environments.map((reader, column) => {
        const here = Object.fromEntries(WORST_FIRST.map((status, code) => [status, counts[code][writer.selectedIndex * run.size + column]]));
        const worst = WORST_FIRST.find((status) => here[status]);
        if (!worst) return null;
        const measured = [...MEASURED].reduce((sum, status) => sum + here[status], 0);
        const query = new URLSearchParams({ format: format.name, writers: writer.value, readers: reader.name });
        const words = `${reader.name}: ${here.pass} of ${measured} pass, worst ${worst}`;
        return make("li", { class: `s-${worst}` }, make("a", { href: `index.html?${query}#cells`, "aria-label": words }, make("span", {}, reader.name), SIGNS[worst], measured ? make("b", {}, `${here.pass}/${measured}`) : ""));
      }).filter(Boolean);
      return items.length ? make("div", { class: "strip" }, make("p", {}, make("code", {}, format.name)), make("ul", { "aria-label": `Readers of ${format.name}` }, items)) : null;
    });
    document.getElementById("narrow-strips").replaceChildren(...strips.filter(Boolean));
  };

  const showMore = () => {
    const upTo = Math.min(listed + (listed ? PAGE : FIRST), total);
    const rows = [];
    for (; listed < upTo; listed += 1) rows.push(row(matches.next().value));
    list.append(...rows);
    more.hidden = listed >= total;
    more.textContent = `Show more (${total - listed} left)`;
  };

  const drawCause = () => {
    document.getElementById("cause-filter")?.remove();
    if (!cause) return;
    const found = run.causes.find((each) => each.id === cause);
    const chip = make("button", { type: "button", id: "cause-filter", class: "chip" }, "Cause: ", ...withCode(found ? found.title : `${cause} (none of this run)`), " ✕");
    chip.setAttribute("aria-label", `Remove the filter on the cause ${cause}`);
    chip.addEventListener("click", () => {
      cause = "";
      apply();
    });
    form.append(chip);
  };

  const draw = () => {
    const filtered = isFiltered();
    const found = search();
    ({ cells: matches, total } = found);
    listed = 0;
    list.replaceChildren();
    counted.textContent = filtered ? `${found.total} match` : `${found.total}, the worst first`;
    drawMap(filtered ? found.tally : null);
    drawCause();
    showMore();
  };

  /** All cells of the run: of a whole map more than a page should load before it is asked for any. */
  const loadCells = () => tfmatrix.loadRun(document.body.dataset.run).then((read) => {
    if (run) return;
    run = read;
    drawNarrow();
    draw();
    document.body.dataset.cells = "yes";
  });

  const apply = () => {
    writeAddress();
    if (run) draw();
    else loadCells();
  };

  const section = document.getElementById("cells");
  form.hidden = false;
  section.hidden = false;
  readAddress();
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => {
    cause = "";
    apply();
  }));
  more.addEventListener("click", showMore);
  document.getElementById("writer")?.addEventListener("input", () => (run ? drawNarrow() : loadCells()));
  const narrow = document.getElementById("narrow");
  if (narrow) narrow.hidden = false;
  addEventListener("popstate", () => {
    readAddress();
    if (run) draw();
    else loadCells();
  });
  // Whoever goes to the filters will use them, and whoever comes to the list will read it.
  form.addEventListener("focusin", loadCells, { once: true });
  form.addEventListener("pointerenter", loadCells, { once: true });
  const seen = new IntersectionObserver((entries) => {
    if (entries.some((each) => each.isIntersecting)) loadCells();
  });
  for (const each of [section, narrow]) if (each) seen.observe(each);
  if (isFiltered() || location.hash === "#cells") {
    loadCells().then(() => {
      if (location.hash === "#cells") section.scrollIntoView();
      document.body.dataset.ready = "yes";
    });
  } else document.body.dataset.ready = "yes";
})();
