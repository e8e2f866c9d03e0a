import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { parse } from "smol-toml"
import { connectScript } from "../../src/http/connect/Script.ts"
import { type Shell, shells } from "../support/shells.ts"

/** What the script of `/connect` makes of Codex's `config.toml`, without a gateway. */

const gateway = "https://ops-agents.nodedc.ru"
const script = connectScript(gateway)
const token = (letter: string) => `ndcat_${letter.repeat(49)}`

let folder = ""
beforeAll(() => {
  folder = fs.mkdtempSync(join(tmpdir(), "connect-config-"))
})
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

const lastLine = /^\{ main .*\n$/m

/**
 * Runs a command of the script's functions on a file of each of these texts, as `$config`; what it says, and
 * the file after it.
 */
const onEach = (shell: Shell, command: string, texts: ReadonlyArray<string | undefined>) => {
  const files = texts.map((text, i) => {
    const file = join(folder, `${shell} ${i}.toml`)
    if (text === undefined) fs.rmSync(file, { force: true })
    else fs.writeFileSync(file, text, { mode: 0o644 })
    return file
  })
  const loop = `usual=$(umask); umask 077; codex=yes; set +e
for config do (set -e; removed= unfinished=; ${command}) 2>&1; printf '\\034%s\\035' "$?"; done`
  const { stdout } = spawnSync(shell, ["-c", script.replace(lastLine, () => loop), "sh", ...files], {
    encoding: "utf8",
    env: { PATH: process.env.PATH, LANG: "C.UTF-8" }
  })
  const said = stdout.split("\x1d").slice(0, -1)
  assert.lengthOf(said, texts.length, stdout)
  return files.map((file, i) => {
    const [words = "", status = ""] = said[i]?.split("\x1c") ?? []
    const text = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : undefined
    return { words, status: Number(status), text }
  })
}

const keep = (letter: string) => `loose=x; token=${token(letter)}; codex_keep`
const remove = 'look_at_codex; codex_remove; [ -z "$unfinished" ]'

/** Valid, and without a server of this name, however much it looks like one. */
const innocent: ReadonlyArray<string | undefined> = [
  undefined,
  "",
  "\n",
  "\n\n",
  "a = 1",
  "a = 1\n",
  "a = 1\r\nb = 2\r\n",
  "a = 1\r\nb = 2",
  "\ufeffa = 1\n",
  "# [mcp_servers.tasker]\n# [tasker-connect] Put here\n# x\n",
  "[mcp_servers]\n",
  "[mcp_servers.taskers]\nurl = 'x'\n",
  "[mcp_servers.other.tasker]\nurl = 'x'\n",
  "[tasker]\nurl = 'x'\n[[mcp]]\nservers = 1\n",
  "mcp_servers.other.url = 'x'\n",
  '["mcp_servers.tasker"]\nx = 1\n',
  '"mcp_servers.tasker" = 1\n',
  'a = """\n[mcp_servers.tasker]\n"""\n',
  'a = """\\"""\n[mcp_servers.tasker]\n"""\n',
  'a = """x"""""\n[b]\nc = """"""\n',
  'a = """\n# [tasker-connect] x\n# y\n[mcp_servers.tasker]\nurl = "z"\nhttp_headers = { Authorization = "Bearer ndcat_x" }\n"""\n',
  "a = '''\n[mcp_servers.tasker]\n\"\"\"'''\nb = '''c''''\n",
  'a = "\\"" # """\nb = \'"""\'\nc = "#" # \'\'\'\n',
  'a = [\n  "]", # ]\n  [1, 2], { b = "}" },\n  "[mcp_servers.tasker]",\n]\n',
  "[a]\nmcp_servers.tasker.url = 1\n",
  "[[mcp]]\n[mcp.servers.tasker]\n"
]

/** Nothing may be added to these: there is one already, or there can be none, or it is not TOML. */
const others: ReadonlyArray<readonly [text: string, verdict: string]> = [
  ["[mcp_servers.tasker]\nurl = 'x'\n", "foreign line=1"],
  ["\n [ mcp_servers . tasker ] # x\nurl = 'x'\n", "foreign line=2"],
  ['[mcp_servers."tasker"]\nurl = "x"\n', "foreign line=1"],
  ["['mcp_servers'.'tasker']\nurl = 'x'\n", "foreign line=1"],
  ['[mcp_servers."t\\u0061sker"]\nurl = "x"\n', "foreign line=1"],
  ['[mcp_servers."t\\U00000061sker"]\nurl = "x"\n', "foreign line=1"],
  ["[mcp_servers.tasker.http_headers]\nX = 'x'\n", "foreign line=1"],
  ["[mcp_servers]\ntasker = { url = 'x' }\n", "foreign line=2"],
  ["[mcp_servers]\ntasker.url = 'x'\n", "foreign line=2"],
  ["mcp_servers.tasker.url = 'x'\n", "foreign line=1"],
  ["mcp_servers.tasker = { url = 'x' }\n", "foreign line=1"],
  ["[[mcp_servers.tasker]]\nurl = 'x'\n", "foreign line=1"],
  [`[mcp_servers.tasker]\nurl = "${gateway}/mcp"\nbearer_token_env_var = "X"\n`, "foreign line=1"],
  [
    `[mcp_servers.tasker]\nurl = "https://x.example/mcp"\nhttp_headers = { Authorization = "Bearer ${token("a")}" }\n`,
    "foreign line=1"
  ],
  ["mcp_servers = { other = { url = 'x' } }\n", "inline line=1"],
  ["mcp_servers = {}\n[a]\n", "inline line=1"],
  ["[[mcp_servers]]\n", "inline line=1"],
  ['a = """\n[b]\n', "broken line=2"],
  ["a = [\n1\n", "broken line=2"],
  ["a = 1 ]\n", "broken line=1"],
  ['a = "x\n', "broken line=1"],
  ["[a\n", "broken line=1"],
  ["a\n", "broken line=1"],
  ["{{ template }}\n", "broken line=1"]
]

/** The block as Codex spells it once it wrote the file itself, as it does for `codex mcp add`. */
const respelled = (letter: string) => `[mcp_servers.docs]
command = "docs"

[mcp_servers.tasker]
url = "${gateway}/mcp"
startup_timeout_sec = 20.0
tool_timeout_sec = 60.0

[mcp_servers.tasker.http_headers]
Authorization = "Bearer ${token(letter)}"

[mcp_servers.other]
command = "echo"
`

describe.each(shells)("config.toml, in %s", (shell) => {
  it("gets the server at its end, is kept to the byte, and is given back to the byte", () => {
    const kept = onEach(shell, keep("a"), innocent)
    for (const [i, { status, text = "", words }] of kept.entries()) {
      const before = innocent[i] ?? ""
      assert.strictEqual(status, 0, `${JSON.stringify(before)}: ${words}`)
      assert.isTrue(text.startsWith(before), before)
      const { mcp_servers, ...rest } = parse(text.replace(/^\ufeff/, ""))
      const { mcp_servers: was, ...same } = parse(before.replace(/^\ufeff/, ""))
      assert.deepStrictEqual(rest, same)
      assert.deepStrictEqual(mcp_servers, {
        ...(was as object),
        tasker: {
          url: `${gateway}/mcp`,
          http_headers: { Authorization: `Bearer ${token("a")}` },
          startup_timeout_sec: 20,
          tool_timeout_sec: 60
        }
      })
      assert.notInclude(words, "ndcat_")
    }
    const texts = kept.map(({ text }) => text)
    const removed = onEach(shell, remove, texts)
    assert.deepStrictEqual(
      removed.map(({ status, text }) => [status, text]),
      innocent.map((text) => [0, text])
    )
  })

  it("is left alone where there is another server of the name, or none can be added", () => {
    const texts = others.map(([text]) => text)
    const looked = onEach(shell, 'look "$config"', texts)
    assert.deepStrictEqual(
      looked.map(({ words }, i) => [texts[i], words.replace(/ crlf=.*\n$|\n$/g, "")]),
      others.map(([text, verdict]) => [text, verdict])
    )
    for (const command of [keep("a"), remove]) {
      const tried = onEach(shell, command, texts)
      assert.deepStrictEqual(
        tried.map(({ text }) => text),
        texts
      )
      if (command !== remove) for (const { status } of tried) assert.strictEqual(status, 4)
    }
  })

  it("is changed in nothing but the token where Codex has spelled the server anew", () => {
    const [renewed] = onEach(shell, keep("b"), [respelled("a")])
    assert.strictEqual(renewed?.text, respelled("b"))
    const [removed] = onEach(shell, remove, [respelled("a")])
    assert.strictEqual(
      removed?.text,
      '[mcp_servers.docs]\ncommand = "docs"\n\n[mcp_servers.other]\ncommand = "echo"\n'
    )
  })

  it("has nothing but the token exchanged a second time", () => {
    const some = innocent.filter((_, i) => i % 4 === 0)
    const texts = onEach(shell, keep("a"), some).map(({ text }) => text)
    assert.deepStrictEqual(
      onEach(shell, keep("b"), texts).map(({ text }) => text),
      texts.map((text) => text?.replace(token("a"), token("b")))
    )
  })

  it("keeps what the owner added to the server, and is not torn apart when it is to go", () => {
    const [made] = onEach(shell, keep("a"), ["a = 1\n"])
    const text = made?.text ?? ""
    const grown = [
      `${text}enabled_tools = ["tasker_get_issue"]\n`,
      `${text}\n[mcp_servers.tasker.tools.tasker_create_issue]\napproval_mode = "approve"\n`,
      text.replace("[mcp_servers.tasker]\n", "[mcp_servers.tasker]\n# my remark\n"),
      text.replace("tool_timeout_sec = 60", "tool_timeout_sec = 90")
    ]
    const renewed = onEach(shell, keep("b"), grown)
    assert.deepStrictEqual(
      renewed.map((one) => one.text),
      grown.map((one) => one.replace(token("a"), token("b")))
    )
    for (const { status, text: left, words } of onEach(shell, remove, grown)) {
      assert.strictEqual(status, 1)
      assert.include(words, "codex mcp remove tasker")
      assert.isTrue(grown.includes(left ?? ""))
    }
  })

  it("keeps what came after the server when it goes, also where the line before had no end", () => {
    const [made] = onEach(shell, keep("a"), ["a = 1"])
    const [removed] = onEach(shell, remove, [`${made?.text}\n[b]\nc = 1`])
    assert.strictEqual(removed?.text, "a = 1\n\n[b]\nc = 1")
  })

  it("says so where the server was connected to another gateway before", () => {
    const [made] = onEach(shell, keep("a"), [""])
    const elsewhere = (made?.text ?? "").replaceAll(gateway, "https://old.example")
    const [moved] = onEach(shell, keep("b"), [elsewhere])
    assert.include(moved?.words ?? "", "It was connected to https://old.example/mcp before.")
    const server = (parse(moved?.text ?? "") as { mcp_servers: { tasker: { url: string } } }).mcp_servers
      .tasker
    assert.strictEqual(server.url, `${gateway}/mcp`)
  })

  it("is left alone, and nothing beside it, where it is no text or belongs to somebody else", () => {
    const [binary] = onEach(shell, keep("a"), ["a = 1\0\n"])
    assert.deepStrictEqual([binary?.status, binary?.text], [4, "a = 1\0\n"])
    assert.include(binary?.words ?? "", "is not a text file")
    const [foreign] = onEach(shell, `is_mine() { false; }; ${keep("a")}`, ["a = 1\n"])
    assert.deepStrictEqual([foreign?.status, foreign?.text], [4, "a = 1\n"])
    assert.include(foreign?.words ?? "", "belongs to another user")
    assert.deepStrictEqual(
      fs.readdirSync(folder).filter((name) => name.startsWith(".")),
      []
    )
  })
})
