// The guess before a step's first run: a field beside the question, kept until a run answers it, and handed on with the run.
//
// Without this script, or without `mdbook-lab serve`, the page says the command that does the same.
(() => {
  "use strict";

  // Where a guide may be that answers: on this machine, or on one of Codespaces.
  const isSite = "labSite" in document.documentElement.dataset;
  const local = !isSite && (["127.0.0.1", "localhost"].includes(location.hostname) || location.hostname.endsWith(".app.github.dev"));
  if (!local || location.pathname.endsWith("/print.html")) return;

  const key = (field) => `lab-guess ${field.dataset.labAction}`;
  const kept = {
    of(field) {
      try { return localStorage.getItem(key(field)) ?? ""; } catch { return ""; }
    },
    keep(field) {
      try {
        if (field.value === "") localStorage.removeItem(key(field));
        else localStorage.setItem(key(field), field.value);
      } catch { /* private window */ }
    },
  };

  function prepare(block) {
    const field = block.querySelector("input");
    if (!field || field.dataset.ready) return;
    field.dataset.ready = "";
    // What is answered is asked anew, if at all.
    if (block.querySelector(".lab-guess-figures")) kept.keep(field);
    field.value = kept.of(field);
    block.querySelector(".lab-guess-field").hidden = false;
    block.querySelector(".lab-guess-terminal").hidden = true;
  }

  // What goes along with a command: the number in its field, if there is one.
  window.labGuess = (action) => {
    const field = document.querySelector(`.lab-guess input[data-lab-action="${CSS.escape(action)}"]`);
    const isGiven = field && field.validity.valid && Number.isFinite(field.valueAsNumber);
    return isGiven ? { guess: field.valueAsNumber } : {};
  };

  for (const block of document.querySelectorAll(".lab-guess")) {
    // It may be filled anew when a run ends.
    new MutationObserver(() => prepare(block)).observe(block, { childList: true });
    block.addEventListener("input", ({ target }) => kept.keep(target));
    block.addEventListener("change", ({ target }) => target.reportValidity());
    block.addEventListener("keydown", ({ key, target }) => {
      if (key !== "Enter" || !(target instanceof HTMLInputElement) || !target.reportValidity()) return;
      document.querySelector(`.lab-run[data-lab-action="${CSS.escape(target.dataset.labAction)}"]`)?.click();
    });
    prepare(block);
  }
})();
