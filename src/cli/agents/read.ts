import { Clock, Console, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { PairingCodeInfo } from "../../domain/PairingCode.ts"
import { Agent, Grant, TokenInfo } from "../../domain/Principal.ts"
import { Gateway } from "../Gateway.ts"
import { bold, json, plain, print, type Screen, screen, table, time } from "../output.ts"
import { command } from "../refusal.ts"
import { AgentPage, agentArgument, agentIdOf, scopesShown } from "./arguments.ts"

export const list = Command.make(
  "list",
  {
    owner: Flag.String("owner-id").pipe(Flag.withDescription("Only the agents of this owner"), Flag.optional),
    limit: Flag.Int("limit").pipe(Flag.withDescription("Agents of a page, 1 to 100"), Flag.withDefault(50)),
    cursor: Flag.String("cursor").pipe(
      Flag.withDescription("Where the page begins, as the one before it says"),
      Flag.optional
    )
  },
  Effect.fn("agents list")(function* ({ cursor, limit, owner }) {
    const { call } = yield* Gateway
    const query = new URLSearchParams({
      limit: String(limit),
      ...Option.getOrUndefined(Option.map(cursor, (cursor) => ({ cursor })))
    })
    const path = Option.match(owner, {
      onNone: () => "/api/v1/agents",
      onSome: (id) => `/api/internal/v1/owners/${encodeURIComponent(id)}/agents`
    })
    yield* print(yield* call(AgentPage, "GET", `${path}?${query}`), agentsShown)
  })
).pipe(Command.withDescription("List agents, newest first"))

const agentsShown = ({ agents, next_cursor }: typeof AgentPage.Type, screen: Screen): string => {
  if (agents.length === 0)
    return `No agents. Make one: ${command} create <name> --owner-id <id> --owner-email <e-mail>`
  const rows = agents.map(({ display_name, id, owner_email, status }) => [
    id,
    display_name,
    owner_email,
    status
  ])
  const columns = [
    { title: "ID", whole: true },
    { title: "NAME" },
    { title: "OWNER" },
    { title: "STATUS", whole: true }
  ]
  const more = next_cursor === null ? "" : `\n\nMore: ${command} list --cursor ${plain(next_cursor)}`
  return table(columns, rows, screen) + more
}

const AgentWhole = Schema.Struct({
  agent: Agent,
  grants: Schema.Array(Grant),
  tokens: Schema.Array(TokenInfo)
})

const CodePage = Schema.Struct({ pairing_codes: Schema.Array(PairingCodeInfo) })

export const show = Command.make(
  "show",
  { agent: agentArgument },
  Effect.fn("agents show")(function* ({ agent: named }) {
    const { call } = yield* Gateway
    const path = `/api/v1/agents/${yield* agentIdOf(named)}`
    const reply = yield* call(AgentWhole, "GET", path)
    if (yield* json) return yield* Console.log(reply.text)
    const codes = yield* call(CodePage, "GET", `${path}/pairing-codes?limit=10`)
    const now = yield* Clock.currentTimeMillis
    yield* Console.log(wholeShown({ ...reply.value, codes: codes.value.pairing_codes, now }, yield* screen))
  })
).pipe(
  Command.withDescription(
    "Show an agent with its grants, tokens and latest ten pairing codes (--json: without codes)"
  )
)

interface Whole {
  readonly agent: Agent
  readonly grants: ReadonlyArray<Grant>
  readonly tokens: ReadonlyArray<TokenInfo>
  readonly codes: ReadonlyArray<PairingCodeInfo>
  readonly now: number
}

const wholeShown = ({ agent, codes, grants, now, tokens }: Whole, screen: Screen): string => {
  const expiry = ({ expires_at, revoked_at }: Grant | TokenInfo): string => {
    if (revoked_at !== null) return "revoked"
    if (expires_at === null) return "never"
    return Date.parse(expires_at) <= now ? "expired" : time(expires_at)
  }
  const section = (
    title: string,
    columns: ReadonlyArray<string>,
    rows: ReadonlyArray<ReadonlyArray<string>>
  ) => {
    const shown = columns.map((title) => ({ title, whole: uncut.has(title) }))
    return `${bold(title, screen)}\n${rows.length === 0 ? "none" : table(shown, rows, screen)}`
  }
  const { created_at, disabled_reason, display_name, id, owner_email, owner_user_id, status } = agent
  return [
    [
      `${bold(plain(display_name), screen)} (${status}${disabled_reason === null ? "" : `: ${plain(disabled_reason)}`})`,
      `id       ${id}`,
      `owner    ${plain(owner_user_id)} <${plain(owner_email)}>`,
      `created  ${time(created_at)}`
    ].join("\n"),
    section(
      "Grants",
      ["ID", "PROJECT", "SCOPES", "WRITES", "EXPIRES"],
      grants.map((grant) => [
        grant.id,
        `${grant.workspace_slug}/${grant.project_id}`,
        scopesShown(grant.scopes),
        grant.max_writes_per_day === null ? "any" : `${grant.max_writes_per_day}/day`,
        expiry(grant)
      ])
    ),
    section(
      "Tokens",
      ["ID", "KIND", "NAME", "CREATED", "EXPIRES"],
      tokens.map((token) => [token.id, token.kind, token.name, time(token.created_at), expiry(token)])
    ),
    section(
      "Pairing codes",
      ["ID", "STATUS", "EXPIRES", "CLIENT", "FROM"],
      codes.map(({ expires_at, id, status, used }) => [
        id,
        status,
        time(expires_at),
        used?.client_name ?? "-",
        used?.address ?? "-"
      ])
    )
  ].join("\n\n")
}

/** Columns to copy from or to decide by. */
const uncut = new Set(["ID", "KIND", "STATUS", "EXPIRES"])
