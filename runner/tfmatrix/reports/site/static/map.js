// Arrow keys move within a map: one stop for Tab, not a thousand. Groups of versions fold; a field says what it holds.
(() => {
  "use strict";
  for (const table of document.querySelectorAll("table.map")) {
    const rows = [...table.tBodies[0].rows].map((row) => [...row.querySelectorAll("td")].map((field) => field.querySelector("a")));
    const links = rows.flat().filter(Boolean);
    if (!links.length) continue;
    const enter = (link) => {
      for (const each of links) each.tabIndex = each === link ? 0 : -1;
    };
    enter(links[0]);
    table.addEventListener("focusin", (event) => {
      if (links.includes(event.target)) enter(event.target);
    });
    const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    table.addEventListener("keydown", (event) => {
      const step = STEPS[event.key];
      if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
      let row = rows.findIndex((each) => each.includes(event.target));
      if (row < 0) return;
      let column = rows[row].indexOf(event.target);
      do {
        row += step[0];
        column += step[1];
        const link = rows[row]?.[column];
        if (link && !link.hidden) {
          event.preventDefault();
          link.focus();
          return;
        }
      } while (rows[row] && column >= 0 && column < rows[row].length);
    });
  }
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("aria-hidden", "true"); // What it says is the label of the field.
  document.body.append(tip);
  for (const table of document.querySelectorAll("table.map")) {
    const heads = table.tHead.rows[0].cells;
    let lit = null;
    const show = (event) => {
      const field = event.target.closest?.("td");
      const link = field?.querySelector("a");
      lit?.classList.remove("lit");
      lit = null;
      tip.textContent = link?.getAttribute("aria-label") || "";
      tip.hidden = !tip.textContent;
      if (!link) return;
      lit = heads[field.cellIndex];
      lit?.classList.add("lit");
      const box = field.getBoundingClientRect();
      tip.style.left = `${Math.max(8, Math.min(box.left, innerWidth - tip.offsetWidth - 8))}px`;
      tip.style.top = `${box.bottom + 6 + tip.offsetHeight > innerHeight ? box.top - tip.offsetHeight - 6 : box.bottom + 6}px`;
    };
    table.addEventListener("mouseover", show);
    table.addEventListener("focusin", show);
    table.addEventListener("mouseleave", () => { tip.hidden = true; });
    table.addEventListener("focusout", () => { tip.hidden = true; });
    addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
  }
  tip.hidden = true;

  const folds = document.getElementById("folds");
  if (folds) {
    folds.hidden = false;
    folds.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      const isShown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(isShown));
      for (const each of document.querySelectorAll(`#map [data-g="${button.dataset.g}"]`)) each.hidden = !isShown;
    });
  }
})();
