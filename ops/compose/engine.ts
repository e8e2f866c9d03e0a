import { spawn } from "node:child_process"

/** Docker, as a person's shell runs it. */

/** How a command ended, and what it said on both streams. */
export interface Ended {
  readonly code: number | null
  readonly said: string
}

type Environment = Readonly<Record<string, string>>

/** What Docker's own command needs of the environment. Nothing else is passed on: it would win over `.env`. */
const ofDocker = (): Environment =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value !== undefined && (/^DOCKER_|^XDG_/.test(name) || ["PATH", "HOME", "TMPDIR"].includes(name))
        ? [[name, value]]
        : []
    )
  )

/** Runs a command to its end. Never fails: a program that is not there has said so. */
export const run = (
  command: ReadonlyArray<string>,
  { cwd, env = {} }: { readonly cwd?: string; readonly env?: Environment } = {}
): Promise<Ended> =>
  new Promise((done) => {
    const [program = "", ...args] = command
    const said: Array<Buffer> = []
    const child = spawn(program, args, {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...ofDocker(), ...env },
      stdio: ["ignore", "pipe", "pipe"],
      // Ctrl-C is for the check, which takes down in good order what it brought up.
      detached: true
    })
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => said.push(chunk))
    child.once("error", (error) => done({ code: null, said: error.message }))
    child.once("close", (code) => done({ code, said: Buffer.concat(said).toString() }))
  })

/** Runs a command that has to succeed, and returns what it said. */
export const mustRun = async (...asked: Parameters<typeof run>): Promise<string> => {
  const { code, said } = await run(...asked)
  if (code !== 0) throw new Error(`${asked[0].join(" ")} ended with ${code}:\n${said.slice(-6000)}`)
  return said.trim()
}

/** Says why there is no engine to work with; undefined if there is one, with Compose. */
export const missing = async (): Promise<string | undefined> => {
  for (const command of [
    ["docker", "version"],
    ["docker", "compose", "version"]
  ]) {
    const { code, said } = await run(command)
    if (code !== 0) return said.trim().split("\n").at(-1) ?? command.join(" ")
  }
  return undefined
}

/** One Compose project: files of a checkout under a name of its own. */
export interface Project {
  readonly name: string
  /** Runs `docker compose` on it. */
  readonly compose: (...args: ReadonlyArray<string>) => Promise<string>
  /** The same, if it may fail. */
  readonly tryCompose: (...args: ReadonlyArray<string>) => Promise<Ended>
  /** Ids of a service's containers that run. */
  readonly containers: (service: string) => Promise<ReadonlyArray<string>>
}

/** A project over files of a folder; `env` wins over its `.env`, as what is set in a shell does. */
export const project = (
  name: string,
  cwd: string,
  files: ReadonlyArray<string>,
  env: Environment = {}
): Project => {
  const command = [
    ...["docker", "compose", "-p", name, "--env-file", ".env"],
    ...files.flatMap((file) => ["-f", file])
  ]
  const compose: Project["compose"] = (...args) => mustRun([...command, ...args], { cwd, env })
  return {
    name,
    compose,
    tryCompose: (...args) => run([...command, ...args], { cwd, env }),
    containers: async (service) => (await compose("ps", "-q", service)).split("\n").filter((id) => id !== "")
  }
}

/** Looks into a container. */
export const inspect = async (id: string, format: string): Promise<string> =>
  mustRun(["docker", "inspect", id, "--format", format])
