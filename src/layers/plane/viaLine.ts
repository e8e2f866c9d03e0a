import { stripInvisible } from "../../text/PlainText.ts"

/**
 * The paragraph at the end of a comment that names the agent which wrote it. Plane shows the owner as the
 * comment's author. The paragraph is added when a comment is sent, and removed when it is read.
 */

const longestName = 80

export const withVia = (html: string, agentName: string): string => {
  const name = [...stripInvisible(agentName).replace(/\s+/g, " ").trim()].slice(0, longestName).join("")
  return `${html}<p>via ${name === "" ? "an agent" : escaped(name)}</p>`
}

const references: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" }

const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => references[character] ?? "")

/** Plane's editor gives a paragraph attributes if a person edits the comment. */
const last = /<p(?: [^<>]*)?>via [^<>]*<\/p>\s*$/

export const withoutVia = (html: string): string => html.replace(last, "")
