/**
 * A word of a POSIX shell's command, in quotes where it holds anything that a shell could take for its own:
 * `[::1]` is a pattern to some. In single quotes nothing is expanded.
 */
export const shellWord = (text: string): string =>
  /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
