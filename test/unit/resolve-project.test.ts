import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { describe as described, TaskerFailure } from "../../src/domain/Failure.ts"
import { resolveProject } from "../../src/tools/resolveProject.ts"
import type { Session } from "../../src/tools/Tool.ts"

type Reason = TaskerFailure["reason"]

/** What an agent with a grant in one workspace is told of a name where Tasker fails for this reason. */
const toldOf = (reason: Reason) =>
  Effect.gen(function* () {
    const failure = new TaskerFailure({ reason, message: "Tasker's own words", details: { project_id: "p" } })
    const session = {
      policy: { granting: () => [{ workspace_slug: "nodedc", project_id: "other" }] },
      tasker: { resolveProject: () => Effect.fail(failure) }
    } as unknown as Session
    const run = yield* Effect.fromResult(resolveProject.decode({ name: "Secret plans" }))
    return described(yield* Effect.flip(run(session)))
  })

describe("a project that Tasker does not resolve", () => {
  it.effect.each(["rejected", "conflict"] as const)(
    "is not granted where it is %s as where it is not found",
    (reason) =>
      Effect.gen(function* () {
        const told = yield* toldOf(reason)
        assert.strictEqual(`${told.kind}.${told.reason}`, "grant.no_grant")
        assert.deepStrictEqual(told, yield* toldOf("not_found"))
      })
  )

  it.effect.each(["unavailable", "timeout", "unauthorized"] as const)(
    "is not called ungranted where Tasker is %s",
    (reason) =>
      Effect.map(toldOf(reason), (told) =>
        assert.strictEqual(`${told.kind}.${told.reason}`, `tasker.${reason}`)
      )
  )
})
