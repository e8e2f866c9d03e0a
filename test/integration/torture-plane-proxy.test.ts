import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Exit, Layer } from "effect"
import { HttpServer } from "effect/http"
import { freshDatabase } from "../support/gateway.ts"
import {
  freshPlane,
  type PlaneControl,
  type PlaneReply,
  type PlaneRequest,
  requestTo
} from "../support/plane.ts"
import { readJournal } from "../torture/proxy/Journal.ts"
import * as Proxy from "../torture/proxy/Proxy.ts"

/** A proxy of the torture run before a reference Plane. */
class Proxied extends Context.Service<
  Proxied,
  {
    readonly plane: PlaneControl
    readonly ask: (path: string, request?: PlaneRequest) => Effect.Effect<PlaneReply>
    /** Makes a project. Returns the path of its cards. */
    readonly board: Effect.Effect<string>
    readonly journal: string
    /** Makes only this wrong. */
    readonly misbehave: (fault: object, switches?: object) => Effect.Effect<void>
  }
>()("test/Proxied") {
  static readonly layer = Layer.effect(
    Proxied,
    Effect.gen(function* () {
      const plane = yield* freshPlane((yield* freshDatabase).url, { bump_min_ms: 0, bump_max_ms: 5 })
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "torture-proxy-"))),
        (made) => Effect.sync(() => rmSync(made, { recursive: true }))
      )
      const journal = join(folder, "proxy.ndjson")
      const up = yield* Layer.build(Proxy.layer({ port: 0, plane: new URL(plane.url), journal }))
      const ask = requestTo(
        HttpServer.formatAddress(Context.get(up, HttpServer.HttpServer).address),
        plane.apiKey
      )
      return {
        plane,
        ask,
        journal,
        board: Effect.map(
          plane.project(),
          ({ project }) => `/api/v1/workspaces/${project.workspace_slug}/projects/${project.id}/issues/`
        ),
        misbehave: Effect.fnUntraced(function* (fault, switches = {}) {
          yield* ask("/control/faults/queue", { method: "DELETE" })
          yield* ask("/control/switches", { method: "PUT", body: switches })
          const queued = yield* ask("/control/faults", { body: fault })
          assert.strictEqual(queued.status, 200)
        })
      }
    })
  )
}

const card = (external_id: string) => ({ name: "A card", external_id, external_source: "torture" })

/** Cards with an external id that Plane has. */
const standing = (plane: PlaneControl, path: string, externalId: string) =>
  Effect.map(plane.request(path), ({ json }) =>
    json.results.filter((found: { external_id: string }) => found.external_id === externalId)
  )

/** Faults, with the status that the gateway is given (null: its connection is cut) and the cards that Plane has then. */
const outcomes = [
  { fault: "refuse", status: 400, cards: 0 },
  { fault: "server_error", status: 500, cards: 0 },
  { fault: "unauthorized", status: 403, cards: 0 },
  { fault: "rate_limit", status: 429, cards: 0 },
  { fault: "html", status: 502, cards: 0 },
  { fault: "cut_before", status: null, cards: 0 },
  { fault: "cut_after", status: null, cards: 1 },
  { fault: "cut_between", status: null, cards: 1 },
  { fault: "server_error_after", status: 500, cards: 1 },
  { fault: "proxied", status: 504, cards: 1 },
  { fault: "malformed", status: 200, cards: 1 },
  { fault: "wrong_shape", status: 201, cards: 1 },
  { fault: "huge", status: 201, cards: 1 }
] as const

layer(Proxied.layer, { timeout: "10 minutes", excludeTestServices: true })(
  "the proxy between gateways and a real Plane",
  (it) => {
    it.effect("passes requests and responses on, with Plane's headers", () =>
      Effect.gen(function* () {
        const { ask, board, plane } = yield* Proxied
        const path = yield* board
        const made = yield* ask(path, { body: card("plain") })
        assert.strictEqual(made.status, 201)
        assert.strictEqual(made.headers.get("allow"), "GET, POST")
        assert.isNotNull(made.headers.get("x-ratelimit-remaining"))
        const again = yield* ask(path, { body: card("plain") })
        assert.deepStrictEqual([again.status, again.json.id], [409, made.json.id])
        assert.deepStrictEqual(
          (yield* ask(`${path}?per_page=0`)).text,
          (yield* plane.request(`${path}?per_page=0`)).text
        )
        assert.strictEqual((yield* ask(path, { key: "unknown" })).status, 403)
      })
    )

    for (const { cards, fault, status } of outcomes) {
      it.effect(`a create under ${fault} is ${cards === 0 ? "not " : ""}carried out by Plane`, () =>
        Effect.gen(function* () {
          const { ask, board, misbehave, plane } = yield* Proxied
          const path = yield* board
          yield* misbehave({ op: "create", fault, status: 504 })
          const came = yield* Effect.exit(ask(path, { body: card(fault) }))
          assert.strictEqual(Exit.isSuccess(came) ? came.value.status : null, status)
          assert.lengthOf(yield* standing(plane, path, fault), cards)
        })
      )
    }

    it.effect("a broker that is out lets Plane do the write and answers 500", () =>
      Effect.gen(function* () {
        const { ask, board, misbehave, plane } = yield* Proxied
        const path = yield* board
        yield* misbehave({ op: "update", fault: "refuse" }, { broker_out: true, broker_ms: 1 })
        assert.strictEqual((yield* ask(path, { body: card("broker") })).status, 500)
        assert.lengthOf(yield* standing(plane, path, "broker"), 1)
      })
    )

    it.effect("drop takes the labels out of a create", () =>
      Effect.gen(function* () {
        const { ask, board, misbehave, plane } = yield* Proxied
        const path = yield* board
        const labels = (yield* plane.request(path.replace("issues/", "labels/"))).json.results
        const body = { ...card("dropped"), labels: [labels[0].id] }
        yield* misbehave({ op: "create", fault: "drop" })
        const made = yield* ask(path, { body })
        assert.deepStrictEqual([made.status, made.json.labels], [201, []])
      })
    )

    it.effect("a straggler reaches Plane together with its resend", () =>
      Effect.gen(function* () {
        const { ask, board, journal, misbehave, plane } = yield* Proxied
        const path = yield* board
        yield* plane.configure({ gap_ms: 200 })
        yield* misbehave({ op: "create", fault: "delay", delay_ms: 30_000 }, { with_resend: true })
        const first = ask(path, { body: card("late") })
        const resend = Effect.andThen(Effect.sleep(100), ask(path, { body: card("late") }))
        const [one, other] = yield* Effect.all([first, resend], { concurrency: 2 })
        yield* plane.heal
        assert.deepStrictEqual([one.status, other.status], [201, 201])
        assert.lengthOf(yield* standing(plane, path, "late"), 2)
        const entries = readJournal(journal).filter(
          (entry) => entry.ev === "forwarded" && entry.body.external_id === "late"
        )
        assert.lengthOf(entries, 2)
      })
    )
  }
)
