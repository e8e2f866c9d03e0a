import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"

const verifier = join(import.meta.dirname, "../../../src/cli/auditVerify.ts")

/**
 * Whether the trail's own verifier, run as an operator runs it, finds its chain whole and signed with none but
 * these keys.
 */
export const verifyChain = (
  databaseUrl: string,
  keys: ReadonlyArray<string>
): Promise<{ readonly verified: boolean; readonly said: string } | undefined> =>
  new Promise((done) => {
    if (!existsSync(verifier)) return done(undefined)
    execFile(
      process.execPath,
      [verifier, "--database-url", databaseUrl, ...keys.flatMap((key) => ["--key", key])],
      { maxBuffer: 16 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const said = `${stdout}${stderr}`.trim().split("\n").at(-1) ?? ""
        done({ verified: error === null, said: error === null ? said : `NO: ${said}` })
      }
    )
  })
