// Sheet music of a take. Stands after transport.js. `box` is the scrolling element, `transport` plays; `fetchSheet(take, width)`
// promises {svg} or {fault}. The bar that sounds is marked, and a click on a bar goes there.

const UNFETCHED = message("The score could not be fetched; is the studio still running?");
const SHEET_ZOOM = { wide: 1.12, narrow: 0.86 }, NARROW_PX = 560, RESIZED_PX = 60;

function createSheet(box, transport, fetchSheet) {
  let take = null, width = 0, drawn = "", asked = 0, bars = [], now = -1;

  // Words in place of the music; without any, there is music.
  function explain(words) {
    box.dataset.state = words ? "words" : "music";
    if (!words) return;
    const line = document.createElement("p");
    tell(line, words);
    box.replaceChildren(line);
  }

  async function draw() {
    if (!take || !box.clientWidth) return;
    if (take.pending || !take.take) return explain(message("The sheet music comes with the sound."));
    const key = `${take.take} ${box.clientWidth}`;
    if (drawn.split(" ")[0] === take.take && Math.abs(width - box.clientWidth) < RESIZED_PX) return;
    (drawn = key), (width = box.clientWidth);
    const mine = ++asked, zoom = width < NARROW_PX ? SHEET_ZOOM.narrow : SHEET_ZOOM.wide;
    if (!bars.length) explain(message("Writing the score …"));
    const answer = await fetchSheet(take.take, Math.floor((width - 2) / zoom)).catch(() => ({ fault: UNFETCHED.key }));
    if (mine !== asked) return; // another piece came meanwhile
    if (answer.fault) {
      drawn = "";
      bars = [];
      learn(answer);
      return explain(said(answer.fault));
    }
    box.innerHTML = answer.svg; // drawn by our own engraver
    explain(null);
    const svg = box.querySelector("svg");
    svg.setAttribute("role", "img");
    tell(svg, take.key ? message("Sheet music in {key}", { key: said(take.key) }) : message("Sheet music"), "aria-label");
    bars = [...box.querySelectorAll("g.measure")];
    bars.forEach((bar, n) => bar.prepend(frameOf(bar, n)));
    box.dataset.bars = bars.length;
    now = -1;
    follow();
  }

  // A rectangle behind a bar: it lights up while the bar sounds, and takes clicks.
  function frameOf(bar, n) {
    const staves = [...bar.querySelectorAll(":scope > g.staff")].map((staff) => staff.querySelector("path").getBBox());
    const lines = [...bar.querySelectorAll(":scope > g.staff")].map((staff) => staff.getBBox());
    const left = Math.min(...staves.map((line) => line.x)), right = Math.max(...staves.map((line) => line.x + line.width));
    const top = Math.min(...lines.map((line) => line.y)), low = Math.max(...lines.map((line) => line.y + line.height));
    const frame = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [name, number] of Object.entries({ x: left, y: top - 120, width: right - left, height: low - top + 240, rx: 90 }))
      frame.setAttribute(name, number);
    frame.classList.add("sheet-bar");
    bar.addEventListener("click", () => transport.goTo(transport.barStarts()[n] ?? 0));
    return frame;
  }

  function follow() {
    if (!bars.length || !box.offsetParent) return;
    const time = transport.audio.currentTime, starts = transport.barStarts();
    const at = time > 0 || !transport.audio.paused ? Math.min(starts.findLastIndex((start) => start <= time + 0.02), bars.length - 1) : -1;
    if (at === now) return;
    bars[now]?.classList.remove("now");
    now = at;
    box.dataset.bar = now + 1;
    if (now < 0) return;
    bars[now].classList.add("now");
    const place = bars[now].querySelector(".sheet-bar").getBoundingClientRect(), room = box.getBoundingClientRect();
    if (place.top < room.top || place.bottom > room.bottom)
      box.scrollBy({ top: (place.top - room.top) / zoomOf(box) - 24, behavior: calm.matches ? "auto" : "smooth" });
  }

  new ResizeObserver(draw).observe(box);
  return {
    follow,
    show(value) {
      if (!take || !value || take.take !== value.take) (bars = []), (drawn = ""), (now = -1), asked++, box.replaceChildren();
      take = value;
      draw();
    },
  };
}
