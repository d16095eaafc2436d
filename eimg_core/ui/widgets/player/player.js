// The player. gr.HTML runs this once with `element`, `props`, `trigger`, `server` and `watch`, after transport.js and sheet.js;
// player.py says what the value holds.

const UNREACHED = message("The file could not be fetched; is the studio still running?");
const LETTERS = { l: ".player-loop", a: ".player-a", b: ".player-b", m: ".player-mute" };

const find = (selector) => element.querySelector(selector);
const root = find(".player"), loop = find(".player-loop");
const transport = createTransport(root, { words: true, slowest: 34 });
const sheet = createSheet(find(".player-sheet"), transport, (name, width) => server.sheet_music({ take: name, width }));
let take = null; // the value that is on show, when it is a take

function make(tag, text, attributes = {}) {
  const node = Object.assign(document.createElement(tag), attributes);
  tell(node, text);
  return node;
}
const explain = (words) => tell(find(".player-say"), words);

// ---- a take ----

function showTake(value) {
  take = value;
  transport.load(value);
  root.classList.toggle("pending", Boolean(value.pending));
  for (const control of root.querySelectorAll(".player-looping button")) control.disabled = !transport.canPlay();
  tell(find(".player-done h3"), titleOf(value.target));
  tell(find(".player-facts"), joined([
    message("{seconds} s", { seconds: value.duration_s.toFixed(0) }), said(value.key),
    message("{tempo} bpm", { tempo: value.tempo_bpm.toFixed(0) }), message("{count} notes", { count: value.notes.length }),
    ...(isOwn(value) ? [message("a piece of your own")] : [message("seed {seed}", { seed: value.seed }), value.pairing_title]),
  ], "  ·  "));
  explain(value.pending ? message("The piano is being recorded …") : "");
  showFiles(value);
  showNumbers(value);
  showRights(value);
  if (root.dataset.play && !value.pending) {
    delete root.dataset.play;
    transport.start();
  }
  if (root.dataset.view === "score") sheet.show(value);
}

// Whether a piece is the visitor's own, as it was.
const isOwn = ({ recipe }) => Boolean(recipe && /^file/.test(recipe.given_id) && !recipe.steps.length);

// Nobody asks for a neutral piece: near the middle it is a little of the mood that it leans to.
function titleOf({ region: name, valence, arousal }) {
  if (name === "neutral") {
    const angle = (Math.atan2(arousal - 5, valence - 5) * 180) / Math.PI, turn = (way) => Math.abs(((angle - way + 540) % 360) - 180);
    const [leaning] = props.regions.reduce((best, next) => (turn(next[1]) < turn(best[1]) ? next : best));
    return message("A gently {region} piece", { region: message(leaning) });
  }
  const region = message(name);
  return /^[aeiou]/.test(name) ? message("An {region} piece", { region }) : message("A {region} piece", { region });
}

function showFiles(value) {
  const made = value.files || {}, demand = value.exports || [];
  const shown = props.formats.filter(([kind, , , packs]) => made[kind] || demand.includes(kind) || (value.pending && !packs));
  const groups = new Map();
  for (const one of shown) groups.set(one[5], [...(groups.get(one[5]) || []), fileButton(one, made[one[0]], Boolean(value.pending))]);
  groups.set("Share", [...(groups.get("Share") || []), linkButton(value)]);
  find(".player-files").replaceChildren(...[...groups].map(([name, buttons]) => {
    const group = document.createElement("div");
    group.setAttribute("role", "group");
    tell(group, message(name), "aria-label");
    group.append(...buttons);
    return group;
  }));
}

function fileButton([kind, title, help, , mime], file, pending) {
  const label = message(title), meaning = message(help);
  if (file) {
    const link = make("a", label, { href: file.url, download: file.orig_name });
    tell(link, joined([meaning, file.orig_name], ": "), "title");
    // Dragged to a folder or into a music program it is the file, in browsers that know how, and the address elsewhere.
    link.addEventListener("dragstart", ({ dataTransfer }) => dataTransfer.setData("DownloadURL", `${mime}:${file.orig_name}:${link.href}`));
    return link;
  }
  const button = make("button", label, { type: "button", disabled: pending });
  tell(button, meaning, "title");
  button.dataset.kind = kind;
  button.addEventListener("click", () => fetchFile(button, kind));
  return button;
}

// A link holds the piece itself, in a part of the address that browsers send to nobody.
function linkButton(value) {
  const button = make("button", message("Copy link"), { type: "button", disabled: !value.packed });
  tell(button, message("A link that opens this piece, without the photo"), "title");
  button.dataset.kind = "link";
  button.addEventListener("click", async () => {
    const link = `${location.origin}${location.pathname}#${props.page}=${value.packed}`;
    await copyText(link);
    root.dataset.link = link;
    explain(message("Link copied. It holds the piece and its settings, never the photo."));
  });
  return button;
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without a secure connection browsers have no clipboard for pages; a selection can still be copied.
    const field = document.body.appendChild(document.createElement("textarea"));
    field.value = text;
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}

// Files that nobody has asked for yet are made at the first click.
async function fetchFile(button, kind) {
  if (button.getAttribute("aria-busy") === "true") return;
  const from = take, [, title] = props.formats.find(([key]) => key === kind);
  button.setAttribute("aria-busy", "true");
  explain(message("Making the {label} file …", { label: message(title) }));
  const answer = await server.export_file({ take: from.take, kind }).catch(() => ({ fault: UNREACHED.key }));
  button.setAttribute("aria-busy", "false");
  learn(answer);
  if (answer.fault) return explain(said(answer.fault));
  explain("");
  const beside = from.files.json.url;
  const href = beside.slice(0, beside.lastIndexOf("/") + 1) + encodeURIComponent(answer.name);
  const link = make("a", "", { href, download: answer.name });
  link.hidden = true;
  root.append(link);
  link.click();
  link.remove();
}

function showNumbers(value) {
  const shown = value.piece || value.target;
  const place = { region: message(shown.region), valence: shown.valence.toFixed(1), arousal: shown.arousal.toFixed(1) };
  tell(find(".player-landing"), value.piece
    ? message(
        "Our evaluator estimates this piece as {region} (valence {valence}, arousal {arousal}), {distance} from the target.",
        { ...place, distance: value.distance.toFixed(1) },
      )
    : message("The target was {region} (valence {valence}, arousal {arousal}).", place));
  find(".player-metrics").replaceChildren(...props.metrics.map(([key, name, meaning, digits]) => {
    const group = document.createElement("div"), number = value.metrics[key], told = Object.assign(make("dd", message(meaning)), { className: "meaning" });
    group.append(make("dt", message(name)), make("dd", typeof number === "number" ? number.toFixed(digits) : "–"), told);
    return group;
  }));
  find(".player-remarks").replaceChildren(...value.remarks.map((remark) => make("li", said(remark))));
  tell(find(".player-played"), value.engine
    ? message("Played by {engine} with {soundfont}.", { engine: said(value.engine), soundfont: value.soundfont }) : "");
}

// What may be done with the piece, as the composer's card says it.
function showRights(value) {
  const terms = isOwn(value) ? null : props.rights[value.pairing.split("@")[0]], data = terms && joined(terms.data, message(", "));
  tell(find(".player-rights"), !terms ? ""
    : terms.commercial ? message("Yours for any use, commercial ones as well: the composer learnt from {data} alone.", { data })
    : message("For yourself and for research: the composer learnt from {data}, whose terms do not plainly allow commercial use.", { data }));
}

// ---- other states ----

function showWork(value) {
  const now = props.stages.indexOf(value.stage);
  if (now >= 0) root.dataset.stage = now;
  const reached = Number(root.dataset.stage);
  find(".player-stages").querySelectorAll("li").forEach((item, n) => {
    item.classList.toggle("past", n < reached);
    item.classList.toggle("now", n === reached);
  });
  const percent = Math.round(100 * (value.done || 0));
  find(".player-bar").style.setProperty("--left", `${100 - percent}%`);
  find(".player-bar").setAttribute("aria-valuenow", percent);
  tell(find(".player-stage"), message(value.stage));
}

const comeIntoView = () => root.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });

function show() {
  if (props.value && props.value.state === "back") props.value = take || {};
  const value = props.value || {}, state = value.state || "empty", before = root.dataset.state;
  root.dataset.state = state;
  learn(value);
  if (state !== "done") transport.audio.pause();
  if (state === "empty") {
    tell(find(".player-empty h3"), value.stopped ? message("Stopped") : message("No piece yet"));
    tell(find(".player-empty p"), message(value.stopped ? props.stopped : props.empty));
  }
  if (state === "working") {
    if (before !== "working") root.dataset.stage = -1; // waiting for its turn
    showWork(value);
  }
  if (state === "failed") {
    tell(find(".player-failed p"), said(value.message));
    find(".player-offer").replaceChildren(...(value.nothing ? offers() : []));
  }
  if (state === "done") showTake(value);
  if (state === "working" && before !== "working") {
    comeIntoView();
    takeFocus();
  }
}

// Where there is nothing to compose for: an example, or a mood of the plane, as if it had been chosen there.
function offers() {
  const offer = (label, target) => {
    const button = make("button", label, { type: "button", className: "quiet" });
    button.addEventListener("click", () => target.click());
    return button;
  };
  const example = document.querySelector("#examples .gallery-item"), moods = [...document.querySelectorAll("#plane .plane-moods button")];
  return [...(example ? [offer(message("Use an example photo"), example)] : []), ...moods.map((mood) => offer(message(mood.dataset.region), mood))];
}

// From the button that asked for the piece, so that the space bar plays it and does not press that button again.
function takeFocus() {
  const asked = document.activeElement;
  if (root.offsetParent && (asked === document.body || asked.matches("button"))) root.focus({ preventScroll: true });
}

find(".player-stages").replaceChildren(...props.stages.map((name) => make("li", message(name))));
find(".player-stop").addEventListener("click", () => {
  props.value = take || { stopped: true };
  show();
  trigger("stop");
});

// ---- controls ----

for (const button of root.querySelectorAll(".player-views button"))
  button.addEventListener("click", () => {
    root.dataset.view = button.dataset.view;
    for (const other of root.querySelectorAll(".player-views button")) other.setAttribute("aria-pressed", other === button);
    if (button.dataset.view !== "score") return;
    sheet.show(take);
    comeIntoView(); // the score may be taller than the roll
  });
root.addEventListener("eimg-time", sheet.follow);

loop.addEventListener("click", () => (transport.section() ? transport.setSection(null) : transport.setLooping(!transport.isLooping())));
const mark = (edge) => () => {
  const section = transport.section() || { start: 0, end: transport.length() };
  transport.setSection({ ...section, [edge]: transport.audio.currentTime });
};
find(".player-a").addEventListener("click", mark("start"));
find(".player-b").addEventListener("click", mark("end"));
root.addEventListener("transport-loop", ({ detail: { looping, section } }) => {
  loop.setAttribute("aria-pressed", looping);
  tell(loop.querySelector("span"), section ? `${clock(section.start)} – ${clock(section.end)}` : message("Loop"));
  tell(loop, section ? message("Back to the whole piece (L)") : message("Play it again and again (L)"), "title");
});

const speed = find(".player-speed select");
speed.addEventListener("change", () => (transport.audio.defaultPlaybackRate = transport.audio.playbackRate = Number(speed.value)));
const volume = find(".player-volume input"), mute = find(".player-mute");
volume.addEventListener("input", () => {
  transport.audio.volume = volume.value ** 2; // nearer to how loudness is heard
  transport.audio.muted = Number(volume.value) === 0;
});
mute.addEventListener("click", () => (transport.audio.muted = !transport.audio.muted));
transport.audio.addEventListener("volumechange", () => {
  mute.setAttribute("aria-pressed", transport.audio.muted);
  volume.style.setProperty("--done", `${transport.audio.muted ? 0 : volume.value * 100}%`);
});

function onKey(event) {
  if (!element.isConnected) return document.removeEventListener("keydown", onKey);
  if (root.dataset.state !== "done" || !root.offsetParent || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.code === "Space" && !usesSpace(event)) {
    event.preventDefault();
    transport.toggle();
  } else if (LETTERS[event.key] && root.contains(event.target) && !takesText(event)) find(LETTERS[event.key]).click();
}
document.addEventListener("keydown", onKey);

createMidiOut(root, transport, () => take, explain);
watch("value", show);
show();
