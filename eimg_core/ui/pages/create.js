// From a photo to its sound without another press, and a bar that keeps Play and Compose in reach on a phone. The page runs
// this once; `composeAtOnce` is called whenever a photo has been read.
() => {
  const KEPT = "eimg-studio-at-once";
  const find = (selector) => document.querySelector(selector);
  const box = find(".at-once input"), player = find("#piece .player");
  try {
    box.checked = localStorage.getItem(KEPT) !== "false";
  } catch {} // a browser that keeps nothing
  box.addEventListener("change", () => {
    try {
      localStorage.setItem(KEPT, box.checked);
    } catch {}
  });

  window.composeAtOnce = (photo) => {
    if (!photo || !box.checked || (document.body.dataset.page || "create") !== "create") return;
    if (player.dataset.state === "working") find("#piece .player-stop").click(); // that of the photo before
    player.dataset.play = "once"; // as soon as its sound is there, where the browser lets a page play
    find("#compose").click();
  };

  // A MIDI file that is dropped anywhere on the page is opened, even where photos are dropped.
  document.addEventListener("drop", (event) => {
    const input = find("input[type=file][accept*='.mid']"), endings = input ? input.accept.split(",").map((one) => one.trim()) : [];
    const dropped = [...((event.dataTransfer && event.dataTransfer.files) || [])], files = new DataTransfer();
    const file = dropped.find(({ name }) => endings.some((ending) => name.toLowerCase().endsWith(ending)));
    if (!file) return;
    event.preventDefault();
    event.stopPropagation();
    files.items.add(file);
    input.files = files.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }, true);

  find(".quick-compose").addEventListener("click", () => find("#compose").click());
  find(".quick-play").addEventListener("click", () => find("#piece .transport-play").click());
}
