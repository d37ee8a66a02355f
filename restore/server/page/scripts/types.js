/**
 * What the service says and what the page holds; types alone.
 *
 * @typedef {"queued" | "running" | "succeeded" | "failed" | "canceled"} State
 * @typedef {{code?: string, values?: {[name: string]: string | number}, detail?: string}} Coded
 * @typedef {Coded & {field: string}} FieldError
 * @typedef {Coded & {title: string, status: number, errors?: FieldError[] | null}} Details
 * @typedef {{self: string, events: string, result: string, image: string, mask: string | null,
 *   kernel: string | null}} Links
 * @typedef {{[name: string]: any}} Params
 *
 * @typedef {object} Job
 * @property {string} id
 * @property {string} task
 * @property {State} state
 * @property {number | null} ahead
 * @property {Params} params
 * @property {string} created
 * @property {string | null} started
 * @property {string | null} ended
 * @property {boolean} expired
 * @property {boolean} canceling
 * @property {number} step
 * @property {number} steps
 * @property {Details | null} error
 * @property {Links} links
 *
 * @typedef {object} Schema
 * @property {string} [type]
 * @property {any} [default]
 * @property {string} [description]
 * @property {string} [pattern]
 * @property {number} [maxLength]
 * @property {number} [minimum]
 * @property {number} [maximum]
 * @property {any[]} [enum]
 * @property {any} [const]
 * @property {Schema[]} [anyOf]
 * @property {{[name: string]: Schema}} [properties]
 * @property {string[]} [required]
 *
 * @typedef {{name: string, description: string, uploads: string[], required: string[],
 *   schema: Schema}} Task
 * @typedef {{description: string, steps: number | null, options: {[name: string]: Schema}}} Solver
 * @typedef {{name: string, default: boolean, licence: string | null, text: boolean | null}}
 *   Prior
 *
 * @typedef {{quality: number | null, subsampling: string, cropped: boolean}} Compression
 *
 * @typedef {{factors: [number, number], filter: string, size: [number, number]}} Enlarged
 *
 * @typedef {object} Estimate
 * @property {[number, number]} size
 * @property {string} format
 * @property {number} depth
 * @property {Compression | null} jpeg
 * @property {Enlarged | null} enlarged
 * @property {{sigma: number, confidence: number, gain: number | null, read_sigma: number | null}}
 *   noise
 * @property {{family: string, parameters: {[name: string]: number}, confidence: number,
 *   kernel: string | null, kernel_size: [number, number], changed: boolean,
 *   may_vary: boolean} | null} blur
 * @property {string | null} why
 *
 * @typedef {object} Cost
 * @property {number | null} seconds
 * @property {number | null} low
 * @property {number | null} high
 * @property {"jobs" | "trial" | null} basis
 * @property {number} jobs
 * @property {string} solver
 * @property {number | null} steps
 * @property {number} ahead
 * @property {number | null} wait
 *
 * @typedef {{file: Blob, name: string, picture: import("./picture.js").Picture}} Photo
 *
 * @typedef {object} Found An estimate, and the picture of its kernel.
 * @property {Estimate} report
 * @property {Blob | null} kernel
 *
 * @typedef {object} Result
 * @property {any} report
 * @property {Blob} blob
 * @property {import("./picture.js").Picture} picture
 * @property {import("./picture.js").Picture[]} samples
 * @property {{[name: string]: import("./picture.js").Picture}} overlays
 * @property {Blob | null} kernel
 *
 * @typedef {{kind: "auto" | "motion" | "disk" | "gaussian" | "file" | "drawn",
 *   numbers: {[name: string]: number}, file: Blob | null}} Blur
 */
export {};
