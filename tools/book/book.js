addEventListener("DOMContentLoaded", () => {
  // A line of code is a block: where it is too long for the screen, it goes on below, further in than it began.
  for (const code of document.querySelectorAll("article pre:not(.output *)")) {
    code.innerHTML = code.innerHTML.replace(/.*\n/g, (line) => {
      const indent = line.replace(/<[^>]*>/g, "").search(/\S|$/);
      return `<span class="line" style="--indent: ${indent}ch">${line}</span>`;
    });
  }
});

// What scrolls sideways must be reachable by keyboard.
addEventListener("load", () => {
  for (const box of document.querySelectorAll("pre, .cell_output, .table-wrapper, .math, mjx-container")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
});
