// The review: one large scan after another, each answered with a key.

/** Set up the dialog; it calls `onAnswer()` after each answer. */
function reviewer(onAnswer) {
  const dialog = byId("review");
  const stage = byId("stage");
  const undoStack = []; // answers given in this window
  let queue = [];
  let position = 0;

  const current = () => queue[position];

  function open(indices, start) {
    queue = indices;
    position = Math.max(0, indices.indexOf(start));
    show();
    dialog.showModal();
    stage.focus();
  }

  function show() {
    const index = current();
    byId("review-position").textContent = `${grouped(position + 1)} of ${grouped(queue.length)}`;
    byId("review-file").textContent = data.file[index];
    byId("review-file").title = fileWords(index);
    byId("review-scan").replaceChildren(scanPicture(index, true));
    showViews(index);
    showOffer(index);
    showOthers(index);
    showAnswer(index);
  }

  function showViews(index) {
    byId("review-views").replaceChildren(...(pictures.views[index] ?? []).map((view, number) => {
      const figure = element("figure");
      const image = element("img");
      image.src = `data:image/png;base64,${view}`;
      image.alt = "";
      figure.append(image, element("figcaption", "", number ? "with surroundings" : "what the model sees"));
      return figure;
    }));
  }

  /** Show the answer that Enter gives. */
  function showOffer(index) {
    const status = statusOf(index);
    const offer = offerOf(index);
    const prediction = byId("review-prediction");
    prediction.className = `prediction ${toneOf(status)}`;
    const words = [status, reasonWords(index), probabilityWords(data.confidence[index])];
    prediction.replaceChildren(
      element("strong", /^\d$/.test(offer) ? "" : "word", offer === null ? "not read" : answerWords(offer)),
      element("span", "", words.filter(Boolean).join(", ")),
    );
    byId("offer").textContent = offer === null ? "Accept" : `Accept ${answerWords(offer)}`;
    byId("accept").disabled = offer === null;
  }

  /** Show the other digits that it may be, the most likely first. They have no numbers: the row has the confidence. */
  function showOthers(index) {
    const others = pictures.others[index] ?? [];
    byId("review-others").replaceChildren(...(others.length ? [element("span", "", "or perhaps")] : []), ...others.map((digit) => {
      const button = element("button", "", String(digit));
      button.type = "button";
      button.addEventListener("click", () => answer(String(digit)));
      return button;
    }));
  }

  function showAnswer(index) {
    const answer = answerOf(index);
    byId("review-answer").textContent = answer === null ? "" : `Your answer: ${answerWords(answer)}`;
    for (const key of byId("keys").children) key.ariaPressed = String(key.textContent === answer);
    byId("none").ariaPressed = String(answer === "none");
    byId("undo").disabled = !undoStack.length;
    byId("previous").disabled = position === 0;
    byId("next").disabled = position === queue.length - 1;
  }

  function answer(corrected) {
    if (corrected === null) return;
    const index = current();
    undoStack.push({ index, before: setAnswer(index, corrected) });
    onAnswer();
    const next = nextUnanswered();
    const words = answerWords(corrected);
    if (next === -1) {
      showAnswer(index);
      byId("review-position").textContent = "All reviewed";
      announce(`${words}. All reviewed.`);
    } else {
      position = next;
      show();
      announce(`${words}. Next: ${description()}`);
    }
    stage.focus();
  }

  /** Return the position of the next scan without an answer, after this one or else from the start; -1 if none. */
  function nextUnanswered() {
    for (let step = 1; step <= queue.length; step += 1) {
      const candidate = (position + step) % queue.length;
      if (answerOf(queue[candidate]) === null) return candidate;
    }
    return -1;
  }

  function undo() {
    const last = undoStack.pop();
    if (!last) return;
    setAnswer(last.index, last.before);
    onAnswer();
    if (queue.includes(last.index)) position = queue.indexOf(last.index);
    show();
    announce(`Undone: ${description()}`);
    stage.focus();
  }

  function move(step) {
    const target = position + step;
    if (target < 0 || target >= queue.length) return;
    position = target;
    show();
    announce(description());
  }

  function description() {
    const index = current();
    const words = [data.file[index], answerWords(offerOf(index)), reasonWords(index), probabilityWords(data.confidence[index])];
    return words.filter(Boolean).join(", ");
  }

  /** Have a screen reader say something. */
  function announce(words) {
    byId("announcement").textContent = words;
  }

  function press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isOnButton = event.target.matches("button:focus-visible");
    const action = {
      Enter: isOnButton ? null : () => answer(offerOf(current())),
      x: () => answer("none"),
      u: undo,
      ArrowRight: () => move(1), ArrowDown: () => move(1),
      ArrowLeft: () => move(-1), ArrowUp: () => move(-1),
    }[event.key] ?? (/^[0-9]$/.test(event.key) ? () => answer(event.key) : null);
    // A key that is held down answers one scan only.
    if (!action || (event.repeat && !event.key.startsWith("Arrow"))) return;
    event.preventDefault();
    action();
  }

  for (let digit = 0; digit < 10; digit += 1) {
    const key = element("button", "", String(digit));
    key.type = "button";
    key.addEventListener("click", () => answer(String(digit)));
    byId("keys").append(key);
  }
  dialog.addEventListener("keydown", press);
  byId("accept").addEventListener("click", () => answer(offerOf(current())));
  byId("none").addEventListener("click", () => answer("none"));
  byId("undo").addEventListener("click", undo);
  byId("previous").addEventListener("click", () => move(-1));
  byId("next").addEventListener("click", () => move(1));
  byId("close").addEventListener("click", () => dialog.close());
  return { open };
}
