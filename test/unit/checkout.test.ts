import { execFileSync } from "node:child_process"
import { readdirSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { root } from "../support/data-dirs.ts"

describe("a checkout of the repository", () => {
  it("keeps the line endings of every migration, whose checksum is of its bytes", () => {
    const files = readdirSync(`${root}/migrations`).map((name) => `migrations/${name}`)
    const told = execFileSync("git", ["check-attr", "eol", "--", ...files], { cwd: root, encoding: "utf8" })
    assert.deepStrictEqual(
      told.trimEnd().split("\n"),
      files.map((file) => `${file}: eol: lf`)
    )
  })
})
