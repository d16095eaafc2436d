// The photos of a story under the roll, and stories that come from a link or from what this browser kept. Stands after
// player.js and states.js and uses only `element`, `props`, `trigger`, `watch` and the states.
{
  const strip = element.querySelector(".story-strip"), sound = element.querySelector("audio");
  const states = createStates(() => {});

  const showStops = () => {
    const { state, stops = [], duration_s = 1 } = props.value || {};
    if (state !== "done") return;
    states.add(stateOf("story", props.value));
    tell(element.querySelector(".player-done h3"), message("A story"));
    tell(element.querySelector(".player-landing"), "");
    strip.replaceChildren(...stops.map(({ name, thumb, point, start_s, end_s, label }) => {
      const item = document.createElement("li"), button = document.createElement("button"), number = document.createElement("span");
      const feeling = document.createElement("em"), picture = document.createElement("img");
      item.style.flexGrow = (end_s - start_s) / duration_s;
      button.type = "button";
      const values = { label, name, region: message(point.region), seconds: Math.round(start_s) };
      tell(button, name ? message("{label}: {name}, {region}, from {seconds} s", values) : message("{label}: {region}, from {seconds} s", values), "aria-label");
      if (thumb) picture.src = thumb;
      picture.alt = "";
      number.textContent = label;
      tell(feeling, message(point.region));
      button.append(...(thumb ? [picture] : []), number, feeling);
      button.addEventListener("click", () => (sound.currentTime = start_s + 0.01));
      item.append(button);
      return item;
    }));
    mark();
  };

  const mark = () => {
    const stops = (props.value || {}).stops || [];
    [...strip.children].forEach((item, n) => {
      const { start_s, end_s } = stops[n], on = sound.currentTime >= start_s && sound.currentTime < end_s;
      item.classList.toggle("on", on);
      item.querySelector("button").setAttribute("aria-current", on);
    });
  };

  for (const name of ["play", "seeked", "timeupdate"]) sound.addEventListener(name, mark);
  const begin = () => {
    const packed = takeLinked("story");
    if (!packed) return;
    props.value = { state: "working", stage: "waiting", done: 0, packed };
    trigger("submit");
  };
  window.addEventListener("hashchange", () => element.isConnected && begin());
  watch("value", showStops);
  showStops();
  whenBuilt(begin);
}
