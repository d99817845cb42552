// A film goes to the server, is followed, can be cancelled, and comes back as the depth of every frame.

import { cancelJob, fetchJob, fetchJobResult, sendFilm } from "./api.js";
import { FILM_MAKINGS, forget, productName, resultOf } from "./makers.js";

/** @typedef {import("./api.js").Job} Job */

const POLL_MS = 500;
const UPLOAD_SHARE = 0.1; // of the progress bar

/**
 * @param {<T extends HTMLElement>(id: string, kind: new () => T) => T} part finds a part of the page
 * @param {(words: string) => void} say @param {(error: unknown) => void} fail
 */
export function createFilm(part, say, fail) {
  const bar = part("film-progress", HTMLProgressElement);
  const start = part("film-start", HTMLButtonElement);
  const cancel = part("film-cancel", HTMLButtonElement);
  const result = part("film-result", HTMLElement);
  const kind = part("film-kind", HTMLSelectElement);
  /** @type {File | null} */
  let film = null;
  let stop = new AbortController();

  kind.replaceChildren(...FILM_MAKINGS.map(({ label }, number) => new Option(label, String(number))));
  cancel.addEventListener("click", () => stop.abort());
  part("film-settings", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    if (film) convert(film);
  });

  /** @param {boolean} isRunning */
  function setRunning(isRunning) {
    [start.disabled, cancel.disabled, part("film-label", HTMLElement).hidden] = [isRunning, !isRunning, !isRunning];
  }

  /** @param {File} file */
  async function convert(file) {
    stop = new AbortController();
    const { signal } = stop;
    forget(result);
    setRunning(true);
    bar.value = 0;
    try {
      say(`Sending ${file.name}.`);
      const job = await sendFilm(file, query(), (share) => (bar.value = share * UPLOAD_SHARE), signal);
      say("Finding the depth of every frame.");
      const done = await followed(job, signal);
      const made = await fetchJobResult(done.id);
      await cancelJob(done.id); // lets the server forget it
      result.append(resultOf(made, productName(file.name, done.name), FILM_MAKINGS[Number(kind.value)].label));
      say(`${file.name} is done: ${done.frames} frames.`);
    } catch (error) {
      if (signal.aborted) say(`${file.name} was cancelled.`);
      else fail(error);
    } finally {
      if (signal === stop.signal) setRunning(false);
    }
  }

  function query() {
    const [model, colormap] = ["film-model", "film-colormap"].map((id) => part(id, HTMLSelectElement).value);
    return { model, colormap, ...FILM_MAKINGS[Number(kind.value)].query };
  }

  /** Until it is done; cancels it on the server when the signal says so. @param {Job} job @param {AbortSignal} signal */
  async function followed(job, signal) {
    while (job.state !== "done") {
      if (signal.aborted) {
        await cancelJob(job.id);
        throw new DOMException("", "AbortError");
      }
      if (job.state === "failed") throw new Error(job.problem?.detail ?? "The film could not be converted.");
      bar.value = UPLOAD_SHARE + (1 - UPLOAD_SHARE) * job.progress;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      job = await fetchJob(job.id);
    }
    return job;
  }

  return {
    /** Shows what can be made of it. @param {File} file */
    offer(file) {
      stop.abort();
      film = file;
      forget(result);
      part("film-name", HTMLElement).textContent = file.name;
      part("film", HTMLElement).hidden = false;
      setRunning(false);
      start.focus();
      say("");
    },
  };
}
