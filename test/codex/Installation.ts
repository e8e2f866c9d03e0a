import { execFile, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { copyFile, mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises"
import { basename, join } from "node:path"
import { promisify } from "node:util"
import pinned from "./pinned/package.json" with { type: "json" }

/**
 * The real Codex, installed on demand beside the project's dependencies and never among them: 400 MB that
 * only these scenarios need. `pinned/package-lock.json` names the version and the hash of every package,
 * for each platform; npm refuses anything else (`npm ci`).
 */

export const version = pinned.dependencies["@openai/codex"]

/** What these scenarios keep: the client itself, and the homes that it is given while they run. */
export const cache = join(import.meta.dirname, "../../node_modules/.cache/codex")

const bin = "node_modules/.bin"
const manifest = join(import.meta.dirname, "pinned/package.json")
const lockFile = join(import.meta.dirname, "pinned/package-lock.json")

/** Codes of npm for a registry that was not reached. */
const unreached =
  /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED|FETCH_ERROR|ERR_SOCKET_TIMEOUT)\b/

/** Why there is no Codex to test with, in words for whoever started the scenarios. */
export class NotInstalled extends Error {
  override readonly name = "NotInstalled"
}

/**
 * The folder that holds the `codex` command. The first time it takes what npm's own cache or the registry
 * has, and says so; after that nothing is asked of anyone. Rejects with `NotInstalled`.
 */
export const install = async (say: (line: string) => void = () => undefined): Promise<string> => {
  const platform = `${process.platform}-${process.arch}`
  const stamp = createHash("sha256")
    .update(await readFile(lockFile))
    .digest("hex")
    .slice(0, 12)
  const folder = join(cache, `${version}-${platform}-${stamp}`)
  const commands = join(folder, bin)
  if (await serves(folder)) return commands
  const started = performance.now()
  say(`Installing @openai/codex ${version} for ${platform} …`)
  await mkdir(cache, { recursive: true })
  // Made whole elsewhere: one that was broken off is never taken for an installation.
  const making = await mkdtemp(join(cache, "installing-"))
  try {
    for (const file of [manifest, lockFile]) await copyFile(file, join(making, basename(file)))
    await npm(making)
    await rm(folder, { recursive: true, force: true })
    // Another run may have been there first: then what it made is looked at below.
    await rename(making, folder).catch(() => undefined)
  } finally {
    await rm(making, { recursive: true, force: true })
  }
  if (!(await serves(folder))) {
    throw new NotInstalled(`@openai/codex ${version} was installed, but does not run on ${platform}.`)
  }
  say(`Installed it in ${((performance.now() - started) / 1000).toFixed(0)} s.`)
  return commands
}

/** Whether a Codex of this version runs there. */
const serves = async (folder: string): Promise<boolean> => {
  try {
    const { stdout } = await promisify(execFile)(join(folder, bin, "codex"), ["--version"], {
      // Even for this it writes into its home.
      env: { ...process.env, CODEX_HOME: folder },
      timeout: 20_000
    })
    return stdout.trim() === `codex-cli ${version}`
  } catch {
    return false
  }
}

/** `npm ci`, by the npm that this was started with, where it was. No package of Codex has an install script. */
const npm = (folder: string): Promise<void> =>
  new Promise((done, failed) => {
    const own = process.env.npm_execpath ?? ""
    const [command, ...first] = /npm-cli\.c?js$/.test(own) ? [process.execPath, own] : ["npm"]
    const options = [
      "--prefer-offline",
      "--no-audit",
      "--no-fund",
      "--no-update-notifier",
      "--loglevel=error"
    ]
    // Tried twice more, as npm does, but not for over a minute.
    const hurry = ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"]
    const child = spawn(command ?? "npm", [...first, "ci", "--ignore-scripts", ...options, ...hurry], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"]
    })
    let said = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        said += chunk
      })
    }
    child.once("error", (error) => failed(new NotInstalled(`npm could not be started: ${error.message}`)))
    child.once("close", (code) => {
      if (code === 0) return done()
      const why = unreached.test(said)
        ? "the package registry can't be reached, and npm's cache does not hold it"
        : `npm ci ended with ${code}`
      failed(
        new NotInstalled(
          `@openai/codex ${version} could not be installed: ${why}. Nothing was tested.\n\n${said.trim()}`
        )
      )
    })
  })
