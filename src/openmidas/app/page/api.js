// Talks to the server that the page came from. What goes wrong is thrown as a Problem, in words for people.

/** @typedef {Record<string, string | number | undefined>} Query */
/** @typedef {{name: string}} Model */

/** What the server refused, or could not be asked. */
export class Problem extends Error {
  /** @param {string} message @param {number} status */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

let token = "";

/** From here on sent with every request; kept in this tab's memory alone. @param {string} text */
export function useToken(text) {
  token = text;
}

/** @param {AbortSignal} signal @returns {Promise<Model[]>} the first is the default */
export const fetchModels = async (signal) => (await ask("v1/models", { signal })).json();

/**
 * Sends a picture and gives the server's answer.
 * @param {string} route @param {Blob} picture @param {Query} query
 * @param {{accept?: string, signal?: AbortSignal}} [options]
 */
export function post(route, picture, query, { accept = "*/*", signal } = {}) {
  const headers = { "Content-Type": picture.type || "application/octet-stream", Accept: accept };
  return ask(address(route, query), { method: "POST", body: picture, headers, signal });
}

/**
 * Sends a film; its upload can be followed, which `fetch` does not do.
 * @param {Blob} film @param {Query} query @param {(share: number) => void} onProgress @param {AbortSignal} signal
 * @returns {Promise<Job>}
 */
export function sendFilm(film, query, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address("v1/jobs", query));
    for (const [name, value] of Object.entries(authorisation())) request.setRequestHeader(name, value);
    request.setRequestHeader("Content-Type", film.type || "application/octet-stream");
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () => {
      if (request.status === 202) resolve(JSON.parse(request.responseText));
      else reject(problemIn(request.responseText, request.status));
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new DOMException("", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(film);
  });
}

/**
 * @typedef {object} Job
 * @property {string} id @property {string} state @property {number} progress from 0 to 1
 * @property {number} frames @property {string} name of the result @property {{detail: string} | null} problem
 */

/** @param {string} id @returns {Promise<Job>} */
export const fetchJob = async (id) => (await ask(`v1/jobs/${id}`, {})).json();

/** @param {string} id @returns {Promise<Blob>} */
export const fetchJobResult = async (id) => (await ask(`v1/jobs/${id}/result`, {})).blob();

/** @param {string} id */
export const cancelJob = (id) => ask(`v1/jobs/${id}`, { method: "DELETE" });

/** @param {string} url @param {RequestInit} request @returns {Promise<Response>} */
async function ask(url, request) {
  const headers = { ...request.headers, ...authorisation() };
  const answer = await fetch(url, { ...request, headers }).catch((error) => {
    throw error.name === "AbortError" ? error : unreachable();
  });
  if (!answer.ok) throw problemIn(await answer.text(), answer.status);
  return answer;
}

/** @returns {Record<string, string>} */
const authorisation = () => (token ? { Authorization: `Bearer ${token}` } : {});

const unreachable = () => new Problem("The server does not answer: it has ended, or the file is larger than it takes.", 0);

/** @param {string} route @param {Query} query */
function address(route, query) {
  const stated = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(stated.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${route}?${text}` : route;
}

/** @param {string} text problem+json (RFC 9457) @param {number} status */
function problemIn(text, status) {
  try {
    const { title, detail } = JSON.parse(text);
    return new Problem(detail || title || `The server answered with ${status}.`, status);
  } catch {
    return new Problem(`The server answered with ${status}.`, status);
  }
}
