import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { freshDatabase } from "../support/gateway.ts"
import { planeControl } from "../support/plane.ts"
import { launch, script } from "../support/programs.ts"

const start = (databaseUrl: string, more: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    const program = yield* launch(script("test/plane/main.ts"), {
      env: { PLANE_PORT: "0", PLANE_DATABASE_URL: databaseUrl, PLANE_API_KEY: "the-key", ...more }
    })
    const line = yield* program.until(/^\{"listening":"[^"]+"\}$/m)
    const url: string = JSON.parse(line).listening
    return { program, plane: planeControl(url, "the-key") }
  })

it.live("the reference Plane runs as a process, says where it listens, and goes on on its tables", () =>
  Effect.gen(function* () {
    const { url } = yield* freshDatabase
    const first = yield* start(url, { PLANE_SCHEMA: "other", PLANE_RATE_LIMIT: "3" })
    const { project } = yield* first.plane.project()
    const cards = `/api/v1/workspaces/ops/projects/${project.id}/issues/`
    const made = yield* first.plane.request(cards, { body: { name: "kept" } })
    assert.deepStrictEqual([made.status, made.headers.get("x-ratelimit-remaining")], [201, "2"])
    yield* first.program.signal("SIGTERM")
    assert.strictEqual(yield* first.program.ended, 0)
    const second = yield* start(url, { PLANE_SCHEMA: "other" })
    const { json, headers } = yield* second.plane.request(`${cards}${made.json.id}/`)
    assert.deepStrictEqual([json.name, headers.get("x-ratelimit-remaining")], ["kept", "59"])
  }).pipe(Effect.scoped)
)
