// May I go from A to B: two selectors, the word, what it rests on, and where to read what to change.
(() => {
  "use strict";
  const { make } = tfmatrix;
  const form = document.getElementById("choose");
  const answer = document.getElementById("answer");
  const { from, to } = form.elements;
  const chips = [...document.querySelectorAll(".steps a")];
  let found = null;

  const draw = () => {
    const [row, column] = [from.selectedIndex, to.selectedIndex];
    const place = row * from.options.length + column;
    const letter = found.verdicts[place];
    const word = found.words[letter];
    const page = `upgrade/${encodeURIComponent(`${found.pages[row]}--${found.pages[column]}`)}.html`;
    answer.replaceChildren(
      row === column ? "" : make("strong", { class: `verdict v-${word.toLowerCase().replaceAll(" ", "-")}` }, make("span", { "aria-hidden": "true" }, found.signs[letter]), ` ${word}`),
      ` ${found.sentences[found.places[place]]}. `,
      make("a", { href: page }, letter === "u" || letter === "c" ? "What to change" : "The cells"));
    answer.hidden = false;
    for (const chip of chips) chip.toggleAttribute("aria-current", chip.dataset.from === from.value && chip.dataset.to === to.value);
  };

  tfmatrix.load("upgrades").then((read) => {
    found = read;
    const first = chips[0];
    if (first) [from.value, to.value] = [first.dataset.from, first.dataset.to];
    else to.selectedIndex = to.options.length - 1;
    form.hidden = false;
    form.addEventListener("input", draw);
    form.addEventListener("submit", (event) => event.preventDefault());
    for (const chip of chips) {
      chip.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        [from.value, to.value] = [chip.dataset.from, chip.dataset.to];
        draw();
      });
    }
    draw();
  });
})();
