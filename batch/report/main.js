// Filters, and what ties the parts together.

const chosen = { statuses: new Set(STATUSES), digit: "", low: 0, high: 1, name: "", reviewed: "", order: "" };
const list = virtualList(byId("list"), byId("table"), rowFor, open);
const review = reviewer(answered);

function rowFor(place) {
  const status = statusOf(place);
  const row = element("div", `row ${toneOf(status)}`);
  row.role = "row";
  const button = element("button", "open");
  button.type = "button";
  button.ariaLabel = `Look at ${data.file[place]}`;
  button.append(scanPicture(place, false));
  const sure = element("span", "sure", shareWords(data.confidence[place]));
  if (data.confidence[place] !== null) sure.append(track(data.confidence[place]));
  const state = element("span", "status");
  state.append(element("b", "", status), element("span", "", reasonWords(place)));
  const file = element("span", "file", data.file[place]);
  file.title = data.file[place];
  const cells = [wrapped(button), digitCell(place), sure, state, file];
  for (const one of cells) one.role = "cell";
  row.append(...cells);
  return row;
}

function wrapped(button) {
  const outer = element("span");
  outer.append(button);
  return outer;
}

/** What the scan is, as far as is known; what the model said is struck out where a person says otherwise. */
function digitCell(place) {
  const target = element("span", "digit");
  const said = saidOf(place);
  const answer = answerOf(place);
  const shown = answer ?? said;
  target.append(shown === "none" ? element("span", "word", answer ? "not a digit" : "–") : shown);
  if (answer === said) target.append(element("span", "word quiet", " ✓"));
  else if (answer !== null) {
    target.append(" ", element("span", "spoken", "instead of "), element("del", "", said === "none" ? "–" : said));
  }
  return target;
}

function filtered() {
  const name = chosen.name.toLowerCase();
  const places = [];
  for (let place = 0; place < count; place += 1) {
    const sure = data.confidence[place];
    if (!chosen.statuses.has(statusOf(place))) continue;
    if (chosen.digit && saidOf(place) !== chosen.digit) continue;
    if ((chosen.low > 0 || chosen.high < 1) && (sure === null || sure < chosen.low || sure > chosen.high)) continue;
    if (chosen.reviewed && (answerOf(place) !== null) !== (chosen.reviewed === "yes")) continue;
    if (name && !data.file[place].toLowerCase().includes(name)) continue;
    places.push(place);
  }
  if (chosen.order === "name") {
    const compare = new Intl.Collator("en", { numeric: true }).compare;
    places.sort((one, other) => compare(data.file[one], data.file[other]));
  } else if (chosen.order === "sure") {
    places.sort((one, other) => (data.confidence[other] ?? -1) - (data.confidence[one] ?? -1));
  }
  return places;
}

function refilter() {
  const places = filtered();
  list.show(places);
  byId("shown").textContent = places.length === count
    ? plural(count, "scan", "scans")
    : `${grouped(places.length)} of ${plural(count, "scan", "scans")}`;
  for (const button of byId("statuses").children) {
    button.ariaPressed = String(chosen.statuses.has(button.dataset.status));
  }
  for (const button of byId("digits").children) button.ariaPressed = String(button.dataset.digit === chosen.digit);
  for (const button of byId("confidences").children) {
    const low = Number(button.dataset.low);
    const within = chosen.low <= low && low < chosen.high;
    button.ariaPressed = String((chosen.low > 0 || chosen.high < 1) && within);
  }
}

/** All statuses, then only the one that is clicked, then each click adds or takes away. */
function toggleStatus(status) {
  const { statuses } = chosen;
  if (statuses.size === STATUSES.length) statuses.clear();
  if (!statuses.delete(status)) statuses.add(status);
  if (!statuses.size) chosen.statuses = new Set(STATUSES);
  refilter();
}

function chooseDigit(digit) {
  byId("digit").value = byId("digit").value === digit ? "" : digit;
  readFilters();
}

function chooseConfidence(low, high) {
  const again = chosen.low === low && chosen.high === high;
  byId("low").value = again ? "" : low;
  byId("high").value = again ? "" : high;
  readFilters();
}

function readFilters() {
  const number = (id, otherwise) => (byId(id).value === "" ? otherwise : Number(byId(id).value));
  Object.assign(chosen, {
    digit: byId("digit").value, name: byId("name").value, reviewed: byId("reviewed").value,
    order: byId("order").value, low: number("low", 0), high: number("high", 1),
  });
  refilter();
}

function open(place) {
  if (!canBeReviewed(place)) return;
  review.open(list.places().filter(canBeReviewed), place);
}

function doubtful() {
  const places = [];
  for (let place = 0; place < count; place += 1) {
    if (isDoubtful(place) && canBeReviewed(place) && statusOf(place) !== "failed") places.push(place);
  }
  return places;
}

const queue = doubtful();

function startReview() {
  const next = queue.find((place) => answerOf(place) === null) ?? queue[0];
  review.open(queue, next);
}

function answered() {
  list.refresh();
  showProgress();
}

function showProgress() {
  const done = queue.filter((place) => answerOf(place) !== null).length;
  const left = queue.length - done;
  const words = !queue.length
    ? "Nothing here needs a person's eye."
    : left === 0
      ? `All ${plural(queue.length, "doubtful scan is", "doubtful scans are")} reviewed.`
      : done === 0
        ? `${plural(queue.length, "doubtful scan", "doubtful scans")} for a person to look at.`
        : `${grouped(done)} of ${plural(queue.length, "doubtful scan", "doubtful scans")} reviewed.`;
  byId("progress").textContent = words + (kept ? "" : " This browser keeps nothing for files: save before you close.");
  byId("meter").style.width = `${queue.length ? (done / queue.length) * 100 : 0}%`;
  byId("start").disabled = !queue.length;
  byId("start").textContent = done && left ? "Go on reviewing" : "Review";
  byId("save").disabled = !decisions.size;
  byId("save").textContent = decisions.size ? `Save ${plural(decisions.size, "correction", "corrections")}` : "Save corrections";
  byId("next").hidden = !decisions.size;
}

function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function wireTheme() {
  const root = document.documentElement;
  const button = byId("theme");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const name = () => { button.textContent = dark() ? "Light" : "Dark"; };
  try {
    const found = localStorage.getItem("digitbox:theme");
    if (found === "dark" || found === "light") root.dataset.theme = found;
  } catch { /* it keeps nothing */ }
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("digitbox:theme", root.dataset.theme); } catch { /* it keeps nothing */ }
    name();
  });
  name();
}

function start() {
  const all = STATUSES.reduce((sum, status) => sum + data.counts[status], 0);
  byId("title").textContent = `${plural(all, "scan", "scans")} read`;
  byId("subtitle").textContent = `Report of ${data.created.replace("T", " ").replace("Z", " UTC")}`;
  document.title = `digitbox: ${plural(all, "scan", "scans")} read`;
  const where = data.outbox === "outbox" ? "" : ` --outbox ${quoted(data.outbox)}`;
  byId("command").textContent = `digitbox apply corrections.csv${where}`;
  drawStatuses(byId("statuses"), toggleStatus);
  drawDigits(byId("digits"), chooseDigit);
  drawConfidences(byId("confidences"), chooseConfidence);
  drawFacts(byId("facts"));
  byId("filters").addEventListener("input", readFilters);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("reset", () => {
    chosen.statuses = new Set(STATUSES);
    setTimeout(readFilters);
  });
  byId("start").addEventListener("click", startReview);
  byId("save").addEventListener("click", save);
  window.addEventListener("storage", (event) => {
    if (hear(event.key, event.newValue)) answered();
  });
  wireTheme();
  restore();
  showProgress();
  refilter();
}

start();
