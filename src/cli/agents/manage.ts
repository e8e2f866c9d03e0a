import { Effect, Option, Schema } from "effect"
import { Argument, CliError, Command, Flag, Prompt, TerminalCapabilities } from "effect/cli"
import { PairingCodeInfo } from "../../domain/PairingCode.ts"
import { Agent, Grant, TokenInfo } from "../../domain/Principal.ts"
import { CommandFailed, UsageWrong } from "../failures.ts"
import { Gateway } from "../Gateway.ts"
import { json, plain, print, time } from "../output.ts"
import { command } from "../refusal.ts"
import { agentArgument, agentIdOf, expiresFlag, scopesFlag, scopesShown } from "./arguments.ts"

const AgentReply = Schema.Struct({ agent: Agent })
const GrantReply = Schema.Struct({ grant: Grant })
const TokenReply = Schema.Struct({ token_info: TokenInfo })
const CodeReply = Schema.Struct({ pairing_code_info: PairingCodeInfo })

export const create = Command.make(
  "create",
  {
    display_name: Argument.String("name").pipe(
      Argument.withDescription("Its display name, as people see it")
    ),
    owner_user_id: Flag.String("owner-id").pipe(Flag.withDescription("The owner's user id in Tasker")),
    owner_email: Flag.String("owner-email").pipe(Flag.withDescription("The owner's e-mail address"))
  },
  Effect.fn("agents create")(function* (body) {
    const { call } = yield* Gateway
    yield* print(yield* call(AgentReply, "POST", "/api/v1/agents", body), ({ agent }) =>
      [
        `Created the agent ${plain(agent.display_name)} of ${plain(agent.owner_email)}.`,
        `id  ${agent.id}`,
        `Next: ${command} grant ${agent.id} --workspace <slug> --project <id> --scopes write`
      ].join("\n")
    )
  })
).pipe(
  Command.withDescription("Create an agent of an owner. It may do nothing until it has a grant"),
  Command.withExamples([
    { command: 'agents create "Local Codex" --owner-id olga --owner-email olga@example.test' }
  ])
)

export const grant = Command.make(
  "grant",
  {
    agent: agentArgument,
    workspace_slug: Flag.String("workspace").pipe(Flag.withDescription("The workspace's slug")),
    project_id: Flag.String("project").pipe(Flag.withDescription("The project's id, as in its address")),
    scopes: scopesFlag,
    expires_at: expiresFlag,
    max_writes_per_day: Flag.Int("max-writes-per-day").pipe(
      Flag.withDescription("Writes that the grant allows in a day (default: any number)"),
      Flag.optional
    )
  },
  Effect.fn("agents grant")(function* ({ agent, max_writes_per_day, ...terms }) {
    const { call } = yield* Gateway
    const id = yield* agentIdOf(agent)
    const body = { ...terms, max_writes_per_day: Option.getOrNull(max_writes_per_day) }
    yield* print(yield* call(GrantReply, "POST", `/api/v1/agents/${id}/grants`, body), ({ grant }) =>
      [
        `Granted ${scopesShown(grant.scopes)} on project ${grant.project_id} in ${plain(grant.workspace_slug)}, ${
          grant.expires_at === null ? "without an end" : `until ${time(grant.expires_at)}`
        }.`,
        `id  ${grant.id}`,
        `Next: ${command} pair ${id}`
      ].join("\n")
    )
  })
).pipe(
  Command.withDescription("Let an agent work in one project. A second grant on it replaces the first"),
  Command.withExamples([
    {
      command:
        'agents grant "Local Codex" --workspace nodedc --project 3f0c1c9e-5a0b-4b8e-9d57-6a4f0c0e1a2b --scopes write --expires 30d'
    }
  ])
)

const PairingReply = Schema.Struct({
  pairing_code: Schema.String,
  id: Schema.String,
  expires_at: Schema.String,
  connect: Schema.Struct({ codex: Schema.Array(Schema.String), shell: Schema.String })
})

export const pair = Command.make(
  "pair",
  { agent: agentArgument },
  Effect.fn("agents pair")(function* ({ agent }) {
    const { call } = yield* Gateway
    const id = yield* agentIdOf(agent)
    const reply = yield* call(PairingReply, "POST", `/api/v1/agents/${id}/pairing-codes`, {})
    yield* print(reply, ({ connect, expires_at, id: code, pairing_code }) =>
      [
        `Pairing code: ${plain(pairing_code)}`,
        `Valid once, until ${plain(expires_at).slice(11, 19)} UTC.`,
        "",
        "With Codex and a browser on the machine (its login page asks for the code):",
        ...connect.codex.map((line) => `  ${plain(line)}`),
        "Without a browser:",
        `  ${plain(connect.shell)}`,
        "",
        `If nobody is to use it: ${command} revoke ${id} --code ${plain(code)}`
      ].join("\n")
    )
  })
).pipe(Command.withDescription("Make a pairing code, by which a client is connected to an agent"))

const idFlag = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.optional)

export const revoke = Command.make(
  "revoke",
  {
    agent: agentArgument,
    grant: idFlag("grant", "The id of a grant: the agent may not work in its project any more"),
    token: idFlag("token", "The id of a token or login: its client is disconnected"),
    code: idFlag("code", "The id of a pending pairing code: it is cancelled")
  },
  Effect.fn("agents revoke")(function* ({ agent, code, grant, token }) {
    const { call } = yield* Gateway
    const id = yield* agentIdOf(agent)
    const path = `/api/v1/agents/${id}`
    if (Option.isSome(grant)) {
      const reply = yield* call(GrantReply, "DELETE", `${path}/grants/${encodeURIComponent(grant.value)}`)
      yield* print(reply, ({ grant }) => `Revoked the grant on project ${grant.project_id}.`)
    }
    if (Option.isSome(token)) {
      const reply = yield* call(TokenReply, "DELETE", `${path}/tokens/${encodeURIComponent(token.value)}`)
      yield* print(reply, ({ token_info }) => `Revoked the token ${plain(token_info.name)}.`)
    }
    if (Option.isSome(code)) {
      const reply = yield* call(
        CodeReply,
        "DELETE",
        `${path}/pairing-codes/${encodeURIComponent(code.value)}`
      )
      const { status, used } = reply.value.pairing_code_info
      if (used !== null) {
        return yield* new CommandFailed({
          message: `The pairing code was used already, by ${plain(used.client_name)} from ${plain(used.address)}.\nRevoke the token that it gave: ${command} revoke ${id} --token ${used.token_id}`
        })
      }
      yield* print(reply, () => `The pairing code is ${status}.`)
    }
  })
).pipe(
  Command.validate(({ code, grant, token }) =>
    [code, grant, token].filter(Option.isSome).length === 1
      ? Effect.void
      : Effect.fail(new CliError.ValidationError({ message: "Expected one of --grant, --token and --code" }))
  ),
  Command.withDescription("Revoke a grant, a token or a pairing code of an agent")
)

const statusSet = Effect.fnUntraced(function* (id: string, status: Agent["status"]) {
  const { call } = yield* Gateway
  return yield* call(AgentReply, "PATCH", `/api/v1/agents/${id}`, { status })
})

export const disable = Command.make(
  "disable",
  {
    agent: agentArgument,
    yes: Flag.Boolean("yes").pipe(
      Flag.withoutNegation,
      Flag.withAlias("y"),
      Flag.withDescription("Do not ask"),
      Flag.withDefault(false)
    )
  },
  Effect.fn("agents disable")(function* ({ agent: named, yes }) {
    const { call } = yield* Gateway
    const { canPrompt } = yield* TerminalCapabilities.TerminalCapabilities
    const asks = canPrompt && !(yield* json)
    if (!yes && !asks) {
      return yield* new UsageWrong({
        message: "There is no terminal to ask on. Add --yes to disable the agent."
      })
    }
    const id = yield* agentIdOf(named)
    if (!yes) {
      const { value } = yield* call(AgentReply, "GET", `/api/v1/agents/${id}`)
      const confirmed = yield* Prompt.Confirm({
        message: `Disable ${plain(value.agent.display_name)} of ${plain(value.agent.owner_email)}? Its tokens stop at once.`
      })
      if (!confirmed) return yield* new CommandFailed({ message: "Nothing was changed." })
    }
    yield* print(
      yield* statusSet(id, "disabled"),
      ({ agent }) =>
        `Disabled ${plain(agent.display_name)}. Its tokens and grants are kept: ${command} enable ${id}`
    )
  })
).pipe(Command.withDescription("Disable an agent: its tokens stop at once"))

export const enable = Command.make(
  "enable",
  { agent: agentArgument },
  Effect.fn("agents enable")(function* ({ agent: named }) {
    const id = yield* agentIdOf(named)
    yield* print(yield* statusSet(id, "active"), ({ agent }) => `Enabled ${plain(agent.display_name)}.`)
  })
).pipe(Command.withDescription("Enable an agent: its tokens and grants count again"))
