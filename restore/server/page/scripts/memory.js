/** What the browser keeps between two visits: small things by name, files in IndexedDB. */

const NAME = "photomend";
const FILES = "files";
/** @type {Promise<IDBDatabase> | null} */
let opened = null;
/** @type {Map<string, any>} where the browser keeps nothing */
const fallback = new Map();

function database() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(FILES);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

/**
 * @param {IDBTransactionMode} mode
 * @param {(files: IDBObjectStore) => IDBRequest} work
 * @returns {Promise<any>}
 */
async function transaction(mode, work) {
  const files = (await database()).transaction(FILES, mode).objectStore(FILES);
  return new Promise((resolve, reject) => {
    const request = work(files);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * @param {string} name
 * @param {any} value a Blob, or what can be cloned; null forgets it
 */
export async function keepFile(name, value) {
  try {
    if (value === null) await transaction("readwrite", (files) => files.delete(name));
    else await transaction("readwrite", (files) => files.put(value, name));
  } catch {
    fallback.set(name, value);
  }
}

/** @param {string} name */
export async function keptFile(name) {
  try {
    return (await transaction("readonly", (files) => files.get(name))) ?? null;
  } catch {
    return fallback.get(name) ?? null;
  }
}

/**
 * The photo, its name and the job that it was sent with, in one: another window may take another.
 * @param {{file: Blob, name: string, job: string}} photo
 */
export const keepPhoto = (photo) => keepFile("photo", photo);

/** @returns {Promise<{file?: Blob, name: string, job: string} | null>} */
export const keptPhoto = () => keptFile("photo");

/**
 * @param {string} name
 * @param {any} value JSON
 */
export function keep(name, value) {
  try {
    localStorage.setItem(`${NAME}.${name}`, JSON.stringify(value));
  } catch {
    fallback.set(name, value);
  }
}

/**
 * @template T
 * @param {string} name
 * @param {T} otherwise
 * @returns {T}
 */
export function kept(name, otherwise) {
  try {
    const found = localStorage.getItem(`${NAME}.${name}`);
    if (found !== null) return JSON.parse(found);
  } catch {
    // What cannot be read is as good as nothing.
  }
  return fallback.get(name) ?? otherwise;
}
