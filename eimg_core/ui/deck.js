// A deck plays one take: piano roll, play button, position, sound. Stands after roll.js. `root` holds elements of the
// classes deck-roll (with a canvas), deck-play, deck-seek, deck-time, deck-length, and an <audio>; it gets the class
// "playing" while it sounds. On the whole page only one deck sounds at a time.

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

function createDeck(root, margins) {
  const part = (name) => root.querySelector(`.deck-${name}`);
  const canvas = part("roll").querySelector("canvas"), audio = root.querySelector("audio");
  const play = part("play"), seek = part("seek");
  let take = null, frame = 0;
  const length = () => Math.max(take ? take.duration_s : 0, audio.duration || 0, 0.01);
  const roll = createRoll(canvas, audio, length, margins);

  function showTime() {
    seek.max = length();
    if (document.activeElement !== seek || !audio.paused) seek.value = audio.currentTime;
    seek.style.setProperty("--done", `${(audio.currentTime / length()) * 100}%`);
    seek.setAttribute("aria-valuetext", `${clock(audio.currentTime)} of ${clock(length())}`);
    part("time").textContent = clock(audio.currentTime);
    part("length").textContent = clock(take ? length() : 0);
    root.classList.toggle("playing", !audio.paused);
    play.setAttribute("aria-label", (audio.paused ? "Play" : "Pause") + (play.dataset.what || ""));
  }

  function tick() {
    frame = 0;
    if (!root.isConnected) return audio.pause();
    showTime();
    roll.draw();
    if (!audio.paused) frame = requestAnimationFrame(tick);
  }
  const refresh = () => (frame ||= requestAnimationFrame(tick));

  // Puts on another take, or none.
  function load(value) {
    take = value;
    audio.pause();
    if (value && value.files.wav) audio.src = value.files.wav.url;
    else audio.removeAttribute("src"), audio.load();
    for (const control of [play, seek]) control.disabled = !canPlay();
    roll.show(value);
    showTime();
  }

  const canPlay = () => Boolean(take && take.files.wav);
  const start = () => canPlay() && audio.play().catch(() => {});
  const toggle = () => canPlay() && (audio.paused ? start() : audio.pause());
  function goTo(seconds) {
    audio.currentTime = Math.min(Math.max(0, seconds), length() - 0.01);
    refresh();
  }

  play.addEventListener("click", toggle);
  seek.addEventListener("input", () => goTo(Number(seek.value)));
  canvas.addEventListener("pointerdown", (event) => {
    const time = canPlay() ? roll.timeAt(event.offsetX) : null;
    if (time !== null) goTo(time);
  });
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
  });
  for (const name of ["play", "pause", "ended", "seeked", "durationchange", "timeupdate"]) audio.addEventListener(name, refresh);
  new ResizeObserver(() => root.offsetParent || audio.pause()).observe(root); // out of sight, out of hearing
  showTime();
  return { audio, load, canPlay, start, toggle, goTo, length };
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
    link.textContent = labels[kind];
    return link;
  });
