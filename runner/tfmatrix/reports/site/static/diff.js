// Compares any two runs, cell by cell.
(() => {
  "use strict";
  const { make, sign, FAILING, MEASURED, UNKNOWN } = tfmatrix;
  const LIMIT = 200;
  const KINDS = { worse: "Worse", other: "Otherwise different", lost: "Not measured any more", better: "Better", added: "New", removed: "Gone" };
  const form = document.getElementById("runs");
  const place = document.getElementById("diff");
  let turn = 0;

  const outcomes = (run) => {
    const found = new Map();
    for (const block of run.blocks) {
      for (let at = 0; at < run.size * run.size; at += 1) {
        const cell = tfmatrix.cell(run, block, at);
        if (cell) found.set(cell.id, cell);
      }
    }
    return found;
  };

  const ids = (cell) => cell.causes.map((cause) => cause.id).join(" ");

  const kind = (before, after) => {
    if (!before) return "added";
    if (!after) return "removed";
    if (before.status === after.status) return ids(before) === ids(after) ? null : "other";
    if (UNKNOWN.has(after.status)) return "lost";
    const [failed, fails] = [FAILING.has(before.status), FAILING.has(after.status)];
    if (failed && fails) return "other";
    if (fails) return "worse";
    return failed || MEASURED.has(after.status) ? "better" : "other";
  };

  const row = (id, before, after, runs) => make("tr", {},
    make("td", {}, make("a", { href: tfmatrix.cellLink(id, after ? runs[1] : runs[0]) }, make("code", {}, id))),
    make("td", { "data-label": "Before" }, before ? sign(before.status) : "–", before?.difference ? ` ${before.difference}` : ""),
    make("td", { "data-label": "After" }, after ? sign(after.status) : "–", after?.difference ? ` ${after.difference}` : ""),
    make("td", { "data-label": "Cause" }, ...tfmatrix.causes(after?.causes || [])));

  const draw = async () => {
    const mine = (turn += 1);
    const [a, b] = [form.elements.a.value, form.elements.b.value];
    const text = form.elements.text.value.trim().toLowerCase();
    const query = new URLSearchParams({ a, b });
    if (text) query.set("text", text);
    history.replaceState(null, "", `?${query}`);
    if (a === b) {
      place.replaceChildren(make("p", { class: "lead" }, "These are one and the same run: choose two."));
      document.body.dataset.ready = "yes";
      return;
    }
    const runs = await tfmatrix.load("runs");
    const folder = (run) => runs.find((each) => each.run === run).folder;
    const [before, after] = (await Promise.all([tfmatrix.loadRun(folder(a)), tfmatrix.loadRun(folder(b))])).map(outcomes);
    if (mine !== turn) return;
    const found = Object.fromEntries(Object.keys(KINDS).map((name) => [name, []]));
    let same = 0;
    for (const id of new Set([...before.keys(), ...after.keys()])) {
      if (text && !id.toLowerCase().includes(text)) continue;
      const name = kind(before.get(id), after.get(id));
      if (name) found[name].push(id);
      else same += 1;
    }
    const sections = Object.entries(KINDS).filter(([name]) => found[name].length).map(([name, title]) => make("section", {},
      make("h2", {}, `${title}: ${found[name].length}`),
      make("div", { class: "scroll" }, make("table", { class: "list" },
        make("thead", {}, make("tr", {}, ["Cell", "Before", "After", "Cause"].map((each) => make("th", { scope: "col" }, each)))),
        make("tbody", {}, found[name].slice(0, LIMIT).map((id) => row(id, before.get(id), after.get(id), [a, b]))))),
      found[name].length > LIMIT ? make("p", {}, `and ${found[name].length - LIMIT} more: narrow them by text`) : null));
    place.replaceChildren(make("p", { class: "lead" }, sections.length ? `${same} cells are what they were.` : `Nothing changed: ${same} cells are what they were.`), ...sections);
    document.body.dataset.ready = "yes";
  };

  const query = new URLSearchParams(location.search);
  for (const name of ["a", "b"]) {
    const option = [...form.elements[name].options].find((each) => each.value === query.get(name));
    if (option) option.selected = true;
  }
  form.elements.text.value = query.get("text") || "";
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", draw);
  draw().catch((reason) => place.replaceChildren(make("p", {}, String(reason.message || reason))));
})();
