import { randomUUID } from "node:crypto"
import { mkdirSync, writeFileSync } from "node:fs"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { cutReply } from "../codex/CutReply.ts"
import { agents, agentsDo, command, emptyFolder, reaching } from "../support/agents-command.ts"
import { administer, operate, Served, withoutTasker } from "../support/served.ts"

const owner = ["--owner-id", "olga", "--owner-email", "olga@example.test"] as const
const nowhere = "http://127.0.0.1:1"

const newAgentId = Effect.map(
  administer("/api/v1/agents", {
    body: { owner_user_id: "olga", owner_email: "olga@example.test", display_name: "Codex" }
  }),
  ({ agent }) => agent.id as string
)

/** Something at an address that is not the gateway. */
const stranger = (listener: RequestListener) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<ReturnType<typeof createServer>>((resume) => {
        const server = createServer(listener).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close().closeAllConnections())
    ),
    (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  )

const namedAs = (name: string) =>
  Effect.map(operate("/api/v1/agents?limit=100"), ({ json }) =>
    (json.agents as ReadonlyArray<{ display_name: string }>).filter(
      ({ display_name }) => display_name === name
    )
  )

layer(withoutTasker, { timeout: "10 minutes", excludeTestServices: true })("the agents command", (it) => {
  it.effect(
    "a command line that can't be read ends with 2, and says on stderr what was expected and where the help is",
    () =>
      Effect.gen(function* () {
        const id = randomUUID()
        const rows: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
          [["lst"], /^Unknown subcommand "lst"[\s\S]+Help: npm run agents -- --help\n$/],
          [
            ["list", "--token", "x"],
            /^Unrecognized flag: --token .+\nHelp: npm run agents -- list --help\n$/
          ],
          [["create", "Codex"], /^Missing required flag: --owner-id\n/],
          [
            ["grant", id, "--workspace", "w", "--project", id, "--scopes", "admin"],
            /"admin"\. Expected read, write/
          ],
          [
            ["grant", id, "--workspace", "w", "--project", id, "--scopes", "read", "--expires", "soon"],
            /"soon"\. Expected 7d, 12h, an instant such as/
          ],
          [["revoke", id], /^Expected one of --grant, --token and --code\n/],
          [["revoke", id, "--grant", id, "--code", id], /^Expected one of --grant, --token and --code\n/],
          [["list", "--url", "ftp://example.test"], /"ftp:\/\/example\.test"\. Expected an absolute URL/],
          [["disable", id], /^There is no terminal to ask on\. Add --yes to disable the agent\.\n$/]
        ]
        yield* Effect.forEach(
          rows,
          ([args, said]) =>
            Effect.map(agents(...args), ({ code, stderr, stdout }) => {
              assert.deepStrictEqual({ args, code, stdout }, { args, code: 2, stdout: "" })
              assert.match(stderr, said)
            }),
          { concurrency: 3 }
        )
      })
  )

  it.effect("a refusal ends with 1, and its code, detail and what to do are told in two lines", () =>
    Effect.gen(function* () {
      const id = yield* newAgentId
      yield* Effect.repeat(administer(`/api/v1/agents/${id}/pairing-codes`, { body: {} }), { times: 2 })
      const disabled = yield* newAgentId
      yield* operate(`/api/v1/agents/${disabled}`, { method: "PATCH", body: { status: "disabled" } })
      const rows: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
        [
          ["show", "Nobody's"],
          /^No agent has the id or the display name "Nobody's"\.\nList them: .+ list\n$/
        ],
        [["show", randomUUID()], /^request\.not_found: There is no such agent\.\nList what there is: .+\n$/],
        [["create", "", ...owner], /^input\.invalid: .*display_name: Expected 1 to 128 characters.+\n$/],
        [
          ["grant", id, "--workspace", "w", "--project", "OPS", "--scopes", "read"],
          /^input\.invalid: .*project_id: Expected a UUID.+\n$/
        ],
        [
          ["pair", id],
          /^pairing\.too_many: 3 .+\nCancel one: npm run agents -- revoke <agent> --code <id>\..+\n$/
        ],
        [["pair", disabled], /^pairing\.agent_disabled: .+\nEnable the agent: .+ enable <agent>\n$/]
      ]
      yield* Effect.forEach(
        rows,
        ([args, said]) =>
          Effect.map(agents(...args, "--json"), ({ code, stderr, stdout }) => {
            assert.deepStrictEqual({ args, code, stdout }, { args, code: 1, stdout: "" })
            assert.match(stderr, said)
          }),
        { concurrency: 3 }
      )
    })
  )

  it.effect(
    "a gateway that can't be reached ends with 5, whether nothing listens or a proxy answers for it",
    () =>
      Effect.gen(function* () {
        const env = yield* reaching
        const proxy = yield* stranger((_, response) => response.writeHead(502).end("<h1>Bad Gateway</h1>"))
        for (const [url, said] of [
          [
            nowhere,
            /^The gateway at http:\/\/127\.0\.0\.1:1 can't be reached: .*ECONNREFUSED.*\.\nStart it, or name/
          ],
          [proxy, /answered 502, but not as the gateway does: a proxy is there/]
        ] as const) {
          const { code, stderr } = yield* command(["create", "Codex", ...owner, "--url", url], { env })
          assert.strictEqual(code, 5)
          assert.match(stderr, said)
        }
      })
  )

  it.effect("a response that breaks off is asked for once more, and the change is made once", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      const env = yield* reaching
      const proxy = yield* cutReply(url)
      const name = `Cut ${randomUUID()}`
      yield* proxy.cutNext
      const created = yield* command(["create", name, ...owner, "--json", "--url", proxy.url], { env })
      assert.deepStrictEqual({ code: created.code, cuts: proxy.cuts() }, { code: 0, cuts: 1 }, created.stderr)
      const [only, ...others] = yield* namedAs(name)
      assert.deepStrictEqual([JSON.parse(created.stdout).agent, others], [only, []])
    })
  )

  it.effect(
    "a pairing code whose response broke off can't be shown, and the command says how to cancel it",
    () =>
      Effect.gen(function* () {
        const { url } = yield* Served
        const env = yield* reaching
        const id = yield* newAgentId
        const proxy = yield* cutReply(url)
        yield* proxy.cutNext
        const { code, stderr } = yield* command(["pair", id, "--url", proxy.url], { env })
        assert.strictEqual(code, 1)
        assert.match(stderr, /^idempotency\.already_created: .+\nCancel it, then pair again: /)
        const advised = stderr.trim().split("npm run agents -- ")[1]?.split(" ") ?? []
        assert.strictEqual(yield* agentsDo(...advised), "The pairing code is cancelled.\n")
        assert.match(yield* agentsDo("pair", id), /^Pairing code: /)
      })
  )

  it.effect(
    "if no response comes the second time either, the command says that the change may have been made",
    () =>
      Effect.gen(function* () {
        const env = yield* reaching
        const keys: Array<string | undefined> = []
        const url = yield* stranger((request, response) => {
          keys.push(request.headers["idempotency-key"]?.toString())
          response.destroy()
        })
        const { code, stderr } = yield* command(["create", "Codex", ...owner, "--url", url], { env })
        assert.strictEqual(code, 5)
        assert.match(stderr, /\nThe change may have been made\. Look before you repeat it: /)
        assert.strictEqual(keys.length, 2)
        assert.isString(keys[0])
        assert.strictEqual(keys[0], keys[1])
        const read = yield* command(["list", "--url", url], { env })
        assert.deepStrictEqual([read.code, keys.length], [5, 4])
        assert.notInclude(read.stderr, "may have been made")
      })
  )

  it.effect("a redirect is not followed: the internal token goes to the named address alone", () =>
    Effect.gen(function* () {
      const env = yield* reaching
      const asked: Array<string | undefined> = []
      const target = yield* stranger((request, response) => {
        asked.push(request.headers.authorization)
        response.end("{}")
      })
      const url = yield* stranger((_, response) =>
        response.writeHead(307, { location: `${target}/api/v1/agents` }).end()
      )
      const { code, stderr } = yield* command(["list", "--url", url], { env })
      assert.deepStrictEqual({ asked, code }, { asked: [], code: 1 })
      assert.match(stderr, /answered 307, but not as the gateway does\. Check --url/)
    })
  )

  it.effect(
    "the token is taken from the environment, else from .env, else from what a gateway in development generated",
    () =>
      Effect.gen(function* () {
        const { internalToken, url } = yield* Served
        const cwd = yield* emptyFolder
        const list = (env: Readonly<Record<string, string>> = {}) =>
          command(["list"], { cwd, env: { NODEDC_AGENT_GATEWAY_URL: url, ...env } })

        const without = yield* list()
        assert.strictEqual(without.code, 1)
        assert.match(without.stderr, /_INTERNAL_TOKEN is not set, and no gateway has generated one in .+\n$/)

        mkdirSync(join(cwd, ".data/secrets"), { recursive: true })
        writeFileSync(join(cwd, ".data/secrets/internal-token"), `${internalToken}\n`)
        assert.strictEqual((yield* list()).code, 0)
        const production = yield* list({ NODE_ENV: "production" })
        assert.strictEqual(production.code, 1)
        assert.match(production.stderr, /^NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN is not set\. Set /)

        writeFileSync(join(cwd, ".env"), "NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN=of-the-file\n")
        const wrong = yield* list()
        assert.strictEqual(wrong.code, 1)
        assert.match(wrong.stderr, /^auth\.unknown: .+\nThe internal token from NODEDC_\w+ is not the one of/)
        assert.notInclude(wrong.stderr, "of-the-file")
        assert.strictEqual((yield* list({ NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken })).code, 0)
      })
  )
})
