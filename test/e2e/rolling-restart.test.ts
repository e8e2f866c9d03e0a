import { randomUUID } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { freshDatabase, secret } from "../support/gateway.ts"
import { launch, type Program, script } from "../support/programs.ts"
import { newAgent, Served, sendTo } from "../support/served.ts"
import { freshTasker } from "../support/tasker.ts"

/** One of the places that the load goes to; whoever balances it leaves one alone that is not ready. */
interface Place {
  url: string
  ready: boolean
}

interface Written {
  readonly key: string
  readonly replayed: boolean
}

/** What a client met on its way to the replies it got in the end. */
interface Met {
  readonly written: Array<Written>
  readonly refused: Array<string>
}

describe("a rolling restart under load", () => {
  it.live("loses no reply that could have been given: every write is acknowledged, and done once", () =>
    Effect.gen(function* () {
      const { url: databaseUrl } = yield* freshDatabase
      const tasker = yield* freshTasker(databaseUrl, secret())
      const internalToken = secret()
      const env = {
        PORT: "0",
        DATABASE_URL: databaseUrl,
        NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken,
        NODEDC_TASKER_INTERNAL_URL: tasker.url,
        NODEDC_INTERNAL_ACCESS_TOKEN: tasker.accessToken,
        SHUTDOWN_GRACE_SECONDS: "12",
        RATE_LIMIT_WRITES_PER_MINUTE: "0",
        DUPLICATE_WINDOW_MINUTES: "0"
      }
      const gateway = Effect.gen(function* () {
        const program = yield* launch(script("src/main.ts"), { env })
        return { program, url: yield* program.until(/Listening on (http:\S+)/, 60) }
      })
      const running: Array<{ program: Program; url: string }> = []
      for (let i = 0; i < 3; i++) running.push(yield* gateway)
      const places: Array<Place> = running.map(({ url }) => ({ url, ready: true }))
      const first = places[0]?.url ?? ""

      const { project } = yield* tasker.project()
      const terms = { project_id: project.id, workspace_slug: project.workspace_slug, scopes: allScopes }
      const agents = yield* Effect.all(Array.from({ length: 4 }, () => newAgent([terms]))).pipe(
        Effect.provideService(Served, Served.of({ url: first, internalToken, databaseUrl }))
      )
      // Long enough that there is always a write under way, wherever the signal falls.
      yield* tasker.fault({ op: "create", fault: "delay", delay_ms: 150, times: "forever" })

      const met: Met = { written: [], refused: [] }
      let stopped = false

      /** Asks every place whether it is ready, as a balancer does, for as long as the load lasts. */
      const watch = Effect.gen(function* () {
        while (!stopped) {
          yield* Effect.forEach(
            places,
            (place) =>
              Effect.map(Effect.exit(sendTo(`${place.url}/readyz`)), (exit) => {
                place.ready = Exit.isSuccess(exit) && exit.value.status === 200
              }),
            { concurrency: "unbounded" }
          )
          yield* Effect.sleep("100 millis")
        }
      })

      /** Writes one card after another, each until it is acknowledged, with one key, wherever that works. */
      const write = (token: string, seed: number) =>
        Effect.gen(function* () {
          for (let n = seed; !stopped; n++) {
            const key = randomUUID()
            const body = { project_id: project.id, name: `Card ${key}`, idempotency_key: key }
            for (let attempt = n; ; attempt++) {
              const choice = places.filter(({ ready }) => ready)
              const { url } = choice[attempt % choice.length] ?? { url: first }
              const exit = yield* Effect.exit(
                sendTo(`${url}/api/v1/tools/tasker_create_issue`, { token, body })
              )
              if (Exit.isFailure(exit)) met.refused.push("no reply")
              else if (exit.value.status === 200) {
                met.written.push({ key, replayed: exit.value.json.replayed })
                break
              } else met.refused.push(exit.value.json.code)
              yield* Effect.sleep("20 millis")
            }
          }
        })

      const load = yield* Effect.forkChild(
        Effect.all(
          [watch, ...agents.flatMap(({ token }, i) => [write(token, 2 * i), write(token, 2 * i + 1)])],
          {
            concurrency: "unbounded"
          }
        )
      )
      const progress = Effect.fnUntraced(
        function* () {
          const goal = met.written.length + 20
          while (met.written.length < goal) yield* Effect.sleep("20 millis")
        },
        Effect.timeoutOrElse({
          duration: "5 minutes",
          orElse: () => Effect.die(new Error(`The load stands still: ${JSON.stringify(met).slice(-2000)}`))
        })
      )

      for (const [i, { program }] of running.entries()) {
        yield* progress()
        yield* program.signal("SIGTERM")
        assert.strictEqual(yield* program.ended, 0, program.said())
        const next = yield* gateway
        const place = places[i]
        if (place !== undefined) Object.assign(place, { url: next.url, ready: true })
      }
      yield* progress()
      stopped = true
      yield* Fiber.join(load)

      const writes = yield* tasker.writes
      assert.isAtLeast(met.written.length, 80)
      assert.strictEqual(writes.length, met.written.length, "what was acknowledged is what was done")
      assert.strictEqual(new Set(writes.map(({ idempotency_key }) => idempotency_key)).size, writes.length)
      // A reply that was lost would show as one that is given again when its client asks once more.
      assert.deepStrictEqual(
        met.written.filter(({ replayed }) => replayed),
        []
      )
      for (const refusal of met.refused) assert.include(["no reply", "gateway.unavailable"], refusal)
    })
  )
})
