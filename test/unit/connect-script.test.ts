import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { connectScript } from "../../src/http/connect/Script.ts"
import { type Shell, shells } from "../support/shells.ts"

const script = connectScript("https://ops-agents.nodedc.ru")
const lastLine = /^\{ main .*\n$/m

const inFolder = <A>(use: (folder: string) => A): A => {
  const folder = fs.mkdtempSync(join(tmpdir(), "connect-script-"))
  try {
    return use(folder)
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

/** What functions of the script say to each of these arguments, and how they end. */
const each = (shell: Shell, command: string, args: ReadonlyArray<string>) => {
  const loop = `for one do set -- "$one"; (${command}) 2>/dev/null && s=0 || s=$?; printf '\\034%s\\035' "$s"; done`
  const { stdout } = spawnSync(shell, ["-c", script.replace(lastLine, () => loop), "sh", ...args], {
    encoding: "utf8",
    env: { PATH: process.env.PATH, LANG: "C.UTF-8" }
  })
  return stdout
    .split("\x1d")
    .slice(0, -1)
    .map((said) => said.split("\x1c"))
    .map(([said, status]) => [said?.replace(/\n$/, ""), status])
}

/** A path, and from the next line on a document. */
const jsonOfPair = 'printf %s "$1" | tail -n +2 | json "$(printf %s "$1" | head -n 1)"'

const hasShellcheck = spawnSync("shellcheck", ["--version"]).status === 0

describe("the script of /connect", () => {
  it.skipIf(!hasShellcheck)(
    hasShellcheck
      ? "has nothing that shellcheck finds"
      : "has nothing that shellcheck finds (not looked: there is no shellcheck here; Debian has it as a package)",
    () => {
      const { status, stdout } = spawnSync("shellcheck", ["--shell=sh", "--severity=style", "-"], {
        input: script,
        encoding: "utf8"
      })
      assert.strictEqual(stdout, "")
      assert.strictEqual(status, 0)
    }
  )

  it("is made of all the files there are", () => {
    const folder = new URL("../../src/http/connect/script/", import.meta.url)
    const files = fs.readdirSync(folder)
    assert.isAbove(files.length, 5)
    for (const file of files) {
      const text = fs
        .readFileSync(new URL(file, folder), "utf8")
        .replace("'@GATEWAY@'", "'https://ops-agents.nodedc.ru'")
      assert.isTrue(script.includes(text), file)
    }
  })

  it("names its gateway as one word, whatever the URL is", () => {
    const awkward = 'https://gate.example:8443/a\'b$(id)`id`;id&x="1"/-->{1,2}[a-z]\\'
    const made = connectScript(awkward)
    for (const shell of shells) {
      const said = execFileSync(shell, ["-c", made.replace(lastLine, () => `printf %s "$gateway"`)], {
        encoding: "utf8"
      })
      assert.strictEqual(said, new URL(awkward).href.replaceAll("'", "%27").replace(/\/$/, ""))
      assert.notMatch(said, /['"\\<>`\s]/)
    }
  })

  describe.each(shells)("in %s", (shell) => {
    it("does nothing when its download was cut, wherever that was", () =>
      inFolder((folder) => {
        const bytes = Buffer.from(script)
        const last = bytes.length - (lastLine.exec(script)?.[0].length ?? 0)
        const lineEnds = [...bytes.keys()].filter((at) => bytes[at] === 10 && at < last)
        // Of the last line every byte but its line end, without which it is whole.
        const everywhere = Array.from({ length: bytes.length - 1 - last }, (_, i) => last + i)
        const cuts = [...lineEnds.filter((_, i) => i % 30 === 0), ...everywhere]
        for (const cut of cuts) {
          const { stdout } = spawnSync(shell, ["-s", "--", "--help"], {
            input: bytes.subarray(0, cut),
            encoding: "utf8",
            cwd: folder,
            env: { PATH: process.env.PATH, HOME: folder }
          })
          assert.strictEqual(stdout, "", `cut at ${cut}`)
        }
        assert.deepStrictEqual(fs.readdirSync(folder), [])
      }))

    it("reads a code without regard to case and to what parts its letters, and nothing else as one", () => {
      const code = "BCDF-GHJK-LMNP"
      const good = [code, "bcdfghjklmnp", " bcdf ghjk\u2013lmnp\t"]
      const bad = ["BCDF-GHJK-LMN", `${code}Q`, "ACDF-GHJK-LMNP", `${code}","x":"`, "ВCDF-GHJK-LMNP", ""]
      assert.deepStrictEqual(
        each(shell, 'spelled "$1"', [...good, ...bad]),
        [...good.map(() => code), ...bad.map(() => "")].map((said) => [said, "0"])
      )
    })

    it("reads JSON, without what would play tricks on a terminal", () => {
      const rows = [
        ['{"a":{"b":["x","yes"]}}', "a.b.1", "yes"],
        ['{"a":{"b":["x","yes"]}}', "a.b.#", "2"],
        ['{"grants":[]}', "grants.#", "0"],
        ['{"a":"\\"q\\" \\\\ \\/ \\u0416\\ud83d\\ude00 Ж"}', "a", '"q" \\ / Ж😀 Ж'],
        ['{"a":"one\\ntwo\\u000athree"}', "a", "one\ntwo\nthree"],
        ['{"a":"\\u001b[31mred\\u009b31m\\u202egnp.exe\u202e\\u0000"}', "a", "[31mred31mgnp.exe"],
        ['{"b":"\\"a\\":\\"no\\"", "a" : "yes"}', "a", "yes"],
        ['{"a":true}', "a", "true"],
        ["\n[1, -2.5e3]\n", "1", "-2.5e3"]
      ] as const
      assert.deepStrictEqual(
        each(
          shell,
          jsonOfPair,
          rows.map(([document, path]) => `${path}\n${document}`)
        ),
        rows.map(([, , value]) => [value, "0"])
      )
    })

    it("finds nothing in what is not JSON or does not hold it", () => {
      const documents = [
        "",
        "{",
        '{"a":1',
        '{"a":1}}',
        '{"a":"\\x"}',
        '{"a" 1}',
        "{a:1}",
        "<html>",
        '{"b":1}',
        '{"a":"1}'
      ]
      assert.deepStrictEqual(
        each(
          shell,
          jsonOfPair,
          documents.map((document) => `a\n${document}`)
        ),
        documents.map(() => ["", "1"])
      )
    })

    it("takes for a token what has its form, and nothing else", () => {
      const good = `ndcat_${"a".repeat(49)}`
      const bad = [
        "",
        "ndcat_",
        good.slice(1),
        good.slice(0, -1),
        `${good}a`,
        `${good.slice(0, -1)}"`,
        `${good.slice(0, -1)}é`,
        `x\n${good}`
      ]
      assert.deepStrictEqual(each(shell, 'is_token "$1"', [good, ...bad]), [
        ["", "0"],
        ...bad.map(() => ["", "1"])
      ])
    })

    it("speaks Russian where the locale does, in an encoding that it can", () => {
      const rows = [
        ["ru_RU.UTF-8", "", "да"],
        ["ru", "", "да"],
        ["en_US.UTF-8", "ru_RU.utf8", "да"],
        ["ru_RU.UTF-8", "C", "yes"],
        ["ru_RU.KOI8-R", "", "yes"],
        ["run", "", "yes"],
        ["", "", "yes"]
      ] as const
      assert.deepStrictEqual(
        each(
          shell,
          'LANG=$(echo "$1" | cut -d: -f1); LC_ALL=$(echo "$1" | cut -d: -f2); LC_MESSAGES=; words yes да',
          rows.map(([lang, all]) => `${lang}:${all}`)
        ),
        rows.map(([, , said]) => [said, "0"])
      )
    })
  })
})
