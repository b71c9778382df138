// Light and dark on a projector: the button of the wall and of the board. What was chosen stays chosen, on each of them.
(() => {
  "use strict";

  const button = document.getElementById("theme");
  const KEPT = button.dataset.kept;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
  function show() {
    button.textContent = isDark() ? "Light" : "Dark";
  }
  try {
    const kept = localStorage.getItem(KEPT);
    if (kept) document.documentElement.dataset.theme = kept;
  } catch { /* private window */ }
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem(KEPT, document.documentElement.dataset.theme); } catch { /* private window */ }
    show();
  });
  dark.addEventListener("change", show);
  show();
})();
