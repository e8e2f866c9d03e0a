import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { assert, describe, it } from "@effect/vitest"

/** Which rooms a room may import from, besides itself. `main.ts` joins them all. */
const allowed: Readonly<Record<string, ReadonlyArray<string>>> = {
  text: [],
  domain: ["text"],
  services: ["domain"],
  tools: ["services", "domain", "text", "Config"],
  calls: ["tools", "services", "domain", "text", "Config"],
  layers: ["services", "domain", "text", "Config"],
  edge: ["services", "domain", "text", "Config"],
  http: ["edge", "calls", "tools", "services", "domain", "text", "Config"],
  mcp: ["edge", "http", "tools", "services", "domain", "Config"],
  cli: ["layers", "services", "domain", "text", "Config", "Variables"],
  Config: ["ConfigRules", "domain", "Variables"],
  ConfigRules: ["domain"],
  Variables: []
}

const root = join(import.meta.dirname, "../..")
const source = join(root, "src")

const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((file) =>
  file.endsWith(".ts")
)

const roomOf = (file: string): string =>
  file.includes("/") ? (file.split("/")[0] ?? "") : file.replace(/\.ts$/, "")

/** Whatever a file imports or exports again, in one line or several, at once or dynamically. */
const importsOf = (file: string): ReadonlyArray<string> =>
  [
    ...readFileSync(join(source, file), "utf8").matchAll(/\b(?:from|import)\s*\(?\s*["'`]([^"'`\n]+)["'`]/g)
  ].map((match) => match[1] ?? "")

const edges = files.flatMap((file) =>
  importsOf(file)
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => ({ file, target: relative(source, resolve(source, dirname(file), specifier)) }))
    .filter(({ target }) => !target.startsWith(".."))
)

/** Code and strings. A `//` within a string is taken for a comment, which hides no import. */
const withoutComments = (code: string): string =>
  code.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:])\/\/.*$/gm, "$1")

describe("the rooms", () => {
  it("import only in the directions that are allowed; main.ts alone joins layers to the rest", () => {
    const crooked = edges.filter(({ file, target }) => {
      const [from, to] = [roomOf(file), roomOf(target)]
      return from !== "main" && from !== to && !(allowed[from] ?? []).includes(to)
    })
    assert.deepStrictEqual(crooked, [])
  })

  it("import each other without circles", () => {
    const next = new Map<string, Array<string>>()
    for (const { file, target } of edges) next.set(file, [...(next.get(file) ?? []), target])
    const done = new Set<string>()
    const circles: Array<string> = []
    const visit = (file: string, path: ReadonlyArray<string>): void => {
      if (path.includes(file)) {
        circles.push([...path.slice(path.indexOf(file)), file].join(" → "))
        return
      }
      if (done.has(file)) return
      for (const target of next.get(file) ?? []) visit(target, [...path, file])
      done.add(file)
    }
    for (const file of files) visit(file, [])
    assert.deepStrictEqual(circles, [])
  })

  it("know nothing of the tests, the reference Tasker or development packages", () => {
    const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      devDependencies: Record<string, string>
    }
    const foreign = files.flatMap((file) =>
      importsOf(file)
        .filter(
          (specifier) =>
            specifier.includes("/test/") ||
            Object.keys(devDependencies).some(
              (name) => specifier === name || specifier.startsWith(`${name}/`)
            )
        )
        .map((specifier) => `${file} imports ${specifier}`)
    )
    assert.deepStrictEqual(foreign, [])
  })

  it("know nothing of Plane outside its layer, but for the settings and the measured error documents", () => {
    const mayName = (file: string) =>
      file.startsWith("layers/plane/") ||
      ["Config.ts", "ConfigRules.ts", "main.ts", "layers/tasker/errorTable.ts"].includes(file)
    const learned = files
      .filter((file) => !mayName(file))
      .filter((file) => /plane/i.test(withoutComments(readFileSync(join(source, file), "utf8"))))
    assert.deepStrictEqual(learned, [])
  })

  it("normalise Unicode by the linear `normalForm` alone", () => {
    const quadratic = files
      .filter((file) => file !== "text/normalForm.ts")
      .filter((file) => /\.normalize\(/.test(withoutComments(readFileSync(join(source, file), "utf8"))))
    assert.deepStrictEqual(quadratic, [])
  })

  it("hold files of one subject: none over 400 lines", () => {
    const long = files
      .map((file) => ({ file, lines: readFileSync(join(source, file), "utf8").split("\n").length }))
      .filter(({ lines }) => lines > 400)
    assert.deepStrictEqual(long, [])
  })
})
