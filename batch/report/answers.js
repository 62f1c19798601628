// The answers of people. A page that stands alone keeps them in the browser, and saves them as corrections.csv. A
// served page keeps them there until its server has them on the disk.

// Each answer has its own entry, named by its scan, so that windows and reports of the same scans share them.
const STORE = live ? `digitbox:sending:${data.store}:` : "digitbox:answer:";
const UNDO = `digitbox:undo:${data.store}`;
const MAX_UNDO = 200; // steps
const COLUMNS = ["file", "sha256", "batch", "prediction", "corrected", "reviewed_at", "page", "source", "comment"];

/** Answers that digitbox does not have yet, by index: corrected, comment, at. */
const ownAnswers = new Map();
let storageWorks = true;

/** Read the answers that the browser kept. */
function restoreAnswers() {
  try {
    for (const key of Object.keys(localStorage)) readStored(key, localStorage.getItem(key));
  } catch {
    storageWorks = false; // Some browsers keep nothing for local files: the answers go when the page closes.
  }
}

/** Read one stored entry, of this window or another; return true if it is an answer for a row of this page. */
function readStored(key, value) {
  const index = key?.startsWith(STORE) ? indexOfKey.get(key.slice(STORE.length)) : undefined;
  if (index === undefined) return false;
  let answer = null;
  try {
    answer = JSON.parse(value);
  } catch { /* Somebody else wrote it. */ }
  if (answer && isAnswer(index, answer.corrected) && !isKnown(index, answer)) ownAnswers.set(index, answer);
  else ownAnswers.delete(index);
  return true;
}

/** Return true if a person may say this of a row: a number also of a scan that digitbox later read as a digit. */
function isAnswer(index, corrected) {
  const isSaved = corrected === savedAnswers.get(index)?.corrected;
  return isSaved || (live || hasNumber(index) ? /^([0-9]{1,12}|none|open)$/ : /^([0-9]|none|open)$/).test(corrected);
}

/** Return the answer that a digit begins: the digit, or a number that the person goes on to type; null for none. */
function typedAnswer(index, digit) {
  if (!hasNumber(index)) return digit;
  const words = "The number, with its leading zeros";
  let number = window.prompt(words, digit)?.trim();
  while (number !== undefined && !/^[0-9]{1,12}$/.test(number)) {
    number = window.prompt(`${number || "Nothing"} is not 1 to 12 digits. ${words}`, number)?.trim();
  }
  return number ?? null;
}

/** Return true if digitbox has this answer, or a later one. */
function isKnown(index, answer) {
  const saved = savedAnswers.get(index);
  return saved !== undefined && saved.at >= answer.at;
}

function store(index) {
  const answer = ownAnswers.get(index);
  try {
    if (answer) localStorage.setItem(STORE + rows.key[index], JSON.stringify(answer));
    else localStorage.removeItem(STORE + rows.key[index]);
    storageWorks = true;
  } catch {
    storageWorks = false;
  }
}

/** Return the last answer for a row, with its comment; null if there is none. */
function lastAnswer(index) {
  return ownAnswers.get(index) ?? savedAnswers.get(index) ?? null;
}

/** Return what a person says that a scan is: a digit, a number or none; null if nobody says. */
function answerOf(index) {
  const label = lastAnswer(index)?.corrected ?? "open";
  return label === "open" ? null : label;
}

/** Return true if a person left a scan open. */
function isOpen(index) {
  return lastAnswer(index)?.corrected === "open";
}

function commentOf(index) {
  return lastAnswer(index)?.comment ?? "";
}

/** Return the effective status: that of the answer, else that of the row. */
function statusOf(index) {
  const answer = answerOf(index);
  if (answer === null) return rows.status[index];
  return answer === "none" ? "refused" : "ok";
}

/** Return the effective digit or number, or none. */
function digitOf(index) {
  return answerOf(index) ?? predictionOf(index);
}

/** Give answers, as one step for `undo`: index, corrected, comment. */
function give(given) {
  const step = given.map(({ index }) => [rows.key[index], ownAnswers.get(index) ?? null, savedAnswers.get(index) ?? null]);
  keepUndo([...undoSteps(), step].slice(-MAX_UNDO));
  for (const { index, corrected, comment } of given) set(index, corrected, comment ?? commentOf(index));
  sendAnswers();
}

function set(index, corrected, comment) {
  const now = new Date().toISOString().replace(/\.\d+Z/, "Z");
  const before = lastAnswer(index)?.at ?? "";
  ownAnswers.set(index, { corrected, comment, at: before > now ? before : now }); // it is later on any clock
  store(index);
}

/** Take back the last step; return the index of its last row, or null if there is none. */
function undoLast() {
  const steps = undoSteps();
  const step = steps.pop();
  if (!step) return null;
  keepUndo(steps);
  let last = null;
  for (const [key, own, saved] of step) {
    const index = indexOfKey.get(key);
    if (index === undefined) continue;
    last = index;
    const before = own ?? saved;
    if (live || before) set(index, before?.corrected ?? "open", before?.comment ?? "");
    else {
      ownAnswers.delete(index);
      store(index);
    }
  }
  sendAnswers();
  return last;
}

let undoInMemory = null; // the steps, if the browser does not keep them: they last until the page closes

function undoSteps() {
  if (undoInMemory) return undoInMemory;
  try {
    return JSON.parse(localStorage.getItem(UNDO)) ?? [];
  } catch {
    return [];
  }
}

function keepUndo(steps) {
  undoInMemory = null;
  try {
    localStorage.setItem(UNDO, JSON.stringify(steps));
  } catch {
    undoInMemory = steps;
    try { localStorage.removeItem(UNDO); } catch { /* It keeps nothing at all. */ } // older steps come after these
  }
}

function csvCell(text) {
  const safe = /^[=+\-@]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text; // no formula in a spreadsheet
  return /[",;\t\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function asCsv() {
  const sorted = [...ownAnswers].sort(([first], [second]) => first - second);
  const lines = sorted.map(([index, { corrected, comment, at }]) => [
    rows.file[index], rows.sha256[index], rows.batch[index], rows.prediction[index] ?? "", corrected, at,
    rows.page[index] ?? "", rows.source[index], comment,
  ]);
  return [COLUMNS, ...lines].map((line) => `${line.map((value) => csvCell(String(value))).join(",")}\n`).join("");
}

function saveCorrections() {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([asCsv()], { type: "text/csv" }));
  link.download = "corrections.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000); // the browser needs it while it downloads
}
