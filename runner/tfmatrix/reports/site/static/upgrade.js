// Goes to the page of the two versions that were chosen.
(() => {
  "use strict";
  const form = document.getElementById("choose");
  const query = new URLSearchParams(location.search);
  for (const name of ["from", "to"]) {
    const option = [...form.elements[name].options].find((each) => each.text === query.get(name));
    if (option) option.selected = true;
  }
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [from, to] = [form.elements.from, form.elements.to];
    history.replaceState(null, "", `?${new URLSearchParams({ from: from.selectedOptions[0].text, to: to.selectedOptions[0].text })}`);
    location.href = `upgrade/${encodeURIComponent(`${from.value}--${to.value}`)}.html`;
  });
})();
