import { readFileSync } from "node:fs"
import { parseEnv } from "node:util"

/**
 * The environment of this process, and what `.env` in the working folder adds to it: what is set
 * already wins, as with Compose.
 */
export const environment = (): Readonly<Record<string, string | undefined>> => {
  try {
    return { ...parseEnv(readFileSync(".env", "utf8")), ...process.env }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return process.env
    throw new Error(`.env can't be read: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}
