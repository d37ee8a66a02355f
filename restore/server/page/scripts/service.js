/** The service: requests with the key that it may need; what it refuses becomes a `Problem`. */

const KEY = "photomend.key";
/** @type {() => Promise<string | null>} asks the person for a key */
let keyWanted = async () => null;

/** @param {() => Promise<string | null>} ask */
export function askForKeysBy(ask) {
  keyWanted = ask;
}

export const savedKey = () => sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY);

/**
 * @param {string} key
 * @param {boolean} keep also when the browser is closed
 */
export function saveKey(key, keep) {
  sessionStorage.setItem(KEY, key);
  if (keep) localStorage.setItem(KEY, key);
  else localStorage.removeItem(KEY);
}

/** A request that was refused. */
export class Problem extends Error {
  /** @param {import("./types.js").Details} details */
  constructor(details) {
    super(details.detail ?? details.title);
    this.detail = this.message;
    this.status = details.status;
    this.code = details.code ?? "";
    this.values = details.values ?? {};
    this.errors = details.errors ?? [];
  }
}

/** No answer at all: the server is gone, or the network. */
export class Unreachable extends Error {}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>} one that is ok; else Problem, or Unreachable
 */
export async function ask(path, options = {}) {
  for (;;) {
    const headers = new Headers(options.headers);
    const key = savedKey();
    if (key) headers.set("Authorization", `Bearer ${key}`);
    let answer;
    try {
      answer = await fetch(path, { ...options, headers });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw new Unreachable(String(error));
    }
    if (answer.ok) return answer;
    if (answer.status === 401) {
      const given = await keyWanted();
      if (given) continue;
    }
    throw await problem(answer);
  }
}

/** @param {Response} answer */
async function problem(answer) {
  try {
    return new Problem(await answer.json());
  } catch {
    return new Problem({ title: answer.statusText || "?", status: answer.status });
  }
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<any>}
 */
export async function json(path, options = {}) {
  const headers = { Accept: "application/json", ...options.headers };
  return (await ask(path, { ...options, headers })).json();
}

/**
 * @param {string} path
 * @param {string} accept
 * @returns {Promise<Blob>}
 */
export async function blob(path, accept) {
  return (await ask(path, { headers: { Accept: accept } })).blob();
}

/**
 * Send a job. The key makes it safe to send again when no answer came.
 * @param {FormData} form
 * @param {string} key
 * @param {(attempt: number) => void} again told before another try
 * @returns {Promise<import("./types.js").Job>}
 */
export async function createJob(form, key, again) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const headers = { "Idempotency-Key": key };
      return await json("v1/jobs", { method: "POST", body: form, headers });
    } catch (error) {
      if (!(error instanceof Unreachable) || attempt >= 8) throw error;
      again(attempt);
      await pause(Math.min(8000, 400 * 2 ** attempt));
    }
  }
}

/** @param {number} milliseconds */
export function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
