// Why a photo is read as it is. gr.HTML runs this once with `element`, `props`, `trigger` and `watch`; why.py says what
// the value holds.

const find = (selector) => element.querySelector(selector);
const root = find(".why"), figure = find(".why-figure"), picture = find("img"), canvas = find("canvas");
// Blue and orange differ for every kind of colour vision; on the photo, strong effects cover more of it.
const LESS = [46, 104, 196], MORE = [226, 118, 20], STRONGEST_COVER = 0.82;
const ENDS = { valence: [message("less pleasant"), message("more pleasant")], arousal: [message("calmer"), message("more exciting")] };
let shown = "photo";

function paint(rows) {
  const most = Math.max(0.05, ...rows.flat().map(Math.abs)), side = rows.length;
  const small = document.createElement("canvas");
  small.width = small.height = side;
  const pen = small.getContext("2d"), pixels = pen.createImageData(side, side);
  rows.flat().forEach((effect, n) => {
    pixels.data.set([...(effect < 0 ? LESS : MORE), 255 * STRONGEST_COVER * Math.abs(effect / most) ** 0.8], 4 * n);
  });
  pen.putImageData(pixels, 0, 0);
  canvas.width = picture.naturalWidth || 400;
  canvas.height = picture.naturalHeight || 400;
  const wide = canvas.getContext("2d");
  wide.imageSmoothingQuality = "high";
  wide.drawImage(small, 0, 0, canvas.width, canvas.height);
  return most;
}

function show() {
  const value = props.value || {};
  root.hidden = !value.ready;
  if (root.hidden) shown = "photo";
  const rows = shown !== "photo" && value[shown];
  figure.hidden = shown === "photo";
  root.dataset.show = shown;
  root.dataset.state = shown === "photo" ? "photo" : rows ? "shown" : value.failed ? "failed" : "asking";
  for (const radio of root.querySelectorAll("input")) radio.checked = radio.value === shown;
  if (figure.hidden) return;
  const source = document.querySelector("#photo img");
  if (source && picture.src !== source.src) {
    picture.onload = show; // the map takes the shape of the photo
    picture.src = source.src;
  }
  canvas.style.visibility = rows ? "visible" : "hidden";
  learn(value);
  const words = rows ? said(value.words[shown]) : value.failed ? message("This photo could not be explained. Please try again.") : "";
  tell(find(".why-words"), words);
  tell(canvas, joined([message("Map of the photo."), words], message(" ")), "aria-label");
  if (!rows) return;
  const most = paint(rows).toFixed(1), [less, more] = ENDS[shown], [left, right] = root.querySelectorAll(".why-legend span");
  tell(left, joined([less, `−${most}`], " "));
  tell(right, joined([`+${most}`, more], " "));
}

root.addEventListener("change", (event) => {
  shown = event.target.value;
  const value = props.value || {};
  if (shown !== "photo" && !value[shown] && !value.asking) {
    props.value = { ready: true, asking: true };
    trigger("submit");
  }
  show();
});

// While a map shows, the place for the photo is out of sight: another photo is chosen or dropped here instead.
async function replacePhoto(files) {
  trigger("clear"); // takes the photo away, and its place is there again
  for (let tries = 0; tries < 60; tries++) {
    const input = document.querySelector("#photo input[type=file]");
    if (input && !document.querySelector("#photo img")) {
      if (!files) return input.click();
      input.files = files;
      return input.dispatchEvent(new Event("change", { bubbles: true }));
    }
    await new Promise((resume) => setTimeout(resume, 50));
  }
}
find(".why-replace").addEventListener("click", () => replacePhoto(null));
figure.addEventListener("dragover", (event) => event.dataTransfer.types.includes("Files") && event.preventDefault());
figure.addEventListener("drop", (event) => (event.preventDefault(), replacePhoto(event.dataTransfer.files)));

watch("value", show);
show();
