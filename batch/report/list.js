// A list of any length. Only the lines on the screen are elements of the page. A line of the table has one row, and a
// line of the gallery has as many as fit.

const SPARE_LINES = 8; // above and below the screen, so that scrolling shows no gap
const MAX_PRINTED = 500; // rows
const PAGE_STEP = 8; // lines

/**
 * Keep `list` filled. `lineFor(indices)` makes a line, and `perLine()` says how many rows fit in one. The line class is
 * that of the empty line that is measured. Return functions to show rows.
 */
function virtualList(list, table, lineFor, perLine, lineClass) {
  let indices = []; // of the listed rows
  let rendered = new Map(); // lines by number
  let linePx = 0;
  let width = 1; // rows in a line

  const lineCount = () => Math.ceil(indices.length / width);
  const placeOf = (line, button) => Number(line.dataset.number) * width + [...line.querySelectorAll("button")].indexOf(button);

  function measure() {
    width = perLine();
    const probe = element("div", lineClass());
    list.append(probe);
    linePx = probe.getBoundingClientRect().height || 72;
    probe.remove();
    list.style.height = `${lineCount() * linePx}px`;
  }

  function render() {
    const top = -list.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / linePx) - SPARE_LINES);
    const end = Math.min(lineCount(), Math.ceil((top + window.innerHeight) / linePx) + SPARE_LINES);
    renderRange(first, Math.max(first, end));
  }

  function renderRange(first, end) {
    const visible = new Map();
    for (let number = first; number < end; number += 1) visible.set(number, rendered.get(number) ?? makeLine(number));
    for (const [number, line] of rendered) if (!visible.has(number)) line.remove();
    rendered = visible;
    let before = null;
    for (const line of visible.values()) {
      const current = before ? before.nextElementSibling : list.firstElementChild;
      if (current !== line) list.insertBefore(line, current);
      before = line;
    }
  }

  function makeLine(number) {
    const line = lineFor(indices.slice(number * width, (number + 1) * width));
    line.ariaRowIndex = String(number + 2);
    line.style.top = `${number * linePx}px`;
    line.dataset.number = number;
    return line;
  }

  /** Move the focus to a place in the list. */
  function focus(place) {
    const target = Math.max(0, Math.min(indices.length - 1, place));
    const number = Math.floor(target / width);
    const top = list.getBoundingClientRect().top + number * linePx;
    if (top < 0 || top + linePx > window.innerHeight) {
      window.scrollBy(0, top < 0 ? top - linePx : top + 2 * linePx - window.innerHeight);
    }
    render();
    rendered.get(number)?.querySelectorAll("button")[target % width].focus({ preventScroll: true });
  }

  list.addEventListener("keydown", (event) => {
    const line = event.target.closest("[data-number]");
    if (!line || event.ctrlKey || event.metaKey || event.altKey) return;
    const sideways = width > 1 ? { ArrowRight: 1, ArrowLeft: -1 } : {};
    const step = { ArrowDown: width, ArrowUp: -width, PageDown: PAGE_STEP * width, PageUp: -PAGE_STEP * width, ...sideways }[event.key];
    if (!step) return;
    event.preventDefault();
    focus(placeOf(line, event.target) + step);
  });
  window.addEventListener("scroll", () => requestAnimationFrame(render), { passive: true });
  window.addEventListener("resize", () => refresh());
  window.addEventListener("beforeprint", () => {
    renderRange(0, Math.min(lineCount(), Math.ceil(MAX_PRINTED / width)));
    list.dataset.rest = indices.length > MAX_PRINTED ? `Only the first ${grouped(MAX_PRINTED)} rows are printed.` : "";
  });
  window.addEventListener("afterprint", () => render());

  /** Make all lines anew; the focus stays where it was. */
  function refresh() {
    const line = document.activeElement?.closest("[data-number]");
    const isInside = line && list.contains(line);
    const place = isInside ? placeOf(line, document.activeElement) : -1;
    for (const old of rendered.values()) old.remove();
    rendered = new Map();
    measure();
    render();
    if (isInside && indices.length) focus(place);
  }

  return {
    refresh,
    show(newIndices) {
      indices = newIndices;
      table.ariaRowCount = String(indices.length + 1);
      refresh();
    },
    indices: () => indices,
  };
}
