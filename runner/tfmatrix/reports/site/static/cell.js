// The page of one cell, from the data of its run.
(() => {
  "use strict";
  const { make, sign, withCode } = tfmatrix;
  const SMALL = 20000; // Cells of a run up to which earlier runs are read without being asked for.
  const MAIN = new Set(["python", "tensorflow", "tensorflow-cpu", "tf-nightly", "tf-nightly-cpu", "keras", "keras-nightly", "tf-keras", "numpy", "h5py", "protobuf"]);
  const place = document.getElementById("cell");
  const query = new URLSearchParams(location.search);
  const id = query.get("cell") || "";

  const show = (...content) => {
    place.replaceChildren(...content.flat().filter(Boolean));
    document.body.dataset.ready = "yes";
  };
  const failed = (title, text) => show(make("h1", {}, title), make("p", {}, text), make("p", {}, make("a", { href: "index.html" }, "To the overview")));
  const heading = (text) => make("h2", {}, text);
  const block = (text, label) => make("pre", { tabindex: "0", role: "region", "aria-label": label }, text);
  const table = (head, rows) => make("div", { class: "scroll" }, make("table", { class: "list" },
    make("thead", {}, make("tr", {}, head.map((each) => make("th", { scope: "col" }, each)))), make("tbody", {}, rows)));

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
    const why = cell.causes.map((cause) => make("p", {}, "Cause: ", make("a", { href: `causes.html#${encodeURIComponent(cause.id)}` }, ...withCode(cause.title)), " (", make("a", { href: `index.html?${new URLSearchParams({ cause: cause.id })}#cells` }, "every cell of it"), ")"));
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

  const checks = (cell, parts) => cell.checks.length && [
    heading("Checks"),
    table(["Check", "Result", "What was found"], cell.checks.map((number) => {
      const check = parts[number];
      const result = { pass: "✓ pass", fail: "✗ fail", error: "! error", "not-applicable": "– not applicable" }[check.status] || check.status;
      return make("tr", { class: `check-${check.status.replace(/[^a-z-]/g, "")}` },
        make("th", { scope: "row" }, check.name),
        make("td", { class: "result" }, result),
        make("td", {},
          check.detail.length ? make("ul", {}, check.detail.map((sentence) => make("li", {}, sentence))) : null,
          check.figures.length ? make("details", { open: check.status === "fail" }, make("summary", {}, check.figures.length === 1 ? "1 figure" : `${check.figures.length} figures`),
            make("dl", { class: "figures" }, check.figures.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))))) : null));
    })),
  ];

  const warnings = (outcome, title) => outcome && [
    heading(title),
    make("p", { class: "quiet" }, `${outcome.status}, ${outcome.seconds} s`),
    outcome.warnings.length
      ? make("ul", { class: "findings" }, outcome.warnings.map(([phase, category, message, times]) => make("li", {}, make("strong", {}, category), ` while ${phase}${times > 1 ? `, ${times} times` : ""}: `, make("span", { class: "said" }, message))))
      : make("p", {}, "No warning."),
  ];

  const error = (found) => found && [
    heading("Error"),
    make("p", {}, make("code", {}, found.type), found.phase ? ` in phase ${found.phase}` : ""),
    found.message ? block(found.message, "Message") : null,
    found.traceback ? make("details", { open: true }, make("summary", {}, "Traceback"), block(found.traceback, "Traceback")) : null,
  ];

  const remedies = (cell) => cell.remedies?.length && [
    heading("Remedies tried"),
    table(["Remedy", "Result", "What it brings back"], cell.remedies.map(([name, status, detail]) => make("tr", {},
      make("th", { scope: "row" }, make("code", {}, name), name === cell.remedy ? " (recommended)" : ""),
      make("td", {}, sign(status)), make("td", {}, detail)))),
  ];

  const promises = (cell) => cell.promises && [
    heading("What was promised"),
    make("ul", { class: "findings" }, cell.promises.map(([broken, said, limits, title, url]) => make("li", {},
      make("strong", {}, broken ? "✗ Broken: " : "✓ Promised: "), said, " ", make("span", { class: "quiet" }, limits, " "), make("a", { href: url, rel: "noreferrer noopener" }, title)))),
  ];

  const environments = (run, cell) => {
    const [writer, reader] = [cell.writer, cell.reader].map((name) => new Map(run.environments.find((each) => each.name === name).packages));
    const names = [...new Set([...writer.keys(), ...reader.keys()])];
    names.sort((one, other) => MAIN.has(other) - MAIN.has(one));
    if (!names.length) return null;
    const row = (name) => {
      const [before, after] = [writer.get(name) || "–", reader.get(name) || "–"];
      const differs = before !== after;
      return make("tr", { class: differs ? "differs" : null }, make("th", { scope: "row" }, name), make("td", {}, before), make("td", {}, after), make("td", {}, differs ? "≠ differs" : "same"));
    };
    const first = names.filter((name) => MAIN.has(name) || writer.get(name) !== reader.get(name));
    const rest = names.filter((name) => !first.includes(name));
    const titles = ["Package", `Writer ${cell.writer}`, `Reader ${cell.reader}`, ""];
    return [heading("Environments"), table(["Package", `Writer ${cell.writer}`, `Reader ${cell.reader}`, "Compared"], first.map(row)),
      rest.length ? make("details", {}, make("summary", {}, `${rest.length} more packages, the same in both`), table(["Package", titles[1], titles[2], "Compared"], rest.map(row))) : null];
  };

  const commands = (run, cell, newest) => {
    const name = quoted(cell.id);
    const which = newest ? "" : ` --run ${quoted(run.run)}`;
    return [heading("Reproduce"), make("ul", { class: "commands" },
      command(`tfmatrix reproduce ${name}${which}`, "plain scripts that show the same"),
      command(`tfmatrix explain ${name}${which}`, "this page in a terminal"),
      command(`tfmatrix run --only ${name}`, "this cell again"))];
  };

  const earlier = (run, runs) => {
    const body = make("tbody", {});
    const cells = run.blocks.length * run.size * run.size;
    const details = make("details", {}, make("summary", {}, `In ${runs.length} runs`), make("div", { class: "scroll" }, make("table", { class: "list" },
      make("thead", {}, make("tr", {}, ["Run", "Status", "Cause"].map((each) => make("th", { scope: "col" }, each)))), body)));
    const read = async () => {
      for (const each of runs) {
        const other = await tfmatrix.board(each.folder);
        const found = tfmatrix.find(other, id);
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
    const run = await tfmatrix.board(chosen.folder);
    const cell = tfmatrix.find(run, id);
    if (!cell) return failed(id, `The run ${run.run} has no such cell.`);
    const top = head(run, cell, runs);
    const newest = chosen === runs[0];
    if (!run.evidence) return show(top, make("p", {}, "Of this earlier run the site keeps statuses only; its folder has the evidence."), commands(run, cell, newest), earlier(run, runs));
    const writer = Math.floor(cell.place / run.size);
    const file = await tfmatrix.load(`${run.folder}/cells/${cell.block.s}-${cell.block.f}-${writer}`);
    const found = file.cells[cell.place % run.size];
    const part = (number) => (number === undefined ? null : file.parts[number]);
    const about = cell.block.scenario.title;
    return show(
      top,
      about && make("p", { class: "quiet" }, ...withCode(about)),
      found.attribution && make("p", { class: "note" }, make("strong", {}, "Attribution: "), found.attribution),
      error(part(found.error)),
      checks(found, file.parts),
      remedies(found),
      warnings(part(found.save), "Warnings of the save"),
      warnings(part(found.load), "Warnings of the load"),
      promises(found),
      environments(run, cell),
      found.artifact !== undefined && [heading("Artifact"), make("dl", { class: "figures" }, Object.entries(part(found.artifact)).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))))],
      commands(run, cell, newest),
      earlier(run, runs),
    );
  };

  draw().catch((reason) => failed("This cell cannot be shown", String(reason.message || reason)));
})();
