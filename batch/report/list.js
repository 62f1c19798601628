// A list of any length. Only the rows on the screen are elements of the page.

const SPARE_ROWS = 8; // above and below the screen, so that scrolling shows no gap
const MAX_PRINTED = 500; // rows
const PAGE_STEP = 8; // rows

/** Keep `list` filled; `rowFor(index)` makes a row, and a click on it calls `open(index)`. */
function virtualList(list, table, rowFor, open) {
  let indices = []; // of the listed rows; a position is a place in this array
  let rendered = new Map();
  let rowPx = 0;

  function measure() {
    const probe = element("div", "row");
    list.append(probe);
    rowPx = probe.getBoundingClientRect().height || 72;
    probe.remove();
    list.style.height = `${indices.length * rowPx}px`;
  }

  function render() {
    const top = -list.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / rowPx) - SPARE_ROWS);
    const end = Math.min(indices.length, Math.ceil((top + window.innerHeight) / rowPx) + SPARE_ROWS);
    renderRange(first, Math.max(first, end));
  }

  function renderRange(first, end) {
    const visible = new Map();
    for (let position = first; position < end; position += 1) {
      visible.set(position, rendered.get(position) ?? makeRow(position));
    }
    for (const [position, row] of rendered) if (!visible.has(position)) row.remove();
    rendered = visible;
    let before = null;
    for (const row of visible.values()) {
      const current = before ? before.nextElementSibling : list.firstElementChild;
      if (current !== row) list.insertBefore(row, current);
      before = row;
    }
  }

  function makeRow(position) {
    const row = rowFor(indices[position]);
    row.ariaRowIndex = String(position + 2);
    row.style.top = `${position * rowPx}px`;
    row.dataset.position = position;
    row.addEventListener("click", () => open(indices[position]));
    return row;
  }

  function focus(position) {
    if (position < 0 || position >= indices.length) return;
    const top = list.getBoundingClientRect().top + position * rowPx;
    if (top < 0 || top + rowPx > window.innerHeight) {
      window.scrollBy(0, top < 0 ? top - rowPx : top + 2 * rowPx - window.innerHeight);
    }
    render();
    rendered.get(position)?.querySelector("button").focus({ preventScroll: true });
  }

  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE_STEP, PageUp: -PAGE_STEP }[event.key];
    const row = event.target.closest(".row");
    if (!step || !row) return;
    event.preventDefault();
    const target = Number(row.dataset.position) + step;
    focus(Math.max(0, Math.min(indices.length - 1, target)));
  });
  window.addEventListener("scroll", () => requestAnimationFrame(render), { passive: true });
  window.addEventListener("resize", () => refresh());
  window.addEventListener("beforeprint", () => {
    renderRange(0, Math.min(indices.length, MAX_PRINTED));
    list.dataset.rest = indices.length > MAX_PRINTED ? `Only the first ${grouped(MAX_PRINTED)} rows are printed.` : "";
  });
  window.addEventListener("afterprint", () => render());

  function refresh() {
    for (const row of rendered.values()) row.remove();
    rendered = new Map();
    measure();
    render();
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
