import { execFile, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { Effect } from "effect"
import { connectScript } from "../../src/http/connect/Script.ts"
import { administer, newAgent, Served } from "./served.ts"
import type { Shell } from "./shells.ts"

/** The script of `/connect` run as a person's shell runs it: from standard input, on a machine of its own. */

/** All that the script may need besides a shell: POSIX's, and curl. */
const programs =
  "awk cat chmod cp curl cut date dirname find grep head id mkdir mv od readlink rm rmdir sed sleep tail tr uname wc".split(
    " "
  )

const whereIs = promisify(execFile)

/** Where a program stands on this machine. */
export const programPath = async (name: string): Promise<string> =>
  (await whereIs("/bin/sh", ["-c", 'command -v "$1"', "sh", name])).stdout.trim()

export interface Run {
  readonly status: number | null
  readonly out: string
  readonly err: string
}

export interface Machine {
  readonly home: string
  /** A file under the home folder. */
  readonly path: (file: string) => string
  readonly read: (file: string) => string | undefined
  readonly write: (file: string, text: string, mode?: number) => void
  /** Permissions, in octal. */
  readonly mode: (file: string) => string
  /** Every file there is under the home folder. */
  readonly files: () => ReadonlyArray<string>
  readonly run: (script: string, args?: ReadonlyArray<string>, how?: How) => Effect.Effect<Run>
}

interface How {
  readonly env?: Readonly<Record<string, string>>
  /** Under the home folder. */
  readonly cwd?: string
}

export const config = ".codex/config.toml"
export const tokenFile = ".config/tasker-agent/token"
/** For which gateway it is. */
export const tokenGateway = ".config/tasker-agent/gateway"

/**
 * A home folder with a name that needs quoting, and a PATH on which there is the shell as `sh`, what POSIX
 * has, curl, and `codex` where it is asked for. There is no terminal.
 */
export const machine = (shell: Shell, has: { readonly codex: boolean }) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const root = fs.mkdtempSync(join(tmpdir(), "connect-"))
        const bin = join(root, "bin")
        fs.mkdirSync(bin)
        for (const name of programs) fs.symlinkSync(await programPath(name), join(bin, name))
        fs.symlinkSync(await programPath(shell), join(bin, "sh"))
        if (has.codex) fs.writeFileSync(join(bin, "codex"), "#!/bin/sh\nexit 1\n", { mode: 0o755 })
        const home = join(root, "Olga O'Wner & $co")
        fs.mkdirSync(home)
        return { root, bin, home }
      }),
      ({ root }) => Effect.sync(() => fs.rmSync(root, { recursive: true, force: true }))
    ),
    ({ bin, home }): Machine => {
      const path = (file: string) => join(home, file)
      return {
        home,
        path,
        read: (file) => (fs.existsSync(path(file)) ? fs.readFileSync(path(file), "utf8") : undefined),
        write: (file, text, mode = 0o644) => {
          fs.mkdirSync(dirname(path(file)), { recursive: true })
          fs.writeFileSync(path(file), text)
          fs.chmodSync(path(file), mode)
        },
        mode: (file) => (fs.statSync(path(file)).mode & 0o7777).toString(8),
        files: () =>
          fs
            .readdirSync(home, { recursive: true, withFileTypes: true })
            .filter((entry) => !entry.isDirectory())
            .map((entry) => join(entry.parentPath, entry.name).slice(home.length + 1))
            .sort(),
        run: (script, args = [], { cwd = "", env = {} } = {}) =>
          Effect.callback((resume) => {
            const child = spawn(join(bin, "sh"), ["-s", "--", ...args], {
              cwd: path(cwd),
              env: { PATH: bin, HOME: home, LANG: "C.UTF-8", ...env },
              // A session of its own has no terminal to ask at.
              detached: true
            })
            let [out, err] = ["", ""]
            child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
              out += chunk
            })
            child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
              err += chunk
            })
            child.on("close", (status) => resume(Effect.succeed({ status, out, err })))
            child.stdin.on("error", () => {})
            child.stdin.end(script)
            return Effect.sync(() => void child.kill("SIGKILL"))
          })
      }
    }
  )

/** An agent with a grant and a pairing code that is good, and the script that its owner is given for it. */
export const pairing = Effect.fnUntraced(function* (project: { id: string; workspace_slug: string }) {
  const agent = yield* newAgent([
    { project_id: project.id, workspace_slug: project.workspace_slug, scopes: ["project:read", "issue:read"] }
  ])
  const code = yield* newCode(agent.id)
  return { agent, code, script: connectScript((yield* Served).url) }
})

export const newCode = (agentId: string) =>
  Effect.map(
    administer(`/api/v1/agents/${agentId}/pairing-codes`, { body: { name: "Laptop" } }),
    ({ pairing_code }) => pairing_code as string
  )

/** A gateway that answers everything with this status, and what was asked of it. */
export const hearing = (status: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<Http.Server & { readonly heard: Array<string> }>((resume) => {
        const heard: Array<string> = []
        const server = Http.createServer((request, response) => {
          heard.push(`${request.method} ${request.url}`)
          response.writeHead(status).end()
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(Object.assign(server, { heard }))))
      }),
      (server) =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    ),
    (server) => ({
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      heard: server.heard as ReadonlyArray<string>
    })
  )

/** A proxy that lets a first request of this path through and loses what was answered to it. */
export const losing = (path: string, target: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<Http.Server & { lost?: number }>((resume) => {
        let lost = 0
        const server = Http.createServer((request, response) => {
          const passed = Http.request(
            target + (request.url ?? ""),
            { method: request.method, headers: request.headers, agent: false },
            (reply) => {
              if (request.url === path && lost++ === 0) {
                reply.on("end", () => request.socket.destroy()).resume()
                return
              }
              response.writeHead(reply.statusCode ?? 502, reply.headers)
              reply.pipe(response)
            }
          )
          request.pipe(passed)
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    ),
    (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  )
