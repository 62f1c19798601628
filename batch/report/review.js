// The review: one large scan after another, each answered with a key.

const PACE_ANSWERS = 20; // of the last answers, to estimate the time that is left
const MAX_PAUSE_S = 60; // a longer gap between answers is a pause

/** Set up the dialog; it calls `onEnd()` when it closes, since the page behind it may have many rows. */
function reviewer(onEnd) {
  const dialog = byId("review");
  const stage = byId("stage");
  const paces = []; // seconds between answers
  let answeredAt = null;
  let queue = [];
  let position = 0;
  let isSingle = false; // close after one answer

  const current = () => queue[position];

  function open(indices, start, single = false) {
    queue = indices;
    isSingle = single;
    position = Math.max(0, indices.indexOf(start));
    answeredAt = null;
    show();
    dialog.showModal();
    stage.focus();
  }

  function show() {
    const index = current();
    byId("review-position").textContent = `${grouped(position + 1)} of ${grouped(queue.length)}${timeLeft()}`;
    byId("review-file").textContent = nameWords(index);
    byId("review-file").title = fileWords(index);
    byId("review-scan").replaceChildren(scanPicture(index, true));
    showComment(index);
    showOffer(index);
    showAnswer(index);
    showDetails(index, pictures.views[index] ?? [], pictures.others[index] ?? []);
    if (live) loadDetails(index);
  }

  /** Ask the server for what the model saw; the next scan's picture comes meanwhile. */
  async function loadDetails(index) {
    const found = await askServer(`details/${rows.key[index]}`).catch(() => null);
    if (!found || index !== current()) return;
    if (found.problem) byId("review-scan").replaceChildren(scanPicture(index, true, found.problem));
    showDetails(index, found.views ?? [], found.others ?? []);
    const next = nextUnanswered();
    if (next !== -1) scanPicture(queue[next], true);
  }

  /** Show what the model saw, and other digits that it may be. They have no numbers: the row has the confidence. */
  function showDetails(index, views, others) {
    byId("review-views").replaceChildren(...views.map((view, number) => {
      const figure = element("figure");
      const image = element("img");
      image.src = `data:image/png;base64,${view}`;
      image.alt = "";
      figure.append(image, element("figcaption", "", number ? "what it sees closer" : "what the model sees"));
      return figure;
    }));
    const buttons = others.map((digit) => buttonOf("", String(digit), () => answer(String(digit))));
    byId("review-others").replaceChildren(...(others.length ? [element("span", "", "or perhaps")] : []), ...buttons);
  }

  /** Show the answer that Enter gives. */
  function showOffer(index) {
    const offer = offerOf(index);
    const prediction = byId("review-prediction");
    prediction.className = `prediction ${toneOf(rows.status[index])}`;
    const words = [rows.status[index], reasonWords(index), probabilityWords(rows.confidence[index])];
    prediction.replaceChildren(
      element("strong", /^\d{1,5}$/.test(offer) ? "" : "word", offer === null ? "not read" : answerWords(offer)),
      element("span", "", words.filter(Boolean).join(", ")),
    );
    byId("offer").textContent = offer === null ? "Accept" : `Accept ${answerWords(offer)}`;
    byId("accept").disabled = offer === null;
  }

  function showAnswer(index) {
    const last = lastAnswer(index);
    const label = answerOf(index);
    byId("review-answer").textContent = last === null ? "" : `${whose(last)} ${answerWords(last.corrected)}`;
    for (const key of byId("keys").children) key.ariaPressed = String(key.textContent === label);
    byId("none").ariaPressed = String(label === "none");
    byId("undo").disabled = !undoSteps().length;
    byId("previous").disabled = position === 0;
    byId("next").disabled = position === queue.length - 1;
    if (document.activeElement.matches(".pad :disabled")) stage.focus(); // keys reach the review from there
  }

  /** Return the words before an answer: whose it is. */
  function whose(last) {
    return live && last.by && last.by !== live.by ? `Answer of ${last.by}:` : "Your answer:";
  }

  function answer(corrected) {
    if (corrected === null) return;
    const index = current();
    give([{ index, corrected, comment: typedComment() }]);
    showComment(index);
    notePace();
    const next = nextUnanswered();
    const words = answerWords(corrected);
    if (next === -1 || isSingle) {
      showAnswer(index);
      byId("review-position").textContent = isSingle ? "1 of 1" : "All reviewed";
      announce(isSingle ? words : `${words}. All reviewed.`);
      if (isSingle) dialog.close();
    } else {
      position = next;
      show();
      announce(`${words}. Next: ${description()}`);
    }
    stage.focus();
  }

  /** Answer with a digit, or with the number that it begins. */
  function typeAnswer(digit) {
    answer(typedAnswer(current(), digit));
  }

  /**
   * Return the position of the next scan without an answer, after this one or else from the start; then of the next that
   * somebody left open, but this one; -1 if there is none.
   */
  function nextUnanswered() {
    let open = -1;
    for (let step = 1; step <= queue.length; step += 1) {
      const candidate = (position + step) % queue.length;
      if (answerOf(queue[candidate]) !== null) continue;
      if (!isOpen(queue[candidate])) return candidate;
      if (open === -1 && candidate !== position) open = candidate;
    }
    return open;
  }

  function notePace() {
    const now = Date.now() / 1000;
    if (answeredAt !== null && now - answeredAt < MAX_PAUSE_S) paces.push(now - answeredAt);
    paces.splice(0, paces.length - PACE_ANSWERS);
    answeredAt = now;
  }

  /** Return how long the rest will take, from the median of the last answers. */
  function timeLeft() {
    const rest = queue.filter((index) => answerOf(index) === null).length;
    if (paces.length < 5 || !rest) return "";
    const seconds = rest * [...paces].sort((first, second) => first - second)[Math.floor(paces.length / 2)];
    return seconds < 60 ? ", less than a minute left" : `, about ${plural(Math.round(seconds / 60), "minute")} left`;
  }

  function undo() {
    keepComment();
    const index = undoLast();
    if (index === null) return;
    if (queue.includes(index)) position = queue.indexOf(index);
    show();
    announce(`Undone: ${description()}`);
    stage.focus();
  }

  function move(step) {
    const target = position + step;
    if (target < 0 || target >= queue.length) return;
    keepComment();
    position = target;
    show();
    announce(description());
  }

  function zoom() {
    const isLarge = stage.classList.toggle("zoomed");
    byId("zoom").ariaPressed = String(isLarge);
    stage.focus();
  }

  function description() {
    const index = current();
    const offer = offerOf(index);
    const words = [nameWords(index), offer && answerWords(offer), reasonWords(index), probabilityWords(rows.confidence[index])];
    return words.filter(Boolean).join(", ");
  }

  /** Have a screen reader say something. */
  function announce(words) {
    byId("announcement").textContent = words;
  }

  function press(event) {
    const key = keyOf(event);
    if (event.target === byId("comment")) {
      pressInComment(event, key);
      return;
    }
    const isOnButton = event.target.matches("button:focus-visible");
    const action = {
      Enter: isOnButton ? null : () => answer(offerOf(current())),
      x: () => answer("none"),
      s: () => answer("open"),
      u: undo,
      z: zoom,
      c: () => byId("comment").focus(),
      ArrowRight: () => move(1), ArrowDown: () => move(1),
      ArrowLeft: () => move(-1), ArrowUp: () => move(-1),
    }[key] ?? (/^[0-9]$/.test(key) ? () => typeAnswer(key) : null);
    // A key that is held down answers one scan only.
    if (!action || (event.repeat && !key.startsWith("Arrow"))) return;
    event.preventDefault();
    action();
  }

  /** Enter keeps the comment, with the answer as it is; Escape leaves the field. */
  function pressInComment(event, key) {
    if (key !== "Enter" && key !== "Escape") return;
    event.preventDefault();
    if (key === "Escape") showComment(current());
    else keepComment();
    stage.focus();
  }

  function showComment(index) {
    byId("comment").defaultValue = byId("comment").value = commentOf(index);
  }

  /** Return true if a person has typed in the field. Another window may have changed the comment meanwhile. */
  function isCommentTyped() {
    return byId("comment").value !== byId("comment").defaultValue;
  }

  function typedComment() {
    return isCommentTyped() ? byId("comment").value.trim() : commentOf(current());
  }

  /** Keep a comment of its own. One with an answer belongs to the answer, so that one undo takes back both. */
  function keepComment() {
    const index = current();
    const comment = typedComment();
    if (comment === commentOf(index)) return;
    give([{ index, corrected: lastAnswer(index)?.corrected ?? "open", comment }]);
    showComment(index);
    showAnswer(index);
  }

  for (let digit = 0; digit < 10; digit += 1) {
    byId("keys").append(buttonOf("", String(digit), () => typeAnswer(String(digit))));
  }
  dialog.addEventListener("keydown", press);
  dialog.addEventListener("close", () => {
    keepComment();
    onEnd();
  });
  window.addEventListener("pagehide", () => { if (dialog.open) keepComment(); });
  byId("accept").addEventListener("click", () => answer(offerOf(current())));
  byId("none").addEventListener("click", () => answer("none"));
  byId("skip").addEventListener("click", () => answer("open"));
  byId("undo").addEventListener("click", undo);
  byId("zoom").addEventListener("click", zoom);
  byId("review-scan").addEventListener("click", zoom);
  byId("previous").addEventListener("click", () => move(-1));
  byId("next").addEventListener("click", () => move(1));
  byId("close").addEventListener("click", () => dialog.close());
  return {
    open,
    undo() {
      if (undoLast() !== null) onEnd();
    },
    /** Show answers of other windows. */
    update() {
      if (!dialog.open) return;
      showAnswer(current());
      if (!isCommentTyped()) showComment(current());
    },
  };
}
