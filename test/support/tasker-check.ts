import { join } from "node:path"
import { Effect } from "effect"
import { runToEnd } from "./agents-command.ts"
import { root } from "./data-dirs.ts"
import type { SeededProject, TaskerControl } from "./tasker.ts"
import { owner } from "./tasker.ts"

/** `npm run tasker:check` as a process of its own, without a terminal, in an empty folder. */

const command = [process.execPath, join(root, "ops/run.mjs"), "src/cli/taskerCheck.ts"]

export type Variables = Readonly<Record<string, string>>

export const taskerCheck = (env: Variables, ...args: ReadonlyArray<string>) =>
  runToEnd([...command, ...args], { env })

/** The variables that name a project of a Tasker, and its owner. */
export const naming = (
  { accessToken, url }: Pick<TaskerControl, "accessToken" | "url">,
  { project }: Pick<SeededProject, "project">
): Variables => ({
  NODEDC_TASKER_INTERNAL_URL: url,
  NODEDC_INTERNAL_ACCESS_TOKEN: accessToken,
  SMOKE_WORKSPACE_SLUG: project.workspace_slug,
  SMOKE_PROJECT_ID: project.id,
  SMOKE_OWNER_USER_ID: owner.id,
  SMOKE_OWNER_EMAIL: owner.email
})

export interface Report {
  readonly calls: ReadonlyArray<{
    readonly method: string
    readonly path: string
    readonly result: string
    readonly without: ReadonlyArray<string>
    readonly wrong: ReadonlyArray<string>
    readonly exchanges: ReadonlyArray<{
      readonly headers: Readonly<Record<string, string>>
      readonly status: number | null
    }>
  }>
  readonly promises: ReadonlyArray<{
    readonly id: string
    readonly result: string
    readonly because: string | null
  }>
  readonly cards_made: ReadonlyArray<{
    readonly id: string
    readonly identifier: string
    readonly name: string
  }>
  readonly requests: number
}

/** Runs the check with `--json`. */
export const reported = (env: Variables, ...args: ReadonlyArray<string>) =>
  Effect.map(taskerCheck(env, "--json", ...args), ({ code, stderr, stdout }) => {
    if (stdout === "") throw new Error(`tasker:check ended with ${code}: ${stderr}`)
    return { code, report: JSON.parse(stdout) as Report }
  })

/** The promises of a result. */
export const promisesThat = ({ promises }: Report, result: string): ReadonlyArray<string> =>
  promises.filter((promise) => promise.result === result).map(({ id }) => id)
