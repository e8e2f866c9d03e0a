/**
 * `npm run quickstart`: the whole product on real parts, told in a few lines. Starts PostgreSQL, the
 * reference Tasker (with `-- --tasker plane` the reference Plane) and the gateway, connects an agent as Tasker's backend would, and works as Codex
 * would. On a terminal everything stays up until Ctrl-C; elsewhere it is stopped at the end.
 */
import { mkdtemp } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Logger, Redacted } from "effect"
import * as EmbeddedPostgres from "../src/layers/database/EmbeddedPostgres.ts"
import { connect, jsonApi } from "./quickstart/clients.ts"
import { type Kind, kinds, startCounterpart } from "./quickstart/counterparts.ts"
import { freePort, start } from "./quickstart/processes.ts"
import { bold, cyan, dim, heading, line, must, red, StepFailed, step, terminal } from "./quickstart/screen.ts"
import { secret, signingKey } from "./quickstart/secrets.ts"

const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString()

/** Ends with exit code 2 if the arguments are none that the quickstart knows. */
const kindAsked = (): Kind => {
  const { values } = parseArgs({ options: { tasker: { type: "string", default: "nodedc" } } })
  const kind = kinds.find((known) => known === values.tasker)
  if (kind === undefined) throw new Error(`--tasker is one of ${kinds.join(", ")}`)
  return kind
}

const readKind = (): Kind => {
  try {
    return kindAsked()
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(2)
  }
}

const kind = readKind()

const card = {
  name: "Write the release notes",
  description: "## What to say\n\n- [ ] what changed for **users**\n- [x] who did it\n",
  state: "Todo",
  labels: ["docs"],
  assignees: ["Ivan Petrov"],
  priority: "high",
  idempotency_key: "quickstart:release-notes"
}

const olga = { owner_user_id: "olga", owner_email: "olga@example.test", display_name: "Olga's Codex" }

/** Data of its own, thrown away at the end: an installation's own `.data` is not touched. */
const dataDir = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "tasker-codex-quickstart-"))),
  (folder) => Effect.orDie(EmbeddedPostgres.discard({ dataDir: folder }))
)

const story = Effect.gen(function* () {
  yield* line(bold("NODE.DC Tasker Codex API"))
  yield* heading("Real parts")
  const folder = yield* dataDir
  const started = performance.now()
  if (!terminal) yield* line(dim("  starting PostgreSQL …"))
  const database = yield* EmbeddedPostgres.start({ dataDir: folder }).pipe(
    Effect.mapError((failure) => new StepFailed("PostgreSQL", failure))
  )
  const databaseUrl = Redacted.value(database.url)
  yield* step(
    "PostgreSQL",
    async () => undefined,
    () => dim("embedded, durable, listening on 127.0.0.1 only")
  )

  const counterpart = yield* startCounterpart(kind, { folder, databaseUrl, secret: secret() })
  const internalToken = secret()
  const port = yield* Effect.promise(() => freePort(4100))
  const gatewayProcess = yield* start("src/main.ts", folder, {
    DATABASE_URL: databaseUrl,
    DATA_DIR: folder,
    PORT: String(port),
    NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken,
    AUDIT_SIGNING_KEY: signingKey(),
    PAIRING_PEPPER: secret(),
    ...counterpart.gateway
  })
  const gateway = yield* step(
    "gateway",
    () => gatewayProcess.until((text) => /Listening on (http:\S+)/.exec(text)?.[1], 30),
    (url) =>
      `${cyan(url)} ${dim(`database migrated, ready ${((performance.now() - started) / 1000).toFixed(1)} s after the start`)}`
  )
  yield* step(
    "readiness",
    () => jsonApi(gateway)("GET", "/readyz"),
    ({ checks }) =>
      dim(
        Object.entries(checks as Record<string, string>)
          .map(([part, state]) => `${part} ${state}`)
          .join(", ")
      )
  )

  yield* heading("Olga connects an agent, as Tasker's backend does it")
  const seeded = yield* step(
    `two projects in ${kind === "plane" ? "Plane" : "Tasker"}`,
    counterpart.seed,
    () => "OPS Operations, FIN Finance"
  )
  const owned = `/api/internal/v1/owners/${olga.owner_user_id}/agents`
  const lifecycle = jsonApi(gateway, internalToken)
  const agent = yield* step(
    "an agent",
    async () => {
      const { agent } = (await lifecycle("POST", "/api/v1/agents", olga)) as { agent: { id: string } }
      return agent.id
    },
    () => olga.display_name
  )
  const scopes = ["project:read", "issue:read", "issue:create", "issue:move", "comment:create"]
  yield* step(
    "a grant on OPS",
    () =>
      lifecycle("POST", `${owned}/${agent}/grants`, {
        workspace_slug: counterpart.workspace,
        project_id: seeded.ops,
        scopes,
        ...(counterpart.grantDays === undefined ? {} : { expires_at: inDays(counterpart.grantDays) })
      }),
    () => scopes.join(" ")
  )
  const token = yield* step(
    "a token",
    async () => {
      const issued = await lifecycle("POST", `${owned}/${agent}/tokens`, { name: "quickstart" })
      return String(issued.token)
    },
    (issued) => dim(`${issued.slice(0, 10)}…  shown once, kept as a hash`)
  )

  yield* heading("Codex works through /mcp")
  const codex = yield* step(
    "connect",
    () => connect(`${gateway}/mcp`, token),
    () => dim("with the official MCP client")
  )
  yield* Effect.addFinalizer(() => Effect.promise(() => codex.close()))
  const project_id = seeded.ops
  const write = async (name: string, args: Record<string, unknown>) => {
    const { content, error } = await codex.call(name, { project_id, ...args })
    if (content === undefined) throw new Error(`${name} was refused: ${error?.message}`)
    return content
  }
  yield* step("list the tools", codex.tools, (names) => {
    must(
      names.includes("tasker_create_issue") && !names.includes("tasker_set_labels"),
      "not the tools that the grant allows"
    )
    return `${names.length} of them, those that the grant allows`
  })
  yield* step(
    "find the project by its name",
    async () => {
      const { content } = await codex.call("tasker_resolve_project", { name: "Operations" })
      must((content?.project as { id?: string } | undefined)?.id === project_id, "another project was found")
    },
    () => "Operations is OPS"
  )
  const first = yield* step(
    "create a card from Markdown",
    () => write("tasker_create_issue", card),
    ({ issue }) => {
      const made = issue as {
        identifier: string
        state: { name: string }
        assignees: ReadonlyArray<{ display_name: string }>
      }
      return `${bold(made.identifier)} in ${made.state.name}, for ${made.assignees[0]?.display_name}`
    }
  )
  const issue = first.issue as { readonly id: string; readonly identifier: string }
  yield* step(
    "make the same call again",
    async () => {
      const again = await write("tasker_create_issue", card)
      must(
        again.replayed === true && (again.issue as { id: string }).id === issue.id,
        "the repeat is not the first card"
      )
      const writes = await counterpart.writes()
      must(writes === 1, `Tasker was written to ${writes} times`)
    },
    () => `${issue.identifier} again; Tasker was written to once`
  )
  yield* step("comment", () =>
    write("tasker_add_comment", {
      issue_id: issue.id,
      comment: "First draft is **ready**.",
      idempotency_key: "quickstart:comment"
    })
  )
  yield* step(
    "move",
    () =>
      write("tasker_move_issue", {
        issue_id: issue.id,
        state: "In Progress",
        idempotency_key: "quickstart:move"
      }),
    () => "to In Progress"
  )
  const refusal = (name: string, code: string, args: Record<string, unknown>) =>
    step(
      name,
      async () => {
        const { error } = await codex.call("tasker_create_issue", args)
        must(
          `${error?.kind}.${error?.reason}` === code,
          `answered ${error === undefined ? "a success" : `${error.kind}.${error.reason}`}`
        )
      },
      () => `refused: ${code}`
    )
  yield* refusal("write to FIN", "grant.no_grant", {
    ...card,
    project_id: seeded.other,
    idempotency_key: "quickstart:fin"
  })
  yield* refusal("write without a key", "idempotency.key_missing", { project_id, name: "No key" })

  yield* heading("The audit trail, newest first")
  const { events } = yield* step(
    "read it",
    () =>
      lifecycle("GET", `${owned}/${agent}/audit`) as Promise<{
        events: ReadonlyArray<Record<string, string | null>>
      }>,
    ({ events }) => {
      must(
        events.filter(({ outcome }) => outcome === "executed").length >= 3,
        "not every write is in the trail"
      )
      return `${events.length} events; PostgreSQL refuses to change or remove one`
    }
  )
  for (const { at, outcome, action, reason, idempotency_key } of events) {
    yield* line(
      `    ${dim(String(at).slice(11, 19))} ${(outcome ?? "").padEnd(9)} ${(action ?? "").padEnd(20)} ${dim(reason ?? idempotency_key ?? "")}`
    )
  }

  yield* heading("What next")
  const shown = terminal ? token : "<AGENT_TOKEN>"
  yield* line(
    `  ${dim("Connect Codex:")}\n    export NODEDC_TASKER_AGENT_TOKEN=${shown}\n    codex mcp add tasker --url ${gateway}/mcp --bearer-token-env-var NODEDC_TASKER_AGENT_TOKEN`
  )
  yield* line(
    `  ${dim("Or call a tool by hand:")}\n    curl -sS ${gateway}/api/v1/agent-session -H "Authorization: Bearer $NODEDC_TASKER_AGENT_TOKEN"`
  )
  yield* line(`  ${dim("Read on:")} ${gateway}/docs, README.md, docs/MCP_TOOLS_CONTRACT.md`)
  if (terminal) {
    yield* line(`\n  ${bold("Everything is up.")} Ctrl-C stops it and throws its data away.`)
    yield* Effect.never
  }
})

Effect.scoped(story).pipe(
  Effect.catchDefect((defect) => Effect.fail(new StepFailed("the quickstart itself", defect))),
  Effect.catch((failure) =>
    Effect.gen(function* () {
      const name = failure instanceof StepFailed ? failure.step : "the quickstart"
      yield* line(`\n  ${red("✗")} ${name}: ${failure.message}`)
      return yield* Effect.fail(failure)
    })
  ),
  Effect.provide(Logger.layer([])),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
