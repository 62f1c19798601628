// The filters, and the start of the page.

const filters = { statuses: new Set(STATUSES), digit: "", low: 0, high: 1, name: "", reviewed: "", order: "" };
const list = virtualList(byId("list"), byId("table"), rowFor, open);
const review = reviewer(refreshAnswers);

function rowFor(index) {
  const status = statusOf(index);
  const row = element("div", `row ${toneOf(status)}`);
  row.role = "row";
  const button = element("button", "open");
  button.type = "button";
  button.ariaLabel = `Open ${data.file[index]}`;
  button.append(scanPicture(index, false));
  const scan = element("span");
  scan.append(button);
  const confidence = element("span", "confidence", probabilityWords(data.confidence[index]));
  if (data.confidence[index] !== null) confidence.append(track(data.confidence[index]));
  const state = element("span", "status");
  state.append(element("b", "", status), element("span", "", reasonWords(index)));
  const file = element("span", "file", data.file[index]);
  file.title = fileWords(index);
  const cells = [scan, digitCell(index), confidence, state, file];
  for (const cell of cells) cell.role = "cell";
  row.append(...cells);
  return row;
}

/** Make the cell of the digit: the answer, or else the prediction. A wrong prediction is struck out. */
function digitCell(index) {
  const cell = element("span", "digit");
  const prediction = predictionOf(index);
  const answer = answerOf(index);
  const result = answer ?? prediction;
  if (statusOf(index) === "failed" && answer === null) cell.append(element("span", "word", "–"));
  else cell.append(result === "none" ? element("span", "word", answerWords(result)) : result);
  if (answer === prediction) cell.append(element("span", "word quiet", " ✓"));
  else if (answer !== null) {
    const struckOut = element("del", "", statusOf(index) === "failed" ? "–" : answerWords(prediction));
    cell.append(" ", element("span", "for-screen-readers", "instead of "), struckOut);
  }
  return cell;
}

/** Return the indices of the rows that pass the filters, in the chosen order. */
function filteredIndices() {
  const name = filters.name.toLowerCase();
  const byConfidence = filters.low > 0 || filters.high < 1;
  const indices = [];
  for (let index = 0; index < count; index += 1) {
    const confidence = data.confidence[index];
    if (!filters.statuses.has(statusOf(index))) continue;
    if (filters.digit && predictionOf(index) !== filters.digit) continue;
    if (byConfidence && (confidence === null || confidence < filters.low || confidence > filters.high)) continue;
    if (filters.reviewed && (answerOf(index) !== null) !== (filters.reviewed === "yes")) continue;
    if (name && !data.file[index].toLowerCase().includes(name)) continue;
    indices.push(index);
  }
  if (filters.order === "name") {
    const compare = new Intl.Collator("en", { numeric: true }).compare;
    indices.sort((first, second) => compare(data.file[first], data.file[second]));
  } else if (filters.order === "confidence") {
    indices.sort((first, second) => (data.confidence[second] ?? -1) - (data.confidence[first] ?? -1));
  }
  return indices;
}

function applyFilters() {
  const indices = filteredIndices();
  list.show(indices);
  byId("shown").textContent = indices.length === count
    ? plural(count, "scan", "scans")
    : `${grouped(indices.length)} of ${plural(count, "scan", "scans")}`;
  for (const button of byId("statuses").children) {
    button.ariaPressed = String(filters.statuses.has(button.dataset.status));
  }
  for (const button of byId("digits").children) button.ariaPressed = String(button.dataset.digit === filters.digit);
  for (const button of byId("confidences").children) {
    const low = Number(button.dataset.low);
    const isWithin = filters.low <= low && low < filters.high;
    button.ariaPressed = String((filters.low > 0 || filters.high < 1) && isWithin);
  }
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

function readFilters() {
  const number = (id, fallback) => (byId(id).value === "" ? fallback : Number(byId(id).value));
  Object.assign(filters, {
    digit: byId("digit").value, name: byId("name").value, reviewed: byId("reviewed").value,
    order: byId("order").value, low: number("low", 0), high: number("high", 1),
  });
  applyFilters();
}

function open(index) {
  if (!canBeReviewed(index)) return;
  review.open(list.indices().filter(canBeReviewed), index);
}

/** Return the indices of the scans that a person should review. */
function reviewQueue() {
  const indices = [];
  for (let index = 0; index < count; index += 1) {
    if (isDoubtful(index) && canBeReviewed(index) && statusOf(index) !== "failed") indices.push(index);
  }
  return indices;
}

const queue = reviewQueue();

function startReview() {
  const next = queue.find((index) => answerOf(index) === null) ?? queue[0];
  review.open(queue, next);
}

function refreshAnswers() {
  list.refresh();
  showProgress();
}

function progressWords(doneCount) {
  const total = queue.length;
  if (!total) return "No scan needs a review.";
  if (doneCount === total) return total === 1 ? "The doubtful scan is reviewed." : `All ${grouped(total)} doubtful scans are reviewed.`;
  const scans = plural(total, "doubtful scan", "doubtful scans");
  return doneCount ? `${grouped(doneCount)} of ${scans} reviewed.` : `${scans} to review.`;
}

function showProgress() {
  const doneCount = queue.filter((index) => answerOf(index) !== null).length;
  const warning = storageWorks ? "" : " Your browser does not keep your answers: save them before you close this page.";
  byId("progress").textContent = progressWords(doneCount) + warning;
  byId("meter").style.width = `${queue.length ? (doneCount / queue.length) * 100 : 0}%`;
  byId("start").disabled = !queue.length;
  byId("start").textContent = doneCount && doneCount < queue.length ? "Continue the review" : "Review";
  byId("save").disabled = !answers.size;
  byId("save").textContent = answers.size ? `Save ${plural(answers.size, "correction", "corrections")}` : "Save corrections";
  byId("next-step").hidden = !answers.size;
}

/** Return a text as one word of a shell command. */
function shellQuoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function setUpTheme() {
  const root = document.documentElement;
  const button = byId("theme");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const nameButton = () => { button.textContent = isDark() ? "Light" : "Dark"; };
  try {
    const theme = localStorage.getItem("digitbox:theme");
    if (theme === "dark" || theme === "light") root.dataset.theme = theme;
  } catch { /* This browser keeps nothing: the system's theme stays. */ }
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("digitbox:theme", root.dataset.theme); } catch { /* It lasts until the page closes. */ }
    nameButton();
  });
  nameButton();
}

function start() {
  const total = STATUSES.reduce((sum, status) => sum + data.counts[status], 0);
  byId("title").textContent = `${plural(total, "scan", "scans")} read`;
  byId("subtitle").textContent = `Report of ${timeWords(data.created)}`;
  document.title = `digitbox: ${plural(total, "scan", "scans")} read`;
  const outbox = data.outbox === "outbox" ? "" : ` --outbox ${shellQuoted(data.outbox)}`;
  byId("command").textContent = `digitbox apply corrections.csv${outbox}`;
  drawStatuses(byId("statuses"), toggleStatus);
  drawDigits(byId("digits"), chooseDigit);
  drawConfidences(byId("confidences"), chooseConfidence);
  drawFacts(byId("facts"));
  byId("filters").addEventListener("input", readFilters);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("reset", () => {
    filters.statuses = new Set(STATUSES);
    setTimeout(readFilters); // the browser empties the fields after this event
  });
  byId("start").addEventListener("click", startReview);
  byId("save").addEventListener("click", saveCorrections);
  window.addEventListener("storage", (event) => {
    if (readStored(event.key, event.newValue)) refreshAnswers();
  });
  setUpTheme();
  restoreAnswers();
  showProgress();
  applyFilters();
}

start();
