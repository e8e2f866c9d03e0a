import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { connect, createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { Effect } from "effect"
import { root } from "../steps.ts"
import { mustRun } from "./engine.ts"

/**
 * A copy of the checkout, uncommitted work too, that its owner alone may read, as after `umask 077`: images and
 * containers must not depend on the modes of a checkout. Removed when the scope closes.
 */
export const checkout = Effect.acquireRelease(
  Effect.promise(async () => {
    const folder = await mkdtemp(join(tmpdir(), "tasker-codex-compose-"))
    const before = process.umask(0o077)
    try {
      const listed = await mustRun(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
        cwd: root
      })
      for (const file of listed.split("\0").filter((name) => name !== "")) {
        await mkdir(join(folder, dirname(file)), { recursive: true })
        const text = await readFile(join(root, file)).catch(() => undefined)
        // A file that was deleted and not yet committed is not there.
        if (text !== undefined) await writeFile(join(folder, file), text, { mode: 0o600 })
      }
      await copyFile(join(folder, ".env.example"), join(folder, ".env"))
    } finally {
      process.umask(before)
    }
    return folder
  }),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

/**
 * Opens a loopback port of this host to containers, on the same port, until the scope closes: on Linux
 * `host.docker.internal` is the bridge's address, where a program on 127.0.0.1 can't be reached.
 */
export const openToContainers = (port: number) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const address = await mustRun([
        ...["docker", "network", "inspect", "bridge"],
        ...["--format", "{{(index .IPAM.Config 0).Gateway}}"]
      ])
      const server = createServer((from) => {
        const to = connect(port, "127.0.0.1")
        for (const [one, other] of [
          [from, to],
          [to, from]
        ] as const) {
          one.on("error", () => other.destroy())
          one.on("close", () => other.destroy())
          one.pipe(other)
        }
      })
      return new Promise<Server | undefined>((done, failed) => {
        server.once("error", (error: NodeJS.ErrnoException) =>
          // The address is another machine's: Docker Desktop's, which leads containers to loopback.
          error.code === "EADDRNOTAVAIL" ? done(undefined) : failed(error)
        )
        server.listen(port, address, () => done(server))
      })
    }),
    (server) =>
      Effect.promise(
        () =>
          new Promise<void>((done) => {
            if (server === undefined) return done()
            server.close(() => done())
          })
      )
  )
