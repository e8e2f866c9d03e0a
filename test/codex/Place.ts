import { Context, Effect, Layer, Scope } from "effect"
import { freshDatabase, pepper, restricted, secret, signingKey } from "../support/gateway.ts"
import { launch, script } from "../support/programs.ts"
import {
  administer,
  auditOf,
  newcomer as newcomerOn,
  ReferenceTasker,
  Served,
  type Variables
} from "../support/served.ts"
import { freshTasker } from "../support/tasker.ts"

/** The process that Codex reaches a gateway in, as `npm start` runs it. */
export class GatewayProcess extends Context.Service<
  GatewayProcess,
  {
    /** SIGKILL; ends once it is dead. */
    readonly kill: Effect.Effect<void>
    /** Starts it again, where it was. Ends once it listens. */
    readonly start: Effect.Effect<void>
  }
>()("test/codex/GatewayProcess") {}

const listening = /Listening on (http:\/\/[\w.:[\]]+)/

/** A gateway with these variables in a process of its own, with a reference Tasker behind it. */
export const place = (variables: Variables = {}) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const database = yield* freshDatabase
      const tasker = yield* freshTasker(database.url, secret())
      const internalToken = secret()
      const scope = yield* Effect.scope
      const run = (port: string) =>
        Effect.gen(function* () {
          const program = yield* launch(script("src/main.ts"), {
            env: {
              PORT: port,
              DATABASE_URL: restricted(database.url),
              MIGRATION_DATABASE_URL: database.url,
              NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken,
              NODEDC_TASKER_INTERNAL_URL: tasker.url,
              NODEDC_INTERNAL_ACCESS_TOKEN: tasker.accessToken,
              ...keys,
              ...variables
            }
          })
          return { program, url: yield* program.until(listening, 60) }
        }).pipe(Scope.provide(scope))
      const keys = { AUDIT_SIGNING_KEY: signingKey(), PAIRING_PEPPER: pepper() }

      const first = yield* run("0")
      const { url } = first
      let { program } = first
      const gateway = GatewayProcess.of({
        kill: Effect.suspend(() => Effect.andThen(program.signal("SIGKILL"), program.ended)).pipe(
          Effect.asVoid
        ),
        start: Effect.map(
          Effect.suspend(() => run(new URL(url).port)),
          (next) => {
            program = next.program
          }
        )
      })
      return Context.make(Served, Served.of({ url, internalToken, databaseUrl: database.url })).pipe(
        Context.add(ReferenceTasker, tasker),
        Context.add(GatewayProcess, gateway)
      )
    })
  )

/** A project in Tasker, and an agent with a token that may do everything in it and nothing elsewhere. */
export const newcomer = Effect.gen(function* () {
  const { project, ...agent } = yield* newcomerOn(yield* ReferenceTasker)
  return { project, agent }
})

/** The writes of one agent that Tasker carried out, in order. */
export const writesOf = (agentId: string) =>
  Effect.flatMap(ReferenceTasker, ({ writes }) =>
    Effect.map(writes, (all) => all.filter(({ agent_id }) => agent_id === agentId))
  )

/** What the audit trail says came of an agent's calls of a tool, in order. */
export const outcomesOf = (agentId: string, tool: string) =>
  Effect.map(auditOf(agentId), (events) =>
    events
      .filter(({ action }) => action === tool)
      .map(({ outcome }) => outcome)
      .reverse()
  )

/** What an owner is given who presses "connect an agent". */
export const pairing = (agentId: string) =>
  Effect.map(
    administer(`/api/v1/agents/${agentId}/pairing-codes`, { body: { name: "Laptop" } }),
    (made) =>
      made as {
        readonly id: string
        readonly pairing_code: string
        readonly connect: { readonly codex: ReadonlyArray<string>; readonly shell: string }
      }
  )
