// The table of composers. gr.HTML runs this once with `element`, `props`, `trigger` and `watch`; choice.py says what the
// value holds. A column is a variant of the bridge; what a pairing plays when no variant is named has a heavier frame.

const ORDER = ["paper", "eimg2"]; // the paper's own first
const find = (selector) => element.querySelector(selector);
const shipped = new Set(props.composers.flatMap(([, , variants]) => variants));
const columns = [...ORDER.filter((name) => shipped.has(name)), ...[...shipped].filter((name) => !ORDER.includes(name))];
const boxes = new Map(); // key → checkbox

function makeRow([key, title, variants], n) {
  const row = document.createElement("tr"), head = document.createElement("th"), label = document.createElement("label");
  head.scope = "row";
  label.textContent = title;
  label.htmlFor = `choice-${n}-${variants[0]}`;
  head.append(label);
  row.append(head);
  for (const column of columns) {
    const cell = document.createElement("td"), place = variants.indexOf(column);
    row.append(cell);
    if (place < 0) continue;
    const box = document.createElement("input");
    box.type = "checkbox";
    box.id = `choice-${n}-${column}`;
    box.setAttribute("aria-label", column ? `${title}, ${column}` : title);
    box.className = place ? "tick" : "tick usual";
    box.addEventListener("change", told);
    cell.append(box);
    boxes.set(place ? `${key}@${column}` : key, box);
  }
  return row;
}

function choose(keys) {
  props.value = keys;
  show();
  trigger("input");
}

const told = () => choose([...boxes].filter(([, box]) => box.checked).map(([key]) => key));

function show() {
  const keys = new Set(props.value || []);
  for (const [key, box] of boxes) box.checked = keys.has(key);
  const ticked = [...boxes.values()].filter((box) => box.checked).length;
  tell(find(".choice-count"), message("{chosen} of {all}", { chosen: ticked, all: boxes.size }));
}

for (const column of columns.filter(Boolean)) {
  const head = document.createElement("th");
  head.scope = "col";
  head.textContent = column;
  find("thead tr").append(head);
}
find("tbody").replaceChildren(...props.composers.map(makeRow));
const picks = { usual: () => props.usual, six: () => props.six, all: () => [...boxes.keys()], none: () => [] };
for (const button of element.querySelectorAll("[data-pick]")) button.addEventListener("click", () => choose(picks[button.dataset.pick]()));

watch("value", show);
show();
