/** The events of a job: heard to their end, through broken connections, none twice. */
import { Problem, Unreachable, ask, pause } from "./service.js";

const ENDS = ["succeeded", "failed", "canceled"];

/**
 * Server-sent events out of text that comes in pieces; the rest that is no whole event yet.
 * @param {string} text
 * @param {(id: string, kind: string, data: any) => void} heard
 */
export function parse(text, heard) {
  const blocks = text.split("\n\n");
  const rest = blocks.pop() ?? "";
  for (const block of blocks) {
    /** @type {{[name: string]: string}} */
    const fields = {};
    for (const line of block.split("\n")) {
      const colon = line.indexOf(": ");
      if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
    }
    if (fields.event) heard(fields.id ?? "", fields.event, JSON.parse(fields.data ?? "{}"));
  }
  return rest;
}

/**
 * Follow a job; the promise ends with it, or when the signal is given.
 * @param {string} path of its events
 * @param {(kind: string, data: any) => void} heard
 * @param {(connected: boolean) => void} connected
 * @param {AbortSignal} signal
 */
export async function follow(path, heard, connected, signal) {
  let last = "0";
  let ended = false;
  let wait = 500;
  while (!ended && !signal.aborted) {
    try {
      const answer = await ask(path, { headers: { "Last-Event-ID": last }, signal });
      if (answer.status === 204) return;
      connected(true);
      wait = 500;
      await read(answer, signal, (id, kind, data) => {
        last = id || last;
        ended ||= ENDS.includes(kind);
        heard(kind, data);
      });
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status < 500) throw error;
      if (!(error instanceof Unreachable || error instanceof TypeError || error instanceof Problem))
        throw error;
    }
    if (ended || signal.aborted) return;
    connected(false);
    await pause(wait);
    wait = Math.min(8000, wait * 1.7);
  }
}

/**
 * @param {Response} answer
 * @param {AbortSignal} signal
 * @param {(id: string, kind: string, data: any) => void} heard
 */
async function read(answer, signal, heard) {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (reader && !signal.aborted) {
    const { done, value } = await reader.read();
    if (done) return;
    text = parse(text + value, heard);
  }
}
