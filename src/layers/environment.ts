import { readFileSync } from "node:fs"
import { parseEnv } from "node:util"

/**
 * The environment of this process, and what `.env` in the working folder adds to it: what is set
 * already wins, as with Compose.
 */
export const environment = (): Readonly<Record<string, string | undefined>> => {
  try {
    // Compose's: a process that reads `.env` by itself is published by nobody, but listens where HOST says.
    const { HOST_BIND: _published, ...file } = parseEnv(readFileSync(".env", "utf8"))
    return { ...file, ...process.env }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return process.env
    throw new Error(`.env can't be read: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}
