// A search field for a table's rows or a list's articles; what is looked for stands in the address.
(() => {
  "use strict";
  const place = document.querySelector("[data-search]");
  if (!place) return;
  const items = place.tBodies ? [...place.tBodies[0].rows] : [...place.children];
  const texts = items.map((item) => item.textContent.toLowerCase());
  const field = document.createElement("input");
  field.type = "search";
  field.autocomplete = "off";
  const label = document.createElement("label");
  label.className = "search";
  label.append(`${place.dataset.search} `, field);
  const said = document.createElement("span");
  said.className = "quiet";
  said.setAttribute("role", "status");
  label.append(said);
  (place.closest(".scroll") || place).before(label);
  const draw = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    items.forEach((item, number) => {
      item.hidden = !words.every((word) => texts[number].includes(word));
      shown += !item.hidden;
    });
    said.textContent = words.length ? ` ${shown} of ${items.length}` : "";
  };
  field.value = new URLSearchParams(location.search).get("text") || "";
  field.addEventListener("input", () => {
    const query = new URLSearchParams(location.search);
    if (field.value.trim()) query.set("text", field.value.trim());
    else query.delete("text");
    const asked = query.toString();
    history.replaceState(null, "", (asked ? `?${asked}` : location.pathname) + location.hash);
    draw();
  });
  draw();
})();
