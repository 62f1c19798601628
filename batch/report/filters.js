// The filters, the order and the two views of the list.

const filters = { statuses: new Set(STATUSES), digit: "", low: 0, high: 1, name: "", reviewed: "", order: "" };
const TILE_PX = 112;
const collator = new Intl.Collator("en", { numeric: true });
const compareTexts = (first, second) => Number(first > second) - Number(first < second);
const byValue = (first, second) => collator.compare(first, second) || compareTexts(first, second); // 007 and 7 differ
/** For each column: how two rows compare. */
const ORDERS = {
  digit: (first, second) => byValue(digitOf(first), digitOf(second)),
  confidence: (first, second) => (rows.confidence[first] ?? -1) - (rows.confidence[second] ?? -1),
  status: (first, second) => STATUSES.indexOf(statusOf(first)) - STATUSES.indexOf(statusOf(second)),
  name: (first, second) => byValue(rows.file[first], rows.file[second]) || (rows.page[first] ?? 0) - (rows.page[second] ?? 0),
  time: (first, second) => compareTexts(rows.processed_at[first], rows.processed_at[second]),
};

const isGallery = () => byId("gallery").ariaPressed === "true";
const list = virtualList(
  byId("list"), byId("table"),
  (indices) => (isGallery() ? tilesFor(indices) : rowFor(indices[0])),
  () => (isGallery() ? Math.max(1, Math.floor(byId("list").clientWidth / TILE_PX)) : 1),
  () => (isGallery() ? "tiles" : "row"),
);
const review = reviewer(refreshAnswers);

function rowFor(index) {
  const status = statusOf(index);
  const row = element("div", `row ${toneOf(status)}`);
  row.role = "row";
  const button = buttonOf("open", "");
  button.ariaLabel = `Open ${nameWords(index)}`;
  button.append(scanPicture(index, false));
  const scan = element("span");
  scan.append(button);
  const confidence = element("span", "confidence", probabilityWords(rows.confidence[index]));
  if (rows.confidence[index] !== null) confidence.append(track(rows.confidence[index]));
  const state = element("span", "status");
  state.append(element("b", "", status), element("span", "", stateWords(index)));
  const file = element("span", "file", nameWords(index));
  if (commentOf(index)) file.append(element("span", "comment", commentOf(index)));
  file.title = fileWords(index);
  const cells = [scan, digitCell(index), confidence, state, file];
  for (const cell of cells) cell.role = "cell";
  row.append(...cells);
  row.addEventListener("click", () => openRow(index));
  return row;
}

/** Say why a scan has its status: who answered, or the reason of the row. */
function stateWords(index) {
  const answer = answerOf(index);
  if (answer === null) return [reasonWords(index), isOpen(index) && "left open"].filter(Boolean).join(", ");
  const by = lastAnswer(index).by;
  const verb = answer === offerOf(index) ? "confirmed" : "corrected";
  return by ? `${verb} by ${by}` : verb;
}

/** Make the cell of the digit: the answer, or else the prediction. A wrong prediction is struck out. */
function digitCell(index) {
  const cell = element("span", "digit");
  const answer = answerOf(index);
  const read = offerOf(index);
  const words = (label) => (label === null ? "–" : answerWords(label));
  const result = answer ?? read;
  cell.classList.toggle("long", [answer, read].some((label) => /^\d{5,}$/.test(label)));
  cell.append(/^\d+$/.test(result) ? result : element("span", "word", words(result)));
  if (answer !== null && answer === read) cell.append(element("span", "word quiet", " ✓"));
  else if (answer !== null) {
    cell.append(" ", element("span", "for-screen-readers", "instead of "), element("del", "", words(read)));
  }
  return cell;
}

function tilesFor(indices) {
  const line = element("div", "tiles");
  line.role = "row";
  line.append(...indices.map((index) => {
    const cell = element("span", toneOf(statusOf(index)));
    cell.role = "cell";
    const button = buttonOf("tile", "", () => openRow(index));
    button.ariaLabel = `${nameWords(index)}: ${answerWords(digitOf(index))}`;
    button.title = fileWords(index);
    button.append(scanPicture(index, false), digitCell(index));
    button.addEventListener("keydown", (event) => pressOnTile(event, index));
    cell.append(button);
    return cell;
  }));
  return line;
}

/** Answer the scan of a tile with a key. */
function pressOnTile(event, index) {
  const key = keyOf(event);
  if (event.repeat || !canBeReviewed(index)) return;
  const corrected = key === "x" ? "none" : /^[0-9]$/.test(key) ? typedAnswer(index, key) : null;
  if (corrected === null) return;
  give([{ index, corrected }]);
  refreshAnswers();
}

/** Undo with a key, wherever the focus is on the page; in a field the key is a letter, and a dialog has its own keys. */
function pressOnPage(event) {
  const isElsewhere = event.target.closest?.("input, select, dialog") || document.querySelector("dialog[open]");
  if (keyOf(event) === "u" && !event.repeat && !isElsewhere) review.undo();
}

/** Return the indices of the rows that pass the filters, in the chosen order. */
function filteredIndices() {
  const name = filters.name.toLowerCase();
  const byConfidence = filters.low > 0 || filters.high < 1;
  const indices = [];
  for (let index = 0; index < rowCount(); index += 1) {
    const confidence = rows.confidence[index];
    if (!filters.statuses.has(statusOf(index))) continue;
    if (filters.digit && digitOf(index) !== filters.digit) continue;
    if (byConfidence && (confidence === null || confidence < filters.low || confidence > filters.high)) continue;
    if (filters.reviewed && !isReviewedAs(index, filters.reviewed)) continue;
    if (name && !nameWords(index).toLowerCase().includes(name)) continue;
    indices.push(index);
  }
  const [, minus, column] = /^(-?)(.*)$/.exec(filters.order);
  if (column) indices.sort((first, second) => ORDERS[column](first, second) * (minus ? -1 : 1));
  return indices;
}

function isReviewedAs(index, kind) {
  if (kind === "open") return isOpen(index);
  if (kind === "changed") return answerOf(index) !== null && answerOf(index) !== offerOf(index);
  return (answerOf(index) !== null) === (kind === "yes");
}

function applyFilters() {
  const indices = filteredIndices();
  list.show(indices);
  byId("shown").textContent = indices.length === rowCount()
    ? plural(rowCount(), "scan")
    : `${grouped(indices.length)} of ${plural(rowCount(), "scan")}`;
  showAcceptable();
  for (const button of byId("statuses").children) {
    button.ariaPressed = String(filters.statuses.has(button.dataset.status));
  }
  for (const button of byId("digits").children) button.ariaPressed = String(button.dataset.digit === filters.digit);
  for (const button of byId("confidences").children) {
    const low = Number(button.dataset.low);
    const isWithin = filters.low <= low && low < filters.high;
    button.ariaPressed = String((filters.low > 0 || filters.high < 1) && isWithin);
  }
  for (const button of document.querySelectorAll(".heads button")) {
    const isChosen = filters.order.replace("-", "") === button.dataset.order;
    button.parentElement.ariaSort = !isChosen ? "none" : filters.order.startsWith("-") ? "descending" : "ascending";
  }
}

function showAcceptable() {
  const number = acceptableIndices(list.indices()).length;
  enable(byId("accept-all"), number);
  byId("accept-all").textContent = number ? `Accept these ${grouped(number)}…` : "Accept these…";
}

/** Return the rows without an answer for which the page offers one. */
function acceptableIndices(indices) {
  return indices.filter((index) => answerOf(index) === null && offerOf(index) !== null && canBeReviewed(index));
}

function acceptAll() {
  const indices = acceptableIndices(list.indices());
  byId("bulk-words").textContent = `Say that digitbox is right about ${indices.length === 1 ? "this scan" : `these ${grouped(indices.length)} scans`}?`;
  byId("bulk").returnValue = "";
  byId("bulk").addEventListener("close", () => {
    if (byId("bulk").returnValue !== "yes") return;
    const stillOpen = acceptableIndices(indices); // others may have answered meanwhile
    if (stillOpen.length) give(stillOpen.map((index) => ({ index, corrected: offerOf(index) })));
    refreshAnswers();
  }, { once: true });
  byId("bulk").showModal();
}

/** Filter by status: the first click keeps only this one, each further click adds or removes one. */
function toggleStatus(status) {
  const { statuses } = filters;
  if (statuses.size === STATUSES.length) statuses.clear();
  if (!statuses.delete(status)) statuses.add(status);
  if (!statuses.size) filters.statuses = new Set(STATUSES);
  applyFilters();
}

function chooseDigit(digit) {
  byId("digit").value = byId("digit").value === digit ? "" : digit;
  readFilters();
}

function chooseConfidence(low, high) {
  const isChosen = filters.low === low && filters.high === high;
  byId("low").value = isChosen ? "" : low;
  byId("high").value = isChosen ? "" : high;
  readFilters();
}

/** Order by a column; a second click turns the order. */
function chooseOrder(column) {
  byId("order").value = filters.order === column ? `-${column}` : column;
  readFilters();
}

function readFilters() {
  const number = (id, fallback) => (byId(id).value === "" ? fallback : Number(byId(id).value));
  Object.assign(filters, {
    digit: byId("digit").value, name: byId("name").value, reviewed: byId("reviewed").value,
    order: byId("order").value, low: number("low", 0), high: number("high", 1),
  });
  applyFilters();
}

function setUpFilters() {
  byId("filters").addEventListener("input", readFilters);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("reset", () => {
    filters.statuses = new Set(STATUSES);
    setTimeout(readFilters); // the browser empties the fields after this event
  });
  byId("accept-all").addEventListener("click", acceptAll);
  byId("undo-last").addEventListener("click", () => review.undo());
  document.addEventListener("keydown", pressOnPage);
  byId("gallery").addEventListener("click", () => {
    byId("gallery").ariaPressed = String(!isGallery());
    byId("table").classList.toggle("gallery", isGallery());
    list.refresh();
  });
  for (const button of document.querySelectorAll(".heads button")) {
    button.addEventListener("click", () => chooseOrder(button.dataset.order));
  }
}

function openRow(index) {
  if (!canBeReviewed(index)) return;
  if (isGallery()) review.open([index], index, true);
  else review.open(list.indices().filter(canBeReviewed), index);
}
