import { readFileSync } from "node:fs"

/**
 * The script that `GET /connect` serves, for `curl -fsS <gateway>/connect | sh -s -- CODE`. It is shell for
 * any POSIX system, kept as the shell's own files, one subject each, and read as one.
 */
const parts = ["head", "words", "json", "gateway", "files", "toml", "codex", "token-file", "rules", "main"]

/** Where the script of a checked-out gateway stands; in `dist` it is where `npm run build` put it. */
const folder = new URL("script/", import.meta.url)

const placeholder = "'@GATEWAY@'"

/**
 * The script of a gateway with this public URL. Nothing else goes into it, least of all what a request holds:
 * whoever runs it runs what the gateway's operator wrote.
 */
export const connectScript = (publicUrl: string): string => {
  const script = parts.map((part) => readFileSync(new URL(`${part}.sh`, folder), "utf8")).join("")
  const [before, after, ...more] = script.split(placeholder)
  if (before === undefined || after === undefined || more.length > 0) {
    throw new Error(`The script of /connect does not name its gateway once, as ${placeholder}`)
  }
  return `${before}${quoted(publicUrl)}${after}`
}

/**
 * A URL as one word of the shell, which also stands between the same quotes in commands that the script
 * shows. What a URL's writer leaves as it is (WHATWG URL, path percent-encode set) holds no control
 * character, space, double quote or backslash; so the single quote is all that is to be encoded.
 */
const quoted = (url: string): string => {
  const spelled = new URL(url).href.replace(/\/$/, "").replaceAll("'", "%27")
  if (!/^https?:\/\/[!-~]+$/.test(spelled) || /["\\<>`]/.test(spelled)) {
    throw new Error("The public URL can't stand in the script of /connect")
  }
  return `'${spelled}'`
}
