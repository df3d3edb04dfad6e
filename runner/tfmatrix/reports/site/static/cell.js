// The page of one cell, from the data of its run.
(() => {
  "use strict";
  const { make, sign, withCode } = tfmatrix;
  const SMALL = 20000; // Cells of a run up to which earlier runs are read without being asked for.
  const place = document.getElementById("cell");
  const query = new URLSearchParams(location.search);
  const id = query.get("cell") || "";

  const show = (...content) => {
    place.replaceChildren(...content.flat().filter(Boolean));
    document.body.dataset.ready = "yes";
  };
  const failed = (title, text) => show(make("h1", {}, title), make("p", {}, text), make("p", {}, make("a", { href: "index.html" }, "To the overview")));
  const heading = (text) => make("h2", {}, text);

  const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\"'\"'")}'`);
  const command = (text, what) => {
    const button = make("button", { type: "button", "aria-label": `Copy ${text}` }, "Copy");
    const code = make("code", {}, text);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        getSelection().selectAllChildren(code); // Not allowed here: selected, so that one key copies it.
        document.execCommand("copy");
      }
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    return make("li", {}, code, " ", button, make("span", { class: "quiet" }, ` ${what}`));
  };

  const head = (run, cell, runs) => {
    const marks = cell.marks.filter((mark) => mark !== "remedy");
    const why = cell.causes.map((cause) => make("p", {}, "Cause: ", make("a", { href: tfmatrix.causeLink(cause) }, ...withCode(cause.title)), " (", make("a", { href: `index.html?${new URLSearchParams({ cause: cause.id })}#cells` }, "every cell of it"), ")"));
    const newest = runs[0].folder === run.folder;
    return [
      make("p", { class: "crumbs" },
        make("a", { href: `scenario/${encodeURIComponent(cell.block.scenario.page)}.html` }, cell.scenario), " / ",
        make("a", { href: `format/${encodeURIComponent(cell.block.format.page)}.html` }, cell.format), " / ",
        make("a", { href: `index.html?${new URLSearchParams({ writers: cell.writer, readers: cell.reader })}#cells` }, `${cell.writer} → ${cell.reader}`)),
      make("h1", {}, make("code", {}, cell.id)),
      !newest && make("p", { class: "note" }, "This is the cell as it was in the run ", make("code", {}, run.run), ". ", make("a", { href: tfmatrix.cellLink(cell.id) }, "The newest run")),
      make("p", { class: "lead" }, sign(cell.status, marks.includes("known")), marks.length ? ` ${marks.join(", ")}` : "", cell.difference ? ` · outputs differ by up to ${cell.difference}` : ""),
      ...why,
    ];
  };

  const commands = (run, cell, newest) => [heading("To go on"), make("ul", { class: "commands" }, run.commands.map(([text, what]) =>
    command(text.replace("{cell}", quoted(cell.id)).replace("{run}", newest ? "" : ` --run ${quoted(run.run)}`), what)))];

  /** A part of the page as reports/html.py made it: every text in it is escaped. */
  const part = (html) => {
    const element = make("section", {});
    element.innerHTML = html;
    return element;
  };

  /** Why a cell that was not measured has a status, and where its evidence stands. */
  const inferred = (run, cell, rows) => {
    const reader = cell.place % run.size;
    const told = rows.find(([first, count]) => first <= reader && reader < first + count);
    if (!told) return null;
    const [, , source, by] = told;
    const from = source < 0 ? null : tfmatrix.idOf(run, cell.block, source);
    const [before, after] = (run.inferred[by] || "Not measured: inferred from {cell}.").split("{cell}");
    return make("p", { class: "note" }, before, from ? make("a", { href: tfmatrix.cellLink(from) }, make("code", {}, from)) : "another cell", after);
  };

  const earlier = (run, cell, runs) => {
    const body = make("tbody", {});
    const cells = run.blocks.length * run.size * run.size;
    const details = make("details", {}, make("summary", {}, `In ${runs.length} runs`), make("div", { class: "scroll" }, make("table", { class: "list" },
      make("thead", {}, make("tr", {}, ["Run", "Status", "Cause"].map((each) => make("th", { scope: "col" }, each)))), body)));
    const read = async () => {
      for (const each of runs) {
        const other = each.folder === run.folder ? run : await tfmatrix.loadRun(each.folder);
        const found = other === run ? cell : tfmatrix.find(other, id);
        const when = `${each.started.slice(0, 16).replace("T", " ")} · ${each.run}`;
        body.append(make("tr", {},
          make("td", {}, found && other.evidence && other.folder !== run.folder ? make("a", { href: tfmatrix.cellLink(id, each.run) }, when) : when, other.folder === run.folder ? " (this)" : ""),
          make("td", {}, found ? sign(found.status) : "no part of it", found?.difference ? ` ${found.difference}` : ""),
          make("td", {}, ...tfmatrix.causes(found?.causes || [], false))));
      }
    };
    details.addEventListener("toggle", () => {
      if (details.open && !body.children.length) read();
    });
    details.open = cells <= SMALL;
    return [heading("The same cell in other runs"), details];
  };

  const draw = async () => {
    if (!id) return failed("No cell", "The address names no cell.");
    document.title = `${id} · tfmatrix`;
    const runs = await tfmatrix.load("runs");
    const wanted = query.get("run");
    const chosen = wanted ? runs.find((each) => each.run === wanted) : runs[0];
    if (!chosen) return failed(id, `This site knows no run ${wanted}.`);
    const run = await tfmatrix.loadNames(chosen.folder);
    const { cell, file } = run.evidence ? await tfmatrix.findWithEvidence(run, id) : { cell: tfmatrix.find(await tfmatrix.loadRun(chosen.folder), id) };
    if (!cell) return failed(id, `The run ${run.run} has no such cell.`);
    const top = head(run, cell, runs);
    const newest = chosen === runs[0];
    if (!run.evidence) return show(top, make("p", {}, "Of this earlier run the site keeps statuses only; its folder has the evidence."), commands(run, cell, newest), earlier(run, cell, runs));
    const [writer, reader] = [Math.floor(cell.place / run.size), cell.place % run.size];
    const found = file.cells[writer]?.[reader] || [];
    const packages = await tfmatrix.load(`${run.folder}/pairs/${writer}-${reader}`);
    const about = cell.block.scenario.title;
    return show(
      top,
      inferred(run, cell, file.inferred[writer] || []),
      about && make("p", { class: "quiet" }, ...withCode(about)),
      found.map((place) => part(file.parts[place])),
      part(packages),
      commands(run, cell, newest),
      earlier(run, cell, runs),
    );
  };

  draw().catch((reason) => failed("This cell cannot be shown", String(reason.message || reason)));
})();
