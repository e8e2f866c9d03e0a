import { spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { parse } from "smol-toml"
import { connectScript } from "../../src/http/connect/Script.ts"
import {
  config,
  hearing,
  losing,
  machine,
  newCode,
  pairing,
  tokenFile,
  tokenGateway
} from "../support/connect.ts"
import { auditOf, operate, ReferenceTasker, Served, send, served } from "../support/served.ts"
import { shells } from "../support/shells.ts"

const newPairing = Effect.gen(function* () {
  const { project } = yield* (yield* ReferenceTasker).project()
  return yield* pairing(project)
})

/** The token in a configuration of Codex, which has to be TOML. */
const serverOf = (toml = "") =>
  (parse(toml) as { mcp_servers: { tasker: { url: string; http_headers: { Authorization: string } } } })
    .mcp_servers.tasker
const tokenOf = (toml?: string) => serverOf(toml).http_headers.Authorization.replace("Bearer ", "")

const whoIs = (token: string) => send("/api/v1/agent-session", { token })

const scriptProgram = "/usr/bin/script"
const hasTerminals =
  spawnSync(scriptProgram, ["--version"], { encoding: "utf8" }).stdout?.includes("util-linux") === true

/** What a command says on a terminal at which this line is typed once it asks. */
const atTerminal = (command: string, line: string, home: string, bin: string) =>
  new Promise<string>((resolve) => {
    const child = spawn(scriptProgram, ["--quiet", "--return", "--command", command, "/dev/null"], {
      cwd: home,
      env: { PATH: bin, HOME: home, SHELL: "/bin/sh", LANG: "C.UTF-8" }
    })
    let said = ""
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      if (!said.includes("XXXX):") && (said + chunk).includes("XXXX):")) child.stdin.write(`${line}\n`)
      said += chunk
    })
    child.on("close", () => resolve(said))
  })

const mine = `# mine, to the letter \t
model = "o'x"
notes = """
[mcp_servers.tasker]
url = "no table at all"
"""

[mcp_servers.docs]
command = 'docs'   # kept
args = [
  "[mcp_servers.tasker]",
]`

layer(served(), { timeout: "10 minutes", excludeTestServices: true })("GET /connect", (it) => {
  it.effect(
    "serves the script as text that is not kept, with the gateway's own URL and nothing of the request",
    () =>
      Effect.gen(function* () {
        const { url } = yield* Served
        const headers = { "x-forwarded-host": "evil.example", "x-forwarded-proto": "https" }
        const reply = yield* send("/connect?gateway=https://evil.example", { headers })
        assert.strictEqual(reply.status, 200)
        assert.strictEqual(reply.headers["content-type"], "text/plain; charset=utf-8")
        assert.strictEqual(reply.headers["cache-control"], "no-store")
        assert.strictEqual(reply.text, connectScript(url))
        assert.notInclude(reply.text, "evil.example")
      })
  )

  it.effect("serves it under none but the gateway's own names", () =>
    Effect.gen(function* () {
      const { json, status } = yield* send("/connect", { headers: { host: "evil.example" } })
      assert.deepStrictEqual([status, json.code], [403, "request.host"])
      assert.strictEqual((yield* send("/connect", { method: "POST" })).status, 405)
    })
  )

  it.effect.skipIf(!hasTerminals)(
    hasTerminals
      ? "asks at the terminal for a code that was not given, though the script itself is what it reads"
      : "asks at the terminal for a code (not looked: `script`, of util-linux, is not here to play one)",
    () =>
      Effect.gen(function* () {
        const { code, script } = yield* newPairing
        const { home, path, read, write } = yield* machine("dash", { codex: false })
        write("connect.sh", script)
        const asked = yield* Effect.promise(() => atTerminal("sh < connect.sh", code, home, path("../bin")))
        assert.include(asked, "The code that Tasker shows")
        assert.include(asked, "Connected to")
        assert.match(read(tokenFile) ?? "", /^ndcat_\w{49}\n$/)
      })
  )

  it.effect("shows neither code nor nonce nor token to whoever lists the machine's processes", () =>
    Effect.gen(function* () {
      const { code, script } = yield* newPairing
      const { path, read, run, write } = yield* machine("dash", { codex: true })
      write("log", "")
      for (const name of fs
        .readdirSync(path("../bin"))
        .filter((name) => !["sh", "codex", "cat"].includes(name))) {
        const real = fs.realpathSync(path(`../bin/${name}`))
        fs.rmSync(path(`../bin/${name}`))
        const told = `#!/bin/sh\nprintf '%s\\n' "${name} $*" >>"$HOME/log"\nexec ${real} "$@"\n`
        fs.writeFileSync(path(`../bin/${name}`), told, { mode: 0o755 })
      }
      const connected = yield* run(script, [code, "--agents-md"])
      assert.strictEqual(connected.status, 0, connected.err)
      const log = read("log") ?? ""
      assert.include(log, "curl --silent")
      assert.include(log, "/api/v1/pairing/redeem")
      assert.notInclude(log, tokenOf(read(config)))
      assert.notInclude(log, code)
      assert.notMatch(log, /[0-9a-f]{64}|ndcat_[0-9A-Za-z]{2}/)
    })
  )

  it.effect("names the token that it could not keep, and leaves what was there as it was", () =>
    Effect.gen(function* () {
      const { agent, code, script } = yield* newPairing
      const { files, path, read, run, write } = yield* machine("dash", { codex: true })
      write(config, mine)
      fs.rmSync(path("../bin/mv"))
      fs.writeFileSync(path("../bin/mv"), "#!/bin/sh\nexit 1\n", { mode: 0o755 })
      const failed = yield* run(script, [code])
      assert.deepStrictEqual([failed.status, failed.out], [1, ""])
      const { json } = yield* operate(`/api/v1/agents/${agent.id}/tokens`)
      const issued = json.tokens.find(({ id }: { id: string }) => id !== agent.tokenId)
      assert.include(failed.err, `Revoke it in Tasker, where it is called: ${issued.name}`)
      assert.strictEqual(read(config), mine)
      assert.deepStrictEqual(files(), [config])
    })
  )

  it.effect("sends the token of one gateway to no other", () =>
    Effect.gen(function* () {
      const { code, script } = yield* newPairing
      const { files, read, run } = yield* machine("dash", { codex: false })
      assert.strictEqual((yield* run(script, [code])).status, 0)
      const token = (read(tokenFile) ?? "").trim()
      const other = yield* hearing(404)
      assert.strictEqual((yield* run(connectScript(other.url), ["--agents-md"])).status, 2)
      assert.strictEqual((yield* run(connectScript(other.url), ["--remove"])).status, 0)
      assert.deepStrictEqual(other.heard, [])
      assert.strictEqual((yield* whoIs(token)).status, 200)
      assert.deepStrictEqual(files(), [])
    })
  )

  it.effect(
    "says that the code may be used where it can't know: after a failure, and when it is stopped",
    () =>
      Effect.gen(function* () {
        const { files, path, run, write } = yield* machine("dash", { codex: true })
        const failing = yield* hearing(500)
        const failed = yield* run(connectScript(failing.url), ["BCDF-GHJK-LMNP"])
        assert.deepStrictEqual([failed.status, failing.heard.length], [5, 1])
        assert.include(failed.err, "not known whether the code was used")

        fs.rmSync(path("../bin/curl"))
        write("../bin/curl", "#!/bin/sh\nkill -TERM 0\n", 0o755)
        const stopped = yield* run(connectScript(failing.url), ["BCDF-GHJK-LMNP"])
        assert.strictEqual(stopped.status, 143)
        assert.include(stopped.err, "not known whether the code was used")
        assert.deepStrictEqual(files(), [])
      })
  )

  it.effect("gives up soon where the gateway is not there, and the code stays good", () =>
    Effect.gen(function* () {
      const { code, script } = yield* newPairing
      const { files, run } = yield* machine("dash", { codex: false })
      const away = yield* run(connectScript("http://127.0.0.1:1"), [code])
      assert.deepStrictEqual([away.status, away.out], [5, ""])
      assert.include(away.err, "the code is still good")
      assert.deepStrictEqual(files(), [])
      assert.strictEqual((yield* run(script, [code])).status, 0)
    })
  )

  for (const shell of shells) {
    it.effect(
      `adds the server to Codex, keeps its configuration to the letter, and takes it out again (${shell})`,
      () =>
        Effect.gen(function* () {
          const { agent, code, script } = yield* newPairing
          const { files, mode, path, read, run, write } = yield* machine(shell, { codex: true })
          write("dotfiles/codex.toml", mine)
          fs.mkdirSync(path(".codex"))
          fs.symlinkSync("../dotfiles/codex.toml", path(config))

          const connected = yield* run(script, [code.toLowerCase()])
          assert.deepStrictEqual([connected.status, connected.err], [0, ""], connected.out)
          const written = read(config) ?? ""
          assert.isTrue(written.startsWith(`${mine}\n#`))
          assert.isTrue(fs.lstatSync(path(config)).isSymbolicLink())
          assert.strictEqual(mode("dotfiles/codex.toml"), "600")
          const { url } = yield* Served
          assert.strictEqual(serverOf(written).url, `${url}/mcp`)
          const token = tokenOf(written)
          assert.strictEqual((yield* whoIs(token)).json.agent.id, agent.id)
          assert.notInclude(connected.out + connected.err, token)
          assert.include(connected.out, "agent:    Test Codex")
          assert.include(connected.out, "projects: 1")
          assert.deepStrictEqual(files(), [config, "dotfiles/codex.toml"].sort())

          const again = yield* run(script, [yield* newCode(agent.id)])
          assert.strictEqual(again.status, 0, again.err)
          const renewed = read(config) ?? ""
          assert.notStrictEqual(tokenOf(renewed), token)
          assert.strictEqual(renewed.replace(tokenOf(renewed), token), written)
          assert.include(again.out, "is good until it is revoked")

          const removed = yield* run(script, ["--remove"])
          assert.deepStrictEqual([removed.status, removed.err], [0, ""])
          assert.include(removed.out, "revoke it in Tasker")
          assert.strictEqual(read(config), mine)
          assert.isTrue(fs.lstatSync(path(config)).isSymbolicLink())
          const nothing = yield* run(script, ["--remove"])
          assert.deepStrictEqual([nothing.status, nothing.out.split("\n").length], [0, 2])
        })
    )

    it.effect(`without Codex keeps the token in a file that only its owner can read (${shell})`, () =>
      Effect.gen(function* () {
        const { agent, code, script } = yield* newPairing
        const { files, mode, path, read, run } = yield* machine(shell, { codex: false })
        const connected = yield* run(script, [code], { env: { LANG: "ru_RU.UTF-8" } })
        assert.deepStrictEqual([connected.status, connected.err], [0, ""])
        assert.include(connected.out, "Codex здесь не установлен")
        const token = (read(tokenFile) ?? "").trim()
        assert.strictEqual((yield* whoIs(token)).json.agent.id, agent.id)
        assert.notInclude(connected.out, token)
        assert.strictEqual(mode(tokenFile), "600")
        assert.strictEqual(mode(".config/tasker-agent"), "700")
        assert.deepStrictEqual(files(), [tokenGateway, tokenFile])
        assert.strictEqual(mode(tokenGateway), "600")

        const elsewhere = yield* run(script, [yield* newCode(agent.id)], {
          env: { XDG_CONFIG_HOME: path("x d g") }
        })
        assert.strictEqual(elsewhere.status, 0)
        assert.notStrictEqual(read("x d g/tasker-agent/token"), `${token}\n`)
        assert.strictEqual(read(tokenFile), `${token}\n`)

        assert.strictEqual((yield* run(script, ["--remove"])).status, 0)
        assert.deepStrictEqual(files(), ["x d g/tasker-agent/gateway", "x d g/tasker-agent/token"])
      })
    )

    it.effect(
      `puts the rules between marks, in place a second time, and takes them out wherever they went (${shell})`,
      () =>
        Effect.gen(function* () {
          const { code, script } = yield* newPairing
          const { mode, files, path, read, run, write } = yield* machine(shell, { codex: false })
          write(
            "my project/AGENTS.md",
            "# Ours\n\n```\n<!-- [tasker-connect] begin. an example\n```\n\nlast",
            0o644
          )
          write("other/empty", "")
          const cwd = "my project"
          const first = yield* run(script, [code, "--agents-md"], { cwd })
          assert.deepStrictEqual([first.status, first.err], [0, ""])
          const once = read("my project/AGENTS.md") ?? ""
          assert.isTrue(
            once.startsWith(
              "# Ours\n\n```\n<!-- [tasker-connect] begin. an example\n```\n\nlast\n<!-- [tasker-connect] begin."
            )
          )
          const { json } = yield* send("/api/v1/agent-session/setup", {
            token: (read(tokenFile) ?? "").trim()
          })
          assert.include(once, `-->\n${json.setup.agents_md.trimEnd()}\n<!-- [tasker-connect] end -->\n`)
          assert.strictEqual(mode("my project/AGENTS.md"), "644")

          write("my project/AGENTS.md", `${once.replace("Tasker", "Taskr")}\nadded later\n`)
          const second = yield* run(script, ["--agents-md"], { cwd })
          assert.deepStrictEqual([second.status, second.err], [0, ""])
          assert.strictEqual(read("my project/AGENTS.md"), `${once}\nadded later\n`)

          const third = yield* run(script, ["--agents-md", "NEW rules.md"], {
            cwd: "other",
            env: { LANG: "ru" }
          })
          assert.deepStrictEqual([third.status, third.err], [0, ""])
          const setup = yield* send("/api/v1/agent-session/setup?lang=ru", {
            token: (read(tokenFile) ?? "").trim()
          })
          assert.include(read("other/NEW rules.md") ?? "", setup.json.setup.agents_md.trimEnd())

          fs.mkdirSync(path("away"))
          assert.strictEqual((yield* run(script, ["--remove"], { cwd: "away" })).status, 0)
          assert.deepStrictEqual(files(), ["my project/AGENTS.md", "other/empty"])
          const left = "# Ours\n\n```\n<!-- [tasker-connect] begin. an example\n```\n\nlast\n\nadded later\n"
          assert.strictEqual(read("my project/AGENTS.md"), left)
        })
    )

    it.effect(
      `--agents-md refuses a link out of the repository before the code is used, and follows one within it (${shell})`,
      () =>
        Effect.gen(function* () {
          const { code, script } = yield* newPairing
          const { files, path, read, run, write } = yield* machine(shell, { codex: false })
          write("profile", "# mine\n")
          write("elsewhere/AGENTS.md", "# theirs\n")
          write("clone/.git/HEAD", "ref: refs/heads/main\n")
          write("clone/sub/CLAUDE.md", "# rules\n")
          for (const [target, link] of [
            ["../profile", "clone/AGENTS.md"],
            [path("profile"), "clone/absolute.md"],
            ["AGENTS.md", "clone/twice.md"],
            ["../elsewhere", "clone/docs"],
            ["../../made", "clone/sub/dangling.md"],
            ["sub/CLAUDE.md", "clone/inside.md"]
          ] as const) {
            fs.symlinkSync(target, path(link))
          }
          const before = files()
          for (const named of [
            "AGENTS.md",
            "absolute.md",
            "twice.md",
            "docs/AGENTS.md",
            "sub/dangling.md",
            path("clone/AGENTS.md")
          ]) {
            const refused = yield* run(script, [code, "--agents-md", named], { cwd: "clone" })
            assert.strictEqual(refused.status, 4, refused.err)
            assert.include(refused.err, "is a link out of")
          }
          assert.deepStrictEqual(files(), before)
          assert.deepStrictEqual([read("profile"), read("elsewhere/AGENTS.md")], ["# mine\n", "# theirs\n"])

          const within = yield* run(script, [code, "--agents-md", "../inside.md"], { cwd: "clone/sub" })
          assert.deepStrictEqual([within.status, within.err], [0, ""])
          assert.include(read("clone/sub/CLAUDE.md") ?? "", "<!-- [tasker-connect] begin.")
          const named = yield* run(script, ["--agents-md", "../elsewhere/AGENTS.md"], { cwd: "clone" })
          assert.deepStrictEqual([named.status, named.err], [0, ""])
        })
    )

    it.effect(
      `where the reply got lost, asks with the same nonce and is given the same token (${shell})`,
      () =>
        Effect.gen(function* () {
          const { agent, code } = yield* newPairing
          const proxy = yield* losing("/api/v1/pairing/redeem", (yield* Served).url)
          const { read, run } = yield* machine(shell, { codex: false })
          const connected = yield* run(connectScript(proxy), [code])
          assert.strictEqual(connected.status, 0, connected.err)
          assert.include(connected.err, "asking again")
          assert.strictEqual((yield* whoIs((read(tokenFile) ?? "").trim())).status, 200)
          const { json } = yield* operate(`/api/v1/agents/${agent.id}/tokens`)
          assert.lengthOf(
            json.tokens.filter(({ id }: { id: string }) => id !== agent.tokenId),
            1
          )
        })
    )

    it.effect(`says what is wrong with a code, and leaves nothing behind (${shell})`, () =>
      Effect.gen(function* () {
        const { agent, code, script } = yield* newPairing
        const { files, run } = yield* machine(shell, { codex: true })

        const wrong = yield* run(script, ["BCDF-GHJK-LMNP"])
        assert.deepStrictEqual([wrong.status, wrong.out], [3, ""])
        assert.include(wrong.err, "Look at the code in Tasker again")

        const malformed = yield* run(script, ["BCDF-GHJK"])
        assert.deepStrictEqual([malformed.status, malformed.out], [2, ""])
        assert.include(malformed.err, "not a pairing code")

        const nobody = yield* run(script, [])
        assert.deepStrictEqual([nobody.status, nobody.out], [2, ""])
        assert.include(nobody.err, "| sh -s -- XXXX-XXXX-XXXX")
        assert.strictEqual((yield* run(script, ["--force"])).status, 2)
        assert.deepStrictEqual(files(), [])

        const other = yield* machine(shell, { codex: false })
        assert.strictEqual((yield* other.run(script, [code])).status, 0)
        const used = yield* run(script, [code])
        assert.deepStrictEqual([used.status, used.out], [3, ""])
        assert.include(used.err, "Take a new one in Tasker")
        assert.deepStrictEqual(files(), [])
        const told = (yield* auditOf(agent.id)).map(({ outcome, reason }) => [outcome, reason])
        assert.deepInclude(told, ["denied", "pairing.used"])
      })
    )

    it.effect(`leaves a server alone that somebody else put there, and the code good (${shell})`, () =>
      Effect.gen(function* () {
        const { code, script } = yield* newPairing
        const { files, read, run, write } = yield* machine(shell, { codex: true })
        const foreign = '[mcp_servers."tasker"]\nurl = "https://elsewhere.example/mcp"\n'
        write(config, foreign)
        const refused = yield* run(script, [code])
        assert.deepStrictEqual([refused.status, refused.out], [4, ""])
        assert.include(refused.err, "codex mcp remove tasker")
        const kept = yield* run(script, ["--remove"])
        assert.include(kept.out, "it stays")
        assert.strictEqual(read(config), foreign)
        assert.deepStrictEqual(files(), [config])

        write(config, "")
        assert.strictEqual((yield* run(script, [code])).status, 0)
      })
    )
  }
})
