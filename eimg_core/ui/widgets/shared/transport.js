// A transport plays one take: piano roll, play button, position, sound, a looped section. Stands after roll.js. `root` holds
// elements of the classes transport-roll (with a canvas), transport-play, transport-seek, transport-time, transport-length, and an <audio>; it gets
// the class "playing" while it sounds. On the whole page only one transport sounds at a time.
//
// While it plays and when it is moved, `root` dispatches "eimg-time" with detail {time} in seconds.

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
const SHORTEST_LOOP_S = 0.4, CLICK_PX = 5;

function createTransport(root, margins = {}) {
  const part = (name) => root.querySelector(`.transport-${name}`);
  const canvas = part("roll").querySelector("canvas"), audio = root.querySelector("audio");
  const play = part("play"), seek = part("seek");
  let take = null, frame = 0, section = null, looping = false, told = -1;
  const length = () => Math.max(take ? take.duration_s : 0, audio.duration || 0, 0.01);
  const roll = createRoll(canvas, audio, length, { ...margins, section: () => section });

  function showTime() {
    const now = audio.currentTime, at = message("{time} of {length}", { time: clock(now), length: clock(length()) });
    seek.max = length();
    if (document.activeElement !== seek || !audio.paused) seek.value = now;
    seek.style.setProperty("--done", `${(now / length()) * 100}%`);
    tell(seek, at, "aria-valuetext");
    if (canvas.getAttribute("role") === "slider") {
      canvas.setAttribute("aria-valuemax", length().toFixed(1));
      canvas.setAttribute("aria-valuenow", now.toFixed(1));
      tell(canvas, at, "aria-valuetext");
    }
    part("time").textContent = clock(now);
    part("length").textContent = clock(take ? length() : 0);
    root.classList.toggle("playing", !audio.paused);
    tell(play, joined([audio.paused ? message("Play") : message("Pause"), play.dataset.what || ""], " "), "aria-label");
    if (take && now !== told) {
      told = now;
      root.dispatchEvent(new CustomEvent("eimg-time", { bubbles: true, detail: { time: now } }));
    }
  }

  function tick() {
    frame = 0;
    if (!root.isConnected) return audio.pause();
    stayInSection();
    showTime();
    roll.draw();
    if (!audio.paused) frame = requestAnimationFrame(tick);
  }
  const refresh = () => (frame ||= requestAnimationFrame(tick));

  // Puts on another take, or none.
  function load(value) {
    take = value;
    told = -1;
    setSection(null);
    audio.pause();
    if (value && value.files && value.files.wav) audio.src = value.files.wav.url;
    else audio.removeAttribute("src"), audio.load();
    for (const control of [play, seek]) control.disabled = !canPlay();
    roll.show(value);
    showTime();
  }

  const canPlay = () => Boolean(take && take.files && take.files.wav);
  const start = () => canPlay() && audio.play().catch(() => {});
  const toggle = () => canPlay() && (audio.paused ? start() : audio.pause());
  function goTo(seconds) {
    if (!canPlay()) return;
    audio.currentTime = Math.min(Math.max(0, seconds), length() - 0.01);
    refresh();
  }
  // To the bar line before or after the place that plays now; back to the one before it within its first half second.
  function goToBar(way) {
    const now = audio.currentTime, starts = roll.barStarts();
    goTo(way > 0 ? starts.find((bar) => bar > now + 0.05) ?? length() : starts.findLast((bar) => bar < now - 0.5) ?? 0);
  }

  // ---- looping: the whole piece, or a section of it ----

  function setLooping(on) {
    looping = on;
    audio.loop = on && !section;
    root.dispatchEvent(new CustomEvent("transport-loop", { detail: { looping, section } }));
    refresh();
  }
  // A section that is too short to hear is none.
  function setSection(wanted) {
    section = null;
    if (wanted) {
      const [start, end] = [wanted.start, wanted.end].sort((a, b) => a - b).map((time) => Math.min(Math.max(0, time), length()));
      if (end - start >= SHORTEST_LOOP_S) section = { start, end };
    }
    setLooping(section ? true : looping && !wanted);
  }
  function stayInSection() {
    if (looping && section && !audio.paused && (audio.currentTime >= section.end || audio.currentTime < section.start - 0.25))
      audio.currentTime = section.start;
  }
  audio.addEventListener("ended", () => looping && section && (goTo(section.start), start()));

  // ---- by hand ----

  play.addEventListener("click", toggle);
  seek.addEventListener("input", () => goTo(Number(seek.value)));

  // Places in the roll's own pixels; an event's own offset counts in those of the screen where the page is drawn larger.
  const placeOf = (event) => {
    const box = canvas.getBoundingClientRect(), zoom = zoomOf(canvas);
    return { x: (event.clientX - box.left) / zoom, y: (event.clientY - box.top) / zoom };
  };
  let held = null; // {x, time, ruler}: where the pointer went down
  canvas.addEventListener("pointerdown", (event) => {
    const { x, y } = placeOf(event), time = canPlay() && event.button === 0 ? roll.timeAt(x) : null;
    if (time === null) return;
    held = { x, time, ruler: roll.onRuler(y) && margins.words };
    canvas.setPointerCapture(event.pointerId);
    if (!held.ruler) goTo(time);
  });
  canvas.addEventListener("pointermove", (event) => {
    const { x, y } = placeOf(event);
    canvas.style.cursor = roll.onRuler(y) && margins.words ? "col-resize" : "";
    if (!held || (held.ruler && Math.abs(x - held.x) < CLICK_PX)) return;
    const time = roll.timeAt(x) ?? 0;
    if (held.ruler) setSection({ start: held.time, end: time });
    else goTo(time);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (held && held.ruler) {
      if (Math.abs(placeOf(event).x - held.x) < CLICK_PX) goTo(held.time);
      else if (section) goTo(section.start);
    }
    held = null;
  });
  canvas.addEventListener("pointercancel", () => (held = null));

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !canPlay()) return;
    const step = event.shiftKey ? 0.25 : 1;
    const moves = {
      ArrowLeft: () => goTo(audio.currentTime - step), ArrowRight: () => goTo(audio.currentTime + step),
      PageUp: () => goToBar(-1), PageDown: () => goToBar(1),
      Home: () => goTo(0), End: () => goTo(length()),
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    moves[event.key]();
  });

  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
  });
  for (const name of ["play", "pause", "ended", "seeked", "durationchange", "timeupdate"]) audio.addEventListener(name, refresh);
  audio.addEventListener("timeupdate", stayInSection); // also where no frames are drawn
  new ResizeObserver(() => root.offsetParent || audio.pause()).observe(root); // out of sight, out of hearing
  showTime();
  return {
    audio, load, canPlay, start, toggle, goTo, goToBar, length, setLooping, setSection,
    section: () => section, isLooping: () => looping, barStarts: roll.barStarts,
  };
}

// Whether what has the focus makes use of the space bar itself, or takes any key as text.
const usesSpace = (event) =>
  Boolean(event.target.closest("input:not([type=range]), textarea, select, button, a, summary, [contenteditable]"));
const takesText = (event) =>
  Boolean(event.target.closest("input:not([type=range], [type=checkbox], [type=radio]), textarea, select, [contenteditable]"));

// Download links for the files of a take; `labels` says which kinds, in which order, under which name.
const fileLinks = (files, labels) =>
  Object.keys(labels).filter((kind) => files[kind]).map((kind) => {
    const link = document.createElement("a");
    link.href = files[kind].url;
    link.download = link.title = files[kind].orig_name;
    tell(link, labels[kind]);
    return link;
  });
