import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import type { Checkpoint } from "../../src/domain/AuditChain.ts"
import { AuditFault } from "../../src/domain/AuditVerification.ts"
import { readVerifyingKey } from "../../src/domain/SigningKey.ts"
import { newKey, verify } from "../support/audit.ts"
import { query } from "../support/database.ts"
import { restricted, signingKey } from "../support/gateway.ts"
import { launch, script } from "../support/programs.ts"
import {
  administer,
  newAgent,
  operate,
  ReferenceTasker,
  Served,
  send,
  served,
  start
} from "../support/served.ts"
import { call } from "../support/tool-calls.ts"
import { judgedAgain, verifyChain } from "../torture/check/Chain.ts"

/** The proof of the trail as an operator gets it: over HTTP, and verified by the command. */

const path = "/api/v1/audit"

/** Waits, with a bound, until everything in the trail has its seal. */
const sealed = query`
  select count(*)::integer as waiting from audit_events
  where position not in (select position from audit_seals)`.pipe(
  Effect.flatMap(([row]) => (row?.waiting === 0 ? Effect.void : Effect.fail(new Error("not sealed yet")))),
  Effect.retry(($) => $(Schedule.spaced("100 millis")).pipe(Schedule.upTo({ duration: "5 minutes" })))
)

const latest = Effect.map(
  administer(`${path}/checkpoints/latest`),
  ({ checkpoint }) => checkpoint as Checkpoint
)

const keys = Effect.map(administer(`${path}/keys`), (answer) =>
  (answer.keys as ReadonlyArray<{ public_key: string }>).map(({ public_key }) => {
    const read = readVerifyingKey(public_key)
    return read._tag === "Success" ? read.success : assert.fail("no key")
  })
)

const exported = (query = "") => Effect.map(operate(`${path}/export${query}`), ({ text }) => text)

const linesOf = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))

/** Work of every kind that leaves events: acts, writes that go well, are repeated, refused and only tried. */
const work = Effect.gen(function* () {
  const tasker = yield* ReferenceTasker
  const { project } = yield* tasker.project()
  const agent = yield* newAgent([
    {
      project_id: project.id,
      workspace_slug: project.workspace_slug,
      scopes: ["issue:create", "project:read"]
    }
  ])
  const card = (name: string, key: string, more: object = {}) =>
    call("rest", agent.token, "tasker_create_issue", {
      project_id: project.id.toUpperCase(),
      name,
      idempotency_key: key,
      ...more
    })
  yield* card("Ärger, 日本語", `k-${agent.id}`)
  yield* card("Ärger, 日本語", `k-${agent.id}`)
  yield* card("Another", `d-${agent.id}`, { dry_run: true })
  yield* call("mcp", agent.token, "tasker_move_issue", {
    project_id: project.id,
    issue_id: agent.id,
    state: "Todo",
    idempotency_key: `m-${agent.id}`
  })
  yield* operate(`/api/v1/agents/${agent.id}/tokens/${agent.tokenId}`, { method: "DELETE" })
  yield* send("/api/v1/agent-session", { token: agent.token })
  return agent
})

layer(served(), { timeout: "10 minutes", excludeTestServices: true })("the audit trail", (it) => {
  it.effect("is exported with all its events, each as the audit shows it, and verifies", () =>
    Effect.gen(function* () {
      const agent = yield* work
      yield* sealed
      const reply = yield* operate(`${path}/export`)
      assert.strictEqual(reply.status, 200)
      assert.strictEqual(reply.headers["content-type"], "application/x-ndjson")
      const said = verify(reply.text, { keys: yield* keys, checkpoint: yield* latest })
      if (said instanceof AuditFault) return assert.fail(said.message)
      assert.strictEqual(said.signer, "checked")
      const { events } = yield* administer(`/api/v1/agents/${agent.id}/audit?limit=100`)
      const shown = linesOf(reply.text)
        .filter(({ event }) => event?.agent_id === agent.id)
        .map(({ event }) => event)
      assert.isAtLeast(events.length, 7)
      assert.deepStrictEqual(shown, [...events].reverse())
    })
  )

  it.effect("is the operator's alone", () =>
    Effect.gen(function* () {
      for (const what of ["export", "checkpoints/latest", "keys"]) {
        for (const token of [undefined, "wrong"]) {
          assert.strictEqual((yield* send(`${path}/${what}`, { token })).status, 401)
        }
      }
    })
  )

  it.effect("is exported in parts that meet, each of which verifies by itself", () =>
    Effect.gen(function* () {
      yield* work
      yield* sealed
      const first = yield* latest
      yield* work
      yield* sealed
      const second = yield* latest
      assert.isAbove(second.sequence, first.sequence)
      assert.isAbove(Date.parse(second.at), Date.parse(first.at))
      const all = yield* exported()
      const parts = [
        yield* exported(`?to=${second.at}`),
        yield* exported(`?from=${second.at}`),
        yield* exported(`?from=${first.at}&to=${second.at}`)
      ]
      for (const part of [all, ...parts]) {
        const said = verify(part, { keys: yield* keys, checkpoint: undefined })
        if (said instanceof AuditFault) assert.fail(said.message)
      }
      const events = (text: string) => linesOf(text).filter(({ type }) => type === "event")
      const [before = "", after = "", between = ""] = parts
      assert.deepStrictEqual([...events(before), ...events(after)], events(all))
      assert.deepStrictEqual(
        events(between),
        events(before).slice(-events(between).length),
        "what was sealed in between is the end of what was sealed before"
      )
      assert.strictEqual(events(after).at(-1)?.sequence, second.sequence)
      const nothing = yield* exported("?from=2999-01-01T00:00:00Z")
      const said = verify(nothing)
      if (said instanceof AuditFault) return assert.fail(said.message)
      assert.deepStrictEqual([said.first, said.last], [second.sequence + 1, second.sequence])
    })
  )

  it.effect("takes instants for its bounds, of which the end is over, and nothing else", () =>
    Effect.gen(function* () {
      for (const query of [
        "?from=yesterday",
        "?to=17",
        "?to=2999-01-01T00:00:00Z",
        "?from=2027-02-30T00:00:00Z",
        "?since=2027-01-01T00:00:00Z"
      ]) {
        const { json, status } = yield* operate(`${path}/export${query}`)
        assert.deepStrictEqual([status, json.code], [422, "input.invalid"], query)
      }
    })
  )

  it.effect("is signed by every instance with its own key, and sealed to its last event when one stops", () =>
    Effect.gen(function* () {
      const { databaseUrl, internalToken } = yield* Served
      const before = (yield* keys).length
      const stopped = yield* Effect.scoped(
        Effect.gen(function* () {
          const url = yield* start({
            DATABASE_URL: restricted(databaseUrl),
            MIGRATION_DATABASE_URL: databaseUrl,
            NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken,
            AUDIT_SIGNING_KEY: signingKey()
          })
          const other = Served.of({ url, internalToken, databaseUrl })
          return yield* Effect.provideService(newAgent([]), Served, other)
        })
      )
      // Nobody waited: what it wrote last was sealed by it, or by the other that runs on.
      yield* sealed
      assert.strictEqual((yield* keys).length, before + 1)
      const text = yield* exported()
      assert.isTrue(text.includes(stopped.id))
      assert.notInstanceOf(verify(text, { keys: yield* keys, checkpoint: yield* latest }), AuditFault)
    })
  )

  it.effect(
    "is sealed on by the others where an instance is killed, and has all that it had acknowledged",
    () =>
      Effect.gen(function* () {
        const { databaseUrl, internalToken } = yield* Served
        const program = yield* launch(script("src/main.ts"), {
          env: {
            PORT: "0",
            DATABASE_URL: restricted(databaseUrl),
            MIGRATION_DATABASE_URL: databaseUrl,
            NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken,
            AUDIT_SIGNING_KEY: signingKey()
          }
        })
        const url = yield* program.until(/Listening on (http:\S+)/)
        const made = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, n) => n),
          () => newAgent([]),
          { concurrency: 5 }
        ).pipe(Effect.provideService(Served, Served.of({ url, internalToken, databaseUrl })))
        yield* program.signal("SIGKILL")
        yield* program.ended
        yield* sealed
        const text = yield* exported()
        for (const { id } of made) assert.include(text, id)
        assert.notInstanceOf(verify(text, { keys: yield* keys, checkpoint: yield* latest }), AuditFault)
      })
  )

  it.effect(
    "is verified by the torture's checker with both verifiers, and not if an export lacks a row of the table",
    () =>
      Effect.gen(function* () {
        const { databaseUrl, internalToken, url } = yield* Served
        yield* work
        yield* sealed
        const auditKeys = (yield* keys).map(({ text }) => text)
        const instance = { proxies: { client: { port: Number(new URL(url).port) } } }
        const stage = { databaseUrl, internalToken, auditKeys, instances: [instance] }
        const judged = yield* Effect.promise(() => verifyChain(stage))
        assert.isTrue(judged.verified, judged.said)
        assert.match(judged.said, /^verified: .*; the second verifier agrees$/)
        const stranger = { ...stage, auditKeys: [newKey().verifying.text] }
        assert.match(
          (yield* Effect.promise(() => verifyChain(stranger))).said,
          /NO: .*NO: the second verifier/
        )
        const text = Buffer.from(yield* exported())
        const rows = linesOf(text.toString()).flatMap(({ event }) => (event === undefined ? [] : [event]))
        assert.isUndefined(judgedAgain(text, auditKeys, rows))
        const other = rows.with(0, { ...rows[0], outcome: "failed" })
        assert.strictEqual(judgedAgain(text, auditKeys, other), "event 1 is another in the table")
        assert.match(
          judgedAgain(text, auditKeys, [...rows, rows[0]]) ?? "",
          /^it has \d+ events, and the table/
        )
      })
  )

  it.effect("is verified by the command: a file, a database, and not what was changed in either", () =>
    Effect.gen(function* () {
      const { databaseUrl } = yield* Served
      yield* work
      yield* sealed
      const folder = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "audit-"))),
        (made) => Effect.promise(() => rm(made, { recursive: true }))
      )
      const save = (name: string, text: string) =>
        Effect.as(
          Effect.promise(() => writeFile(join(folder, name), text)),
          join(folder, name)
        )
      const text = yield* exported()
      const checkpoint = yield* latest
      const whole = yield* save("trail.ndjson", text)
      const keyFile = yield* save("keys.json", (yield* operate(`${path}/keys`)).text)
      const keptFile = yield* save("checkpoint.json", (yield* operate(`${path}/checkpoints/latest`)).text)
      const run = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
        const program = yield* launch(script("src/cli/auditVerify.ts", ...args), { cwd: folder })
        return [yield* program.ended, program.said().trim()] as const
      })
      const range = `${checkpoint.sequence} events, sequence 1–${checkpoint.sequence}`
      const signers = [...text.matchAll(/"key_id":"(\w+)","public_key"/g)].map(([, id]) => id).join(", ")
      const verdict = `verified: ${range}; signed with ${signers}; from the beginning`
      assert.deepStrictEqual(yield* run(whole), [
        0,
        `consistent, signer not checked: ${range}; signed with ${signers}, which nobody vouches for: give --key; from the beginning`
      ])
      assert.deepStrictEqual(yield* run("trail.ndjson", "--key", keyFile, "--checkpoint", keptFile), [
        0,
        verdict
      ])
      const inline = (yield* keys).flatMap((key) => ["--key", key.text])
      assert.deepStrictEqual(yield* run(whole, ...inline), [0, verdict])
      const database = ["--database-url", restricted(databaseUrl), "--key", keyFile, "--checkpoint", keptFile]
      assert.deepStrictEqual(yield* run(...database), [0, verdict])

      const changed = yield* save(
        "changed.ndjson",
        text.replace("Test Codex", "x").replace('"executed"', '"replayed"')
      )
      const [code, said] = yield* run(changed)
      assert.strictEqual(code, 1)
      assert.match(said, /^NOT VERIFIED: line \d+, sequence 1: this event was changed/)
      const short = yield* save("short.ndjson", yield* exported(`?to=${checkpoint.at}`))
      assert.match((yield* run(short, "--checkpoint", keptFile))[1], /^NOT VERIFIED: .*cut off at the end/)
      const stranger = yield* save("stranger.b64", newKey().verifying.text)
      assert.match((yield* run(whole, "--key", stranger))[1], /^NOT VERIFIED: sequence 1: from here on/)
      const wrong = [[], [join(folder, "none")], [whole, "--key", "none"]]
      const codes = yield* Effect.forEach(wrong, (args) => run(...args), { concurrency: 2 })
      assert.deepStrictEqual(
        codes.map(([ended]) => ended),
        [2, 2, 2]
      )

      // By its owner: an event where the sealer looks no more.
      yield* query`
        insert into audit_events (position, id, at, action, outcome, request_id, via)
        overriding system value values (0, gen_random_uuid(), now(), 'forged', 'executed', 'r', 'admin')`
      assert.deepStrictEqual(yield* run(...database), [
        1,
        "NOT VERIFIED: 1 event stands in the table behind what is sealed and has no seal: put in, or the seal was removed"
      ])
      yield* query`alter table audit_seals disable trigger all`
      yield* query`
          insert into audit_seals (sequence, position, event_hash, link)
          values (1000000, 1000000, sha256('x'), sha256('x'))`
      assert.deepStrictEqual(yield* run(...database), [
        1,
        "NOT VERIFIED: 1 seal stands after the last checkpoint, signed by nobody: put in, or the checkpoint was removed"
      ])
      // And with the guards taken away: the database no longer agrees with what was signed.
      yield* query`alter table audit_events disable trigger all`
      yield* query`update audit_events set request_id = 'forged' where position = 1`
      const [after, words] = yield* run(...database)
      assert.strictEqual(after, 1)
      assert.match(words, /^NOT VERIFIED: .*sequence 1: this event was changed/)
    })
  )
})
