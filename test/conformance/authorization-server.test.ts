import { execFile, spawn } from "node:child_process"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { client } from "../support/login-steps.ts"
import { Browser } from "../support/oauth-browser.ts"
import { newPairingCode } from "../support/pairing.ts"
import { newAgent, ReferenceTasker, Served, sendTo, served } from "../support/served.ts"

/**
 * The protocol's own conformance suite against the gateway as an authorization server: all scenarios that it has
 * for one, of which there are two. The suite waits for a person with a browser, whom the test plays.
 */

const suite = fileURLToPath(new URL("../../node_modules/conformance-2026/dist/index.js", import.meta.url))

const scenarios = ["authorization-server-metadata-endpoint", "authorization-code-grant"]

interface Check {
  readonly id: string
  readonly status: "SUCCESS" | "FAILURE" | "WARNING" | "SKIPPED" | "INFO"
  readonly errorMessage?: string
}

const listed = Effect.callback<string>((resume) => {
  execFile(process.execPath, [suite, "list", "--authorization"], (_, stdout) =>
    resume(Effect.succeed(stdout))
  )
})

/** A port that nobody listens at, for the suite to take its callback at. */
const freePort = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** Runs the suite; once it names the address that a person is to open, `person` opens it. */
const run = (args: ReadonlyArray<string>, person: (address: string) => Effect.Effect<void>) =>
  Effect.callback<string>((resume) => {
    const program = spawn(process.execPath, [suite, "authorization", ...args])
    let said = ""
    let opened = false
    const hear = (chunk: Buffer) => {
      said += chunk.toString()
      const [address] = /^http\S+\/oauth\/authorize\?\S+(?=\n)/m.exec(said) ?? []
      if (address === undefined || opened) return
      opened = true
      // A person who gets nowhere would leave the suite waiting: it is ended, and says what it came to.
      Effect.runPromise(person(address)).catch((error) => {
        said += `\nThe person got nowhere: ${error}`
        program.kill()
      })
    }
    program.stdout.on("data", hear)
    program.stderr.on("data", hear)
    program.on("close", () => resume(Effect.succeed(said)))
    return Effect.sync(() => program.kill())
  })

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "conformance-"))),
  (made) => Effect.promise(() => rm(made, { recursive: true }))
)

layer(served(), { timeout: "10 minutes", excludeTestServices: true })(
  "the conformance suite, of the authorization server",
  (it) => {
    it.effect("has these scenarios and no others", () =>
      Effect.map(listed, (text) =>
        assert.deepStrictEqual(
          [...text.matchAll(/^ *- (\S+) \[/gm)].map(([, name]) => name),
          scenarios
        )
      )
    )

    it.effect.each(["2025-11-25", "2026-07-28"])("passes all of them for %s", (revision) =>
      Effect.gen(function* () {
        const { url } = yield* Served
        const tasker = yield* ReferenceTasker
        const { project } = yield* tasker.project()
        const { id } = yield* newAgent([
          { project_id: project.id, workspace_slug: project.workspace_slug, scopes: ["issue:read"] }
        ])
        const port = yield* freePort
        const clientId = yield* client({ redirect_uris: [`http://127.0.0.1:${port}/callback`] })
        const { code } = yield* newPairingCode(id)
        const output = yield* folder
        const person = (address: string) =>
          Effect.gen(function* () {
            const by = new Browser()
            const consent = yield* by.press(yield* by.open(address), "continue", { code })
            const left = yield* by.press(consent, "allow")
            yield* sendTo(String(left.headers.location))
          })
        const said = yield* run(
          [
            ...["--url", url, "--client-id", clientId, "--resource", `${url}/mcp`],
            ...["--port", String(port), "--spec-version", revision, "--output-dir", output]
          ],
          person
        )
        const files = yield* Effect.promise(() => readdir(output, { recursive: true }))
        const results = yield* Effect.forEach(
          files.filter((file) => file.endsWith("checks.json")),
          (file) => Effect.promise(() => readFile(join(output, file), "utf8"))
        )
        const checks = results.flatMap((text) => JSON.parse(text) as ReadonlyArray<Check>)
        assert.lengthOf(results, scenarios.length, said)
        assert.includeMembers(
          checks.map((check) => check.id),
          ["authorization-server-metadata", "authorization-code-grant"]
        )
        assert.deepStrictEqual(
          checks.filter(({ status }) => status !== "SUCCESS" && status !== "INFO"),
          []
        )
      }).pipe(Effect.scoped)
    )
  }
)
