import { Effect } from "effect"
import type { Script } from "./Model.ts"

/** What models do in more than one scenario. */

/** Makes one card, and says which. */
export const oneCard =
  (projectId: string): Script =>
  ({ use }) =>
    Effect.gen(function* () {
      const { json, text } = yield* use("tasker_create_issue", {
        project_id: projectId,
        name: "Made by Codex",
        idempotency_key: "codex:first-card"
      })
      return json?.issue === undefined ? `There is no card: ${text}` : `Made ${json.issue.identifier}.`
    })

export const nothing: Script = () => Effect.succeed("Nothing to do.")
