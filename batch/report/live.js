// The page's talk with the server of digitbox review: answers go there, and news come back.

const POLL_MS = 1000;
const MAX_SENT = 1000; // answers in one request
let isSending = false;
let isServerAway = false;

async function askServer(path, options = {}) {
  const response = await fetch(path, { credentials: "omit", redirect: "error", ...options });
  if (!response.ok) throw new Error((await response.text()).trim());
  return response.json();
}

/** Send the answers that the server does not have; they stay in the browser until it has them on its disk. */
async function sendAnswers() {
  if (!live || isSending || !ownAnswers.size) return;
  isSending = true;
  let refusedCount = 0;
  try {
    while (ownAnswers.size) {
      const sent = [...ownAnswers].slice(0, MAX_SENT);
      const body = JSON.stringify(sent.map(([index, { corrected, comment, at }]) => (
        { key: rows.key[index], corrected, comment, reviewed_at: at }
      )));
      const reply = await askServer("answers", { method: "POST", body, headers: { "Content-Type": "application/json" } });
      const refused = new Set(reply.refused);
      for (const [index, answer] of sent) {
        if (ownAnswers.get(index) !== answer) continue; // it changed meanwhile, and goes with the next request
        ownAnswers.delete(index);
        if (refused.has(rows.key[index])) refusedCount += 1; // the browser keeps it, e.g. until its results are back
        else {
          savedAnswers.set(index, { ...answer, by: live.by });
          store(index);
        }
      }
      isServerAway = false;
      byId("trouble").textContent = "";
    }
    if (refusedCount) {
      byId("trouble").textContent = `digitbox review did not take ${plural(refusedCount, "answer")}: their scans or numbers are not in its results.`;
      refreshAnswers();
    }
  } catch (error) {
    noteTrouble(error);
  } finally {
    isSending = false;
    showProgress();
  }
}

function noteTrouble(error) {
  isServerAway = true;
  const waiting = ownAnswers.size ? ` ${plural(ownAnswers.size, "answer waits", "answers wait")} in this browser.` : "";
  const reason = error instanceof TypeError ? "digitbox review does not answer: start it again." : error.message;
  byId("trouble").textContent = `${reason}${waiting}`;
}

/** Ask for new results, and for answers of other windows. */
async function poll() {
  try {
    const news = await askServer(`changes?rows=${live.rows}&answers=${live.answers}`);
    if (news.server !== live.server) { // another one than made this page; its rows may be in another order
      await sendAnswers();
      if (!ownAnswers.size) location.reload();
      return;
    }
    Object.assign(live, { rows: news.rows, answers: news.answers });
    if (isServerAway) byId("trouble").textContent = "";
    isServerAway = false;
    takeNews(news);
    await sendAnswers();
  } catch (error) {
    noteTrouble(error);
  } finally {
    setTimeout(poll, POLL_MS);
  }
}

function takeNews({ columns, models, sources, unlisted: counts, answered = [], audit }) {
  if (columns) {
    addRows(columns);
    const { left_out, read_again } = counts;
    Object.assign(data, { models: [...new Set([...data.models, ...models])], sources, left_out, read_again });
    Object.assign(unlisted, { statuses: counts.counts, digits: counts.digits, confidences: counts.confidences });
  }
  let isNew = false;
  for (const { key, ...answer } of answered) {
    const index = indexOfKey.get(key);
    if (index === undefined) continue;
    isNew ||= savedAnswers.get(index)?.at !== answer.at || savedAnswers.get(index).corrected !== answer.corrected;
    savedAnswers.set(index, answer);
    if (answer.at > ownAnswers.get(index)?.at) { // it waited here while somebody else gave a later one
      ownAnswers.delete(index);
      store(index);
    }
  }
  if (audit) showAudit(audit);
  if (columns) {
    queue = reviewQueue();
    drawFacts(byId("facts"));
  }
  if ((columns || isNew) && !byId("review").open) refreshAnswers();
  if (isNew) review.update();
}

function showAudit({ answered, size, words }) {
  byId("audit").textContent = answered ? `${words}${answered < size ? ` so far, of ${grouped(size)}` : ""}` : "";
}
