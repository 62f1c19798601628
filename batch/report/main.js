// The start of the page, and the line that says how far the review has come.

/** Return the indices of the scans that a person should review: those of the audit, or the doubtful ones. */
function reviewQueue() {
  if (live?.audit) return live.audit.map((key) => indexOfKey.get(key)).filter((index) => index !== undefined);
  const indices = [];
  for (let index = 0; index < rowCount(); index += 1) {
    if (["review", "refused"].includes(rows.status[index]) && canBeReviewed(index)) indices.push(index);
  }
  return indices;
}

let queue = reviewQueue();

function startReview() {
  const isFresh = (index) => answerOf(index) === null && !isOpen(index);
  review.open(queue, queue.find(isFresh) ?? queue.find((index) => answerOf(index) === null) ?? queue[0]);
}

/** Show answers that were given here or elsewhere. */
function refreshAnswers() {
  applyFilters();
  const counts = currentCounts();
  drawCharts(counts);
  byId("title").textContent = `${plural(totalOf(counts), "scan")} read`;
  showProgress();
}

function progressWords(doneCount, total) {
  const kind = live?.audit ? ["scan of the audit", "scans of the audit"] : ["doubtful scan", "doubtful scans"];
  if (!total) return live?.audit ? "No scan was ok when this audit began: there is nothing to audit." : "No scan needs a review.";
  if (doneCount === total) return total === 1 ? `The ${kind[0]} is reviewed.` : `All ${grouped(total)} ${kind[1]} are reviewed.`;
  const scans = plural(total, ...kind);
  return doneCount ? `${grouped(doneCount)} of ${scans} reviewed.` : `${scans} to review.`;
}

function showProgress() {
  const doneCount = queue.filter((index) => answerOf(index) !== null).length;
  const warning = storageWorks || live ? "" : " Your browser does not keep your answers: save them before you close this page.";
  byId("progress").textContent = progressWords(doneCount, queue.length) + warning;
  byId("meter").style.width = `${queue.length ? (doneCount / queue.length) * 100 : 0}%`;
  byId("start").disabled = !queue.length;
  byId("start").textContent = doneCount && doneCount < queue.length ? "Continue the review" : "Review";
  enable(byId("undo-last"), undoSteps().length);
  enable(byId("save"), ownAnswers.size);
  byId("save").textContent = ownAnswers.size ? `Save ${plural(ownAnswers.size, "correction")}` : "Save corrections";
  byId("next-step").hidden = !ownAnswers.size || live !== null;
  if (live) byId("saved").textContent = ownAnswers.size ? `Saving ${plural(ownAnswers.size, "answer")}…` : "Your answers are saved as you give them.";
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
  const outbox = data.outbox === "outbox" ? "" : ` --outbox ${shellQuoted(data.outbox)}`;
  byId("subtitle").textContent = live ? `Review of ${data.outbox}` : `Report of ${timeWords(data.created)}`;
  byId("command").textContent = `digitbox apply${outbox}`;
  byId("save").hidden = live !== null;
  byId("saved").hidden = live === null;
  setUpCharts(toggleStatus, chooseDigit, chooseConfidence);
  drawFacts(byId("facts"));
  setUpFilters();
  byId("start").addEventListener("click", startReview);
  byId("save").addEventListener("click", saveCorrections);
  window.addEventListener("storage", (event) => {
    const isSent = live && event.newValue === null; // the other window has sent it, and the server tells of it
    if (!isSent && readStored(event.key, event.newValue)) refreshAnswers();
  });
  setUpTheme();
  restoreAnswers();
  refreshAnswers();
  document.title = `digitbox: ${byId("title").textContent}`;
  if (live) poll();
}

start();
