import { mkdir, rm } from "node:fs/promises"
import { join } from "node:path"
import type { TestProject } from "vitest/node"
import postgres from "../support/postgres.ts"
import { cache, install } from "./Installation.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** The folder that holds the `codex` command. */
    codexCommands: string
    /** Where every Codex has a home of its own while it is needed. */
    codexHomes: string
  }
}

/** What all scenarios share: the installed Codex, and one PostgreSQL. */
export default async function setup(project: TestProject) {
  project.provide("codexCommands", await install((line) => process.stderr.write(`${line}\n`)))
  // Not under the system's temporary folder, where Codex wants no home.
  const homes = join(cache, `homes-${process.pid}`)
  await mkdir(homes, { recursive: true, mode: 0o700 })
  project.provide("codexHomes", homes)
  const stop = await postgres(project)
  return async () => {
    await stop()
    await rm(homes, { recursive: true, force: true })
  }
}
