/** The job as a command of curl. */

/** A word of a POSIX shell. @param {string} text */
export function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * @param {string} address of the server
 * @param {{task: string, params: any, name: string, mask: boolean, kernel: string | null,
 *   key: boolean, output: string}} job
 */
export function curl(address, job) {
  const words = ["curl -s -H 'Prefer: wait=60'"];
  if (job.key) words.push('-H "Authorization: Bearer $PHOTOMEND_API_KEY"');
  words.push(`-F task=${job.task}`, `-F ${quoted(`image=@"${job.name}"`)}`);
  if (job.mask) words.push("-F mask=@mask.png");
  if (job.kernel) words.push(`-F ${quoted(`kernel=@${job.kernel}`)}`);
  if (Object.keys(job.params).length) {
    words.push(`-F ${quoted(`params=${JSON.stringify(job.params)}`)}`);
  }
  words.push(`${address}/v1/jobs`);
  return words.join(" \\\n  ");
}
