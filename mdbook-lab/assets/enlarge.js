// The live panel as large as the window, and back: by its button, and by Escape.
(() => {
  "use strict";

  const panel = document.querySelector(".lab-panel");
  // What is shown as a popover lies above the whole page, wherever it stands in it.
  if (!panel?.showPopover) return;

  const button = document.createElement("button");
  button.type = "button";
  button.className = "lab-panel-enlarge";
  panel.querySelector(".lab-panel-bar").insertBefore(button, panel.querySelector(".lab-panel-close"));
  button.addEventListener("click", () => (back === null ? enlarge() : shrink()));

  // What is undone on the way back; none while it is not large.
  let back = null;
  show();

  function show() {
    button.textContent = back === null ? "Enlarge" : "Back";
    button.setAttribute("aria-label", back === null ? "Enlarge the live panel" : "Back to the page");
  }

  function enlarge() {
    const fold = panel.querySelector(".lab-panel-fold[aria-expanded='false']");
    back = { unreachable: unreachable(), stand: stand(), fold };
    fold?.click();
    panel.classList.add("lab-panel-large");
    panel.popover = "manual";
    panel.showPopover();
    show();
  }

  function shrink() {
    const { unreachable, stand, fold } = back;
    back = null;
    const focused = panel.contains(document.activeElement) ? document.activeElement : button;
    panel.classList.remove("lab-panel-large");
    panel.hidePopover();
    panel.popover = null;
    fold?.click();
    stand.remove();
    for (const element of unreachable) element.inert = false;
    focused.focus({ preventScroll: true });
    show();
  }

  // What it covers is out of reach of the keyboard, too.
  function unreachable() {
    const all = [];
    for (let at = panel; at !== document.body; at = at.parentElement) {
      all.push(...[...at.parentElement.children].filter((beside) => beside !== at && !beside.inert));
    }
    for (const element of all) element.inert = true;
    return all;
  }

  // Keeps its place in the page, so that the text is where it was.
  function stand() {
    const stand = document.createElement("div");
    if (!panel.classList.contains("lab-panel-docked")) {
      stand.style.height = `${panel.offsetHeight}px`;
      stand.style.marginBlock = getComputedStyle(panel).marginBlock;
    }
    panel.after(stand);
    return stand;
  }

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || back === null) return;
    event.preventDefault();
    shrink();
  });
  // Closed, or there is nothing to show any more: nobody is left in front of a page out of reach.
  new MutationObserver(() => {
    if (panel.hidden && back !== null) shrink();
  }).observe(panel, { attributeFilter: ["hidden"] });
})();
