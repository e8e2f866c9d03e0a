import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { freshDatabase } from "../support/gateway.ts"
import { launch, script } from "../support/programs.ts"
import { control } from "../support/tasker.ts"
import { defaultProfile, type Profile, profiles } from "../tasker/Switches.ts"

const started = Effect.fnUntraced(function* (
  databaseUrl: string,
  variables: Readonly<Record<string, string>>
) {
  const program = yield* launch(script("test/tasker/main.ts"), {
    env: { TASKER_PORT: "0", TASKER_DATABASE_URL: databaseUrl, TASKER_ACCESS_TOKEN: "token", ...variables }
  })
  const line = yield* program.until(/^\{"listening":"[^"]+"\}$/m)
  const tasker = control(JSON.parse(line).listening, "token")
  return { tasker, switches: yield* tasker.send("GET", "/faults") }
})

it.live(
  "the reference Tasker's process takes its profile and address from TASKER_PROFILE and TASKER_HOST",
  () =>
    Effect.gen(function* () {
      const { url } = yield* freshDatabase
      const of = (profile: Profile) => ({ faults: [], switches: profiles[profile] })
      const plain = yield* started(url, {})
      assert.deepStrictEqual(plain.switches, of(defaultProfile))
      assert.match(plain.tasker.url, /^http:\/\/127\.0\.0\.1:\d+$/)
      const seed = yield* started(url, { TASKER_PROFILE: "seed", TASKER_HOST: "127.0.0.2" })
      assert.deepStrictEqual(seed.switches, of("seed"))
      assert.match(seed.tasker.url, /^http:\/\/127\.0\.0\.2:\d+$/)
    }).pipe(Effect.scoped)
)
