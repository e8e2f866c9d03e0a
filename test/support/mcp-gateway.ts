import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Context, Effect, Layer, Redacted } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import type { AuditEntry } from "../../src/domain/AuditEvent.ts"
import { AuthFailure, type CallFailure, gatewayUnavailable } from "../../src/domain/Failure.ts"
import { AgentId, TokenId, UserId } from "../../src/domain/Ids.ts"
import type { Principal } from "../../src/domain/Principal.ts"
import { fromBytes, type Token } from "../../src/domain/Token.ts"
import { Addresses } from "../../src/http/Addresses.ts"
import { Hosts, rules } from "../../src/http/Hosts.ts"
import * as Mcp from "../../src/mcp/Route.ts"
import { AuditLog } from "../../src/services/AuditLog.ts"
import { TokenStore } from "../../src/services/TokenStore.ts"
import { type ToolCall, type ToolListing, Tools } from "../../src/tools/Tools.ts"

/**
 * `/mcp` alone over real HTTP, with tools and tokens that the test makes up: what the protocol does
 * with what it is given, be the pipeline what it may.
 */

export const tokenOf = (seed: number): Token => fromBytes(new Uint8Array(32).fill(seed))
export const raw = (token: Token): string => Redacted.value(token)

const principal: Principal = {
  agent: {
    id: AgentId.make("7f0c1c9e-5a0b-4b8e-9d57-6a4f0c0e1a2b"),
    owner_user_id: UserId.make("owner-1"),
    owner_email: "owner@example.com",
    display_name: "Agent",
    status: "active",
    disabled_reason: null,
    created_at: "2026-11-24T00:00:00.000Z",
    updated_at: "2026-11-24T00:00:00.000Z"
  },
  token: {
    id: TokenId.make("0d1f7a5c-53b0-4f0e-8f3c-6a1d5e0b9c11"),
    agent_id: AgentId.make("7f0c1c9e-5a0b-4b8e-9d57-6a4f0c0e1a2b"),
    kind: "agent",
    name: "laptop",
    scopes: null,
    created_at: "2026-11-24T00:00:00.000Z",
    expires_at: null,
    revoked_at: null
  },
  grants: []
}

/** A token for each way in which looking one up may end. */
export const tokens = {
  good: tokenOf(1),
  unknown: tokenOf(2),
  expired: tokenOf(3),
  revoked: tokenOf(4),
  agent_disabled: tokenOf(5),
  unavailable: tokenOf(6),
  defect: tokenOf(7)
} as const

const dead = new Map<string, AuthFailure["reason"]>([
  [raw(tokens.unknown), "unknown"],
  [raw(tokens.expired), "expired"],
  [raw(tokens.revoked), "revoked"],
  [raw(tokens.agent_disabled), "agent_disabled"]
])

/** How often a token was looked up, since once is all that a call may cost. */
export const lookUps = { count: 0 }

const lookUp = (token: Token) =>
  Effect.suspend((): Effect.Effect<Principal, AuthFailure | ReturnType<typeof gatewayUnavailable>> => {
    lookUps.count++
    const reason = dead.get(raw(token))
    if (reason !== undefined) {
      const holder = reason === "unknown" ? undefined : principal
      return Effect.fail(new AuthFailure({ reason, message: `The token is ${reason}.`, holder }))
    }
    if (raw(token) === raw(tokens.unavailable)) return Effect.fail(gatewayUnavailable())
    if (raw(token) === raw(tokens.defect)) return Effect.die(new Error("the cause of the defect"))
    return Effect.succeed(principal)
  })

const tokenStore = Layer.succeed(TokenStore, {
  authenticate: (token) => Effect.map(lookUp(token), (found) => ({ principal: found, operation: undefined })),
  admit: (token) => Effect.map(lookUp(token), (found) => ({ principal: found, operation: undefined }))
})

/** What was put on record, in order. */
export const recorded: Array<AuditEntry> = []

const auditLog = Layer.succeed(AuditLog, {
  record: (entry) => Effect.sync(() => void recorded.push(entry)),
  stamp: () => Effect.die("The stub stamps nothing."),
  append: () => Effect.die("The stub appends nothing."),
  list: () => Effect.die("The stub lists nothing.")
})

/** A tool of a test: what it is listed as, and what a call of it comes to. */
export interface StubTool {
  readonly name: string
  readonly inputSchema?: Readonly<Record<string, unknown>>
  readonly run: (args: unknown) => Effect.Effect<Readonly<Record<string, unknown>>, CallFailure>
}

const listing = ({ name, inputSchema }: StubTool): ToolListing => ({
  name,
  title: name,
  description: `The stub ${name}.`,
  inputSchema: inputSchema ?? { type: "object" },
  outputSchema: { type: "object" },
  annotations: {
    title: name,
    readOnlyHint: true,
    destructiveHint: false,
    idempotentHint: true,
    openWorldHint: false
  }
})

const toolsOf = (stubs: ReadonlyArray<StubTool>, calls: Array<ToolCall>) => {
  const byName = new Map(stubs.map((stub) => [stub.name, stub]))
  const listings = stubs.map(listing)
  return Layer.succeed(Tools, {
    names: new Set(byName.keys()),
    list: () => listings,
    call: (call) =>
      Effect.flatMap(lookUp(call.token), () => {
        calls.push(call)
        const stub = byName.get(call.name)
        return stub === undefined
          ? Effect.die("The edge let a name through that is none of `names`.")
          : Effect.map(stub.run(call.args), (structured) => ({ structured, replayed: false }))
      })
  })
}

/** A gateway that listens on the loopback. */
export class Gateway extends Context.Service<
  Gateway,
  {
    readonly origin: string
    readonly url: string
    /** The calls that reached the tools, in order. */
    readonly calls: ReadonlyArray<ToolCall>
  }
>()("test/support/mcp-gateway") {}

export const gateway = (stubs: ReadonlyArray<StubTool>) => {
  const calls: Array<ToolCall> = []
  const originOf = Effect.map(HttpServer.HttpServer, (server) => HttpServer.formatAddress(server.address))
  const hosts = Layer.effect(
    Hosts,
    Effect.map(originOf, (origin) =>
      Hosts.of(
        rules({
          allowedHosts: [],
          allowedOrigins: [],
          publicUrl: "https://gateway.example",
          listenOrigin: origin
        })
      )
    )
  )
  const addresses = Layer.effect(
    Addresses,
    Effect.map(originOf, (listenOrigin) =>
      Addresses.of({ listenOrigin, publicUrl: "https://gateway.example" })
    )
  )
  const started = Layer.effect(
    Gateway,
    Effect.map(originOf, (origin) => Gateway.of({ origin, url: origin + Mcp.path, calls }))
  )
  const served = HttpRouter.serve(
    Mcp.layer.pipe(Layer.provide([hosts, addresses, tokenStore, auditLog, toolsOf(stubs, calls)])),
    {
      disableLogger: true,
      disableListenLog: true
    }
  )
  return Layer.merge(served, started).pipe(
    Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
  )
}
