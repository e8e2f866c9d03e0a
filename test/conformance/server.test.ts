import { execFile } from "node:child_process"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { TaskerFailure } from "../../src/domain/Failure.ts"
import { Gateway, gateway, raw, type StubTool, tokens } from "../support/mcp-gateway.ts"

/**
 * The protocol's own conformance suite against `/mcp`: 0.1.16 for 2025-11-25, 0.2.0-alpha.12 for
 * 2026-07-28. It sends no bearer, so a proxy adds one; where a scenario calls a tool by a name of its
 * own, a stub answers, for what is judged is the protocol and not the tools.
 *
 * Every server scenario of either suite stands in the tables below: as one that must pass, as one that
 * can do so only in part, or as one that does not apply, with the reason. A scenario that a later
 * version adds has no row and fails the test that reads them.
 */

const suites = {
  "2025-11-25": "conformance-2025",
  "2026-07-28": "conformance-2026"
} as const
type Revision = keyof typeof suites

/** Scenarios that pass whole. */
const applying: Readonly<Record<Revision, ReadonlyArray<string>>> = {
  "2025-11-25": [
    "server-initialize",
    "ping",
    "tools-list",
    "tools-call-simple-text",
    "tools-call-error",
    "json-schema-2020-12",
    "dns-rebinding-protection"
  ],
  "2026-07-28": [
    "tools-list",
    "tools-call-simple-text",
    "tools-call-error",
    "json-schema-2020-12",
    "server-sse-multiple-streams",
    "dns-rebinding-protection",
    "http-header-validation",
    "input-required-result-unsupported-methods"
  ]
}

const noTool = "no tool of ours has it"

/** Scenarios of which some checks apply and others do not; those by their id, with the reason. */
const partly: Readonly<Record<Revision, Readonly<Record<string, Readonly<Record<string, string>>>>>> = {
  "2025-11-25": {},
  "2026-07-28": {
    "server-stateless": {
      "sep-2575-server-rejects-undeclared-capability": "needs a tool that needs a capability of the client's",
      "sep-2575-missing-capability-http-400": "needs a tool that needs a capability of the client's"
    },
    caching: {
      "sep-2549-prompts-list-caching-hints": "no prompts",
      "sep-2549-resources-list-caching-hints": "no resources",
      "sep-2549-resources-templates-list-caching-hints": "no resources"
    }
  }
}

const notApplying: Readonly<Record<string, string>> = {
  "server-session-lifecycle": "no session is ever minted",
  "server-sse-polling": "nothing is streamed",
  "logging-set-level": "no logging capability",
  "completion-complete": "no completions",
  "tools-call-image": noTool,
  "tools-call-audio": noTool,
  "tools-call-embedded-resource": noTool,
  "tools-call-mixed-content": noTool,
  "tools-call-with-logging": "no logging capability",
  "tools-call-with-progress": "nothing is streamed: a call is answered whole, within its deadline",
  "tools-call-sampling": "nothing is asked of the client",
  "tools-call-elicitation": "nothing is asked of the client",
  "elicitation-sep1034-defaults": "nothing is asked of the client",
  "elicitation-sep1330-enums": "nothing is asked of the client",
  "sep-2164-resource-not-found": "no resources",
  "http-custom-header-server-validation": "no input schema mirrors an argument in a header",
  "server-sse-multiple-streams": "in 2025-11-25 it needs a session"
}

/** What the later suite has for the revision that the earlier one is for: run there. */
const otherEra: Readonly<Record<Revision, ReadonlyArray<string>>> = {
  "2025-11-25": [],
  "2026-07-28": ["server-initialize", "ping"]
}

/** Families of scenarios that do not apply. */
const notApplyingFamilies: ReadonlyArray<readonly [prefix: string, reason: string]> = [
  ["resources-", "no resources"],
  ["prompts-", "no prompts"],
  ["input-required-result-", "nothing is asked of the client"],
  ["tasks-", "an extension that is not offered"],
  ["sep-2640-skills-", "an extension that is not offered"]
]

/** The schema that the suite wants to see again in a listing, word for word. */
const schema202012 = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: {
    address: {
      $anchor: "addressDef",
      type: "object",
      properties: { street: { type: "string" }, city: { type: "string" } }
    }
  },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" }
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false
}

/** The first is what the suite calls where any tool will do. */
const stubs: ReadonlyArray<StubTool> = [
  {
    name: "test_simple_text",
    run: () => Effect.succeed({ text: "This is a simple text response for testing." })
  },
  {
    name: "test_error_handling",
    run: () =>
      Effect.fail(
        new TaskerFailure({
          reason: "rejected",
          message: "This tool intentionally returns an error for testing"
        })
      )
  },
  { name: "json_schema_2020_12_tool", inputSchema: schema202012, run: () => Effect.succeed({}) },
  { name: "test_streaming_elicitation", run: () => Effect.succeed({ text: "Answered at once." }) },
  { name: "test_logging_tool", run: () => Effect.succeed({ text: "Answered without a log." }) }
]

/**
 * A reverse proxy in front of the gateway: adds the bearer, and gives the gateway's name for its own.
 * A foreign Host or Origin goes through as it is, since the gateway is to refuse it.
 */
const proxied = Effect.gen(function* () {
  const { origin } = yield* Gateway
  const target = new URL(origin)
  const server = yield* Effect.acquireRelease(
    Effect.callback<Http.Server>((resume) => {
      const made = Http.createServer((incoming, outgoing) => {
        const own = authorityOf(made)
        const headers: Http.OutgoingHttpHeaders = {
          ...incoming.headers,
          authorization: `Bearer ${raw(tokens.good)}`
        }
        if (headers.host === own) headers.host = target.host
        if (headers.origin === `http://${own}`) headers.origin = origin
        const forwarded = Http.request(new URL(incoming.url ?? "/", origin), {
          method: incoming.method ?? "GET",
          headers,
          setHost: false
        })
        forwarded.on("response", (answer) => {
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
          answer.pipe(outgoing)
        })
        forwarded.on("error", () => outgoing.destroy())
        incoming.pipe(forwarded)
      })
      made.listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
    }),
    (made) =>
      Effect.callback<void>((resume) => {
        made.close(() => resume(Effect.void))
        made.closeAllConnections()
      })
  )
  return `http://${authorityOf(server)}/mcp`
})

const authorityOf = (server: Http.Server): string => `127.0.0.1:${(server.address() as AddressInfo).port}`

interface Check {
  readonly id: string
  readonly status: "SUCCESS" | "FAILURE" | "WARNING" | "SKIPPED" | "INFO"
  readonly errorMessage?: string
}

const suitePath = (revision: Revision): string =>
  fileURLToPath(new URL(`../../node_modules/${suites[revision]}/dist/index.js`, import.meta.url))

const run = (revision: Revision, args: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.callback((resume) => {
    execFile(process.execPath, [suitePath(revision), ...args], { timeout: 300_000 }, (_, stdout, stderr) =>
      resume(Effect.succeed(stdout + stderr))
    )
  })

/** Runs one scenario, and gives what each of its checks came to. */
const checksOf = (url: string, revision: Revision, scenario: string) =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "conformance-"))),
      (made) => Effect.promise(() => rm(made, { recursive: true }))
    )
    const said = yield* run(revision, [
      "server",
      "--url",
      url,
      "--scenario",
      scenario,
      "--spec-version",
      revision,
      "--output-dir",
      folder
    ])
    const files = yield* Effect.promise(() => readdir(folder, { recursive: true }))
    const found = files.find((file) => file.endsWith("checks.json"))
    if (found === undefined) return yield* Effect.die(new Error(`The suite left no results:\n${said}`))
    return JSON.parse(
      yield* Effect.promise(() => readFile(join(folder, found), "utf8"))
    ) as ReadonlyArray<Check>
  })

const rows = (Object.keys(suites) as ReadonlyArray<Revision>).flatMap((revision) => [
  ...applying[revision].map((scenario) => ({
    revision,
    scenario,
    excused: {} as Readonly<Record<string, string>>
  })),
  ...Object.entries(partly[revision]).map(([scenario, excused]) => ({ revision, scenario, excused }))
])

layer(gateway(stubs))("the conformance suite", (it) => {
  it.effect.each(rows)("passes $scenario of $revision", ({ revision, scenario, excused }) =>
    Effect.gen(function* () {
      const checks = yield* checksOf(yield* proxied, revision, scenario)
      const failed = checks.filter((check) => check.status === "FAILURE" || check.status === "WARNING")
      assert.isAbove(checks.length, 0)
      assert.deepStrictEqual(
        failed.filter((check) => !(check.id in excused)),
        []
      )
      // An excuse that is no longer needed goes.
      assert.deepStrictEqual(
        [...new Set(failed.map((check) => check.id))].sort(),
        Object.keys(excused).sort()
      )
    })
  )

  it.effect.each([{ revision: "2025-11-25" as const }, { revision: "2026-07-28" as const }])(
    "has a row for every server scenario of the suite for $revision",
    ({ revision }) =>
      Effect.gen(function* () {
        const listed = yield* run(revision, ["list", "--server"])
        const scenarios = [...listed.matchAll(/^ *- (\S+) \[(.+)\]$/gm)].map(([, name]) => name ?? "")
        assert.isAbove(scenarios.length, 20)
        const without = scenarios.filter(
          (name) =>
            !applying[revision].includes(name) &&
            !(name in partly[revision]) &&
            !(name in notApplying) &&
            !otherEra[revision].includes(name) &&
            !notApplyingFamilies.some(([prefix]) => name.startsWith(prefix))
        )
        assert.deepStrictEqual(without, [])
      })
  )
})
