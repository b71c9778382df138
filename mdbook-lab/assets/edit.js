// The reader's own file in the page is shown anew when it is saved, and gets its colours as at first.
(() => {
  "use strict";

  const paint = (block) => {
    for (const code of block.querySelectorAll("pre code")) window.hljs?.highlightBlock(code);
  };
  for (const block of document.querySelectorAll(".lab-edit")) {
    new MutationObserver(() => paint(block)).observe(block, { childList: true });
  }
})();
