// Arrow keys move within a map: one stop for Tab, not a thousand.
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
})();
