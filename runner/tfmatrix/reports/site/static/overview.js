// The filters of the overview: they change the map, the list of cells, and the address, which can be linked.
(() => {
  "use strict";
  const { SIGNS, WORST_FIRST, FAILING, MEASURED, make, sign, withCode } = tfmatrix;
  const FIRST = 25;
  const PAGE = 200;
  const form = document.getElementById("filters");
  const list = document.querySelector("#list tbody");
  const more = document.getElementById("more");
  const rest = document.getElementById("rest");
  const count = document.getElementById("count");
  const fields = [...document.querySelectorAll("#map tbody td")];
  const drawn = fields.map((field) => {
    const link = field.querySelector("a");
    return { tone: field.className, link, nodes: link ? [...link.childNodes] : [], words: link?.getAttribute("aria-label") };
  });
  const known = new Set(["status", "format", "scenario", "tag", "mark", "writers", "readers", "text", "cause"]);
  let run = null;
  let cause = "";
  let matches = [];
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

  /** Which environments lie in a range, both ends included; turned round where it was given so. */
  const inRange = (side) => {
    const names = run.environments.map((each) => each.name);
    const from = control(`${side}-from`).value;
    const to = control(`${side}-to`).value;
    let first = from ? names.indexOf(from) : 0;
    let last = to ? names.indexOf(to) : names.length - 1;
    if (first > last) [first, last] = [last, first];
    return names.map((_, place) => place >= first && place <= last);
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

  /** How many cells of one status are kept for the list; what is beyond is counted, and found by narrower filters. */
  const KEPT = 5000;

  const search = () => {
    const size = run.size;
    const chosen = new Set([...form.querySelectorAll("[name=status]:checked")].map((box) => box.value));
    const allowed = [false, ...WORST_FIRST.map((status) => !chosen.size || chosen.has(status))];
    const fails = [false, ...WORST_FIRST.map((status) => FAILING.has(status))];
    const writers = inRange("writers");
    const readers = inRange("readers");
    const format = control("format").value;
    const scenario = control("scenario").value;
    const tag = control("tag").value;
    const mark = MARK[control("mark").value];
    const wanted = cause ? run.causes.findIndex((each) => each.id === cause) : null;
    const words = control("text").value.toLowerCase().split(/\s+/).filter(Boolean);
    const has = (text) => words.map((word) => text.toLowerCase().includes(word));
    const environmentHas = run.environments.map((each) => has(each.name));
    const setHas = run.cause_sets.map((places) => has(places.map((each) => `${run.causes[each].id} ${run.causes[each].title}`).join(" ")));
    const wantedSets = run.cause_sets.map((places) => wanted === null || places.includes(wanted));
    const found = WORST_FIRST.map(() => []);
    // Of each pair: how many cells of each status, how many failures are news, how many cells are promised.
    const counts = WORST_FIRST.map(() => new Int32Array(size * size));
    const news = new Int32Array(size * size);
    const promised = new Int32Array(size * size);
    let total = 0;
    for (const block of run.blocks) {
      if ((format && block.format.name !== format) || (scenario && block.scenario.name !== scenario)) continue;
      if (tag && !block.scenario.tags.includes(tag)) continue;
      const blockHas = words.length ? has(`${block.scenario.name} ${block.scenario.title} ${block.format.name} ${block.scenario.tags.join(" ")}`) : [];
      const { codes, bits, causes } = block;
      for (let writer = 0; writer < size; writer += 1) {
        if (!writers[writer]) continue;
        for (let reader = 0; reader < size; reader += 1) {
          const place = writer * size + reader;
          const code = codes[place];
          if (!allowed[code] || !readers[reader] || !wantedSets[causes[place]]) continue;
          if (mark && !mark(bits[place], fails[code])) continue;
          if (words.length && !words.every((_, word) => blockHas[word] || environmentHas[writer][word] || environmentHas[reader][word] || setHas[causes[place]][word])) continue;
          total += 1;
          if (found[code - 1].length < KEPT) found[code - 1].push([block, place]);
          counts[code - 1][place] += 1;
          if (fails[code] && !(bits[place] & 1)) news[place] += 1;
          if (bits[place] & 8) promised[place] += 1;
        }
      }
    }
    const tally = (place) => ({
      counts: Object.fromEntries(WORST_FIRST.map((status, code) => [status, counts[code][place]]).filter(([, count]) => count)),
      news: news[place],
      promised: promised[place],
    });
    return { tally, total, cells: found.flat() };
  };

  const drawMap = (tallyOf) => {
    fields.forEach((field, place) => {
      const first = drawn[place];
      if (!first.link) return;
      const tally = tallyOf && tallyOf(place);
      const isEmpty = Boolean(tally) && !Object.keys(tally.counts).length;
      first.link.hidden = isEmpty;
      if (!tally) {
        field.className = first.tone;
        first.link.replaceChildren(...first.nodes);
        first.link.setAttribute("aria-label", first.words);
        return;
      }
      if (isEmpty) {
        field.className = "none";
        return;
      }
      const worst = WORST_FIRST.find((status) => tally.counts[status]);
      const total = (statuses) => [...statuses].reduce((sum, status) => sum + (tally.counts[status] || 0), 0);
      const [failing, measured] = [total(FAILING), total(MEASURED)];
      const said = WORST_FIRST.filter((status) => tally.counts[status]).map((status) => `${status} ${tally.counts[status]}`).join(", ");
      const known = failing && !tally.news;
      const share = failing / Math.max(1, measured);
      field.className = [`s-${worst}`, FAILING.has(worst) && share < 0.75 && (share < 0.25 ? "low" : "middle"), tally.promised && "promised", ].filter(Boolean).join(" ");
      const passed = tally.counts.pass || 0;
      first.link.replaceChildren(SIGNS[worst], measured ? make("b", {}, String(passed), make("i", {}, `/${measured}${known ? "*" : ""}`)) : "");
      const words = `${run.environments[Math.floor(place / run.size)].name} read by ${run.environments[place % run.size].name}: ${passed} of ${measured} pass; ${said}${known ? ", all known" : ""}`;
      first.link.setAttribute("aria-label", words);
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
    const row = writer.selectedIndex;
    const strips = run.formats.map((format) => {
      const cells = run.environments.map((reader, column) => {
        const place = row * run.size + column;
        const counts = {};
        for (const block of run.blocks) {
          if (block.format !== format || !block.codes[place]) continue;
          const status = WORST_FIRST[block.codes[place] - 1];
          counts[status] = (counts[status] || 0) + 1;
        }
        const worst = WORST_FIRST.find((status) => counts[status]);
        if (!worst) return null;
        const measured = [...MEASURED].reduce((sum, status) => sum + (counts[status] || 0), 0);
        const query = new URLSearchParams({ format: format.name, writers: writer.value, readers: reader.name });
        const words = `${reader.name}: ${counts.pass || 0} of ${measured} pass, worst ${worst}`;
        return make("li", { class: `s-${worst}` }, make("a", { href: `index.html?${query}#cells`, "aria-label": words }, make("span", {}, reader.name), SIGNS[worst], measured ? make("b", {}, `${counts.pass || 0}/${measured}`) : ""));
      }).filter(Boolean);
      return cells.length ? make("div", { class: "strip" }, make("p", {}, make("code", {}, format.name)), make("ul", { "aria-label": `Readers of ${format.name}` }, cells)) : null;
    });
    document.getElementById("narrow-strips").replaceChildren(...strips.filter(Boolean));
  };

  const showMore = () => {
    const upTo = Math.min(listed + (listed ? PAGE : FIRST), matches.length);
    list.append(...matches.slice(listed, upTo).map(row));
    listed = upTo;
    more.hidden = listed >= matches.length;
    more.textContent = `Show more (${matches.length - listed} left)`;
    rest.hidden = !more.hidden || matches.length === total;
    rest.textContent = `and ${total - matches.length} more: narrow them by a filter`;
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
    count.textContent = filtered ? `${found.total} match` : `${found.total}, the worst first`;
    drawMap(filtered ? found.tally : null);
    drawCause();
    showMore();
  };

  const apply = () => {
    writeAddress();
    draw();
  };

  tfmatrix.loadRun(document.body.dataset.run).then((read) => {
    run = read;
    form.hidden = false;
    document.getElementById("cells").hidden = false;
    readAddress();
    draw();
    drawNarrow();
    if (location.hash === "#cells") document.getElementById("cells").scrollIntoView();
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(() => {
      cause = "";
      apply();
    }));
    more.addEventListener("click", showMore);
    document.getElementById("writer")?.addEventListener("input", drawNarrow);
    const narrow = document.getElementById("narrow");
    if (narrow) narrow.hidden = false;
    addEventListener("popstate", () => {
      readAddress();
      draw();
    });
    document.body.dataset.ready = "yes";
  });
})();
