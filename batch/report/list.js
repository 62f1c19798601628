// A list of any length: only the rows that can be seen are elements.

const SPARE_ROWS = 8;
const MOST_PRINTED = 500;

/** Keeps `list` filled; `rowFor(place)` makes a row, `open(place)` is called when one is chosen. */
function virtualList(list, table, rowFor, open) {
  let places = [];
  let rendered = new Map();
  let rowPx = 0;

  function measure() {
    const probe = element("div", "row");
    list.append(probe);
    rowPx = probe.getBoundingClientRect().height || 72;
    probe.remove();
    list.style.height = `${places.length * rowPx}px`;
  }

  function render() {
    const top = -list.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / rowPx) - SPARE_ROWS);
    const last = Math.min(places.length, Math.ceil((top + window.innerHeight) / rowPx) + SPARE_ROWS);
    show(first, Math.max(first, last));
  }

  function show(first, last) {
    const kept = new Map();
    for (let index = first; index < last; index += 1) {
      kept.set(index, rendered.get(index) ?? made(index));
    }
    for (const [index, row] of rendered) if (!kept.has(index)) row.remove();
    rendered = kept;
    let before = null;
    for (const row of kept.values()) {
      const wanted = before ? before.nextElementSibling : list.firstElementChild;
      if (wanted !== row) list.insertBefore(row, wanted);
      before = row;
    }
  }

  function made(index) {
    const row = rowFor(places[index]);
    row.ariaRowIndex = String(index + 2);
    row.style.top = `${index * rowPx}px`;
    row.dataset.index = index;
    row.addEventListener("click", () => open(places[index]));
    return row;
  }

  function focus(index) {
    if (index < 0 || index >= places.length) return;
    const top = list.getBoundingClientRect().top + index * rowPx;
    if (top < 0 || top + rowPx > window.innerHeight) {
      window.scrollBy(0, top < 0 ? top - rowPx : top + 2 * rowPx - window.innerHeight);
    }
    render();
    rendered.get(index)?.querySelector("button").focus({ preventScroll: true });
  }

  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
    const row = event.target.closest(".row");
    if (!step || !row) return;
    event.preventDefault();
    const wanted = Number(row.dataset.index) + step;
    focus(Math.max(0, Math.min(places.length - 1, wanted)));
  });
  window.addEventListener("scroll", () => requestAnimationFrame(render), { passive: true });
  window.addEventListener("resize", () => refresh());
  window.addEventListener("beforeprint", () => {
    show(0, Math.min(places.length, MOST_PRINTED));
    list.dataset.rest = places.length > MOST_PRINTED ? `Printed are the first ${grouped(MOST_PRINTED)} rows.` : "";
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
    show(wanted) {
      places = wanted;
      table.ariaRowCount = String(places.length + 1);
      refresh();
    },
    places: () => places,
  };
}
