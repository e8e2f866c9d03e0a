import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { delimiter, dirname, join } from "node:path"
import { Effect } from "effect"
import { inject } from "vitest"
import type { SetupPacket } from "../../src/http/setup.ts"
import { launch, type Program } from "../support/programs.ts"
import { type Agent, Served, sendTo } from "../support/served.ts"
import { play, type Script } from "./Model.ts"

/** The real Codex of somebody who has never used it: with a home of its own, and a model that is a script. */
export interface Codex {
  /** `CODEX_HOME`, which is `HOME` too: nothing is read of, or written to, the home of whoever runs this. */
  readonly home: string
  /** The whole of `config.toml`. */
  readonly config: Effect.Effect<string>
  /** Adds a text to the end of `config.toml`, as a person would who was given one. */
  readonly addToConfig: (toml: string) => Effect.Effect<void>
  /** Starts a program with Codex on its path, to be typed to. */
  readonly start: (command: ReadonlyArray<string>, env?: Environment) => Effect.Effect<Program, never, Scoped>
  /** Waits for the end of what was started. */
  readonly ended: (program: Program) => Effect.Effect<Ended>
  /** Runs a program to its end, with nothing to read at its standard input. */
  readonly run: (command: ReadonlyArray<string>, env?: Environment) => Effect.Effect<Ended>
  /** `codex exec` with a prompt, its model playing a script. */
  readonly exec: <R>(prompt: string, script: Script<R>, start?: Start) => Effect.Effect<Ended, never, R>
}

type Scoped = Effect.Services<ReturnType<typeof launch>>

export type Environment = Readonly<Record<string, string>>

export interface Start {
  readonly env?: Environment
  /** Settings for this run alone, as `-c` takes them. */
  readonly settings?: ReadonlyArray<string>
}

export interface Ended {
  /** The exit code, or the signal that ended it. */
  readonly how: number | string
  /** All that it printed, on either stream, as a person would see it. */
  readonly said: string
}

/** Where a setup packet tells Codex to look for the token. */
export const tokenVariable = "NODEDC_TASKER_AGENT_TOKEN"

/** Longer than any of these takes on a busy machine. */
const patience = 40

/**
 * What is in the configuration before anybody connects anything: the scripted model, which `exec` says the
 * address of, and that nothing is asked of the network or of a person.
 */
const atFirst = `# Mine, and to be left as it is.
model = "scripted"
model_provider = "scripted"
approval_policy = "never"
sandbox_mode = "read-only"
check_for_update_on_startup = false
mcp_oauth_credentials_store = "file"

[analytics]
enabled = false

[model_providers.scripted]
name = "A script"
base_url = "http://127.0.0.1:9/v1"
wire_api = "responses"
`

/** A Codex, whose home is thrown away when the scope closes. */
export const freshCodex = Effect.gen(function* () {
  const home = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(inject("codexHomes"), "home-"))),
    (made) => Effect.promise(() => rm(made, { recursive: true, force: true }))
  )
  const file = join(home, "config.toml")
  yield* Effect.promise(() => writeFile(file, atFirst, { mode: 0o600 }))
  const path = [inject("codexCommands"), dirname(process.execPath), process.env.PATH].join(delimiter)

  const ended = (program: Program) =>
    program.ended.pipe(
      Effect.timeoutOrElse({
        duration: `${patience} seconds`,
        orElse: () => Effect.die(new Error(`It did not end in ${patience} s:\n${program.said()}`))
      }),
      Effect.map((how): Ended => ({ how, said: program.said() }))
    )

  const start: Codex["start"] = (command, env = {}) =>
    Effect.tap(
      launch(command, {
        // It opens no browser of whoever runs this: what it is to open, a test reads of what it says.
        env: { PATH: path, HOME: home, CODEX_HOME: home, BROWSER: "true", ...env }
      }),
      // The command is a script, which passes this on to the program itself; SIGKILL it could not.
      (program) =>
        Effect.addFinalizer(() => Effect.andThen(program.signal("SIGTERM"), Effect.exit(ended(program))))
    )

  /** `codex exec` reads its standard input until that ends. */
  const startAlone: Codex["start"] = (command, env) =>
    start(["sh", "-c", 'exec "$@" < /dev/null', "sh", ...command], env)

  const codex: Codex = {
    home,
    config: Effect.promise(() => readFile(file, "utf8")),
    addToConfig: (toml) => Effect.promise(() => writeFile(file, `\n${toml}`, { flag: "a" })),
    start,
    ended,
    run: (command, env) => Effect.scoped(Effect.flatMap(startAlone(command, env), ended)),
    exec: (prompt, script, { env, settings = [] } = {}) =>
      Effect.scoped(
        Effect.gen(function* () {
          const model = yield* play(script)
          const address = `model_providers.scripted.base_url=${JSON.stringify(model.url)}`
          const set = [address, ...settings].flatMap((setting) => ["-c", setting])
          const program = yield* startAlone(
            ["codex", "exec", "--skip-git-repo-check", "--color", "never", ...set, prompt],
            env
          )
          const result = yield* ended(program)
          if (model.isPlayed()) yield* model.played
          else if (result.how === 0)
            yield* Effect.die(new Error(`Codex ended before its model had:\n${result.said}`))
          return result
        })
      )
  }
  return codex
})

/** A setup packet, as the gateway gives it to an agent. */
export const setupOf = (agent: Agent) =>
  Effect.gen(function* () {
    const { url } = yield* Served
    const { json } = yield* sendTo(`${url}/api/v1/agent-session/setup`, { token: agent.token })
    return json.setup as SetupPacket
  })

/** How a Codex that was set up with a token works: with the token at hand. */
export const holding = ({ token }: Agent): Start => ({ env: { [tokenVariable]: token } })

/**
 * How one works that keeps what it needs by itself. Codex lets its model begin without a server that is not
 * required and takes over a second to start, as it may on a busy machine.
 */
export const ready: Start = { settings: ["mcp_servers.tasker.required=true"] }

/**
 * A Codex that was set up with an agent's packet. `through`: the address of something that stands between
 * it and the gateway.
 */
export const codexOf = (agent: Agent, through?: string) =>
  Effect.gen(function* () {
    const { url } = yield* Served
    const codex = yield* freshCodex
    const { codex_config_toml } = yield* setupOf(agent)
    yield* codex.addToConfig(
      through === undefined ? codex_config_toml : codex_config_toml.replace(url, through)
    )
    return codex
  })
