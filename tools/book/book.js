// What scrolls sideways must be reachable by keyboard.
addEventListener("load", () => {
  for (const box of document.querySelectorAll("pre, .cell_output, .table-wrapper, .math, mjx-container")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
});
